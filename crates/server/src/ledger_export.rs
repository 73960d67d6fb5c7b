//! An export of the ledger as lines of JSON, for HTTP and for the command line.

use subgrant_api::{
    EntryKind, ExportDelegation, ExportEnd, ExportEntry, ExportHeader, ExportLine, LEDGER_FORMAT,
};
use subgrant_domain::{EntryHash, LedgerEntry};
use subgrant_service::{ExportPiece, LedgerExport, ServiceError};

use crate::http::Pieces;

/// The lines of an export, many at a time.
pub(crate) struct Lines {
    export: LedgerExport,
    position: Position,
    delegations: u64,
}

enum Position {
    Beginning,
    Middle,
    End,
}

impl Lines {
    pub(crate) fn of(export: LedgerExport) -> Self {
        Self { export, position: Position::Beginning, delegations: 0 }
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> u64 {
        self.export.entries
    }
}

impl Pieces for Lines {
    /// The next lines, each with its line break.
    async fn next(&mut self) -> Result<Option<String>, ServiceError> {
        match self.position {
            Position::Beginning => {
                self.position = Position::Middle;
                Ok(Some(text(&[self.header()])))
            }
            Position::Middle => match self.export.next().await? {
                Some(ExportPiece::Entries(entries)) => {
                    let lines =
                        entries.into_iter().map(|(entry, hash)| ExportLine::Entry(entry_line(entry, hash)));
                    Ok(Some(text(&lines.collect::<Vec<_>>())))
                }
                Some(ExportPiece::Delegations(nodes)) => {
                    self.delegations += nodes.len() as u64;
                    let lines = nodes.into_iter().map(|(id, parent, spent)| {
                        ExportLine::Delegation(ExportDelegation {
                            id: id.to_string(),
                            parent_id: parent.map(|id| id.to_string()),
                            spent_credits: spent,
                        })
                    });
                    Ok(Some(text(&lines.collect::<Vec<_>>())))
                }
                None => {
                    self.position = Position::End;
                    Ok(Some(text(&[self.end()])))
                }
            },
            Position::End => Ok(None),
        }
    }
}

impl Lines {
    fn header(&self) -> ExportLine {
        ExportLine::Ledger(ExportHeader {
            format: LEDGER_FORMAT.to_owned(),
            tenant_id: self.export.tenant.to_string(),
            exported_at: self.export.at.to_string(),
            entries: self.export.entries,
        })
    }

    fn end(&self) -> ExportLine {
        ExportLine::End(ExportEnd {
            entries: self.export.entries,
            delegations: self.delegations,
            head_hash: hex::encode(self.export.head_hash.0),
        })
    }
}

fn text(lines: &[ExportLine]) -> String {
    let mut text = String::new();
    for line in lines {
        text += &serde_json::to_string(line).expect("a line is plain data");
        text.push('\n');
    }
    text
}

fn entry_line(entry: LedgerEntry, hash: EntryHash) -> ExportEntry {
    ExportEntry {
        seq: entry.seq,
        id: entry.id.to_string(),
        kind: wire_kind(entry.kind),
        delegation_id: entry.delegation.to_string(),
        amount_credits: entry.amount.get(),
        cost_center: entry.cost_center.map(|text| text.to_string()),
        department: entry.department.map(|text| text.to_string()),
        recorded_at_us: entry.recorded_at.as_microsecond(),
        idempotency_key: entry.idempotency_key,
        description: entry.description,
        metadata: entry.metadata,
        reverses: entry.reverses.map(|id| id.to_string()),
        hash: hex::encode(hash.0),
    }
}

/// The kind as it goes over the wire.
pub(crate) fn wire_kind(kind: subgrant_domain::EntryKind) -> EntryKind {
    match kind {
        subgrant_domain::EntryKind::Spend => EntryKind::Spend,
        subgrant_domain::EntryKind::Refund => EntryKind::Refund,
        subgrant_domain::EntryKind::Adjustment => EntryKind::Adjustment,
    }
}
