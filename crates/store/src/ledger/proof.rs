//! What proving the books reads and keeps.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, EntryHash};

use crate::{Result, TenantTx, delegations::Place, error::read};

/// How far the books were proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How far the chain was verified.
    pub chain: Verified,
    /// How far it was verified once more, in the round under way.
    pub round: Verified,
    /// Rounds that came to their end.
    pub rounds: u64,
    /// When the last one did.
    pub round_completed_at: Option<Timestamp>,
    /// The last node that was checked, in the round under way.
    pub node: Option<Place>,
    /// Of the node after it, where it has very many entries: those up to this position were summed up.
    pub node_seq: u64,
    /// Their sum.
    pub node_sum: i64,
}

/// A verified beginning of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Its last entry; 0 where there is none.
    pub seq: u64,
    /// That entry's hash.
    pub hash: EntryHash,
    /// The sum of its entries: refunds count against it.
    pub total: i64,
}

impl Verified {
    /// Before the first entry.
    pub const NOTHING: Self = Self { seq: 0, hash: EntryHash::GENESIS, total: 0 };
}

impl Checkpoint {
    /// Where nothing was proved.
    pub const START: Self = Self {
        chain: Verified::NOTHING,
        round: Verified::NOTHING,
        rounds: 0,
        round_completed_at: None,
        node: None,
        node_seq: 0,
        node_sum: 0,
    };
}

