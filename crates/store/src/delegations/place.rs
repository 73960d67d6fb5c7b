//! The order of lists: a parent, then its subtree; siblings by id. In it, every subtree is one range.

use subgrant_domain::{DelegationId, NodePath};
use uuid::Uuid;

/// Where a node stands in that order: the ids from below the root down to it. Also a bound between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<u8>);

/// A range of places: from a place on, up to another and without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first place.
    pub from: Place,
    /// The first place after the range.
    pub until: Place,
}

const ID_BYTES: usize = 16;

impl Place {
    /// The node's place.
    pub fn of(path: &NodePath) -> Self {
        Self(path.ids()[1..].iter().flat_map(|id| id.as_uuid().into_bytes()).collect())
    }

    /// As stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The id of the node that stands here; `None` for the root.
    pub fn id(&self) -> Option<DelegationId> {
        let id: [u8; ID_BYTES] = self.0.last_chunk().copied()?;
        Some(DelegationId::from_uuid(Uuid::from_bytes(id)))
    }

    /// The first place after the node itself.
    #[must_use]
    pub fn next(&self) -> Self {
        Self(self.0.iter().copied().chain([0]).collect())
    }

    /// The first place after the node's whole subtree.
    #[must_use]
    pub fn end(&self) -> Self {
        let mut bytes = self.0.clone();
        while let Some(last) = bytes.pop() {
            if last < u8::MAX {
                bytes.push(last + 1);
                return Self(bytes);
            }
        }
        // After the root's subtree, or where every id is the greatest there is.
        Self(vec![u8::MAX; ID_BYTES * (NodePath::MAX_DEPTH + 1)])
    }

    /// The node and its subtree.
    pub fn subtree(&self) -> Span {
        Span { from: self.clone(), until: self.end() }
    }
}

impl Span {
    /// Whether a place is in the range.
    pub fn contains(&self, place: &Place) -> bool {
        (&self.from..&self.until).contains(&place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(ids: &[u128]) -> NodePath {
        let mut ids = ids.iter().map(|id| DelegationId::from_uuid(Uuid::from_u128(*id)));
        let root = NodePath::root(ids.next().expect("a path has a root"));
        ids.fold(root, |path, id| path.child(id).expect("the path is short"))
    }

    #[test]
    fn a_subtree_is_exactly_the_nodes_between_its_top_and_its_end() {
        let nodes: Vec<_> = [
            &[1][..],
            &[1, 0],
            &[1, 0, u128::MAX],
            &[1, 2],
            &[1, 2, 5],
            &[1, 2, u128::MAX],
            &[1, 2, u128::MAX, 0],
            &[1, 2, u128::MAX, u128::MAX - 1],
            &[1, 3],
            &[1, u128::MAX],
            &[1, u128::MAX, 7],
        ]
        .into_iter()
        .map(path)
        .collect();
        let places: Vec<_> = nodes.iter().map(Place::of).collect();
        assert!(places.is_sorted(), "parents before children, siblings by id");
        for (top, place) in nodes.iter().zip(&places) {
            for (other, other_place) in nodes.iter().zip(&places) {
                let is_below = other.is_within(top.id()) && other.ids().starts_with(top.ids());
                assert_eq!(place.subtree().contains(other_place), is_below, "{other} in {top}");
            }
            assert_eq!(place.id(), (top.depth() > 0).then(|| top.id()));
        }
    }
}
