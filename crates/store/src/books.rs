//! Posting: everything that a decision changes in a tenant's books.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use subgrant_domain::{AttributeText, EntryHash, LedgerEntry, Node, Period, RollupKey, SpendId, Tally, Tree};

use crate::{
    LockedTx, Result, StoreError, TenantTx,
    delegations::{
        Standing,
        row::{self, amount},
    },
    idempotency::{Key, Record},
    rollups::attribute,
};

/// What is posted.
#[derive(Debug, Default)]
pub struct Posting {
    balances: Balances,
    marks: NewMarks,
    entries: Vec<(LedgerEntry, EntryHash)>,
    sums: BTreeMap<RollupKey, Tally>,
    records: Vec<(Key, Record)>,
}

impl Posting {
    /// Everything that plans changed in a tree; new entries, which continue the chain at the tenant's head; and the
    /// answers of writes that carried an idempotency key.
    pub fn new(
        tree: &Tree,
        entries: Vec<(LedgerEntry, EntryHash)>,
        records: impl IntoIterator<Item = (Key, Record)>,
    ) -> Self {
        Self {
            balances: Balances::of(&tree.changed_nodes()),
            marks: NewMarks::of(&tree.marked_nodes()),
            sums: tree.sums().clone(),
            entries,
            records: records.into_iter().collect(),
        }
    }

    /// What the lock's instant and the number of balances written say. No instant: the head was not as expected.
    fn outcome(&self, at: Option<jiff_sqlx::Timestamp>, balances: i64) -> Result<Posted<Timestamp>> {
        let Some(at) = at else { return Ok(Posted::Stale) };
        row::expect_rows(balances.cast_unsigned(), self.balances.nodes.len())?;
        Ok(Posted::Whole(at.to_jiff()))
    }
}

/// How a posting went.
#[derive(Debug)]
pub enum Posted<T> {
    /// All of it was written, to be committed.
    Whole(T),
    /// A key had been recorded before: the transaction must be given up.
    KeyTaken,
    /// Somebody has written since; nothing was written now.
    Stale,
}

/// How a ledger's head must stand.
struct Expected<'a> {
    revision: i64,
    seq: Option<i64>,
    hash: Option<&'a [u8]>,
    newest_at: Option<Timestamp>,
}

/// Writes all of a posting, and counts the tenant's revision up.
///
/// Most are one statement, because a lone caller waits for every round trip, and a crowd for every plan that is started.
pub async fn post(tx: &mut LockedTx, posting: &Posting, now: Timestamp) -> Result<Posted<()>> {
    let expected = Expected { revision: tx.revision(), seq: None, hash: None, newest_at: None };
    let (tenant, next) = (tx.tenant_uuid(), tx.next_revision());
    let posted = write(tx.connection(), tenant, next, posting, now, &expected).await?;
    tx.revised();
    Ok(match posted {
        Posted::Whole(_) => Posted::Whole(()),
        Posted::KeyTaken => Posted::KeyTaken,
        Posted::Stale => return Err(StoreError::Malformed("the head changed under its lock".to_owned())),
    })
}

/// The same in a transaction that does not hold the tenant's lock yet, if the books stand as `expected` then. Returns when
/// the lock was taken.
pub async fn lock_and_post(
    mut tx: TenantTx,
    posting: &Posting,
    expected: &Standing,
) -> Result<Posted<(LockedTx, Timestamp)>> {
    let (tenant, now, revision) = (tx.tenant().as_uuid(), expected.now, expected.revision);
    let head = Expected {
        revision,
        seq: Some(expected.seq.cast_signed()),
        hash: Some(&expected.hash.0),
        newest_at: Some(expected.newest_at),
    };
    let posted = write(tx.connection(), tenant, revision + 1, posting, now, &head).await?;
    Ok(match posted {
        Posted::Whole(at) => {
            let mut tx = tx.into_locked(revision);
            tx.revised();
            Posted::Whole((tx, at))
        }
        Posted::KeyTaken => Posted::KeyTaken,
        Posted::Stale => Posted::Stale,
    })
}

