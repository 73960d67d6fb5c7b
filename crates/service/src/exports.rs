//! How many exports there may be at once: each keeps a connection to the database for as long as its reader takes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use subgrant_domain::TenantId;

/// The exports under way.
#[derive(Debug)]
pub(crate) struct Exports {
    most: usize,
    most_of_tenant: usize,
    under_way: Mutex<HashMap<TenantId, usize>>,
}

/// Leave to make one, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct ExportPermit {
    exports: Arc<Exports>,
    tenant: TenantId,
}

/// Why none can be made just now. Nobody waits: that would keep everybody waiting whom no reader hurries for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExportsBusy {
    /// The tenant makes as many as it may.
    #[error("the tenant has too many exports under way")]
    Tenant,
    /// The server makes as many as it may.
    #[error("the server has too many exports under way")]
    Server,
}

impl Exports {
    pub(crate) fn new(most: usize, most_of_tenant: usize) -> Self {
        Self { most, most_of_tenant, under_way: Mutex::default() }
    }

    /// Leave for one more, at once or not at all.
    pub(crate) fn begin(self: &Arc<Self>, tenant: TenantId) -> Result<ExportPermit, ExportsBusy> {
        let mut under_way = self.under_way();
        let of_tenant = under_way.get(&tenant).copied().unwrap_or_default();
        if of_tenant >= self.most_of_tenant {
            return Err(ExportsBusy::Tenant);
        }
        if under_way.values().sum::<usize>() >= self.most {
            return Err(ExportsBusy::Server);
        }
        under_way.insert(tenant, of_tenant + 1);
        Ok(ExportPermit { exports: Arc::clone(self), tenant })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.under_way.lock().expect("nothing panics under this lock")
    }
}

impl Drop for ExportPermit {
    fn drop(&mut self) {
        let mut under_way = self.exports.under_way();
        if let Some(count) = under_way.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fresh_id;

    #[test]
    fn a_tenant_has_its_share_and_all_have_a_bound() {
        let exports = Arc::new(Exports::new(3, 2));
        let (one, other, third) = (fresh_id(), fresh_id(), fresh_id());
        let first = [exports.begin(one).unwrap(), exports.begin(one).unwrap()];
        assert_eq!(exports.begin(one).unwrap_err(), ExportsBusy::Tenant);
        let _second = exports.begin(other).unwrap();
        assert_eq!(exports.begin(third).unwrap_err(), ExportsBusy::Server);
        drop(first);
        assert_eq!(exports.under_way().len(), 1);
        exports.begin(third).unwrap();
        assert_eq!(exports.under_way().len(), 1);
    }
}
