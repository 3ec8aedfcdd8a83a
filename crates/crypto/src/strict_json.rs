//! JSON as strangers may send it: one meaning or none.
//!
//! Two readers of the same bytes must never disagree (RFC 8725 section 2.4), so duplicate names
//! are refused. U+0000 is refused because PostgreSQL text cannot hold it.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting any caller may allow; deeper is answered before the stack is in danger.
pub const DEEPEST: usize = 100;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrictJsonError {
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax { line: usize, column: usize },
    #[error("nested too deeply")]
    TooDeep,
    #[error("the name `{0}` is given twice")]
    DuplicateKey(String),
    #[error("the character U+0000 in `{0}`")]
    NullCharacter(String),
}

/// Parses one JSON value nested at most `max_depth` containers deep, and nothing after it.
///
/// Paths in errors join names and array positions with dots; `max_depth` is capped at [`DEEPEST`].
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, StrictJsonError> {
    let found = RefCell::new(None);
    let seed = Seed { depth_left: max_depth.min(DEEPEST), found: &found };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let result = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    result.map_err(|error| match found.take() {
        Some(problem) => problem.into(),
        None => StrictJsonError::Syntax { line: error.line(), column: error.column() },
    })
}

/// Parses one JSON object; anything else is a syntax error at its beginning.
pub fn parse_object(bytes: &[u8], max_depth: usize) -> Result<Map<String, Value>, StrictJsonError> {
    match parse(bytes, max_depth)? {
        Value::Object(map) => Ok(map),
        _ => Err(StrictJsonError::Syntax { line: 1, column: 1 }),
    }
}

enum Kind {
    TooDeep,
    DuplicateKey,
    NullCharacter,
}

/// What was found, with its path from the inside out: only a refused text pays for one.
struct Problem {
    kind: Kind,
    path: Vec<String>,
}

impl From<Problem> for StrictJsonError {
    fn from(problem: Problem) -> Self {
        let mut path = problem.path;
        path.reverse();
        let path = path.join(".");
        match problem.kind {
            Kind::TooDeep => Self::TooDeep,
            Kind::DuplicateKey => Self::DuplicateKey(path),
            Kind::NullCharacter => Self::NullCharacter(path),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    depth_left: usize,
    found: &'a RefCell<Option<Problem>>,
}

impl Seed<'_> {
    fn refuse<E: serde::de::Error>(self, kind: Kind, at: Option<&str>) -> E {
        let path = at.map(printable).into_iter().collect();
        self.found.replace(Some(Problem { kind, path }));
        E::custom("refused")
    }

    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.refuse(Kind::TooDeep, None)),
        }
    }

    fn below(self, segment: impl FnOnce() -> String) {
        if let Some(problem) = self.found.borrow_mut().as_mut() {
            problem.path.push(segment());
        }
    }

    fn string<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.refuse(Kind::NullCharacter, None));
        }
        Ok(())
    }
}

/// A name as an error message may carry it: without control characters, of bounded length.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.string(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.string(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        loop {
            let item = seq.next_element_seed(inside).inspect_err(|_| self.below(|| list.len().to_string()))?;
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.contains('\0') {
                return Err(self.refuse(Kind::NullCharacter, Some(&name)));
            }
            if object.contains_key(&name) {
                return Err(self.refuse(Kind::DuplicateKey, Some(&name)));
            }
            let value = map.next_value_seed(inside).inspect_err(|_| self.below(|| printable(&name)))?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests;
