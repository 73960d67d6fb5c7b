//! The code that tells a checkpoint of ours from one that somebody has written into the database.

use subgrant_domain::TenantId;
use subgrant_store::ledger::{Checkpoint, Verified};

use crate::App;

impl App {
    pub(super) fn is_own(&self, tenant: TenantId, checkpoint: &Checkpoint, code: &[u8; 32]) -> bool {
        // What is compared is no secret's guess: whoever can write the row cannot watch the time.
        self.code(tenant, checkpoint) == *code
    }

    pub(super) fn code(&self, tenant: TenantId, checkpoint: &Checkpoint) -> [u8; 32] {
        self.shared().master_key.code(&encoded(tenant, checkpoint))
    }
}

/// Every field, the one of variable length at the end.
fn encoded(tenant: TenantId, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = b"subgrant/checkpoint/v1".to_vec();
    bytes.extend(tenant.as_uuid().as_bytes());
    for Verified { seq, hash, total } in [checkpoint.chain, checkpoint.round] {
        bytes.extend(seq.to_be_bytes());
        bytes.extend(hash.0);
        bytes.extend(total.to_be_bytes());
    }
    bytes.extend(checkpoint.rounds.to_be_bytes());
    let completed_at = checkpoint.round_completed_at.map_or(i64::MIN, jiff::Timestamp::as_microsecond);
    bytes.extend(completed_at.to_be_bytes());
    bytes.extend(checkpoint.node_seq.to_be_bytes());
    bytes.extend(checkpoint.node_sum.to_be_bytes());
    bytes.push(u8::from(checkpoint.node.is_some()));
    bytes.extend(checkpoint.node.as_ref().map_or(&[][..], subgrant_store::delegations::Place::as_bytes));
    bytes
}
