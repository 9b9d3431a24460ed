//! Where fields stand in the running kernel's structures, read from its BTF.
//!
//! **Owns:** as much of the BTF format as naming a field of a structure needs.
//! **Never:** a file (bytes come in), a panic on malformed bytes, or a field by guess.
//!
//! Our own reader, because aya's does not show structure members, and the crates that do either
//! copy every name of the kernel into a map or are not licensed for linking statically.
//!
//! # Kernel
//!
//! The format is documented in the kernel's `Documentation/bpf/btf.rst` and is part of its
//! interface with user space.

use thiserror::Error;

const MAGIC: u16 = 0xeb9f;
const HEADER_SIZE: usize = 24;
/// What the names of tracepoints' types begin with.
const TRACEPOINT: &str = "btf_trace_";
/// Bytes of a type's fixed part.
const TYPE_SIZE: usize = 12;
/// A structure that is declared and not told of, without a name.
const DECLARATION: [u32; 3] = [0, kind::FORWARD << 24, 0];
/// Deepest nesting of anonymous structures and of typedefs that is followed.
const MAX_DEPTH: usize = 32;

/// Kinds of types, as the format numbers them.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FORWARD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// Why bytes are not BTF.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum BtfError {
    /// The first bytes are something else.
    #[error("not BTF of this machine's byte order: it starts with {0:#06x}")]
    Magic(u16),
    /// Something that the header or a type promises lies outside.
    #[error("BTF is cut short or malformed at byte {0}")]
    Truncated(usize),
    /// A kind that this reader does not know, so that it cannot tell where the next type starts.
    #[error("BTF type {id} is of kind {kind}, which is newer than this reader")]
    UnknownKind {
        /// Number of the type.
        id: usize,
        /// Number of the kind.
        kind: u32,
    },
}

/// Where a field stands in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Bytes from the start of the structure.
    pub(super) offset: u32,
    /// Size in bytes.
    pub(super) size: u32,
}

/// The types of a kernel.
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Start of each type in `types`; the first is number 1, as 0 is `void`.
    starts: Vec<usize>,
    /// Numbers of the structures: one type of ten, and nearly all that is looked for.
    structures: Vec<u32>,
}

/// One type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    name: usize,
    kind: u32,
    /// Number of members, parameters or values.
    len: usize,
    /// Whether member offsets carry a bitfield's size in their upper byte.
    bitfields: bool,
    /// Size in bytes, or the number of the type that this one refers to.
    size_or_type: u32,
    /// Where the rest of the type stands.
    rest: usize,
}

