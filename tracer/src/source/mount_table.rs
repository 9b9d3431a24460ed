//! How the kernel writes paths in `/proc/PID/mounts` and `mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Turns each `\040` back into the byte that it stands for.
///
/// # Kernel
///
/// `seq_path` and `mangle` (`fs/proc_namespace.c`) write blanks, tabs, line feeds, backslashes and
/// `#` as three octal digits.
pub(super) fn unescape(text: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = (byte == b'\\').then(|| octal(after)).flatten();
        if escaped.is_some() {
            rest = &after[3..];
        }
        plain.push(escaped.unwrap_or(byte));
    }
    OsString::from_vec(plain)
}

/// Reads three octal digits as a byte.
fn octal(digits: &[u8]) -> Option<u8> {
    let text = str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escaped_byte_comes_back() {
        assert_eq!(
            unescape(br"/a\040b\011c\012d\134e\043f"),
            OsString::from("/a b\tc\nd\\e#f")
        );
    }

    #[test]
    fn a_lone_backslash_stays_itself() {
        for text in [r"\", r"a\0", r"\999", r"\04"] {
            assert_eq!(unescape(text.as_bytes()), OsString::from(text));
        }
    }
}
