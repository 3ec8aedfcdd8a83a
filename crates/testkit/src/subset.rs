//! Whether a JSON value holds at least what a test expects.

use serde_json::Value;

/// What is missing or different, as `path: reason`; `None` when all of it is there.
///
/// Objects may hold more than expected; lists have the same length; everything else is equal.
pub(crate) fn difference(expected: &Value, actual: &Value) -> Option<String> {
    at("", expected, actual)
}

fn at(path: &str, expected: &Value, actual: &Value) -> Option<String> {
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, wanted)| {
            let path = format!("{path}/{key}");
            match found.get(key) {
                Some(found) => at(&path, wanted, found),
                None => Some(format!("{path}: missing, expected {wanted}")),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(i, (wanted, found))| at(&format!("{path}/{i}"), wanted, found)),
        _ if expected == actual => None,
        _ => Some(format!("{path}: expected {expected}, got {actual}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_may_hold_more_and_a_list_may_not() {
        assert_eq!(difference(&json!({ "a": [{ "b": 1 }] }), &json!({ "a": [{ "b": 1, "c": 2 }], "d": 3 })), None);
        assert!(difference(&json!({ "a": [1] }), &json!({ "a": [1, 2] })).is_some());
        assert!(difference(&json!({ "a": null }), &json!({})).is_some());
        assert_eq!(
            difference(&json!({ "a": { "b": 1 } }), &json!({ "a": { "b": 2 } })).as_deref(),
            Some("/a/b: expected 1, got 2")
        );
    }
}