impl<'a> Btf<'a> {
    /// Reads the header and finds where each type starts.
    ///
    /// # Errors
    ///
    /// Bytes that are not BTF, are cut short, or hold a kind that is newer than this reader.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = u16_at(bytes, 0)?;
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let header = u32_at(bytes, 4)? as usize;
        let section = |at: usize| -> Result<&'a [u8], BtfError> {
            let start = header.saturating_add(u32_at(bytes, at)? as usize);
            let len = u32_at(bytes, at + 4)? as usize;
            bytes
                .get(start..start.saturating_add(len))
                .ok_or(BtfError::Truncated(at))
        };
        if header < HEADER_SIZE {
            return Err(BtfError::Truncated(4));
        }
        let mut btf = Self {
            types: section(8)?,
            strings: section(16)?,
            starts: Vec::new(),
            structures: Vec::new(),
        };
        let mut at = 0;
        while at < btf.types.len() {
            btf.starts.push(at);
            let found = read_type(btf.types, at)?;
            if found.kind == kind::STRUCT {
                let id = u32::try_from(btf.starts.len()).map_err(|_| BtfError::Truncated(at))?;
                btf.structures.push(id);
            }
            at = found.rest
                + rest_size(found).ok_or(BtfError::UnknownKind {
                    id: btf.starts.len(),
                    kind: found.kind,
                })?;
        }
        Ok(btf)
    }

    /// Finds a field by the names that lead to it: `("sock", &["__sk_common", "skc_family"])`.
    /// Anonymous structures and unions on the way need no name.
    ///
    /// Returns `None` where there is no such structure or field, and for a bitfield.
    pub(super) fn field(&self, structure: &str, path: &[&str]) -> Option<Field> {
        let found = self.structure(structure)?;
        let (first, deeper) = path.split_first()?;
        let (mut bits, mut id) = self.member(found, first, 0)?;
        for name in deeper {
            let (more, next) = self.member(self.resolve(id)?, name, 0)?;
            bits = bits.checked_add(more)?;
            id = next;
        }
        Some(Field {
            offset: (bits % 8 == 0).then_some(bits / 8)?,
            size: self.size(id, 0)?,
        })
    }

    /// Finds a bitfield of one bit by its name: the byte that holds it, and its bit in that byte.
    pub(super) fn bit(&self, structure: &str, name: &str) -> Option<(u32, u8)> {
        let parent = self.structure(structure)?;
        for index in 0..parent.len {
            let at = parent.rest + index * 12;
            let member_name = self.name(u32_at(self.types, at).ok()? as usize);
            let packed = u32_at(self.types, at + 8).ok()?;
            if member_name == name.as_bytes() {
                let bits = packed & 0x00ff_ffff;
                let is_one_bit = parent.bitfields && packed >> 24 == 1;
                return is_one_bit.then(|| bit_place(bits));
            }
        }
        None
    }

    /// Returns whether the kernel tells of a function with this name: one that can be hooked.
    pub(super) fn has_function(&self, name: &str) -> bool {
        (1..=self.starts.len() as u32)
            .filter_map(|id| self.get(id))
            .any(|found| found.kind == kind::FUNC && self.is_named(found, name))
    }

    /// Returns the values of an enumeration and their names; none where there is no such one.
    pub(super) fn values(&self, enumeration: &str) -> Vec<(u32, &'a [u8])> {
        let Some(found) = self.named(kind::ENUM, enumeration) else {
            return Vec::new();
        };
        let value = |index: usize| {
            let at = found.rest + index * 8;
            let name = u32_at(self.types, at).ok()? as usize;
            Some((u32_at(self.types, at + 4).ok()?, self.name(name)))
        };
        (0..found.len).filter_map(value).collect()
    }

    /// Returns how many parameters the functions have that a type of this name points to.
    pub(super) fn parameters_of_pointer(&self, name: &str) -> Option<usize> {
        let pointer = self.resolve(self.named(kind::TYPEDEF, name)?.size_or_type)?;
        let function =
            self.resolve((pointer.kind == kind::PTR).then_some(pointer.size_or_type)?)?;
        (function.kind == kind::FUNC_PROTO).then_some(function.len)
    }

    /// Returns what of these types programs can be attached to, functions and tracepoints, as BTF in which they have the
    /// same numbers. Whatever else there is becomes a declaration without a name: whoever reads all of it, as aya does, is
    /// sooner done.
    pub(super) fn attachable(&self) -> Vec<u8> {
        let types_size = self.starts.len() * TYPE_SIZE;
        let mut bytes = Vec::with_capacity(HEADER_SIZE + types_size + self.strings.len());
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        let sizes = [types_size, types_size, self.strings.len()].map(|size| size as u32);
        let [types_size, strings_start, strings_size] = sizes;
        for word in [
            HEADER_SIZE as u32,
            0,
            types_size,
            strings_start,
            strings_size,
        ] {
            bytes.extend(word.to_ne_bytes());
        }
        for &start in &self.starts {
            let fixed = &self.types[start..start + TYPE_SIZE];
            match read_type(self.types, start) {
                Ok(found) if self.is_attachable(found) => bytes.extend(fixed),
                _ => bytes.extend(DECLARATION.map(u32::to_ne_bytes).as_flattened()),
            }
        }
        bytes.extend(self.strings);
        bytes
    }

    fn is_attachable(&self, found: Type) -> bool {
        let begins = |name: &str| {
            let rest = self.strings.get(found.name..).unwrap_or_default();
            rest.starts_with(name.as_bytes())
        };
        match found.kind {
            kind::FUNC => true,
            kind::TYPEDEF => begins(TRACEPOINT),
            _ => false,
        }
    }

    fn structure(&self, name: &str) -> Option<Type> {
        let structures = self.structures.iter().filter_map(|&id| self.get(id));
        structures
            .into_iter()
            .find(|&found| self.is_named(found, name))
    }

    fn named(&self, kind: u32, name: &str) -> Option<Type> {
        (1..=self.starts.len() as u32)
            .filter_map(|id| self.get(id))
            .find(|&found| found.kind == kind && self.is_named(found, name))
    }

    /// Returns whether a type has a name, without looking for the end of another one.
    fn is_named(&self, found: Type, name: &str) -> bool {
        let rest = self.strings.get(found.name..).unwrap_or_default();
        let behind = rest.strip_prefix(name.as_bytes());
        behind.is_some_and(|behind| behind.first().is_none_or(|&byte| byte == 0))
    }

    fn get(&self, id: u32) -> Option<Type> {
        let start = self.starts.get((id as usize).checked_sub(1)?)?;
        read_type(self.types, *start).ok()
    }

    fn name(&self, at: usize) -> &'a [u8] {
        let rest = self.strings.get(at..).unwrap_or_default();
        rest.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// Returns the offset in bits and the type of a member.
    fn member(&self, parent: Type, name: &str, depth: usize) -> Option<(u32, u32)> {
        if depth > MAX_DEPTH || !matches!(parent.kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        for index in 0..parent.len {
            let at = parent.rest + index * 12;
            let member_name = self.name(u32_at(self.types, at).ok()? as usize);
            let id = u32_at(self.types, at + 4).ok()?;
            let packed = u32_at(self.types, at + 8).ok()?;
            let (bits, bitfield) = match parent.bitfields {
                true => (packed & 0x00ff_ffff, packed >> 24 != 0),
                false => (packed, false),
            };
            if member_name == name.as_bytes() {
                return (!bitfield).then_some((bits, id));
            }
            if member_name.is_empty()
                && let Some(inner) = self.resolve(id)
                && let Some((more, found)) = self.member(inner, name, depth + 1)
            {
                return Some((bits.checked_add(more)?, found));
            }
        }
        None
    }

    /// Follows typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let found = self.get(id)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = found.size_or_type;
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn size(&self, id: u32, depth: usize) -> Option<u32> {
        if depth > MAX_DEPTH {
            return None;
        }
        let found = self.resolve(id)?;
        match found.kind {
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FLOAT => {
                Some(found.size_or_type)
            }
            kind::PTR => Some(size_of::<usize>() as u32),
            kind::ARRAY => {
                let element = u32_at(self.types, found.rest).ok()?;
                let len = u32_at(self.types, found.rest + 8).ok()?;
                self.size(element, depth + 1)?.checked_mul(len)
            }
            _ => None,
        }
    }
}

