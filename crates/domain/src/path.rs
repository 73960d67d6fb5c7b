//! Where a node stands in its tenant's tree.

use std::{fmt, sync::Arc};

use crate::{DelegationId, IdError};

/// The ids from the root to a node, both included; cheap to clone. Written as an `ltree` whose labels are the ids' suffixes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodePath(Arc<[DelegationId]>);

/// Why a text or a longer path is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A label is not the suffix of an id.
    #[error(transparent)]
    Label(#[from] IdError),
    /// The node would stand deeper than [`NodePath::MAX_DEPTH`].
    #[error("a tree is at most {} levels deep below its root", NodePath::MAX_DEPTH)]
    TooDeep,
}

impl NodePath {
    /// The greatest depth of a node; the root's depth is 0. Index entries of longer paths would not fit a page.
    pub const MAX_DEPTH: usize = 32;

    /// The path of a tenant's root.
    pub fn root(root: DelegationId) -> Self {
        Self(Arc::new([root]))
    }

    /// The path of a child of this node.
    pub fn child(&self, child: DelegationId) -> Result<Self, PathError> {
        if self.depth() == Self::MAX_DEPTH {
            return Err(PathError::TooDeep);
        }
        Ok(Self(self.0.iter().copied().chain([child]).collect()))
    }

    /// The path of the ancestor at `depth`, or the whole path where it is not deeper.
    #[must_use]
    pub fn prefix(&self, depth: usize) -> Self {
        Self(self.0.iter().take(depth + 1).copied().collect())
    }

    /// Reads the `ltree` text form.
    pub fn from_ltree(text: &str) -> Result<Self, PathError> {
        let ids: Arc<[_]> = text.split('.').map(DelegationId::from_suffix).collect::<Result<_, _>>()?;
        if ids.len() > Self::MAX_DEPTH + 1 { Err(PathError::TooDeep) } else { Ok(Self(ids)) }
    }

    /// The ids from the root down to the node.
    pub fn ids(&self) -> &[DelegationId] {
        &self.0
    }

    /// The ids from the root down to the node's parent.
    pub fn ancestors(&self) -> &[DelegationId] {
        &self.0[..self.depth()]
    }

    /// The node itself.
    pub fn id(&self) -> DelegationId {
        *self.0.last().expect("a path holds at least the root")
    }

    /// The tenant's root.
    pub fn root_id(&self) -> DelegationId {
        self.0[0]
    }

    /// The parent, unless the node is the root.
    pub fn parent_id(&self) -> Option<DelegationId> {
        self.ancestors().last().copied()
    }

    /// Levels below the root.
    pub fn depth(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether the node at this path is `other` or stands below it.
    pub fn is_within(&self, other: DelegationId) -> bool {
        self.0.contains(&other)
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(&id.suffix())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(number: u128) -> DelegationId {
        DelegationId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn ltree_text_round_trips() {
        let path = NodePath::root(id(1)).child(id(2)).unwrap();
        assert_eq!(NodePath::from_ltree(&path.to_string()), Ok(path.clone()));
        assert_eq!(
            (path.id(), path.parent_id(), path.root_id(), path.depth()),
            (id(2), Some(id(1)), id(1), 1)
        );
        assert!(NodePath::from_ltree("").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let deepest = (0..32).fold(NodePath::root(id(1)), |path, n| path.child(id(n + 2)).unwrap());
        assert_eq!(deepest.child(id(99)), Err(PathError::TooDeep));
    }
}
