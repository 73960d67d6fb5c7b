//! How many bytes of requests the process holds at once, and whose they are.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use subgrant_domain::TenantId;
use subgrant_metrics::{Collector, DescriptorEncoder, Page};

/// The bytes that may be in flight: those of large heads, and those of bodies from when they come until the request is
/// answered. A quarter of them is for whoever has not proved who it is; no tenant has more than half.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    held: AtomicUsize,
    /// Those of `held` that are of nobody yet.
    of_nobody: AtomicUsize,
    of_tenants: Mutex<HashMap<TenantId, usize>>,
}

/// What a request has of them. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    tenant: Option<TenantId>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0), of_nobody: AtomicUsize::new(0), of_tenants: Mutex::default() }
    }

    /// Takes so many more; `false`: there are not so many.
    fn take(&self, tenant: Option<TenantId>, bytes: usize) -> bool {
        if !add_up_to(&self.held, bytes, self.most) {
            return false;
        }
        let is_within_share = match tenant {
            None => add_up_to(&self.of_nobody, bytes, self.most / 4),
            Some(tenant) => {
                let mut of_tenants = self.of_tenants.lock().expect("nothing panics under this lock");
                let held = of_tenants.get(&tenant).copied().unwrap_or_default() + bytes;
                let is_within = held <= self.most / 2;
                if is_within {
                    of_tenants.insert(tenant, held);
                }
                is_within
            }
        };
        if !is_within_share {
            self.held.fetch_sub(bytes, Relaxed);
        }
        is_within_share
    }

    fn give_back(&self, tenant: Option<TenantId>, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
        let Some(tenant) = tenant else {
            self.of_nobody.fetch_sub(bytes, Relaxed);
            return;
        };
        let mut of_tenants = self.of_tenants.lock().expect("nothing panics under this lock");
        if let Some(held) = of_tenants.get_mut(&tenant) {
            *held -= bytes;
            if *held == 0 {
                of_tenants.remove(&tenant);
            }
        }
    }
}

/// Adds to a number that must not become more than `most`.
fn add_up_to(number: &AtomicUsize, more: usize, most: usize) -> bool {
    let is_within = number.fetch_add(more, Relaxed) + more <= most;
    if !is_within {
        number.fetch_sub(more, Relaxed);
    }
    is_within
}

impl Held {
    /// Nothing yet, for somebody who has not proved who it is.
    pub(crate) fn of_nobody(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), tenant: None, bytes: 0 }
    }

    /// Takes as many as it needs to have `bytes`. `false`: they are not there, and nothing has changed.
    #[must_use]
    pub(crate) fn reach(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let is_there = more == 0 || self.budget.take(self.tenant, more);
        if is_there {
            self.bytes += more;
        }
        is_there
    }

    /// Whose they are has been proved. `false`: the tenant has its share already, and nothing has changed.
    #[must_use]
    pub(crate) fn belong_to(&mut self, tenant: TenantId) -> bool {
        let mut moved = Self { budget: Arc::clone(&self.budget), tenant: Some(tenant), bytes: 0 };
        // Given back first, so that what one already has is not counted twice.
        let bytes = self.give_back();
        if moved.reach(bytes) {
            *self = moved;
            return true;
        }
        false
    }

    /// Gives everything back, and says how many they were.
    pub(crate) fn give_back(&mut self) -> usize {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            self.budget.give_back(self.tenant, bytes);
        }
        bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// For `/metrics`.
#[derive(Debug)]
pub(crate) struct BytesInFlight(pub(crate) Arc<Budget>);

impl Collector for BytesInFlight {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page::new(encoder);
        let help = "Bytes of requests that are not answered yet";
        page.gauge("http_bytes_in_flight", help, self.0.held.load(Relaxed))?;
        page.gauge("http_max_bytes_in_flight", "The most there may be", self.0.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn who_is_nobody_has_a_quarter_and_a_tenant_half() {
        let budget = Arc::new(Budget::new(1_000));
        let held = || Held::of_nobody(&budget);
        let (mut one, mut other) = (held(), held());
        assert!(one.reach(200) && other.reach(50) && !other.reach(51));
        assert!(one.belong_to(tenant(1)) && one.reach(500) && !one.reach(501));
        let mut more = held();
        assert!(more.reach(10) && !more.belong_to(tenant(1)), "the tenant has its half");
        assert!(other.belong_to(tenant(2)) && other.reach(500) && !other.reach(501));
        assert!(!held().reach(1), "there are no more at all");
        drop(one);
        assert!(held().reach(250));
        drop((other, more));
        assert_eq!((budget.held.load(Relaxed), budget.of_nobody.load(Relaxed)), (0, 0));
        assert!(budget.of_tenants.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let budget = Arc::new(Budget::new(100));
        let mut held = Held::of_nobody(&budget);
        assert!(held.reach(25) && !held.reach(26) && held.reach(10));
        assert_eq!(held.give_back(), 25);
        assert_eq!(budget.held.load(Relaxed), 0);
    }
}