/// The tenant's checkpoint, with the code it was saved with.
pub async fn checkpoint(tx: &mut TenantTx) -> Result<Option<(Checkpoint, [u8; 32])>> {
    let row = sqlx::query!(
        r#"SELECT seq, hash, total, round_seq, round_hash, round_total, rounds,
               round_completed_at AS "round_completed_at: jiff_sqlx::Timestamp", node_place, node_seq, node_sum, mac
           FROM ledger_checkpoints WHERE tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let verified = |seq: i64, hash: Vec<u8>, total| {
        Ok::<_, crate::StoreError>(Verified {
            seq: seq.cast_unsigned(),
            hash: EntryHash(read(hash.as_slice().try_into())?),
            total,
        })
    };
    let checkpoint = Checkpoint {
        chain: verified(row.seq, row.hash, row.total)?,
        round: verified(row.round_seq, row.round_hash, row.round_total)?,
        rounds: row.rounds.cast_unsigned(),
        round_completed_at: row.round_completed_at.map(jiff_sqlx::Timestamp::to_jiff),
        node: row.node_place.map(Place::from_bytes),
        node_seq: row.node_seq.cast_unsigned(),
        node_sum: row.node_sum,
    };
    Ok(Some((checkpoint, read(row.mac.as_slice().try_into())?)))
}

/// Saves a checkpoint with its code, unless another was saved since the one whose code is `before`.
pub async fn save_checkpoint(
    tx: &mut TenantTx,
    checkpoint: &Checkpoint,
    mac: &[u8; 32],
    before: Option<&[u8; 32]>,
) -> Result<()> {
    let Checkpoint { chain, round, .. } = checkpoint;
    sqlx::query!(
        "INSERT INTO ledger_checkpoints AS old (tenant_id, seq, hash, total, round_seq, round_hash, round_total, rounds,
             round_completed_at, node_place, node_seq, node_sum, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, total = excluded.total,
             round_seq = excluded.round_seq, round_hash = excluded.round_hash, round_total = excluded.round_total,
             rounds = excluded.rounds, round_completed_at = excluded.round_completed_at,
             node_place = excluded.node_place, node_seq = excluded.node_seq, node_sum = excluded.node_sum,
             mac = excluded.mac
         WHERE old.mac = $14",
        tx.tenant().as_uuid(),
        chain.seq.cast_signed(),
        &chain.hash.0[..],
        chain.total,
        round.seq.cast_signed(),
        &round.hash.0[..],
        round.total,
        checkpoint.rounds.cast_signed(),
        checkpoint.round_completed_at.map(ToSqlx::to_sqlx) as _,
        checkpoint.node.as_ref().map(Place::as_bytes),
        checkpoint.node_seq.cast_signed(),
        checkpoint.node_sum,
        &mac[..],
        before.map(|mac| &mac[..])
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A node's balances, and what they must follow from.
#[derive(Debug, Clone)]
pub struct NodeSums {
    /// The node.
    pub id: DelegationId,
    /// Where it stands.
    pub place: Place,
    /// What its row says that its subtree has spent.
    pub spent: i64,
    /// What its row says that it has spent itself.
    pub own_spent: i64,
    /// What its children's rows say, together.
    pub children_spent: i64,
}

/// The nodes after a place, in order, with the sums of their children's rows.
pub async fn nodes_after(tx: &mut TenantTx, after: Option<&Place>, limit: i64) -> Result<Vec<NodeSums>> {
    let from = after.map_or_else(Vec::new, |place| place.next().as_bytes().to_vec());
    let rows = sqlx::query!(
        r#"SELECT d.id, d.place, b.spent, b.own_spent,
               (SELECT coalesce(sum(below.spent), 0)::bigint
                FROM delegations c JOIN balances below ON below.tenant_id = $1 AND below.delegation_id = c.id
                WHERE c.tenant_id = $1 AND c.parent_id = d.id) AS "children_spent!"
           FROM delegations d JOIN balances b ON b.tenant_id = $1 AND b.delegation_id = d.id
           WHERE d.tenant_id = $1 AND d.place >= $2 ORDER BY d.place LIMIT $3"#,
        tx.tenant().as_uuid(),
        &from,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| NodeSums {
            id: DelegationId::from_uuid(row.id),
            place: Place::from_bytes(row.place),
            spent: row.spent,
            own_spent: row.own_spent,
            children_spent: row.children_spent,
        })
        .collect())
}

/// What a node's row says that its subtree has spent.
#[derive(Debug, Clone)]
pub struct NodeSpent {
    /// The node.
    pub id: DelegationId,
    /// Its parent; `None` for the root.
    pub parent: Option<DelegationId>,
    /// Where it stands.
    pub place: Place,
    /// In credits.
    pub spent: u64,
}

/// The nodes after a place, in order, with what they have spent.
pub async fn spent_after(tx: &mut TenantTx, after: Option<&Place>, limit: i64) -> Result<Vec<NodeSpent>> {
    let from = after.map_or_else(Vec::new, |place| place.next().as_bytes().to_vec());
    let rows = sqlx::query!(
        "SELECT d.id, d.parent_id, d.place, b.spent
         FROM delegations d JOIN balances b ON b.tenant_id = $1 AND b.delegation_id = d.id
         WHERE d.tenant_id = $1 AND d.place >= $2 ORDER BY d.place LIMIT $3",
        tx.tenant().as_uuid(),
        &from,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let nodes = rows.into_iter().map(|row| NodeSpent {
        id: DelegationId::from_uuid(row.id),
        parent: row.parent_id.map(DelegationId::from_uuid),
        place: Place::from_bytes(row.place),
        spent: row.spent.cast_unsigned(),
    });
    Ok(nodes.collect())
}

/// Entries of one node that were summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnEntries {
    /// How many.
    pub count: u64,
    /// Their sum: refunds count against it.
    pub sum: i64,
    /// The position of the last one.
    pub last_seq: u64,
}

/// Sums up each of the given nodes' own entries after a position; at most `limit` per node. In the order of `ids`.
pub async fn own_entries(
    tx: &mut TenantTx,
    ids: &[DelegationId],
    after_seq: u64,
    limit: i64,
) -> Result<Vec<OwnEntries>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT s.entries AS "entries!", s.sum AS "sum!", s.last_seq AS "last_seq!"
           FROM unnest($2::uuid[]) WITH ORDINALITY AS d (id, position)
           CROSS JOIN LATERAL (
               SELECT count(*) AS entries, coalesce(max(e.seq), 0) AS last_seq,
                   coalesce(sum(CASE e.kind WHEN 'refund' THEN -e.amount ELSE e.amount END), 0)::bigint AS sum
               FROM (SELECT l.seq, l.kind, l.amount FROM ledger l
                     WHERE l.tenant_id = $1 AND l.delegation_id = d.id AND l.seq > $3 ORDER BY l.seq LIMIT $4) e
           ) s ORDER BY d.position"#,
        tx.tenant().as_uuid(),
        &ids,
        after_seq.cast_signed(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let entries = rows.into_iter().map(|row| OwnEntries {
        count: row.entries.cast_unsigned(),
        sum: row.sum,
        last_seq: row.last_seq.cast_unsigned(),
    });
    Ok(entries.collect())
}

/// What the root's row says that the tenant has spent, and how many nodes there are.
pub async fn root_totals(tx: &mut TenantTx) -> Result<(i64, u64)> {
    let row = sqlx::query!(
        "SELECT b.spent, d.descendants
         FROM delegations d JOIN balances b ON b.tenant_id = $1 AND b.delegation_id = d.id
         WHERE d.tenant_id = $1 AND d.depth = 0",
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok((row.spent, row.descendants.cast_unsigned() + 1))
}
