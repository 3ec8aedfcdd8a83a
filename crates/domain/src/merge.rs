//! How a change of a document is merged into it, with everything told that is wrong.

use crate::code::{self, Code};
use crate::refusal::{Kind, Problem};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What null means in a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    /// The value null.
    Value,
    /// Nothing at all: the key goes, and with it whatever was said.
    Removes,
}

/// Merges a change into a document and reads the outcome; what cannot be read is taken out of the change and told, so
/// that the next problem shows. `Err` when the document itself cannot be read.
pub(crate) fn merged<T: DeserializeOwned>(
    before: &Value,
    mut change: Map<String, Value>,
    null: Null,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    loop {
        let mut merged = before.clone();
        merge(&mut merged, &Value::Object(change.clone()), null);
        match serde_path_to_error::deserialize::<_, T>(merged) {
            Ok(outcome) => return Some(outcome),
            Err(error) => {
                let path = error.path().to_string();
                let code = refused(&error.into_inner().to_string());
                let found = remove(&mut change, &path);
                problems.push(Problem::of_param(Kind::Invalid, code, path));
                if !found {
                    return None;
                }
            }
        }
    }
}

fn refused(message: &str) -> Code {
    if message.contains("unknown field") {
        code::PARAM_UNKNOWN
    } else if message.contains("unknown variant") {
        code::PARAM_VALUE_INVALID
    } else {
        code::PARAM_FORMAT_INVALID
    }
}

fn merge(into: &mut Value, change: &Value, null: Null) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() && null == Null::Removes {
                    into.shift_remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value, null);
                }
            }
        }
        // Where nothing was, nothing is to be removed either.
        (into, Value::Object(change)) if null == Null::Removes => {
            *into = Value::Object(Map::new());
            merge(into, &Value::Object(change.clone()), null);
        }
        (into, change) => *into = change.clone(),
    }
}

/// Takes the deepest part of a path out that was sent; `false` when nothing of it was.
fn remove(change: &mut Map<String, Value>, path: &str) -> bool {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    // An element of a list goes with its list.
    let head = head.split('[').next().unwrap_or(head);
    match change.get_mut(head) {
        Some(Value::Object(inner)) if !rest.is_empty() => remove(inner, rest) || change.shift_remove(head).is_some(),
        Some(_) => change.shift_remove(head).is_some(),
        None => false,
    }
}
