//! Writing what was planned with `COPY`.

use std::{collections::BTreeSet, fmt::Write};

use jiff::Timestamp;
use sqlx::{PgConnection, postgres::PgCopyIn};
use subgrant_domain::{Allocation, AttributeText, Credits, EntryHash, EntryKind, LedgerEntry, SpendId};
use uuid::Uuid;

use super::{
    Frame,
    plan::{Plan, Planned, State},
};

/// Rows are sent in pieces of about this many bytes.
const PIECE: usize = 1 << 20;

/// How often it is told how far the work is.
const TOLD_EVERY: u64 = 250_000;

/// A `COPY` under way.
struct Copy<'a> {
    into: PgCopyIn<&'a mut PgConnection>,
    rows: String,
    count: u64,
    what: &'static str,
    say: &'a dyn Fn(&str),
}

impl<'a> Copy<'a> {
    async fn begin(
        connection: &'a mut PgConnection,
        table: &str,
        what: &'static str,
        say: &'a dyn Fn(&str),
    ) -> Self {
        let statement = format!("COPY {table} FROM STDIN");
        let into = connection.copy_in_raw(&statement).await.expect("the table can be copied into");
        Self { into, rows: String::new(), count: 0, what, say }
    }

    /// Ends a row that was appended to `rows`.
    async fn end_row(&mut self) {
        self.rows.push('\n');
        self.count += 1;
        if self.count.is_multiple_of(TOLD_EVERY) {
            (self.say)(&format!("{} {}", self.count, self.what));
        }
        if self.rows.len() >= PIECE {
            self.into.send(self.rows.as_bytes()).await.expect("the rows are accepted");
            self.rows.clear();
        }
    }

    async fn finish(mut self) {
        self.into.send(self.rows.as_bytes()).await.expect("the rows are accepted");
        self.into.finish().await.expect("the rows keep every rule");
        (self.say)(&format!("{} {}: written", self.count, self.what));
    }
}

pub(super) async fn delegations(
    connection: &mut PgConnection,
    frame: &Frame,
    plan: &Plan,
    say: &dyn Fn(&str),
) {
    let table = "delegations (tenant_id, id, parent_id, path, ancestor_ids, place, depth, label, cost_center, department,
        allocation, descendants, carve_returned, expiry_noted, is_exhausted, is_starving, actions, caveats, root_key_id,
        expires_at, frozen_at, revoked_at, created_at)";
    let mut copy = Copy::begin(connection, table, "delegations", say).await;
    for (index, node) in plan.nodes.iter().enumerate() {
        write_delegation(&mut copy.rows, frame, plan, index, node);
        copy.end_row().await;
    }
    copy.finish().await;
}

fn write_delegation(rows: &mut String, frame: &Frame, plan: &Plan, index: usize, node: &Planned) {
    let ids = plan.path(index);
    let (above, _) = ids.split_at(ids.len() - 1);
    let uuid = |id: &subgrant_domain::DelegationId| id.as_uuid().hyphenated().to_string();
    let join = |texts: Vec<String>, separator: &str| texts.join(separator);
    let path = join(ids.iter().map(|id| id.suffix()).collect(), ".");
    let ancestors = join(above.iter().map(uuid).collect(), ",");
    let place = join(ids[1..].iter().map(|id| id.as_uuid().simple().to_string()).collect(), "");
    let caveats =
        ids[1..].iter().map(|id| format!("\"delegation = {id}\",\"budget = {}\"", node.budget)).collect();
    let caveats = join(caveats, ",");
    let ended = |state| if node.state == state { frame.ended_at.to_string() } else { r"\N".to_owned() };
    let is_over = matches!(node.state, State::Revoked | State::Expired);
    let is_cap = node.allocation == Allocation::Cap;
    let left = node.budget - node.spent;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| r"\N".to_owned());
    let _ = write!(
        rows,
        "{}\t{}\t{}\t{path}\t{{{ancestors}}}\t\\\\x{place}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t\
         spend,delegate,read\t{{{}}}\t{}\t{}\t{}\t{}\t{}",
        frame.tenant.as_uuid(),
        uuid(&node.id),
        above.last().map(uuid).unwrap_or_default(),
        node.depth,
        node.label,
        text(&node.cost_center),
        text(&node.department),
        node.allocation,
        node.descendants,
        is_over || is_cap,
        node.state == State::Expired,
        left == 0,
        left > 0 && left == node.reserved && node.capped > 0,
        caveats,
        frame.root_key.as_uuid(),
        ended(State::Expired),
        ended(State::Frozen),
        ended(State::Revoked),
        frame.first_entry_at,
    );
}

