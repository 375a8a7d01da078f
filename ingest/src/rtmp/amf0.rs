//! AMF0, the encoding of commands (Adobe, "Action Message Format -- AMF 0").
//!
//! The decoder's depth and number of values are bounded, so that neither its stack nor its heap
//! can be driven by a peer. AMF3 and object references are not spoken: no encoder sends them.

use bytes::{BufMut, BytesMut};

use super::error::{Error, Place};
use super::limits::{AMF_DEPTH_MAX, AMF_PROPERTIES_MAX};

mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A string, long string or XML document. Bytes that are not UTF-8 are replaced: they stand in
    /// free texts (a version, a title), and a key with them matches nothing.
    String(String),
    /// An object, typed object or ECMA array: named values in their order.
    Object(Vec<(String, Value)>),
    /// A strict array.
    Array(Vec<Value>),
    /// Milliseconds since 1970.
    Date(f64),
    /// Null.
    Null,
    /// Undefined, or the marker "unsupported".
    Undefined,
}

impl Value {
    /// A string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// An object value.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::Object(
            properties
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The number, where it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The property `name`, where this is an object that has it.
    pub fn property(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) => properties
                .iter()
                .find_map(|(key, value)| (key == name).then_some(value)),
            _ => None,
        }
    }
}

/// Decodes all values of a message.
pub fn decode(payload: &[u8]) -> Result<Vec<Value>, Error> {
    let mut decoder = Decoder {
        payload,
        offset: 0,
        values: 0,
    };
    let mut values = Vec::new();
    while decoder.offset < payload.len() {
        values.push(decoder.value(0)?);
    }
    Ok(values)
}

/// Appends `value` to `output`.
pub fn encode(value: &Value, output: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            output.put_u8(marker::NUMBER);
            output.put_f64(*number);
        }
        Value::Boolean(truth) => output.put_slice(&[marker::BOOLEAN, u8::from(*truth)]),
        Value::String(text) => match u16::try_from(text.len()) {
            Ok(length) => {
                output.put_u8(marker::STRING);
                output.put_u16(length);
                output.put_slice(text.as_bytes());
            }
            Err(_) => {
                output.put_u8(marker::LONG_STRING);
                output.put_u32(text.len() as u32);
                output.put_slice(text.as_bytes());
            }
        },
        Value::Object(properties) => {
            output.put_u8(marker::OBJECT);
            for (name, value) in properties {
                let name = &name.as_bytes()[..name.len().min(u16::MAX.into())];
                output.put_u16(name.len() as u16);
                output.put_slice(name);
                encode(value, output);
            }
            output.put_slice(&[0, 0, marker::OBJECT_END]);
        }
        Value::Array(values) => {
            output.put_u8(marker::STRICT_ARRAY);
            output.put_u32(values.len() as u32);
            for value in values {
                encode(value, output);
            }
        }
        Value::Date(milliseconds) => {
            output.put_u8(marker::DATE);
            output.put_f64(*milliseconds);
            output.put_i16(0);
        }
        Value::Null => output.put_u8(marker::NULL),
        Value::Undefined => output.put_u8(marker::UNDEFINED),
    }
}

struct Decoder<'a> {
    payload: &'a [u8],
    offset: usize,
    values: usize,
}

