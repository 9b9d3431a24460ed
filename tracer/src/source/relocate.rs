//! The running kernel's offsets, put into the instructions of the object before it is loaded.
//!
//! **Owns:** which instructions stand for an offset, and what becomes of them.
//! **Never:** a guess: an instruction that stands for an offset in a way that is not expected refuses the object.
//!
//! Loads of kernel fields are compiled with displacements that stand for fields of the configuration
//! ([`tracer_ebpf::placeholder`]). Here each is replaced by the offset; where the kernel has no such field, the load becomes
//! one of zero. Nothing else in the object changes, nor does its size.
//!
//! # Kernel
//!
//! Instructions are laid out as in `Documentation/bpf/standardization/instruction-set.rst`: eight bytes, the operation in the
//! first, the registers in the second, the displacement in the next two, and the number in the last four.

use std::ops::Range;

use object::{Object as _, ObjectSection as _, SectionKind};
use thiserror::Error;
use tracer_ebpf::{ABSENT, Config, FIRST_PLACEHOLDER, PLACEHOLDER_STEP};

/// Bytes of an instruction.
const SIZE: usize = 8;
/// Loads a number of 64 bits, and takes the next eight bytes for that.
const LOAD_WIDE: u8 = 0x18;
/// `dst = number`.
const MOVE_NUMBER: u8 = 0xb7;
/// `dst += number`.
const ADD_NUMBER: u8 = 0x07;
/// The class of an operation, and those of loads and stores.
const CLASS: u8 = 0x07;
const LOAD: u8 = 0x01;
const STORE_NUMBER: u8 = 0x02;
const STORE: u8 = 0x03;

/// Why offsets cannot be put into an object.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RelocateError {
    #[error("the object is no ELF file: {0}")]
    NotElf(String),
    #[error("the instruction at byte {at} of the object stands for an offset, and loads nothing")]
    NotALoad { at: usize },
    #[error(
        "the instruction at byte {at} of the object loads from offset {offset}, which is too large for one"
    )]
    TooFar { at: usize, offset: u64 },
}

/// Puts the offsets of `config` into a copy of the object.
///
/// # Errors
///
/// Bytes that are no ELF file, and an instruction that the compiler made of a placeholder otherwise than was expected; this
/// is the same on every host. An offset of a kernel that is beyond what a displacement can be.
pub(super) fn relocate(object: &[u8], config: &Config) -> Result<Vec<u8>, RelocateError> {
    let mut patched = object.to_vec();
    for code in code(object)? {
        let mut at = code.start;
        while at + SIZE <= code.end {
            let instruction = &mut patched[at..at + SIZE];
            let is_wide = instruction[0] == LOAD_WIDE;
            if !is_wide {
                place(instruction, at, config)?;
            }
            at += if is_wide { 2 * SIZE } else { SIZE };
        }
    }
    Ok(patched)
}

/// Returns where the object holds instructions.
fn code(object: &[u8]) -> Result<Vec<Range<usize>>, RelocateError> {
    let not_elf = |error: object::Error| RelocateError::NotElf(error.to_string());
    let file = object::File::parse(object).map_err(not_elf)?;
    let text = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .filter_map(|section| section.file_range());
    let range = |(start, size): (u64, u64)| {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        (end <= object.len()).then_some(start..end)
    };
    text.map(|place| {
        range(place).ok_or_else(|| RelocateError::NotElf("it is cut short".to_owned()))
    })
    .collect()
}

/// Puts an offset into an instruction, if it stands for one.
fn place(instruction: &mut [u8], at: usize, config: &Config) -> Result<(), RelocateError> {
    let operation = instruction[0];
    let displacement = usize::from(u16::from_le_bytes([instruction[2], instruction[3]]));
    let number = u32::from_le_bytes([
        instruction[4],
        instruction[5],
        instruction[6],
        instruction[7],
    ]);
    let stands = |value: usize| (FIRST_PLACEHOLDER..1 << 15).contains(&value);
    match operation & CLASS {
        // The compiler may put a displacement into the pointer instead, where several loads could share it.
        _ if operation == ADD_NUMBER && stands(number as usize) => {
            Err(RelocateError::NotALoad { at })
        }
        STORE | STORE_NUMBER if stands(displacement) => Err(RelocateError::NotALoad { at }),
        LOAD if stands(displacement) => {
            let behind = displacement - FIRST_PLACEHOLDER;
            let field = config.field(behind / PLACEHOLDER_STEP);
            match field.ok_or(RelocateError::NotALoad { at })? {
                ABSENT => {
                    instruction[0] = MOVE_NUMBER;
                    // The lower half is the register that is written.
                    instruction[1] &= 0x0f;
                    instruction[2..].fill(0);
                }
                offset => {
                    let offset = u64::from(offset) + (behind % PLACEHOLDER_STEP) as u64;
                    let fits = i16::try_from(offset).ok();
                    let fits = fits.ok_or(RelocateError::TooFar { at, offset })?;
                    instruction[2..4].copy_from_slice(&fits.to_le_bytes());
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    use crate::source::live::OBJECT;
    use tracer_ebpf::placeholder;

    const UID: usize = placeholder(offset_of!(Config, offsets.uid));

    fn config() -> Config {
        let mut config = Config::EMPTY;
        config.offsets.uid = 552;
        config
    }

    /// `r3 = *(u32 *)(r6 + displacement)`
    fn load(displacement: usize) -> [u8; 8] {
        let [low, high] = (displacement as u16).to_le_bytes();
        [0x61, 0x63, low, high, 0, 0, 0, 0]
    }

    fn placed(mut instruction: [u8; 8]) -> Result<[u8; 8], RelocateError> {
        place(&mut instruction, 40, &config()).map(|()| instruction)
    }

    #[test]
    fn a_load_gets_the_offset_of_its_field() {
        assert_eq!(placed(load(UID)), Ok(load(552)));
        assert_eq!(placed(load(UID + 8)), Ok(load(560)));
    }

    #[test]
    fn other_loads_stay_as_they_are() {
        for displacement in [0, 8, FIRST_PLACEHOLDER - 1, 0x8000, 0xfff8] {
            assert_eq!(placed(load(displacement)), Ok(load(displacement)));
        }
    }

    #[test]
    fn a_field_that_the_kernel_has_not_is_zero() {
        let cookie = placeholder(offset_of!(Config, offsets.cookie));
        assert_eq!(placed(load(cookie)), Ok([0xb7, 3, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn what_the_compiler_may_not_do_is_refused() {
        let [low, high] = (UID as u16).to_le_bytes();
        let store = [0x63, 0x63, low, high, 0, 0, 0, 0];
        let add = [ADD_NUMBER, 3, 0, 0, low, high, 0, 0];
        for instruction in [store, add] {
            assert_eq!(placed(instruction), Err(RelocateError::NotALoad { at: 40 }));
        }
        let mut config = config();
        config.offsets.uid = 40_000;
        assert_eq!(
            place(&mut load(UID), 40, &config),
            Err(RelocateError::TooFar {
                at: 40,
                offset: 40_000
            })
        );
    }

    #[test]
    fn nothing_in_the_object_is_left_to_be_placed() {
        let placed = relocate(OBJECT, &config()).expect("the object is as expected");
        assert_eq!(placed.len(), OBJECT.len());
        assert_ne!(placed, OBJECT, "something was placed");
        assert_eq!(relocate(&placed, &config()), Ok(placed));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(
            relocate(b"no ELF", &config()),
            Err(RelocateError::NotElf(_))
        ));
    }
}
