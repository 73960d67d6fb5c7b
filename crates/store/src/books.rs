//! Posting: everything that a decision changes in a tenant's books, in one statement.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{
    AttributeText, Credits, EntryHash, LedgerEntry, Node, RollupKey, SpendId, Tally, Tree, WindowKey, roll_up,
};

use crate::{
    LockedTx, Result,
    delegations::row::{self, amount},
    idempotency::{Key, Record},
    rollups::attribute,
};

/// What is posted.
#[derive(Debug, Default)]
pub struct Posting {
    balances: Balances,
    counters: Counters,
    entries: Vec<(LedgerEntry, EntryHash)>,
    sums: BTreeMap<RollupKey, Tally>,
    records: Vec<(Key, Record)>,
}

impl Posting {
    /// Everything that plans changed in a tree; new entries, which continue the chain at the tenant's head; and the
    /// answers of writes that carried an idempotency key.
    pub fn new(tree: &Tree, entries: Vec<(LedgerEntry, EntryHash)>, records: Vec<(Key, Record)>) -> Self {
        Self {
            balances: Balances::of(&tree.changed_nodes()),
            counters: Counters::of(&tree.changed_windows()),
            sums: roll_up(entries.iter().map(|(entry, _)| entry)),
            entries,
            records,
        }
    }
}

/// How a posting went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// All of it was written, to be committed.
    Whole,
    /// A key had been recorded before: the transaction must be given up.
    KeyTaken,
}

/// Writes all of a posting, and counts the tenant's revision up.
///
/// One statement, because a lone caller waits for every round trip, and a crowd for every plan that is started.
pub async fn post(tx: &mut LockedTx, posting: &Posting, now: Timestamp) -> Result<Posted> {
    let tenant = tx.tenant_uuid();
    let (nodes, windows) = (&posting.balances, &posting.counters);
    let (entries, sums) = (Entries::of(&posting.entries), Sums::of(&posting.sums));
    let records = Records::of(&posting.records);
    let last = posting.entries.last();
    let posted = sqlx::query_file!(
        "src/books/post.sql",
        tenant,
        last.map(|(entry, _)| entry.seq.cast_signed()),
        last.map(|(_, hash)| &hash.0[..]),
        last.map(|(entry, _)| entry.recorded_at.to_sqlx()) as _,
        &nodes.ids,
        &nodes.spent,
        &nodes.held,
        &nodes.reserved,
        &nodes.descendants,
        &nodes.carve_returned,
        &nodes.own_spent,
        &nodes.capped,
        &nodes.expiry_noted,
        &windows.nodes,
        &windows.periods as _,
        &windows.starts as _,
        &windows.spent,
        now.to_sqlx() as _,
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
        &sums.buckets as _,
        &sums.nodes,
        &sums.cost_centers as _,
        &sums.departments as _,
        &sums.gross,
        &sums.refunded,
        &sums.entries,
        &records.principals,
        &records.routes as _,
        &records.keys as _,
        &records.fingerprints as _,
        &records.statuses,
        &records.responses as _,
        tx.next_revision()
    )
    .fetch_one(tx.connection())
    .await?;
    tx.revised();
    row::expect_rows(posted.balances.cast_unsigned(), nodes.ids.len())?;
    let is_whole = usize::try_from(posted.records) == Ok(posting.records.len());
    Ok(if is_whole { Posted::Whole } else { Posted::KeyTaken })
}

#[derive(Debug, Default)]
struct Balances {
    ids: Vec<uuid::Uuid>,
    spent: Vec<i64>,
    held: Vec<i64>,
    reserved: Vec<i64>,
    descendants: Vec<i64>,
    carve_returned: Vec<bool>,
    own_spent: Vec<i64>,
    capped: Vec<String>,
    expiry_noted: Vec<bool>,
}

impl Balances {
    fn of(nodes: &[&Node]) -> Self {
        Self {
            ids: nodes.iter().map(|node| node.id().as_uuid()).collect(),
            spent: nodes.iter().map(|node| amount(node.spent)).collect(),
            held: nodes.iter().map(|node| amount(node.held)).collect(),
            reserved: nodes.iter().map(|node| node.reserved.cast_signed()).collect(),
            descendants: nodes.iter().map(|node| node.descendants.cast_signed()).collect(),
            carve_returned: nodes.iter().map(|node| node.carve_returned).collect(),
            own_spent: nodes.iter().map(|node| amount(node.own_spent)).collect(),
            capped: nodes.iter().map(|node| node.capped.to_string()).collect(),
            expiry_noted: nodes.iter().map(|node| node.expiry_noted).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    nodes: Vec<uuid::Uuid>,
    periods: Vec<&'static str>,
    starts: Vec<jiff_sqlx::Timestamp>,
    spent: Vec<i64>,
}

impl Counters {
    fn of(counters: &[(WindowKey, Credits)]) -> Self {
        Self {
            nodes: counters.iter().map(|(key, _)| key.delegation.as_uuid()).collect(),
            periods: counters.iter().map(|(key, _)| key.period.as_str()).collect(),
            starts: counters.iter().map(|(key, _)| key.start.to_sqlx()).collect(),
            spent: counters.iter().map(|(_, spent)| amount(*spent)).collect(),
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
