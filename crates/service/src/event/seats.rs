//! Who may watch while there is room: nobody takes it all, and an owner always finds some.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

use subgrant_domain::{DelegationId, NodePath, Role, ServiceId, UserId};

use crate::{Caller, Via};

/// Whose streams are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Watching {
    /// Of a delegation's tokens.
    Node(DelegationId),
    User(UserId),
    Service(ServiceId),
}

/// A tenant's open streams.
///
/// Of `most`, the tokens of delegations and the services have three quarters together; each caller but an owner has a
/// fifth; and a subtree has half of what the one above it has: whoever holds a leaf makes as many delegations below it as
/// it likes, and yet leaves half to its siblings. An owner, and the root token, may have one whatever there is.
#[derive(Debug, Default)]
pub(super) struct Seats {
    all: usize,
    of_lesser: usize,
    by_watcher: HashMap<Watching, usize>,
    by_subtree: HashMap<DelegationId, usize>,
}

/// One of them. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Mutex<Seats>>,
    sitter: Sitter,
}

/// How a watcher counts.
#[derive(Debug, Clone)]
struct Sitter {
    watching: Watching,
    is_owner: bool,
    /// Not a person of the tenant's, nor its root.
    is_lesser: bool,
    /// From below the root to the watcher's own node.
    subtrees: Vec<DelegationId>,
}

impl Sitter {
    fn of(caller: &Caller) -> Self {
        let lesser = |watching, subtrees| Self { watching, is_owner: false, is_lesser: true, subtrees };
        match caller {
            Caller::Service { service, .. } => lesser(Watching::Service(*service), Vec::new()),
            Caller::Principal(principal) => match &principal.via {
                Via::Session { user, role, .. } => {
                    let is_owner = *role == Role::Owner;
                    let watching = Watching::User(*user);
                    Self { watching, is_owner, is_lesser: false, subtrees: Vec::new() }
                }
                Via::Token(_) => Self::of_token(&principal.path),
            },
        }
    }

    fn of_token(path: &NodePath) -> Self {
        let is_root = path.depth() == 0;
        let subtrees = path.ids()[1..].to_vec();
        Self { watching: Watching::Node(path.id()), is_owner: is_root, is_lesser: !is_root, subtrees }
    }
}

impl Seats {
    /// Takes a seat; `None` where the caller, or those that it is counted with, have theirs.
    pub(super) fn take(seats: &Arc<Mutex<Self>>, caller: &Caller, most: usize) -> Option<Seat> {
        let sitter = Sitter::of(caller);
        let mut open = seats.lock().expect("nothing panics under this lock");
        if !open.have_room(&sitter, most) {
            return None;
        }
        open.all += 1;
        open.of_lesser += usize::from(sitter.is_lesser);
        *open.by_watcher.entry(sitter.watching.clone()).or_default() += 1;
        for subtree in &sitter.subtrees {
            *open.by_subtree.entry(*subtree).or_default() += 1;
        }
        drop(open);
        Some(Seat { seats: Arc::clone(seats), sitter })
    }

    fn have_room(&self, sitter: &Sitter, most: usize) -> bool {
        let own = self.by_watcher.get(&sitter.watching).copied().unwrap_or_default();
        if sitter.is_owner {
            return own == 0 || self.all < most;
        }
        let share = |part: usize| part.max(1);
        let is_lesser_full = sitter.is_lesser && self.of_lesser >= share(most * 3 / 4);
        if self.all >= most || own >= share(most / 5) || is_lesser_full {
            return false;
        }
        sitter.subtrees.iter().enumerate().all(|(above, subtree)| {
            let taken = self.by_subtree.get(subtree).copied().unwrap_or_default();
            taken
                < share(most.checked_shr(u32::try_from(above + 1).unwrap_or(u32::MAX)).unwrap_or(0))
                    .max(most / 25)
        })
    }

    fn leave(&mut self, sitter: &Sitter) {
        self.all -= 1;
        self.of_lesser -= usize::from(sitter.is_lesser);
        one_less(&mut self.by_watcher, &sitter.watching);
        for subtree in &sitter.subtrees {
            one_less(&mut self.by_subtree, subtree);
        }
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().expect("nothing panics under this lock").leave(&self.sitter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fresh_id;

    fn token(path: &NodePath) -> Sitter {
        Sitter::of_token(path)
    }

    fn sit(seats: &mut Seats, sitter: &Sitter, most: usize) -> bool {
        let has_room = seats.have_room(sitter, most);
        if has_room {
            seats.all += 1;
            seats.of_lesser += usize::from(sitter.is_lesser);
            *seats.by_watcher.entry(sitter.watching.clone()).or_default() += 1;
            for subtree in &sitter.subtrees {
                *seats.by_subtree.entry(*subtree).or_default() += 1;
            }
        }
        has_room
    }

    #[test]
    fn whoever_holds_a_leaf_takes_a_share_of_its_own_and_of_its_branch() {
        let mut seats = Seats::default();
        let root = NodePath::root(fresh_id());
        let team = root.child(fresh_id()).unwrap();
        let leaf = team.child(fresh_id()).unwrap();
        let alone = (0..100).filter(|_| sit(&mut seats, &token(&leaf), 100)).count();
        assert_eq!(alone, 20);
        let below =
            (0..100).filter(|_| sit(&mut seats, &token(&leaf.child(fresh_id()).unwrap()), 100)).count();
        assert_eq!(alone + below, 25, "a quarter, however many delegations it makes");
        let siblings =
            (0..100).filter(|_| sit(&mut seats, &token(&team.child(fresh_id()).unwrap()), 100)).count();
        assert_eq!(siblings, 25, "the branch has half");
        let others =
            (0..100).filter(|_| sit(&mut seats, &token(&root.child(fresh_id()).unwrap()), 100)).count();
        assert_eq!(others, 25, "and all tokens three quarters");
        let owner = (0..100).filter(|_| sit(&mut seats, &token(&root), 100)).count();
        assert_eq!(owner, 25);
    }

    #[test]
    fn an_owner_finds_a_seat_where_there_is_none_left() {
        let mut seats = Seats::default();
        let people = |is_owner| Sitter {
            watching: Watching::User(fresh_id()),
            is_owner,
            is_lesser: false,
            subtrees: Vec::new(),
        };
        assert_eq!((0..50).filter(|_| sit(&mut seats, &people(false), 10)).count(), 10);
        let owner = people(true);
        assert!(sit(&mut seats, &owner, 10));
        assert!(!sit(&mut seats, &owner, 10), "a second one needs room");
        assert!(!sit(&mut seats, &people(false), 10));
        seats.leave(&owner);
        assert_eq!((seats.all, seats.by_watcher.len()), (10, 10));
    }
}