pub(super) async fn balances(connection: &mut PgConnection, frame: &Frame, plan: &Plan, say: &dyn Fn(&str)) {
    let table = "balances (tenant_id, delegation_id, budget, spent, own_spent, reserved, capped, cost_center, department)";
    let mut copy = Copy::begin(connection, table, "balances", say).await;
    for node in &plan.nodes {
        let (tenant, id) = (frame.tenant.as_uuid(), node.id.as_uuid());
        let Planned { budget, spent, own_spent, reserved, capped, .. } = node;
        let _ = write!(copy.rows, "{tenant}\t{id}\t{budget}\t{spent}\t{own_spent}\t{reserved}\t{capped}");
        let [center, department] =
            [&node.cost_center, &node.department].map(|text| text.as_deref().unwrap_or_default());
        let _ = write!(copy.rows, "\t{center}\t{department}");
        copy.end_row().await;
    }
    copy.finish().await;
}

pub(super) async fn labels(connection: &mut PgConnection, frame: &Frame, plan: &Plan, say: &dyn Fn(&str)) {
    let mut copy =
        Copy::begin(connection, "label_grams (tenant_id, gram, place)", "parts of labels", say).await;
    for (index, node) in plan.nodes.iter().enumerate() {
        let place: String =
            plan.path(index)[1..].iter().map(|id| id.as_uuid().simple().to_string()).collect();
        let folded = node.label.to_lowercase();
        let grams: BTreeSet<String> =
            folded.char_indices().map(|(start, _)| folded[start..].chars().take(6).collect()).collect();
        for gram in grams {
            let _ = write!(copy.rows, "{}\t{gram}\t\\\\x{place}", frame.tenant.as_uuid());
            copy.end_row().await;
        }
    }
    copy.finish().await;
}

/// Writes the ledger; returns the head of its chain.
pub(super) async fn entries(
    connection: &mut PgConnection,
    frame: &Frame,
    plan: &Plan,
    say: &dyn Fn(&str),
) -> (u64, EntryHash, Timestamp) {
    let table =
        "ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at,
        idempotency_key, description, hash)";
    let mut copy = Copy::begin(connection, table, "entries", say).await;
    let (mut hash, mut at) = (EntryHash::GENESIS, frame.first_entry_at);
    for number in 0..plan.entries {
        let (index, amount) = plan.entry(number);
        let node = &plan.nodes[index];
        let attribute =
            |text: &Option<String>| text.clone().map(|text| AttributeText::new(text).expect("plain"));
        at = time_of(frame, number, plan.entries);
        let entry = LedgerEntry {
            seq: number + 1,
            id: SpendId::from_uuid(entry_id(at, number)),
            kind: EntryKind::Spend,
            delegation: node.id,
            amount: Credits::new(amount).expect("a small amount"),
            cost_center: attribute(&node.cost_center),
            department: attribute(&node.department),
            recorded_at: at,
            idempotency_key: Some(format!("load-{number}")),
            description: None,
            metadata: None,
            reverses: None,
        };
        hash = hash.next(&entry);
        let _ = write!(
            copy.rows,
            "{}\t{}\t{}\tspend\t{}\t{amount}\t{}\t{}\t{at}\tload-{number}\t\\N\t\\\\x",
            frame.tenant.as_uuid(),
            entry.seq,
            entry.id.as_uuid(),
            node.id.as_uuid(),
            node.cost_center.as_deref().unwrap_or(r"\N"),
            node.department.as_deref().unwrap_or(r"\N"),
        );
        for byte in hash.0 {
            let _ = write!(copy.rows, "{byte:02x}");
        }
        copy.end_row().await;
    }
    copy.finish().await;
    (plan.entries, hash, at)
}

fn time_of(frame: &Frame, number: u64, entries: u64) -> Timestamp {
    let span = frame.entry_distance.as_micros().unsigned_abs() - 1;
    let offset = span * u128::from(number) / u128::from(entries.max(1));
    let micros = frame.first_entry_at.as_microsecond() + i64::try_from(offset).expect("a month at most");
    Timestamp::from_microsecond(micros).expect("this month")
}

fn entry_id(at: Timestamp, number: u64) -> Uuid {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(at.as_millisecond().unsigned_abs(), &random).into_uuid()
}