async fn write(
    connection: &mut PgConnection,
    tenant: uuid::Uuid,
    revision: i64,
    posting: &Posting,
    now: Timestamp,
    expected: &Expected<'_>,
) -> Result<Posted<Timestamp>> {
    let balances = &posting.balances;
    let Balances { counters: [hour, day, week, month], newest, .. } = balances;
    let (entries, records) = (Entries::of(&posting.entries), Records::of(&posting.records));
    let last = posting.entries.last();
    let posted = sqlx::query_file!(
        "src/books/post.sql",
        tenant,
        revision,
        last.map(|(entry, _)| entry.seq.cast_signed()),
        last.map(|(_, hash)| &hash.0[..]),
        last.map(|(entry, _)| entry.recorded_at.to_sqlx()) as _,
        &balances.nodes,
        &balances.budgets as _,
        &balances.spent,
        &balances.own_spent,
        &balances.held,
        &balances.reserved,
        &balances.capped,
        &hour.starts as _,
        &hour.spent as _,
        &day.starts as _,
        &day.spent as _,
        &week.starts as _,
        &week.spent as _,
        &month.starts as _,
        &month.spent as _,
        &newest.times as _,
        &newest.gross,
        &newest.refunded,
        &newest.entries,
        &entries.seqs,
        &entries.ids,
        &entries.kinds as _,
        &entries.nodes,
        &entries.amounts,
        &entries.cost_centers as _,
        &entries.departments as _,
        &entries.keys as _,
        &entries.descriptions as _,
        &entries.metadata as _,
        &entries.reverses as _,
        &entries.hashes as _,
        &entries.times as _,
        now.to_sqlx() as _,
        &records.principals,
        &records.routes as _,
        &records.keys as _,
        &records.fingerprints as _,
        &records.statuses,
        &records.responses as _,
        expected.revision,
        expected.seq,
        expected.hash,
        expected.newest_at.map(ToSqlx::to_sqlx) as _
    )
    .fetch_one(&mut *connection)
    .await;
    let posted = match posted.map_err(StoreError::from) {
        Ok(posted) => posting.outcome(posted.at, posted.balances)?,
        // `ON CONFLICT DO NOTHING` would tell as well, and has each record be written twice.
        Err(StoreError::Conflict(constraint)) if constraint == "idempotency_pkey" => Posted::KeyTaken,
        Err(error) => return Err(error),
    };
    if let Posted::Whole(_) = posted {
        write_marks(connection, tenant, &posting.marks).await?;
        write_sums(connection, tenant, &posting.sums).await?;
    }
    Ok(posted)
}

async fn write_marks(connection: &mut PgConnection, tenant: uuid::Uuid, marks: &NewMarks) -> Result<()> {
    if marks.nodes.is_empty() {
        return Ok(());
    }
    let updated = sqlx::query!(
        "UPDATE delegations d SET descendants = new.descendants, carve_returned = new.carve_returned,
             expiry_noted = new.expiry_noted, is_exhausted = new.is_exhausted, is_starving = new.is_starving
         FROM (SELECT
                 unnest($2::uuid[]) AS id, unnest($3::bigint[]) AS descendants, unnest($4::boolean[]) AS carve_returned,
                 unnest($5::boolean[]) AS expiry_noted, unnest($6::boolean[]) AS is_exhausted,
                 unnest($7::boolean[]) AS is_starving) AS new
         WHERE d.tenant_id = $1 AND d.id = new.id",
        tenant,
        &marks.nodes,
        &marks.descendants,
        &marks.carve_returned,
        &marks.expiry_noted,
        &marks.is_exhausted,
        &marks.is_starving
    )
    .execute(connection)
    .await?
    .rows_affected();
    row::expect_rows(updated, marks.nodes.len())
}

