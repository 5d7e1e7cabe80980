//! One value, one spelling: what is hashed and signed must not have two.
//!
//! A subset of RFC 8785 (JSON canonicalisation), so that any implementation of that reads and rewrites it: keys
//! sorted, no white space, the shortest escapes, UTF-8. What it leaves out has no one spelling everywhere: fractions,
//! null, integers beyond what a double holds, keys beyond ASCII (which UTF-8 and UTF-16 sort differently).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The greatest integer, and as a negative the least: 2^53 - 1, beyond which some readers round.
pub const GREATEST: i64 = (1 << 53) - 1;

/// A value that has one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number within [`GREATEST`].
    Integer(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Object),
}

/// An object: its keys are ASCII.
pub type Object = BTreeMap<String, Value>;

/// Why bytes are no canonical value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no JSON, or holds what has no one spelling.
    #[error("no value with one spelling")]
    Value(#[source] serde_json::Error),
    /// It can be read, but another spelling of the same is the canonical one.
    #[error(
        "another spelling than the canonical one: keys sorted, no white space, shortest escapes"
    )]
    Spelling,
    /// It is a value, where only an object can stand.
    #[error("no object")]
    NoObject,
}

/// The object that a struct makes. A field without a value is left out by the struct itself: a null is refused.
pub fn object<T: Serialize>(of: &T) -> Result<Object, Error> {
    let json = serde_json::to_value(of).map_err(Error::Value)?;
    match serde_json::from_value(json).map_err(Error::Value)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::NoObject),
    }
}

/// The struct that an object makes.
pub fn read<T: DeserializeOwned>(object: &Object) -> Result<T, Error> {
    let json = serde_json::to_value(object).map_err(Error::Value)?;
    serde_json::from_value(json).map_err(Error::Value)
}

/// The bytes of an object.
#[must_use]
pub fn encode(object: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_object(&mut out, object);
    out
}

/// The object of exactly these bytes.
pub fn parse(bytes: &[u8]) -> Result<Object, Error> {
    match serde_json::from_slice(bytes).map_err(Error::Value)? {
        Value::Object(object) if encode(&object) == bytes => Ok(object),
        Value::Object(_) => Err(Error::Spelling),
        _ => Err(Error::NoObject),
    }
}

pub(super) fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Text(text) => write_text(out, text),
        Value::List(list) => {
            out.push(b'[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, value);
            }
            out.push(b']');
        }
        Value::Object(object) => write_object(out, object),
    }
}

pub(super) fn write_object(out: &mut Vec<u8>, object: &Object) {
    out.push(b'{');
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(out, key);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(value) => serializer.collect_seq(value),
            Self::Object(value) => serializer.collect_map(value),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneSpelling)
    }
}

/// Reads a value; refuses what has no one spelling. It says what kind of thing is wrong and never repeats it.
struct OneSpelling;

impl<'de> Visitor<'de> for OneSpelling {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, a whole number within 2^53 - 1, a text, a list or an object")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if (-GREATEST..=GREATEST).contains(&value) {
            Ok(Value::Integer(value))
        } else {
            Err(E::custom("an integer beyond 2^53 - 1"))
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        let value = i64::try_from(value).map_err(|_| E::custom("an integer beyond 2^53 - 1"))?;
        self.visit_i64(value)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom("a fraction"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Err(E::custom("a null"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if !key.is_ascii() {
                return Err(A::Error::custom("a key beyond ASCII"));
            }
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
