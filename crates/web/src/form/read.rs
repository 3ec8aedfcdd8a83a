//! Readers of one JSON value each; they say what is wrong by its code.

use domain::Timestamp;
use domain::code::{self, Code};
use domain::text::{Metadata, metadata_fits};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The longest password or code that is looked at, in bytes.
const SECRET_MAX: usize = 4096;

/// The longest text that a parser is given, in bytes.
const PARSED_MAX: usize = 4096;

/// A value that has the right form.
pub enum Seen<T> {
    /// A text without a character in it.
    Empty,
    /// A value.
    Value(T),
}

/// A value of the right form, or the code of what is wrong with it.
pub type Reading<T> = Result<Seen<T>, Code>;

fn string(value: Value) -> Result<String, Code> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(code::PARAM_FORMAT_INVALID),
    }
}

/// A text, trimmed, of at most `max` characters, without control characters other than line breaks and tabs.
pub fn text(max: usize) -> impl FnMut(Value) -> Reading<String> {
    move |value| {
        let text = string(value)?;
        let trimmed = text.trim();
        let proper = trimmed.chars().count() <= max
            && !trimmed.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
        if !proper {
            return Err(code::PARAM_FORMAT_INVALID);
        }
        Ok(if trimmed.is_empty() { Seen::Empty } else { Seen::Value(trimmed.to_owned()) })
    }
}

/// A text exactly as it was written, of at most `max` characters.
pub fn verbatim(max: usize) -> impl FnMut(Value) -> Reading<String> {
    move |value| {
        let text = string(value)?;
        if text.is_empty() {
            return Ok(Seen::Empty);
        }
        if text.chars().count() > max { Err(code::PARAM_FORMAT_INVALID) } else { Ok(Seen::Value(text)) }
    }
}

/// A password or code, exactly as it was typed.
pub fn secret() -> impl FnMut(Value) -> Reading<crypto::Secret<String>> {
    |value| {
        let text = crypto::Secret::new(string(value)?);
        if text.expose().is_empty() {
            return Ok(Seen::Empty);
        }
        if text.expose().len() > SECRET_MAX {
            return Err(code::PARAM_FORMAT_INVALID);
        }
        Ok(Seen::Value(text))
    }
}

/// True or false.
pub fn boolean() -> impl FnMut(Value) -> Reading<bool> {
    |value| value.as_bool().map(Seen::Value).ok_or(code::PARAM_FORMAT_INVALID)
}

/// A whole number within a range.
pub fn integer(range: RangeInclusive<i64>) -> impl FnMut(Value) -> Reading<i64> {
    move |value| {
        let number = value.as_i64().ok_or(code::PARAM_FORMAT_INVALID)?;
        if range.contains(&number) { Ok(Seen::Value(number)) } else { Err(code::PARAM_VALUE_INVALID) }
    }
}

/// A moment, in Unix milliseconds, not before 1970.
pub fn timestamp() -> impl FnMut(Value) -> Reading<Timestamp> {
    |value| {
        let millis = value.as_i64().filter(|millis| *millis >= 0).ok_or(code::PARAM_FORMAT_INVALID)?;
        Ok(Seen::Value(Timestamp::from_millis(millis)))
    }
}

/// An open object.
pub fn object() -> impl FnMut(Value) -> Reading<Map<String, Value>> {
    |value| match value {
        Value::Object(map) => Ok(Seen::Value(map)),
        // SDKs of languages without a difference send an empty map as an empty list.
        Value::Array(items) if items.is_empty() => Ok(Seen::Value(Map::new())),
        _ => Err(code::PARAM_FORMAT_INVALID),
    }
}

/// A bucket of metadata of at most 8 KiB.
pub fn metadata() -> impl FnMut(Value) -> Reading<Metadata> {
    let mut object = object();
    move |value| match object(value)? {
        Seen::Value(bucket) if !metadata_fits(&bucket) => Err(code::METADATA_TOO_LARGE),
        seen => Ok(seen),
    }
}

/// A text that a domain type reads; what it refuses has the wrong format.
pub fn parsed<T, E>(mut parse: impl FnMut(&str) -> Result<T, E>) -> impl FnMut(Value) -> Reading<T> {
    move |value| {
        let text = string(value)?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Seen::Empty);
        }
        if trimmed.len() > PARSED_MAX {
            return Err(code::PARAM_FORMAT_INVALID);
        }
        parse(trimmed).map(Seen::Value).map_err(|_| code::PARAM_FORMAT_INVALID)
    }
}

/// One word of a set; another is a value that is not possible.
pub fn choice<T>(mut parse: impl FnMut(&str) -> Option<T>) -> impl FnMut(Value) -> Reading<T> {
    move |value| {
        let text = string(value)?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Seen::Empty);
        }
        parse(trimmed).map(Seen::Value).ok_or(code::PARAM_VALUE_INVALID)
    }
}
