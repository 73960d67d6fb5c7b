//! HMAC-SHA256 (RFC 2104) for a chain in which each tag is the next key.
//!
//! Stands on the compression function of `sha2` instead of the crate `hmac`, whose buffers, made, copied and wiped byte
//! by byte at each link, are much of what a verification would cost. Branches depend on the message's length only.

use std::slice;

use sha2::block_api::compress256;
use zeroize::{DefaultIsZeroes, Zeroize, ZeroizeOnDrop};

/// What SHA-256 starts from. Source: FIPS 180-4, section 5.3.3.
const INITIAL_STATE: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const BLOCK_BYTES: usize = 64;
const TAG_BYTES: usize = 32;
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;

type State = [u32; 8];

/// Secret bytes that are wiped by one wide write, for which they must be `Copy`. A plain array is wiped byte by byte.
#[derive(Clone, Copy)]
pub(crate) struct SecretBytes<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Default for SecretBytes<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> DefaultIsZeroes for SecretBytes<N> {}

/// A key of 32 bytes as the two states to which its padded forms lead, so that many messages can be signed from there.
#[derive(ZeroizeOnDrop)]
pub(crate) struct HmacKey {
    inner: State,
    outer: State,
}

impl HmacKey {
    pub(crate) fn new(key: &[u8; TAG_BYTES]) -> Self {
        Self { inner: state_after_padded(key, INNER_PAD), outer: state_after_padded(key, OUTER_PAD) }
    }

    /// The message's tag.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; TAG_BYTES] {
        let inner_digest = finish(self.inner, message);
        finish(self.outer, &inner_digest)
    }
}

fn state_after_padded(key: &[u8; TAG_BYTES], pad: u8) -> State {
    let mut block = SecretBytes::<BLOCK_BYTES>::default();
    block.0[..TAG_BYTES].copy_from_slice(key);
    block.0.iter_mut().for_each(|byte| *byte ^= pad);
    let mut state = INITIAL_STATE;
    compress256(&mut state, slice::from_ref(&block.0));
    block.zeroize();
    state
}

/// The digest of one block, which led to `state`, and of the message after it.
fn finish(mut state: State, message: &[u8]) -> [u8; TAG_BYTES] {
    let (blocks, rest) = message.as_chunks::<BLOCK_BYTES>();
    if !blocks.is_empty() {
        compress256(&mut state, blocks);
    }

    // What is left, a bit that is set, zeros, and the length of all in bits. Source: FIPS 180-4, section 5.1.1.
    let mut last = [[0; BLOCK_BYTES]; 2];
    let bytes = last.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    let needed = if rest.len() < BLOCK_BYTES - 8 { 1 } else { 2 };
    let bits = 8 * (BLOCK_BYTES + message.len()) as u64;
    bytes[needed * BLOCK_BYTES - 8..needed * BLOCK_BYTES].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last[..needed]);

    let mut digest = [0; TAG_BYTES];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    state.zeroize();
    digest
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::*;

    #[test]
    fn every_length_gives_the_tag_of_the_general_hmac() {
        let message: Vec<u8> = (0..=u8::MAX).cycle().take(300).collect();
        for length in 0..=message.len() {
            let key = [u8::try_from(length % 251).unwrap(); TAG_BYTES];
            let mut general = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            general.update(&message[..length]);
            let expected: [u8; TAG_BYTES] = general.finalize().into_bytes().into();
            assert_eq!(HmacKey::new(&key).sign(&message[..length]), expected, "{length} bytes");
        }
    }
}
