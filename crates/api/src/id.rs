//! Ids: 24 lower-case hex digits, written `{"$oid": …}` in full entities and bare everywhere else.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text is no id: an id is 24 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: an id is 24 hex digits")]
pub struct NotAnId(pub String);

/// An id: 24 hex digits, kept in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 24]);

impl Id {
    /// An id of 12 bytes, as hex.
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 24];
        for (i, byte) in bytes.iter().enumerate() {
            text[2 * i] = HEX[usize::from(byte >> 4)];
            text[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        Id(text)
    }

    /// The id of a system operator (`0` System … `8` Repo Manager).
    pub fn system(number: u8) -> Self {
        let mut bytes = [0; 12];
        bytes[11] = number;
        Id::from_bytes(bytes)
    }

    /// The 24 hex digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of ASCII hex digits")
    }

    /// Whether a text has the form of an id; such texts are refused as names.
    pub fn is_id(text: &str) -> bool {
        text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

impl FromStr for Id {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if !Id::is_id(text) {
            return Err(NotAnId(text.chars().take(64).collect()));
        }
        let mut id = [0; 24];
        id.copy_from_slice(text.to_ascii_lowercase().as_bytes());
        Ok(Id(id))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `_id` of a full entity: `{"$oid": "<24 hex>"}` out; that or the bare hex digits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub Id);

impl Serialize for Oid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("$oid", &self.0)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Oid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Wrapped {
                #[serde(rename = "$oid")]
                oid: Id,
            },
            Bare(Id),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Wrapped { oid } | Form::Bare(oid) => Oid(oid),
        })
    }
}

impl JsonSchema for Oid {
    fn schema_name() -> Cow<'static, str> {
        "MongoIdObj".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "properties": { "$oid": { "type": "string" } }, "required": ["$oid"]
        })
    }
}
