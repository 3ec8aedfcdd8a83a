//! Templates of operators: whatever is written in one, reading and rendering it ends, within its bounds, and shows
//! values escaped where it must.

use serde_json::{Map, Value, json};
use templates::{Cap, Dialect, Output, Template};

fn values() -> Map<String, Value> {
    let values = json!({
        "app": { "name": "Acme <b>\"&'" },
        "user": { "first_name": "Ann", "tags": ["a", "<i>", 3, null, { "deep": true }], "age": -7.5 },
        "otp_code": "424242", "list": [1, 2, 3], "empty": "", "at": 1_700_000_000_123_i64,
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

/// Reads a template, and renders what could be read. The first byte says as what.
pub fn check(data: &[u8]) {
    let Some((kind, source)) = data.split_first() else { return };
    let source = String::from_utf8_lossy(source);
    let dialect = if kind & 1 == 0 { Dialect::Message } else { Dialect::Claims };
    let output = match kind >> 1 & 3 {
        0 => Output::TEXT,
        1 => Output::HTML,
        2 => Output::SMS,
        _ => Output::CLAIM,
    };
    let template = match Template::parse(&source, dialect) {
        Ok(template) => template,
        Err(error) => {
            let lines = source.split('\n').count();
            assert!(error.line >= 1 && error.line as usize <= lines, "line {} of {lines}", error.line);
            return;
        }
    };
    let paths: Vec<&str> = template.paths().collect();
    assert!(paths.is_sorted());
    let values = values();
    match template.render(&values, output) {
        Ok(text) => {
            match output.cap {
                Cap::Bytes(most) => assert!(text.len() <= most, "{} bytes", text.len()),
                Cap::Chars(most) => assert!(text.chars().count() <= most),
            }
            assert!(!output.escape || source.contains('<') || !text.contains('<'), "{source:?} shows {text:?}");
            assert_eq!(template.render(&values, output).as_ref(), Ok(&text), "the same again");
        }
        Err(error) => {
            let word = error.meaning.as_str();
            assert!(
                ["output_too_long", "too_much_work"].contains(&word),
                "{source:?} is refused when rendered: {word}"
            );
        }
    }
    // A claim keeps its type; it is made of the same work.
    let _ = template.evaluate(&values, output);
}
