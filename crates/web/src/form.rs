//! A JSON body, read field by field: every problem is collected, none hides another.

pub mod read;

use crate::error::ApiError;
use domain::code::{self, Code};
use domain::email::Email;
use domain::text::Metadata;
use domain::{Kind, Patch, Problem, Timestamp};
use read::{Reading, Seen};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// How many problems are told; a body of a million unknown keys is not echoed.
const PROBLEMS_MAX: usize = 50;

/// How much of an unknown name is told.
const NAME_MAX: usize = 128;

/// A JSON object that is being read; what nobody asked for is refused at the end.
pub struct Form {
    object: Map<String, Value>,
    prefix: String,
    problems: Vec<Problem>,
}

/// A field that was looked up: say whether it must be there.
#[must_use = "say `required`, `optional`, `patch` or `or`"]
pub struct Given<'f, T> {
    form: &'f mut Form,
    name: &'static str,
    seen: Result<Presence<T>, Code>,
}

enum Presence<T> {
    Absent,
    Null,
    Empty,
    /// Something inside is wrong, and was told by its own path.
    Told,
    Value(T),
}

impl Form {
    /// Starts to read an object.
    pub fn new(object: Map<String, Value>) -> Self {
        Self { object, prefix: String::new(), problems: Vec::new() }
    }

    /// A field read by a reader of [`read`].
    pub fn field<T>(&mut self, name: &'static str, reading: impl FnOnce(Value) -> Reading<T>) -> Given<'_, T> {
        let seen = match self.object.remove(name) {
            None => Ok(Presence::Absent),
            Some(Value::Null) => Ok(Presence::Null),
            Some(value) => reading(value).map(|seen| match seen {
                Seen::Empty => Presence::Empty,
                Seen::Value(value) => Presence::Value(value),
            }),
        };
        Given { form: self, name, seen }
    }

    /// A text, trimmed, of at most `max` characters.
    pub fn text(&mut self, name: &'static str, max: usize) -> Given<'_, String> {
        self.field(name, read::text(max))
    }

    /// A password or code, as it was typed.
    pub fn secret(&mut self, name: &'static str) -> Given<'_, crypto::Secret<String>> {
        self.field(name, read::secret())
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str) -> Given<'_, bool> {
        self.field(name, read::boolean())
    }

    /// A whole number within a range.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Given<'_, i64> {
        self.field(name, read::integer(range))
    }

    /// A moment, in Unix milliseconds.
    pub fn timestamp(&mut self, name: &'static str) -> Given<'_, Timestamp> {
        self.field(name, read::timestamp())
    }

    /// An open object.
    pub fn object(&mut self, name: &'static str) -> Given<'_, Map<String, Value>> {
        self.field(name, read::object())
    }

    /// A bucket of metadata of at most 8 KiB.
    pub fn metadata(&mut self, name: &'static str) -> Given<'_, Metadata> {
        self.field(name, read::metadata())
    }

    /// An e-mail address.
    pub fn email(&mut self, name: &'static str) -> Given<'_, Email> {
        self.field(name, read::parsed(Email::parse))
    }

    /// A text that a domain type reads; what it refuses has the wrong format.
    pub fn parse<T, E>(&mut self, name: &'static str, parse: impl FnMut(&str) -> Result<T, E>) -> Given<'_, T> {
        self.field(name, read::parsed(parse))
    }

    /// One word of a set; another is a value that is not possible.
    pub fn choice<T>(&mut self, name: &'static str, parse: impl FnMut(&str) -> Option<T>) -> Given<'_, T> {
        self.field(name, read::choice(parse))
    }

    /// A list of at most `max` items, each read by the same reader.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut item: impl FnMut(Value) -> Reading<T>,
    ) -> Given<'_, Vec<T>> {
        let seen = match self.object.remove(name) {
            None => Ok(Presence::Absent),
            Some(Value::Null) => Ok(Presence::Null),
            Some(Value::Array(items)) if items.len() > max => Err(code::PARAM_VALUE_INVALID),
            Some(Value::Array(items)) => {
                let mut list = Vec::with_capacity(items.len());
                for (i, value) in items.into_iter().enumerate() {
                    match item(value) {
                        Ok(Seen::Value(value)) => list.push(value),
                        Ok(Seen::Empty) => self.wrong(&format!("{name}.{i}"), code::PARAM_NIL),
                        Err(code) => self.wrong(&format!("{name}.{i}"), code),
                    }
                }
                Ok(Presence::Value(list))
            }
            Some(_) => Err(code::PARAM_FORMAT_INVALID),
        };
        Given { form: self, name, seen }
    }

    /// A closed object inside this one; its problems carry dotted paths.
    pub fn nested<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Given<'_, T> {
        let seen = match self.object.remove(name) {
            None => Ok(Presence::Absent),
            Some(Value::Null) => Ok(Presence::Null),
            Some(Value::Object(object)) => {
                let prefix = format!("{}{name}.", self.prefix);
                let mut inner = Self { object, prefix, problems: std::mem::take(&mut self.problems) };
                let value = read(&mut inner);
                inner.refuse_the_rest();
                self.problems = inner.problems;
                if value.is_none() && self.problems.is_empty() {
                    self.wrong(name, code::PARAM_NIL);
                }
                Ok(value.map_or(Presence::Told, Presence::Value))
            }
            Some(_) => Err(code::PARAM_FORMAT_INVALID),
        };
        Given { form: self, name, seen }
    }

    /// A list of closed objects, each read alike; the problems of one carry its path and its `index`. A list of another
    /// length is refused with `out_of_range`.
    pub fn rows<T>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
        out_of_range: Code,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Given<'_, Vec<T>> {
        let seen = match self.object.remove(name) {
            None => Ok(Presence::Absent),
            Some(Value::Null) => Ok(Presence::Null),
            Some(Value::Array(items)) if !range.contains(&items.len()) => Err(out_of_range),
            Some(Value::Array(items)) => {
                let (wanted, mut rows) = (items.len(), Vec::with_capacity(items.len()));
                for (i, item) in items.into_iter().enumerate() {
                    let path = format!("{}{name}.{i}", self.prefix);
                    let Value::Object(object) = item else {
                        let problem = Problem::of_param(Kind::Invalid, code::PARAM_FORMAT_INVALID, path);
                        self.problem(problem.with("index", i));
                        continue;
                    };
                    let mut inner = Self { object, prefix: format!("{path}."), problems: Vec::new() };
                    rows.extend(read(&mut inner));
                    inner.refuse_the_rest();
                    for problem in inner.problems {
                        self.problem(problem.with("index", i));
                    }
                }
                Ok(if rows.len() == wanted { Presence::Value(rows) } else { Presence::Told })
            }
            Some(_) => Err(code::PARAM_FORMAT_INVALID),
        };
        Given { form: self, name, seen }
    }

    /// Whether the object has the field, null or not.
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Takes a field and ignores it: accepted for clients that send it, without meaning here.
    pub fn ignore(&mut self, name: &str) {
        self.object.remove(name);
    }

    /// Everything that nobody asked for yet, as it was sent.
    pub fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.object)
    }

    /// Adds a problem of a parameter.
    pub fn wrong(&mut self, name: &str, code: Code) {
        self.problem(Problem::of_param(Kind::Invalid, code, format!("{}{name}", self.prefix)));
    }

    /// Adds a problem.
    pub fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    fn refuse_the_rest(&mut self) {
        let names: Vec<String> = self.object.keys().take(PROBLEMS_MAX).map(|name| shown(name)).collect();
        for name in names {
            self.wrong(&name, code::PARAM_UNKNOWN);
        }
    }

    /// What was read, unless anything at all is wrong.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, ApiError> {
        self.refuse_the_rest();
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ApiError::problems(self.problems)),
        }
    }
}

