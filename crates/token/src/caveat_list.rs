//! A token's caveats as bytes, one after the other.

/// Caveats in order. They stand in one buffer, so that reading a token does not allocate for each of them.
#[derive(Clone, Default)]
pub(crate) struct CaveatList {
    bytes: Vec<u8>,
    /// Where in `bytes` each caveat ends.
    ends: Vec<usize>,
}

impl CaveatList {
    /// An empty list with room for caveats of so many bytes together.
    pub(crate) fn with_byte_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    pub(crate) fn push(&mut self, caveat: &[u8]) {
        self.bytes.extend_from_slice(caveat);
        self.ends.push(self.bytes.len());
    }

    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, &end| self.bytes.get(std::mem::replace(start, end)..end))
    }
}