async fn write_sums(
    connection: &mut PgConnection,
    tenant: uuid::Uuid,
    sums: &BTreeMap<RollupKey, Tally>,
) -> Result<()> {
    if sums.is_empty() {
        return Ok(());
    }
    let sums = Sums::of(sums);
    sqlx::query!(
        "INSERT INTO spend_rollups AS r
             (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
         SELECT $1, bucket, delegation_id, cost_center, department, gross::numeric, refunded::numeric, entries
         FROM (SELECT
                 unnest($2::timestamptz[]) AS bucket, unnest($3::uuid[]) AS delegation_id,
                 unnest($4::text[]) AS cost_center, unnest($5::text[]) AS department, unnest($6::text[]) AS gross,
                 unnest($7::text[]) AS refunded, unnest($8::bigint[]) AS entries) AS new
         ON CONFLICT (tenant_id, bucket, delegation_id, cost_center, department) DO UPDATE
             SET gross = r.gross + excluded.gross, refunded = r.refunded + excluded.refunded,
                 entries = r.entries + excluded.entries",
        tenant,
        &sums.buckets as _,
        &sums.nodes,
        &sums.cost_centers as _,
        &sums.departments as _,
        &sums.gross,
        &sums.refunded,
        &sums.entries
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Debug, Default)]
struct Balances {
    nodes: Vec<uuid::Uuid>,
    budgets: Vec<Option<i64>>,
    spent: Vec<i64>,
    own_spent: Vec<i64>,
    held: Vec<i64>,
    reserved: Vec<i64>,
    capped: Vec<String>,
    counters: [Counters; Period::ALL.len()],
    newest: NewestSums,
}

/// The counters of one period, a place for each node.
#[derive(Debug, Default)]
struct Counters {
    starts: Vec<Option<jiff_sqlx::Timestamp>>,
    spent: Vec<Option<i64>>,
}

/// The newest sums, a place for each node.
#[derive(Debug, Default)]
struct NewestSums {
    times: Vec<Option<jiff_sqlx::Timestamp>>,
    gross: Vec<i64>,
    refunded: Vec<i64>,
    entries: Vec<i64>,
}

impl Balances {
    fn of(nodes: &[&Node]) -> Self {
        Self {
            nodes: nodes.iter().map(|node| node.id().as_uuid()).collect(),
            budgets: nodes.iter().map(|node| node.budget.map(amount)).collect(),
            spent: nodes.iter().map(|node| amount(node.spent)).collect(),
            own_spent: nodes.iter().map(|node| amount(node.own_spent)).collect(),
            held: nodes.iter().map(|node| amount(node.held)).collect(),
            reserved: nodes.iter().map(|node| node.reserved.cast_signed()).collect(),
            capped: nodes.iter().map(|node| node.capped.to_string()).collect(),
            counters: Period::ALL.map(|period| Counters::of(nodes, period)),
            newest: NewestSums::of(nodes),
        }
    }
}

#[derive(Debug, Default)]
struct NewMarks {
    nodes: Vec<uuid::Uuid>,
    descendants: Vec<i64>,
    carve_returned: Vec<bool>,
    expiry_noted: Vec<bool>,
    is_exhausted: Vec<bool>,
    is_starving: Vec<bool>,
}

impl NewMarks {
    fn of(nodes: &[&Node]) -> Self {
        let marks: Vec<_> = nodes.iter().map(|node| node.marks()).collect();
        Self {
            nodes: nodes.iter().map(|node| node.id().as_uuid()).collect(),
            descendants: marks.iter().map(|marks| marks.descendants.cast_signed()).collect(),
            carve_returned: marks.iter().map(|marks| marks.carve_returned).collect(),
            expiry_noted: marks.iter().map(|marks| marks.expiry_noted).collect(),
            is_exhausted: marks.iter().map(|marks| marks.is_exhausted).collect(),
            is_starving: marks.iter().map(|marks| marks.is_starving).collect(),
        }
    }
}

impl Counters {
    fn of(nodes: &[&Node], period: Period) -> Self {
        let counters = nodes.iter().map(|node| node.counters[period as usize]);
        Self {
            starts: counters.clone().map(|counter| Some(counter?.start.to_sqlx())).collect(),
            spent: counters.map(|counter| Some(amount(counter?.spent))).collect(),
        }
    }
}

impl NewestSums {
    fn of(nodes: &[&Node]) -> Self {
        let column = |of: fn(&Tally) -> u128| -> Vec<i64> {
            let sums = nodes.iter().map(|node| node.newest.map_or(0, |newest| of(&newest.tally)));
            sums.map(|sum| i64::try_from(sum).expect("a newest sum fits 63 bits")).collect()
        };
        Self {
            times: nodes.iter().map(|node| Some(node.newest?.at.to_sqlx())).collect(),
            gross: column(|tally| tally.gross),
            refunded: column(|tally| tally.refunded),
            entries: column(|tally| tally.entries.into()),
        }
    }
}

struct Entries<'a> {
    seqs: Vec<i64>,
    ids: Vec<uuid::Uuid>,
    kinds: Vec<&'static str>,
    nodes: Vec<uuid::Uuid>,
    amounts: Vec<i64>,
    cost_centers: Vec<Option<&'a str>>,
    departments: Vec<Option<&'a str>>,
    keys: Vec<Option<&'a str>>,
    descriptions: Vec<Option<&'a str>>,
    metadata: Vec<Option<&'a str>>,
    reverses: Vec<Option<uuid::Uuid>>,
    hashes: Vec<&'a [u8]>,
    times: Vec<jiff_sqlx::Timestamp>,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a [(LedgerEntry, EntryHash)]) -> Self {
        let column = |of: fn(&LedgerEntry) -> Option<&str>| -> Vec<Option<&'a str>> {
            entries.iter().map(|(entry, _)| of(entry)).collect()
        };
        Self {
            seqs: entries.iter().map(|(entry, _)| entry.seq.cast_signed()).collect(),
            ids: entries.iter().map(|(entry, _)| entry.id.as_uuid()).collect(),
            kinds: entries.iter().map(|(entry, _)| entry.kind.as_str()).collect(),
            nodes: entries.iter().map(|(entry, _)| entry.delegation.as_uuid()).collect(),
            amounts: entries.iter().map(|(entry, _)| amount(entry.amount)).collect(),
            cost_centers: column(|entry| entry.cost_center.as_ref().map(AttributeText::as_str)),
            departments: column(|entry| entry.department.as_ref().map(AttributeText::as_str)),
            keys: column(|entry| entry.idempotency_key.as_deref()),
            descriptions: column(|entry| entry.description.as_deref()),
            metadata: column(|entry| entry.metadata.as_deref()),
            reverses: entries.iter().map(|(entry, _)| entry.reverses.map(SpendId::as_uuid)).collect(),
            hashes: entries.iter().map(|(_, hash)| &hash.0[..]).collect(),
            times: entries.iter().map(|(entry, _)| entry.recorded_at.to_sqlx()).collect(),
        }
    }
}

