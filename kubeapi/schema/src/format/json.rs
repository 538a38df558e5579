//! JSON fields as real writers leave them: numbers in quotes, `null`, `true` as a string.
//!
//! Every field of a value is read as a `Scalar`, whatever its JSON type, and turned into what it
//! must be afterwards, so that an error can name the field. Text borrows from the value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{AnswerPolicy, FormatError};
use crate::record::TTL_MAX_S;

/// Any JSON value, arrays and objects without their content.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Absent, or `null`.
    #[default]
    Absent,
    Bool(bool),
    Number(i64),
    /// A number that no `i64` holds.
    Float(f64),
    Text(Cow<'a, str>),
    Array,
    Object,
}

impl<'a> Scalar<'a> {
    /// A text that is not empty; the writers leave unset fields out or empty.
    pub(crate) fn filled_text(self, field: &str) -> Result<Option<Cow<'a, str>>, FormatError> {
        Ok(self.text(field)?.filter(|text| !text.is_empty()))
    }

    /// A text.
    pub(crate) fn text(self, field: &str) -> Result<Option<Cow<'a, str>>, FormatError> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            other => Err(other.wrong(field, "a string")),
        }
    }

    /// A whole number up to `max`; digits in a string are taken too.
    pub(crate) fn number(self, field: &str, max: u32) -> Result<Option<u32>, FormatError> {
        let number = match &self {
            Self::Absent => return Ok(None),
            Self::Text(text) if text.is_empty() => return Ok(None),
            Self::Number(number) => u32::try_from(*number).ok(),
            Self::Text(text) if text.bytes().all(|octet| octet.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        match number.filter(|number| *number <= max) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(field, format_args!("a whole number from 0 to {max}"))),
        }
    }

    /// A whole number of 16 bits.
    pub(crate) fn number16(self, field: &str) -> Result<Option<u16>, FormatError> {
        Ok(self
            .number(field, u16::MAX.into())?
            .map(|number| number as u16))
    }

    /// A TTL in seconds (RFC 2181 section 8).
    pub(crate) fn ttl(self) -> Result<Option<u32>, FormatError> {
        self.number("ttl", TTL_MAX_S)
    }

    /// The name of an answer policy.
    pub(crate) fn policy(self) -> Result<Option<AnswerPolicy>, FormatError> {
        let policy = self.filled_text("policy")?.map(|text| text.parse());
        let policy = policy.transpose();
        policy.map_err(|error| FormatError::field("policy", error))
    }

    /// True or false, also as a string; absent is false.
    pub(crate) fn flag(self, field: &str) -> Result<bool, FormatError> {
        match self {
            Self::Absent => Ok(false),
            Self::Bool(flag) => Ok(flag),
            Self::Text(text) if text == "true" => Ok(true),
            Self::Text(text) if text == "false" || text.is_empty() => Ok(false),
            other => Err(other.wrong(field, "true or false")),
        }
    }

    pub(crate) fn wrong(&self, field: &str, wanted: impl fmt::Display) -> FormatError {
        FormatError::field(field, format_args!("{self} is not {wanted}"))
    }
}

/// The value as errors show it.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", quoted(text)),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// The first characters of a text in quotes, for errors.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    let rest = if shown.len() < text.len() { "..." } else { "" };
    format!("{shown:?}{rest}")
}

/// Reads a value that must be a JSON object.
pub(crate) fn object<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, FormatError> {
    // Without this check an array would be read as the fields in their order.
    if value.trim_ascii_start().first() != Some(&b'{') {
        return Err(FormatError::Json(
            "not a JSON object: write {\"field\":...}".into(),
        ));
    }
    serde_json::from_slice(value).map_err(|error| FormatError::Json(error.to_string()))
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A field that is there, `null` included: for those where `null` means something.
pub(crate) fn given<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Scalar<'a>>, D::Error> {
    Scalar::deserialize(deserializer).map(Some)
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Float(number as f64), Scalar::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // Writers whose only number is a float write 30.0 for 30.
        let whole = number.fract() == 0.0 && number.abs() <= f64::from(u32::MAX);
        Ok(if whole {
            Scalar::Number(number as i64)
        } else {
            Scalar::Float(number)
        })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// A field that should be a list: its values, or the single value it is instead.
#[derive(Debug, Default)]
pub(crate) struct List<'a>(pub(crate) Vec<Scalar<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(List(vec![Scalar::Bool(flag)]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(List(vec![Scalar::Number(number)]))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(List(vec![ScalarVisitor.visit_u64(number)?]))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(List(vec![ScalarVisitor.visit_f64(number)?]))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(List(vec![Scalar::Text(Cow::Borrowed(text))]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(List(vec![Scalar::Text(Cow::Owned(text.to_owned()))]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(List(vec![ScalarVisitor.visit_map(map)?]))
    }
}
