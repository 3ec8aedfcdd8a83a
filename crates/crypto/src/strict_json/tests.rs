use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(text: &str) -> StrictJsonError {
    parse(text.as_bytes(), 8).expect_err("this text is refused")
}

#[test]
fn ordinary_json_reads_as_it_always_does() {
    let text = r#"{"a": [1, -2, 3.5, true, null, "é\n"], "b": {"c": {}}, "d": 18446744073709551615}"#;

    let value = parse(text.as_bytes(), 8);

    let plain: Value = serde_json::from_str(text).expect("valid JSON");
    assert_eq!(value, Ok(plain));
}

#[test]
fn a_name_given_twice_is_refused_with_its_path() {
    for (text, path) in [
        (r#"{"a":1,"a":1}"#, "a"),
        (r#"{"a":1,"\u0061":2}"#, "a"),
        (r#"{"a":{"b":[0,{"c":1,"d":2,"c":3}]}}"#, "a.b.1.c"),
        (r#"[{"":1,"":2}]"#, "0."),
    ] {
        assert_eq!(refused(text), StrictJsonError::DuplicateKey(path.into()));
    }
    assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#, 8).is_ok());
}

#[test]
fn a_null_character_is_refused_with_its_path() {
    for (text, path) in [
        (r#"{"a":"x\u0000y"}"#, "a"),
        (r#"{"a":["x","\u0000"]}"#, "a.1"),
        (r#"{"a":{"b\u0000c":1}}"#, "a.bc"),
        (r#""\u0000""#, ""),
    ] {
        assert_eq!(refused(text), StrictJsonError::NullCharacter(path.into()));
    }
}

#[test]
fn the_depth_allowed_is_exact() {
    assert!(parse(b"[[{}]]", 3).is_ok());
    assert_eq!(parse(b"[[{}]]", 2), Err(StrictJsonError::TooDeep));
    assert_eq!(parse(b"[]", 0), Err(StrictJsonError::TooDeep));
    assert_eq!(parse(b"1", 0), Ok(json!(1)));
}

#[test]
fn a_hundred_thousand_levels_do_not_harm_the_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let closed = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for text in [closed, open.repeat(100_000)] {
            assert_eq!(parse(text.as_bytes(), usize::MAX), Err(StrictJsonError::TooDeep));
        }
    }
}

#[test]
fn anything_that_is_not_one_json_value_is_a_syntax_error() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{} {}",
        "{}x",
        "'a'",
        "NaN",
        "01",
        "1e999",
        "\u{feff}{}",
        "\"\\ud800\"",
        "\"\n\"",
        "{a:1}",
        "{1:2}",
        "/**/1",
        "[1]\0",
    ] {
        assert!(matches!(refused(text), StrictJsonError::Syntax { .. }), "{text:?}");
    }
    assert!(parse(b"\"\xff\"", 8).is_err());
    assert!(parse_object(b"[]", 8).is_err());
}

#[test]
fn an_error_path_is_short_and_printable() {
    let name = format!("\u{1b}[31m{}", "n".repeat(500));
    let text = json!({ &name: "\0" }).to_string();

    let StrictJsonError::NullCharacter(path) = refused(&text) else {
        panic!("a null character is refused as such");
    };

    assert!(path.len() <= 64);
    assert!(!path.contains('\u{1b}'));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[^\0]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[^\0]{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_back_from_its_text(value in value()) {
        prop_assert_eq!(parse(value.to_string().as_bytes(), 20), Ok(value));
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, 5);
    }

    #[test]
    fn what_is_accepted_is_what_serde_json_reads(text in "[\\[\\]{}:,\"a\\\\u0019 .e-]{0,24}") {
        if let Ok(value) = parse(text.as_bytes(), 50) {
            let plain: Value = serde_json::from_str(&text).expect("never laxer than the plain parser");
            prop_assert_eq!(value, plain);
        }
    }
}
