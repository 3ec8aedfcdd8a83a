use super::*;
use proptest::prelude::*;
use serde_json::json;

fn form(value: Value) -> Form {
    let Value::Object(object) = value else { panic!("an object") };
    Form::new(object)
}

/// The problems as `param: code`, in the order they are told.
fn problems<T>(result: Result<T, ApiError>) -> Vec<String> {
    let error = result.err().expect("a refusal");
    let told = error.refused().iter().map(|p| format!("{}: {}", p.meta["param"].as_str().unwrap(), p.code.name));
    told.collect()
}

#[test]
fn every_problem_is_told_at_once() {
    let mut form = form(json!({"name": 7, "age": 200, "kind": "cat", "extra": 1, "note": null, "mail": "nobody"}));

    let name = form.text("name", 10).required();
    form.integer("age", 0..=150).optional();
    form.choice("kind", |word| (word == "dog").then_some(())).optional();
    form.text("note", 10).optional();
    form.email("mail").optional();
    form.boolean("missing").required();

    assert_eq!(
        problems(form.finish(name)),
        [
            "name: form_param_format_invalid",
            "age: form_param_value_invalid",
            "kind: form_param_value_invalid",
            "note: form_param_format_invalid",
            "mail: form_param_format_invalid",
            "missing: form_param_nil",
            "extra: form_param_unknown",
        ]
    );
}

#[test]
fn texts_are_trimmed_and_passwords_are_not() {
    let mut form = form(json!({"name": "  Ann ", "password": "  x "}));

    assert_eq!(form.text("name", 3).required().as_deref(), Some("Ann"));
    assert_eq!(form.secret("password").required().unwrap().expose(), "  x ");
    assert!(form.finish(Some(())).is_ok());
}

#[test]
fn absent_null_and_empty_are_three_things() {
    let document = || form(json!({"null": null, "empty": " ", "value": "x"}));

    let mut form = document();
    assert_eq!(form.text("absent", 9).patch(), Patch::Keep);
    assert_eq!(form.text("null", 9).patch(), Patch::Clear);
    assert_eq!(form.text("value", 9).patch(), Patch::Set("x".to_owned()));
    form.text("empty", 9).patch();
    assert_eq!(problems(form.finish(Some(()))), ["empty: form_param_format_invalid"]);

    let mut form = document();
    assert_eq!(form.text("empty", 9).optional(), None, "an empty text is none");
    assert_eq!(form.text("null", 9).nullable(), None);
    assert_eq!(form.text("value", 9).or("default".into()), "x");
    assert!(form.finish(Some(())).is_ok());

    let mut form = document();
    for name in ["absent", "null", "empty"] {
        form.text(name, 9).required();
    }
    form.ignore("value");
    assert_eq!(
        problems(form.finish(Some(()))),
        ["absent: form_param_nil", "null: form_param_nil", "empty: form_param_nil"]
    );
}

#[test]
fn problems_inside_objects_and_lists_carry_their_path() {
    let mut form = form(json!({"totp": {"enabled": "yes", "more": 1}, "mails": ["a@example.com", "b", 3]}));

    form.nested("totp", |inner| inner.boolean("enabled").required()).optional();
    form.list("mails", 5, read::parsed(Email::parse)).optional();

    assert_eq!(
        problems(form.finish(Some(()))),
        [
            "totp.enabled: form_param_format_invalid",
            "totp.more: form_param_unknown",
            "mails.1: form_param_format_invalid",
            "mails.2: form_param_format_invalid",
        ]
    );
}

#[test]
fn a_required_object_that_is_incomplete_is_told_once_by_its_own_path() {
    let mut form = form(json!({"who": {}}));

    let who = form.nested("who", |inner| inner.text("name", 9).required()).required();

    assert!(who.is_none());
    assert_eq!(problems(form.finish(who)), ["who.name: form_param_nil"]);
}

#[test]
fn lists_and_metadata_are_bounded() {
    let mut form = form(json!({"list": ["a", "b", "c"], "meta": {"x": "y".repeat(9000)}, "php": []}));

    form.list("list", 2, read::text(9)).optional();
    form.metadata("meta").optional();
    assert_eq!(form.metadata("php").optional(), Some(Metadata::new()), "an empty map of a language without maps");

    assert_eq!(problems(form.finish(Some(()))), ["list: form_param_value_invalid", "meta: metadata_too_large"]);
}

#[test]
fn numbers_are_whole_and_control_characters_are_no_text() {
    let mut form = form(json!({"float": 1.0, "text": "a\u{1b}b", "big": 18_446_744_073_709_551_615_u64, "at": -1}));

    form.integer("float", 0..=9).optional();
    form.text("text", 9).optional();
    form.integer("big", 0..=9).optional();
    form.timestamp("at").optional();

    assert_eq!(problems(form.finish(Some(()))).len(), 4);
}

#[test]
fn what_a_stranger_called_his_keys_is_not_echoed_without_bound() {
    let many: Map<String, Value> = (0..1000).map(|i| (format!("{i}\u{7}{}", "x".repeat(500)), json!(1))).collect();

    let error = Form::new(many).finish(Some(())).unwrap_err();

    assert_eq!(error.refused().len(), PROBLEMS_MAX);
    assert!(error.refused().iter().all(|p| p.meta["param"].as_str().unwrap().len() <= NAME_MAX));
    assert!(error.refused().iter().all(|p| !p.meta["param"].as_str().unwrap().contains('\u{7}')));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-h]", inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_is_read_or_refused(pairs in prop::collection::vec(("[a-i]", any_json()), 0..9)) {
        let mut form = Form::new(pairs.into_iter().collect());
        form.text("a", 5).optional();
        form.secret("b").required();
        form.integer("c", -5..=5).patch();
        form.metadata("d").optional();
        form.list("e", 2, read::choice(|w| w.parse::<u8>().ok())).optional();
        form.nested("f", |inner| { inner.email("a").patch(); inner.timestamp("b").required() }).optional();
        form.object("g").nullable();
        form.boolean("h").or(true);
        if let Err(error) = form.finish(Some(())) {
            prop_assert!(!error.refused().is_empty());
        }
    }
}
