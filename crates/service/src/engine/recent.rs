//! The idempotency keys that are the likely ones to be used again.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use subgrant_store::idempotency::Key;

/// How many keys one generation holds.
const MOST_KEYS: usize = 50_000;

/// Keys that were used here lately, as hashes. That others are new is found out when they are recorded, at the price of a
/// second try where they are not.
#[derive(Default)]
pub(super) struct RecentKeys {
    hashing: RandomState,
    new: HashSet<u64>,
    old: HashSet<u64>,
}

impl RecentKeys {
    pub(super) fn contains(&self, key: &Key) -> bool {
        let hash = self.hashing.hash_one(key);
        self.new.contains(&hash) || self.old.contains(&hash)
    }

    pub(super) fn add<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>) {
        for key in keys {
            self.new.insert(self.hashing.hash_one(key));
        }
        if self.new.len() > MOST_KEYS {
            self.old = std::mem::take(&mut self.new);
        }
    }
}