/// A stranger's name as an answer may carry it.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect()
}

impl<T> Given<'_, T> {
    /// The value; absent, null or empty is a problem.
    pub fn required(self) -> Option<T> {
        match self.seen {
            Ok(Presence::Value(value)) => Some(value),
            Ok(Presence::Told) => None,
            Ok(Presence::Absent | Presence::Null | Presence::Empty) => {
                self.form.wrong(self.name, code::PARAM_NIL);
                None
            }
            Err(code) => {
                self.form.wrong(self.name, code);
                None
            }
        }
    }

    /// The value, if one was sent; an empty text is none, null is a problem.
    pub fn optional(self) -> Option<T> {
        match self.seen {
            Ok(Presence::Value(value)) => Some(value),
            Ok(Presence::Absent | Presence::Empty | Presence::Told) => None,
            Ok(Presence::Null) => {
                self.form.wrong(self.name, code::PARAM_FORMAT_INVALID);
                None
            }
            Err(code) => {
                self.form.wrong(self.name, code);
                None
            }
        }
    }

    /// The value, if one was sent; null counts as not sent.
    pub fn nullable(self) -> Option<T> {
        match self.seen {
            Ok(Presence::Null) => None,
            seen => Given { seen, ..self }.optional(),
        }
    }

    /// The value, or what stands for an absent one.
    pub fn or(self, default: T) -> T {
        self.optional().unwrap_or(default)
    }

    /// What the request says about a nullable field: absent keeps, null clears; an empty text is a problem.
    pub fn patch(self) -> Patch<T> {
        match self.seen {
            Ok(Presence::Absent | Presence::Told) => Patch::Keep,
            Ok(Presence::Null) => Patch::Clear,
            Ok(Presence::Value(value)) => Patch::Set(value),
            Ok(Presence::Empty) => {
                self.form.wrong(self.name, code::PARAM_FORMAT_INVALID);
                Patch::Keep
            }
            Err(code) => {
                self.form.wrong(self.name, code);
                Patch::Keep
            }
        }
    }
}

#[cfg(test)]
mod tests;
