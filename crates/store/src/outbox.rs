//! What is to be sent: written with what asks for it, taken by whoever sends, at least once.

use std::time::Duration;

use jiff::Timestamp;
use subgrant_domain::TenantId;
use uuid::Uuid;

use crate::{Database, Result, StoreError, TenantTx};

/// What kind of thing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A mail with which somebody sets a new password, if the address is somebody's.
    Reset,
    /// A mail with which somebody proves an address.
    Confirmation,
    /// A mail that invites somebody.
    Invitation,
    /// A mail that tells of an alert.
    Alert,
    /// A call of a webhook.
    Webhook,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Reset, Self::Confirmation, Self::Invitation, Self::Alert, Self::Webhook];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Confirmation => "confirmation",
            Self::Invitation => "invitation",
            Self::Alert => "alert",
            Self::Webhook => "webhook",
        }
    }
}

/// What is sent side by side, so that nothing waits for what takes longer. The schema says which kind goes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Mails with which people set new passwords.
    Reset,
    /// All other mails.
    Mail,
    /// Calls of webhooks.
    Call,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reset, Self::Mail, Self::Call];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Mail => "mail",
            Self::Call => "call",
        }
    }
}

/// Something to be sent, which whoever has claimed it has for itself for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: Uuid,
    /// Whose it is, if that is known.
    pub tenant: Option<TenantId>,
    /// Whose turn it takes: the tenant's, or the recipient's where no tenant is known.
    pub party: Uuid,
    /// What it is.
    pub kind: Kind,
    /// What it is about.
    pub subject: Uuid,
    /// Where mail goes to.
    pub recipient: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How often it was attempted, this time included.
    pub attempts: i32,
}

/// Asks for something to be sent once the transaction commits.
pub async fn insert(tx: &mut TenantTx, kind: Kind, subject: Uuid, recipient: Option<&str>) -> Result<()> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO outbox (id, tenant_id, kind, subject_id, recipient) VALUES ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        tenant,
        kind.as_str(),
        subject,
        recipient
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Asks for a mail to whoever has this address, if anybody has.
pub async fn insert_reset(database: &Database, recipient: &str) -> Result<()> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO outbox (id, kind, subject_id, recipient) VALUES ($1, 'reset', $1, $2)",
        id,
        recipient
    )
    .execute(database.directory())
    .await?;
    Ok(())
}

/// Takes what is due: of each party that comes after `after` the oldest, in the order of parties, but nothing of `busy`
/// ones, and at most `limit` in all. Nobody else gets it before `lease` is over; then it counts as failed. What is due is
/// told by `now()`, which an index can be asked for: the statement is its own transaction.
///
/// What is chosen is materialised: as a part of a join it would be chosen anew for each row of the other side, whenever the
/// planner takes the table for small, and the limit would not hold.
pub async fn claim(
    database: &Database,
    lane: Lane,
    after: Uuid,
    busy: &[Uuid],
    limit: i64,
    lease: Duration,
) -> Result<Vec<Item>> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE parties AS (
               (SELECT party FROM outbox WHERE lane = $1 AND party > $2
                    AND (SELECT min(next_attempt_at) FROM outbox WHERE lane = $1) <= now()
                ORDER BY party LIMIT 1)
               UNION ALL
               SELECT next.party FROM parties p CROSS JOIN LATERAL (
                   SELECT o.party FROM outbox o WHERE o.lane = $1 AND o.party > p.party ORDER BY o.party LIMIT 1
               ) next
           ), due AS MATERIALIZED (
               SELECT oldest.id FROM parties p CROSS JOIN LATERAL (
                   SELECT o.id FROM outbox o
                   WHERE o.lane = $1 AND o.party = p.party AND o.next_attempt_at <= now()
                   ORDER BY o.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
               ) oldest
               WHERE p.party <> ALL ($3) LIMIT $4
           )
           UPDATE outbox o SET attempts = o.attempts + 1,
               next_attempt_at = clock_timestamp() + make_interval(secs => $5)
           FROM due WHERE o.id = due.id
           RETURNING o.id, o.tenant_id, o.party, o.kind, o.subject_id, o.recipient, o.attempts,
               o.created_at AS "created_at: jiff_sqlx::Timestamp""#,
        lane.as_str(),
        after,
        busy,
        limit,
        lease.as_secs_f64()
    )
    .fetch_all(database.directory())
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
            Ok(Item {
                id: row.id,
                tenant: row.tenant_id.map(TenantId::from_uuid),
                party: row.party,
                kind: kind.ok_or_else(|| StoreError::Malformed(format!("the kind {}", row.kind)))?,
                subject: row.subject_id,
                recipient: row.recipient,
                created_at: row.created_at.to_jiff(),
                attempts: row.attempts,
            })
        })
        .collect()
}

/// Whether so many calls of the tenant's webhooks wait to be made.
pub async fn has_calls_waiting(tx: &mut TenantTx, many: i64) -> Result<bool> {
    let waiting = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM outbox WHERE lane = 'call' AND party = $1 LIMIT $2
           ) waiting"#,
        tx.tenant().as_uuid(),
        many
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(waiting >= many)
}

/// Forgets what was sent, or never will be.
pub async fn remove(database: &Database, id: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM outbox WHERE id = $1", id).execute(database.directory()).await?;
    Ok(())
}

/// Puts off what could not be sent.
pub async fn put_off(database: &Database, id: Uuid, wait: Duration) -> Result<()> {
    sqlx::query!(
        "UPDATE outbox SET next_attempt_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1",
        id,
        wait.as_secs_f64()
    )
    .execute(database.directory())
    .await?;
    Ok(())
}