impl<'a> Decoder<'a> {
    /// One value. Calls itself once a level, and [`AMF_DEPTH_MAX`] levels at most.
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > AMF_DEPTH_MAX {
            return Err(self.limit("nesting of AMF0 values", AMF_DEPTH_MAX, depth));
        }
        self.values += 1;
        if self.values > AMF_PROPERTIES_MAX {
            return Err(self.limit("AMF0 values in a message", AMF_PROPERTIES_MAX, self.values));
        }
        let [found] = self.take("a marker", "AMF 0 §2.1")?;
        Ok(match found {
            marker::NUMBER => {
                Value::Number(f64::from_be_bytes(self.take("8 bytes", "AMF 0 §2.2")?))
            }
            marker::BOOLEAN => {
                let [truth] = self.take("a byte", "AMF 0 §2.3")?;
                Value::Boolean(truth != 0)
            }
            marker::STRING => Value::String(self.short_string()?),
            marker::LONG_STRING | marker::XML => {
                let length = u32::from_be_bytes(self.take("a length", "AMF 0 §2.14")?);
                Value::String(self.text(length as usize)?)
            }
            marker::OBJECT => Value::Object(self.properties(depth)?),
            marker::TYPED_OBJECT => {
                self.short_string()?;
                Value::Object(self.properties(depth)?)
            }
            marker::ECMA_ARRAY => {
                // The count is a hint that encoders set wrongly; the end marker decides.
                let _count: [u8; 4] = self.take("a count", "AMF 0 §2.10")?;
                Value::Object(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => {
                let count = u32::from_be_bytes(self.take("a count", "AMF 0 §2.12")?);
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::Array(values)
            }
            marker::DATE => {
                let milliseconds = f64::from_be_bytes(self.take("8 bytes", "AMF 0 §2.13")?);
                let _time_zone: [u8; 2] = self.take("a time zone", "AMF 0 §2.13")?;
                Value::Date(milliseconds)
            }
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            _ => {
                self.offset -= 1;
                return Err(self.malformed(
                    "the marker of a value",
                    format!("{found:#04x}"),
                    "AMF 0 §2.1",
                ));
            }
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_string()?;
            if name.is_empty() && self.payload.get(self.offset) == Some(&marker::OBJECT_END) {
                self.offset += 1;
                return Ok(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn short_string(&mut self) -> Result<String, Error> {
        let length = u16::from_be_bytes(self.take("a length", "AMF 0 §2.4")?);
        self.text(length.into())
    }

    fn text(&mut self, length: usize) -> Result<String, Error> {
        let rest = &self.payload[self.offset..];
        let Some(bytes) = rest.get(..length) else {
            return Err(self.malformed(
                "a text of the given length",
                format!("{} of {length} bytes", rest.len()),
                "AMF 0 §2.4",
            ));
        };
        self.offset += length;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn take<const N: usize>(
        &mut self,
        expected: &'static str,
        section: &'static str,
    ) -> Result<[u8; N], Error> {
        match self.payload[self.offset..].first_chunk() {
            Some(bytes) => {
                self.offset += N;
                Ok(*bytes)
            }
            None => Err(self.malformed(expected, "the message's end".to_owned(), section)),
        }
    }

    fn malformed(&self, expected: &'static str, found: String, section: &'static str) -> Error {
        Error::Malformed {
            place: Place::Payload(self.offset),
            expected,
            found,
            section,
        }
    }

    fn limit(&self, what: &'static str, max: usize, found: usize) -> Error {
        Error::Limit {
            place: Place::Payload(self.offset),
            what,
            max: max as u64,
            found: found as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value) -> BytesMut {
        let mut bytes = BytesMut::new();
        encode(value, &mut bytes);
        bytes
    }

    #[test]
    fn every_value_comes_back() {
        let all = Value::object([
            ("number", Value::Number(-1.5)),
            ("boolean", Value::Boolean(true)),
            ("string", Value::string("grün")),
            ("long", Value::string("x".repeat(70_000))),
            ("array", Value::Array(vec![Value::Null, Value::Undefined])),
            ("date", Value::Date(1e12)),
            ("object", Value::object([("", Value::Number(0.0))])),
        ]);
        assert_eq!(decode(&encoded(&all)), Ok(vec![all]));
    }

    #[test]
    fn the_bytes_of_a_command_are_the_specification_s() {
        let mut bytes = BytesMut::new();
        encode(&Value::string("ok"), &mut bytes);
        encode(&Value::Number(1.0), &mut bytes);
        encode(&Value::object([("a", Value::Boolean(false))]), &mut bytes);
        let expected = [
            &[0x02, 0, 2, b'o', b'k'][..],
            &[0x00, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
            &[0x03, 0, 1, b'a', 0x01, 0, 0, 0, 0x09],
        ]
        .concat();
        assert_eq!(&bytes[..], expected);
    }

    #[test]
    fn an_ecma_array_ends_by_its_marker_and_not_by_its_count() {
        let bytes = [8, 0xff, 0xff, 0xff, 0xff, 0, 1, b'a', 5, 0, 0, 9];
        assert_eq!(
            decode(&bytes),
            Ok(vec![Value::object([("a", Value::Null)])])
        );
    }

    #[test]
    fn depth_is_bounded_and_costs_no_stack() {
        let nested = |levels: usize| [0x0a, 0, 0, 0, 1].repeat(levels);
        let mut deepest = nested(AMF_DEPTH_MAX);
        deepest.push(5);
        assert!(decode(&deepest).is_ok());
        let mut deeper = nested(AMF_DEPTH_MAX + 1);
        deeper.push(5);
        assert!(matches!(decode(&deeper), Err(Error::Limit { max: 32, .. })));
        assert!(matches!(
            decode(&nested(19_000)),
            Err(Error::Limit { max: 32, .. })
        ));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        assert!(decode(&[5; AMF_PROPERTIES_MAX]).is_ok());
        for bytes in [
            vec![5; AMF_PROPERTIES_MAX + 1],
            [&[0x0a, 0xff, 0xff, 0xff, 0xff][..], &[5; 300]].concat(),
        ] {
            assert!(matches!(decode(&bytes), Err(Error::Limit { max: 256, .. })));
        }
    }

    #[test]
    fn a_cut_anywhere_is_an_error_with_its_place() {
        let whole = encoded(&Value::object([("a", Value::string("b"))]));
        for end in 1..whole.len() {
            let error = decode(&whole[..end]).expect_err("cut");
            assert!(matches!(
                error,
                Error::Malformed { place: Place::Payload(offset), .. } if offset <= end
            ));
        }
    }

    #[test]
    fn references_and_amf3_are_refused() {
        for marker in [0x04, 0x07, 0x0e, 0x11, 0x12, 0xff] {
            assert!(decode(&[marker, 0, 0]).is_err(), "{marker:#x}");
        }
    }
}
