//! The build id of the running kernel: which build exactly it is, whatever its release is called.

use std::fs;

/// Where the kernel shows the notes of its own image.
const NOTES: &str = "/sys/kernel/notes";
/// `NT_GNU_BUILD_ID` of `include/uapi/linux/elf.h`.
const BUILD_ID: u32 = 3;

/// Returns the GNU build id of the running kernel in hexadecimal digits, as `file vmlinux` prints it; `None` where
/// the kernel has none, or `/sys` is not mounted.
pub fn build_id() -> Option<String> {
    let notes = fs::read(NOTES).ok()?;
    let id = in_notes(&notes)?;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Finds the build id among ELF notes: for each the lengths of its name and its content, its type, and then both,
/// padded to four bytes, in this machine's byte order.
fn in_notes(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let name_size = take_number(&mut notes)? as usize;
        let size = take_number(&mut notes)? as usize;
        let kind = take_number(&mut notes)?;
        let name = take_padded(&mut notes, name_size)?;
        let content = take_padded(&mut notes, size)?;
        if kind == BUILD_ID && name == b"GNU\0" {
            return (!content.is_empty()).then_some(content);
        }
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_ne_bytes(*number))
}

fn take_padded<'a>(bytes: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let taken = bytes.get(..size)?;
    // The last one may lack its padding.
    *bytes = bytes.get(size.next_multiple_of(4)..).unwrap_or_default();
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [name.len() as u32, content.len() as u32, kind] {
            note.extend(number.to_ne_bytes());
        }
        for part in [name, content] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn it_is_found_behind_other_notes() {
        let mut notes = note(b"Linux\0", 0x101, b"6.1.0-1\0\0");
        notes.extend(note(b"Xen\0", BUILD_ID, b"other"));
        notes.extend(note(b"GNU\0", 1, b"abi"));
        assert_eq!(in_notes(&notes), None);
        notes.extend(note(b"GNU\0", BUILD_ID, b"\x01\xab\xff"));
        assert_eq!(in_notes(&notes), Some(&b"\x01\xab\xff"[..]));
        notes.pop();
        assert_eq!(in_notes(&notes), Some(&b"\x01\xab\xff"[..]));
    }

    #[test]
    fn notes_that_are_cut_have_none() {
        let whole = note(b"GNU\0", BUILD_ID, b"1234");
        for length in 0..whole.len() {
            assert_eq!(in_notes(&whole[..length]), None, "{length}");
        }
        assert_eq!(in_notes(&[0xff; 64]), None);
    }

    #[test]
    fn this_kernel_has_the_one_that_its_notes_show() {
        let found = build_id();
        let shown = fs::metadata(NOTES).is_ok();
        assert_eq!(found.is_some(), shown, "{found:?}");
    }
}
