//! The chain: a value at the end of each frame that stands for all that came before it.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A chain value: SHA-256 of the value before it, a frame's header and its payload. It prints as
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// Returns the value before the first frame: SHA-256 of the file's header, which names the file
    /// before.
    pub(super) fn start(file_header: &[u8]) -> Self {
        Self(Sha256::digest(file_header).into())
    }

    /// Returns the value of a frame behind this one.
    pub(super) fn link(self, header: &[u8], payload: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(header);
        hash.update(payload);
        Self(hash.finalize().into())
    }

    /// Reads hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut value = [0; 32];
        for (byte, at) in value.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(value))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_value_is_read_again() {
        let value = Chain::start(b"abc");
        // FIPS 180-4's own example.
        assert_eq!(
            value.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Chain::parse(&value.to_string()), Some(value));
        assert_eq!(Chain::parse("ba78"), None);
        assert_eq!(Chain::parse(&"é".repeat(32)), None);
    }
}