struct Sums<'a> {
    buckets: Vec<jiff_sqlx::Timestamp>,
    nodes: Vec<uuid::Uuid>,
    cost_centers: Vec<&'a str>,
    departments: Vec<&'a str>,
    gross: Vec<String>,
    refunded: Vec<String>,
    entries: Vec<i64>,
}

impl<'a> Sums<'a> {
    fn of(sums: &'a BTreeMap<RollupKey, Tally>) -> Self {
        Self {
            buckets: sums.keys().map(|key| key.bucket.to_sqlx()).collect(),
            nodes: sums.keys().map(|key| key.delegation.as_uuid()).collect(),
            cost_centers: sums.keys().map(|key| attribute(key.cost_center.as_ref())).collect(),
            departments: sums.keys().map(|key| attribute(key.department.as_ref())).collect(),
            gross: sums.values().map(|tally| tally.gross.to_string()).collect(),
            refunded: sums.values().map(|tally| tally.refunded.to_string()).collect(),
            entries: sums.values().map(|tally| tally.entries.cast_signed()).collect(),
        }
    }
}

struct Records<'a> {
    principals: Vec<uuid::Uuid>,
    routes: Vec<&'static str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    statuses: Vec<i16>,
    responses: Vec<&'a str>,
}

impl<'a> Records<'a> {
    fn of(records: &'a [(Key, Record)]) -> Self {
        Self {
            principals: records.iter().map(|(key, _)| key.principal).collect(),
            routes: records.iter().map(|(key, _)| key.route).collect(),
            keys: records.iter().map(|(key, _)| key.key.as_str()).collect(),
            fingerprints: records.iter().map(|(_, record)| &record.fingerprint[..]).collect(),
            statuses: records.iter().map(|(_, record)| record.status.cast_signed()).collect(),
            responses: records.iter().map(|(_, record)| record.response.as_str()).collect(),
        }
    }
}
