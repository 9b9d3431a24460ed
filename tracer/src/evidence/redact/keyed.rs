//! A keyed function that nobody without the key can foretell: SHA-256 over the key and what it is asked.

use sha2::{Digest as _, Sha256};

/// What is asked for: the same bytes give other answers for another purpose.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Purpose {
    Ipv4 = 1,
    Ipv6 = 2,
    Socket = 3,
    Name = 4,
    Boot = 5,
}

/// The key.
#[derive(Clone)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Returns 256 bits that stand for these bytes.
    ///
    /// The key has a fixed length, so no two questions are the same input. Up to 22 bytes fit into a single block of
    /// SHA-256. Answers are never shown whole, so that none can be lengthened.
    pub(super) fn ask(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update([purpose as u8]);
        hash.update(bytes);
        hash.finalize().into()
    }
}