/// Where a bit of a structure lies: byte, and bit in that byte.
///
/// A compiler for a little-endian machine counts from the lowest bit of a byte, one for a big-endian
/// machine from the highest.
fn bit_place(bits: u32) -> (u32, u8) {
    let place = bits % 8;
    let mask = match cfg!(target_endian = "little") {
        true => 1 << place,
        false => 0x80 >> place,
    };
    (bits / 8, mask)
}

fn read_type(types: &[u8], at: usize) -> Result<Type, BtfError> {
    let info = u32_at(types, at + 4)?;
    Ok(Type {
        name: u32_at(types, at)? as usize,
        kind: (info >> 24) & 0x1f,
        len: (info & 0xffff) as usize,
        bitfields: info >> 31 == 1,
        size_or_type: u32_at(types, at + 8)?,
        rest: at + TYPE_SIZE,
    })
}

/// Returns how many bytes follow a type's fixed part, or `None` for a kind that is not known.
fn rest_size(found: Type) -> Option<usize> {
    Some(match found.kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => found.len * 12,
        kind::ENUM | kind::FUNC_PROTO => found.len * 8,
        // Pointers, forward declarations, typedefs, qualifiers, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, BtfError> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], BtfError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(BtfError::Truncated(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `typedef unsigned int u32; struct outer { u32 a; union { struct { u32 b; u32 c; }; }; u32 d:4; };`
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0u32\0outer\0a\0b\0c\0d\0";
        let name = |wanted: &[u8]| {
            let mut at = 0;
            for part in strings.split(|&byte| byte == 0) {
                if part == wanted {
                    return at;
                }
                at += part.len() as u32 + 1;
            }
            panic!("no such name");
        };
        let info = |kind: u32, len: u32, flag: u32| (flag << 31) | (kind << 24) | len;
        let types: Vec<u32> = [
            vec![name(b"int"), info(kind::INT, 0, 0), 4, 32],
            vec![name(b"u32"), info(kind::TYPEDEF, 0, 0), 1],
            vec![
                0,
                info(kind::STRUCT, 2, 0),
                8,
                name(b"b"),
                2,
                0,
                name(b"c"),
                2,
                32,
            ],
            vec![0, info(kind::UNION, 1, 0), 8, 0, 3, 0],
            vec![name(b"outer"), info(kind::STRUCT, 3, 1), 16]
                .into_iter()
                .chain([name(b"a"), 2, 0, 0, 4, 32, name(b"d"), 2, (4 << 24) | 96])
                .collect(),
        ]
        .concat();
        file(&types, strings)
    }

    #[test]
    fn fields_are_found_through_anonymous_members_and_typedefs() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).expect("the sample is BTF");
        assert_eq!(
            btf.field("outer", &["a"]),
            Some(Field { offset: 0, size: 4 })
        );
        assert_eq!(
            btf.field("outer", &["c"]),
            Some(Field { offset: 8, size: 4 })
        );
        assert_eq!(
            btf.field("outer", &["d"]),
            None,
            "a bitfield has no byte offset"
        );
        assert_eq!(btf.field("outer", &["z"]), None);
        assert_eq!(btf.field("other", &["a"]), None);
        assert_eq!(btf.field("outer", &[]), None);
    }

    /// Types, word by word, and their names as a file has them.
    fn file(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let len = types.len() as u32 * 4;
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, len, len, strings.len() as u32] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        bytes.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn values_and_parameters_are_found() {
        let strings = b"\0reason\0A\0B\0hook\0";
        let info = |kind: u32, len: u32| (kind << 24) | len;
        let types: Vec<u32> = [
            vec![1, info(kind::ENUM, 2), 4, 8, 0, 10, 7],
            vec![0, info(kind::FUNC_PROTO, 2), 0, 0, 1, 0, 1],
            vec![0, info(kind::PTR, 0), 2],
            vec![12, info(kind::TYPEDEF, 0), 3],
        ]
        .concat();
        let bytes = file(&types, strings);
        let btf = Btf::parse(&bytes).expect("the sample is BTF");
        assert_eq!(btf.values("reason"), [(0, &b"A"[..]), (7, &b"B"[..])]);
        assert_eq!(btf.values("hook"), []);
        assert_eq!(btf.parameters_of_pointer("hook"), Some(2));
        assert_eq!(btf.parameters_of_pointer("reason"), None);
    }

    #[test]
    fn what_can_be_attached_to_keeps_its_number() {
        let strings = b"\0btf_trace_hook\0other\0hooked\0s\0";
        let info = |kind: u32, len: u32| (kind << 24) | len;
        let types: Vec<u32> = [
            vec![28, info(kind::STRUCT, 1), 4, 28, 3, 0],
            vec![1, info(kind::TYPEDEF, 0), 1],
            vec![16, info(kind::TYPEDEF, 0), 1],
            vec![0, info(kind::FUNC_PROTO, 1), 0, 0, 1],
            vec![22, info(kind::FUNC, 1), 4],
        ]
        .concat();
        let bytes = file(&types, strings);
        let all = Btf::parse(&bytes).expect("the sample is BTF");
        let bytes = all.attachable();
        let some = Btf::parse(&bytes).expect("it is BTF too");
        assert_eq!(some.starts.len(), all.starts.len());
        let named = |id: u32| {
            some.get(id)
                .map(|found| (found.kind, some.name(found.name)))
        };
        assert_eq!(named(2), Some((kind::TYPEDEF, &b"btf_trace_hook"[..])));
        assert_eq!(named(5), Some((kind::FUNC, &b"hooked"[..])));
        for id in [1, 3, 4] {
            assert_eq!(named(id), Some((kind::FORWARD, &b""[..])));
        }
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert!(Btf::parse(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn no_flipped_byte_makes_it_panic() {
        for at in 0..sample().len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = sample();
                bytes[at] ^= flip;
                if let Ok(btf) = Btf::parse(&bytes) {
                    let _ = btf.field("outer", &["c"]);
                    let _ = btf.attachable();
                }
            }
        }
    }
}
