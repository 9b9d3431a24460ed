//! The encoder of JSON, as serde asks for one.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer,
};

use super::push_escaped;

/// Appends one value. What no schema has (enums, bytes, structs without names) is refused.
pub(super) struct Encoder<'a> {
    out: &'a mut String,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    fn number(self, number: impl itoa::Integer) -> Result<(), fmt::Error> {
        self.out.push_str(itoa::Buffer::new().format(number));
        Ok(())
    }
}

/// The fields of an object, or the elements of a list.
pub(super) struct Fields<'a> {
    out: &'a mut String,
    /// Whether one has been written.
    has_any: bool,
    close: char,
}

impl Fields<'_> {
    fn separate(&mut self) {
        if self.has_any {
            self.out.push(',');
        }
        self.has_any = true;
    }

    fn finish(self) -> Result<(), fmt::Error> {
        self.out.push(self.close);
        Ok(())
    }
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Fields<'a>;
    type SerializeTuple = Fields<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeTupleStruct = Impossible<(), fmt::Error>;
    type SerializeTupleVariant = Impossible<(), fmt::Error>;
    type SerializeStructVariant = Impossible<(), fmt::Error>;

    fn serialize_bool(self, value: bool) -> Result<(), fmt::Error> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), fmt::Error> {
        self.number(value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), fmt::Error> {
        self.serialize_f64(value.into())
    }

    /// Rare, and not ours: the shortest digits that read back as the same number.
    fn serialize_f64(self, value: f64) -> Result<(), fmt::Error> {
        let digits = serde_json::to_string(&value).map_err(|_| fmt::Error)?;
        self.out.push_str(&digits);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), fmt::Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), fmt::Error> {
        self.out.push('"');
        push_escaped(self.out, value);
        self.out.push('"');
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), fmt::Error> {
        self.out.push('"');
        write!(Escaped(self.out), "{value}")?;
        self.out.push('"');
        Ok(())
    }

    fn serialize_none(self) -> Result<(), fmt::Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), fmt::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), fmt::Error> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Fields<'a>, fmt::Error> {
        self.out.push('[');
        Ok(Fields {
            out: self.out,
            has_any: false,
            close: ']',
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_seq(Some(len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields<'a>, fmt::Error> {
        self.out.push('{');
        Ok(Fields {
            out: self.out,
            has_any: false,
            close: '}',
        })
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_map(Some(len))
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, fmt::Error> {
        Err(fmt::Error)
    }
}

impl SerializeSeq for Fields<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        self.separate();
        value.serialize(Encoder::new(self.out))
    }

    fn end(self) -> Result<(), fmt::Error> {
        self.finish()
    }
}

impl SerializeTuple for Fields<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), fmt::Error> {
        self.finish()
    }
}

impl SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = fmt::Error;

    /// Every key of a schema is text; what else there may be encodes itself without quotes, which tests would see.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), fmt::Error> {
        self.separate();
        key.serialize(Encoder::new(self.out))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        self.out.push(':');
        value.serialize(Encoder::new(self.out))
    }

    fn end(self) -> Result<(), fmt::Error> {
        self.finish()
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = fmt::Error;

    /// A name of a field is one of Rust: there is nothing to escape in it. Where it stands in the caller, its length is
    /// known, and it is a move or two instead of a call.
    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        self.out.push_str(if self.has_any { ",\"" } else { "\"" });
        self.has_any = true;
        self.out.push_str(name);
        self.out.push_str("\":");
        value.serialize(Encoder::new(self.out))
    }

    fn end(self) -> Result<(), fmt::Error> {
        self.finish()
    }
}

/// Escapes what is printed into it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}
