//! An eBPF object without debug information, which is most of one.
//!
//! The linker makes BTF of debug information, and leaves that in. Neither the kernel nor the loader wants it, but the
//! loader reads each section and each relocation of it whenever a trace begins.
//!
//! # Format
//!
//! ELF for 64 bits: <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html>. Sections keep their numbers, to which
//! symbols and other sections refer; one that is left out becomes a header that says nothing.

/// Where the file header says where the section headers begin, how many there are, and which section holds their names.
const HEADERS_AT: usize = 40;
const HEADER_COUNT: usize = 60;
const NAMES_SECTION: usize = 62;
const FILE_HEADER: usize = 64;
/// Bytes of a section header, and where it says the place and the size of its section.
const HEADER: usize = 64;
const PLACE: usize = 24;
const SIZE: usize = 32;
/// Places of sections are multiples of this; one that asks for more is refused.
const ALIGNMENT: usize = 8;
/// Where a section header says which alignment it asks for, and what kind of section it is.
const WANTED_ALIGNMENT: usize = 48;
const TYPE: usize = 4;
/// A section that takes no room in the file (`SHT_NOBITS`).
const NO_BITS: u32 = 8;

/// Returns a copy without sections of debug information; `None` for what is no such file, or has a section that is not to be
/// moved.
pub(crate) fn without_debug_info(elf: &[u8]) -> Option<Vec<u8>> {
    let headers_at = number(elf, HEADERS_AT)?;
    let headers = headers_at..headers_at + HEADER * half(elf, HEADER_COUNT)?;
    let mut headers: Vec<[u8; HEADER]> = elf.get(headers)?.as_chunks().0.to_vec();
    let names = contents(elf, headers.get(half(elf, NAMES_SECTION)?)?)?;

    let mut out = elf.get(..FILE_HEADER)?.to_vec();
    for header in &mut headers {
        let name = u32::from_ne_bytes(*header.first_chunk()?) as usize;
        let name = names.get(name..)?;
        if [&b".debug"[..], b".rel.debug"]
            .iter()
            .any(|debug| name.starts_with(debug))
        {
            *header = [0; HEADER];
            continue;
        }
        if number(header, WANTED_ALIGNMENT)? > ALIGNMENT {
            return None;
        }
        if u32::from_ne_bytes(*header.get(TYPE..)?.first_chunk()?) == NO_BITS {
            continue;
        }
        let kept = contents(elf, header)?;
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        put(header, PLACE, out.len());
        out.extend(kept);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    let headers_at = out.len();
    put(&mut out, HEADERS_AT, headers_at);
    out.extend(headers.as_flattened());
    Some(out)
}

/// What a section holds.
fn contents<'a>(elf: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let start = number(header, PLACE)?;
    elf.get(start..start.checked_add(number(header, SIZE)?)?)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?);
    usize::try_from(number).ok()
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_ne_bytes(
        *bytes.get(at..)?.first_chunk()?,
    )))
}

fn put(bytes: &mut [u8], at: usize, number: usize) {
    bytes[at..at + 8].copy_from_slice(&(number as u64).to_ne_bytes());
}
