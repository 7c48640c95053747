//! JSON values that travel inside messages as they are.

use std::fmt::Formatter;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value on one line. Newlines outside strings are blanks, and inside strings JSON has none; as separators of
/// messages (`\n`) and of lines of an event stream (`\r`) they must not come through.
pub fn one_line(json: &str) -> Bytes {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if json.bytes().any(|byte| breaks(&byte)) {
        return json
            .bytes()
            .map(|byte| if breaks(&byte) { b' ' } else { byte })
            .collect();
    }
    Bytes::copy_from_slice(json.as_bytes())
}

/// Whether these bytes are one JSON value on one line.
pub fn is_json(bytes: &[u8]) -> bool {
    !bytes.contains(&b'\n') && !bytes.contains(&b'\r') && serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// Reads a value as it stands. Absent is empty.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    Ok(one_line(Box::<RawValue>::deserialize(deserializer)?.get()))
}

/// Writes the value as it stands. Bytes that are no JSON, which only a Protobuf client can have published, become their
/// base64; none at all become `null`.
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    if bytes.is_empty() {
        return serializer.serialize_unit();
    }
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(value) if is_json(bytes) => value.serialize(serializer),
        _ => serializer.serialize_str(&STANDARD.encode(bytes)),
    }
}

/// Reads a text as bytes.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}

/// Whether a field is absent on the wire.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A value; null is as good as absent, as for the SDKs' own servers.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An object, or null for none. serde would read a struct from an array too; the protocol knows only objects.
pub fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

/// Something written as an object.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}
