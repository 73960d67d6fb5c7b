//! The order of a list of what happened.

/// In which order to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As things happened.
    #[default]
    OldestFirst,
    /// What happened last comes first.
    NewestFirst,
}

impl Order {
    /// As SQL calls it.
    pub(crate) const fn direction(self) -> &'static str {
        match self {
            Self::OldestFirst => "ASC",
            Self::NewestFirst => "DESC",
        }
    }
}
