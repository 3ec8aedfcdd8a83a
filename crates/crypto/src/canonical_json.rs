//! One text for all spellings of a JSON value: what is hashed of it. For values whose numbers are whole and whose
//! keys are within the basic multilingual plane it is the form of RFC 8785.

use serde_json::Value;
use std::fmt::Write as _;

/// Writes a value with the keys of its objects sorted at every level and no white space.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    put(&mut text, value);
    text
}

// Values come from the strict reader, or from types of ours: the depth is bounded.
fn put(text: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                put(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                scalar(text, &Value::String(key.clone()));
                text.push(':');
                put(text, item);
            }
            text.push('}');
        }
        scalar_value => scalar(text, scalar_value),
    }
}

fn scalar(text: &mut String, value: &Value) {
    write!(text, "{value}").expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use serde_json::json;

    #[test]
    fn key_order_does_not_count_and_item_order_does() {
        let one = json!({"b": {"y": 1, "x": [1, 2]}, "a": "\"\n"});
        let other = json!({"a": "\"\n", "b": {"x": [1, 2], "y": 1}});

        assert_eq!(canonical(&one), r#"{"a":"\"\n","b":{"x":[1,2],"y":1}}"#);
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&json!({"a": "\"\n", "b": {"x": [2, 1], "y": 1}})));
    }
}
