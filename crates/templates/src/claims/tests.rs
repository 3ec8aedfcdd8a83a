use super::*;
use proptest::prelude::*;
use serde_json::json;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => panic!("not an object"),
    }
}

fn people() -> Map<String, Value> {
    object(json!({
        "user": {
            "id": "user_1", "first_name": "Ann", "created_at": 1_700_000_000_123_i64,
            "primary_email_address": { "email_address": "ann@example.com", "verified": true },
            "public_metadata": { "plan": "pro", "seats": 3, "tags": ["a", "b"], "private_metadata": "a name of theirs" },
            "unsafe_metadata": { "evil": "{{ user.id }}{% raw %}", "sid": "{{session.id}}", "big": "x".repeat(3000) },
        },
        "session": { "id": "sess_1" },
    }))
}

fn rendered(claims: Value) -> Value {
    Value::Object(Claims::parse(&object(claims)).unwrap().render(&people()).unwrap())
}

fn refused(claims: Value) -> Vec<(String, String)> {
    let told = |wrong: Wrong| match wrong {
        Wrong::Template(error) => error.meaning.as_str().to_owned(),
        Wrong::PrivateMetadata => "private".to_owned(),
    };
    let errors = Claims::parse(&object(claims)).unwrap_err();
    errors.into_iter().map(|error| (error.path, told(error.wrong))).collect()
}

#[test]
fn placeholders_are_resolved_at_every_depth_with_their_types() {
    let claims = json!({
        "role": "{{user.public_metadata.plan}}", "seats": "{{ user.public_metadata.seats }}", "fixed": [1, null, "x"],
        "deep": { "list": ["{{user.first_name | upcase}}", { "tags": "{{user.public_metadata.tags}}" }] },
        "mixed": "{{user.first_name}} has {{user.public_metadata.seats}} of {{ user.public_metadata.tags }}",
        "since": "{{ user.created_at | date_unix }}", "none": "{{organization.id}}", "{{user.id}}": "keys stay",
    });
    assert_eq!(
        rendered(claims),
        json!({
            "role": "pro", "seats": 3, "fixed": [1, null, "x"], "deep": { "list": ["ANN", { "tags": ["a", "b"] }] },
            "mixed": "Ann has 3 of [\"a\",\"b\"]", "since": 1_700_000_000, "none": "", "{{user.id}}": "keys stay",
        })
    );
}

#[test]
fn an_address_is_a_text_and_has_members() {
    let claims = json!({
        "a": "{{user.primary_email_address}}", "b": "<{{ user['primary_email_address'] }}>",
        "c": "{{user.primary_email_address.email_address}}", "d": "{{user.primary_email_address.verified}}",
        "e": "{{ user.nothing | default: user.primary_email_address }}",
    });
    let mail = "ann@example.com";
    assert_eq!(rendered(claims), json!({ "a": mail, "b": format!("<{mail}>"), "c": mail, "d": true, "e": mail }));
}

#[test]
fn what_a_person_writes_stays_a_value() {
    let claims = json!({
        "a": "{{user.unsafe_metadata.evil}}", "b": "x{{ user.unsafe_metadata.sid }}",
        "c": "{{ user.unsafe_metadata.evil | json }}", "d": "{{ '{{user.id}}' }}",
    });
    assert_eq!(
        rendered(claims),
        json!({
            "a": "{{ user.id }}{% raw %}", "b": "x{{session.id}}", "c": "\"{{ user.id }}{% raw %}\"", "d": "{{user.id}}",
        })
    );
}

#[test]
fn private_metadata_is_refused_in_every_spelling() {
    for spelling in [
        "{{user.private_metadata}}",
        "{{ user . private_metadata . x }}",
        "{{-user['private_metadata'].x-}}",
        "{{ user[\"private_metadata\"] | json | size }}",
        "{{ user.id | default: user.private_metadata.x }}",
        "{{ user.id | replace: 'a', user.private_metadata.x }}",
        "text {{user.first_name}} {{user.Private_Metadata.x}}",
        "{{organization.private_metadata.x}}",
        "{{session.user.private_metadata}}",
        "{{private_metadata.x}}",
    ] {
        let claims = json!({ "fine": "{{user.id}}", "a": { "b": ["x", spelling] } });
        assert_eq!(refused(claims), [("a.b.1".to_owned(), "private".to_owned())], "{spelling}");
    }
    // A name of the operator's own, below what is open.
    assert_eq!(
        rendered(json!({ "x": "{{user.public_metadata.private_metadata}}" })),
        json!({ "x": "a name of theirs" })
    );
    // And hidden behind a tag it is a tag, which is refused as well.
    let hidden = json!({ "x": "{% raw %}{{user.private_metadata}}{% endraw %}" });
    assert_eq!(refused(hidden), [("x".to_owned(), "tag_not_allowed".to_owned())]);
}

#[test]
fn everything_that_is_wrong_is_told_by_its_path() {
    let claims = json!({
        "a": "{{ user.id", "b": { "c": ["{% if x %}", "{{ x | append: 'y' }}", "{% comment %}{% endcomment %}"] },
        "d": "{{ user[session.id] }}", "e": "{{user.private_metadata}}", "fine": "{ { not one } }",
    });
    let told = [
        ("a", "unclosed"),
        ("b.c.0", "tag_not_allowed"),
        ("b.c.1", "unknown_filter"),
        ("b.c.2", "tag_not_allowed"),
        ("d", "computed_name"),
        ("e", "private"),
    ];
    assert_eq!(refused(claims), told.map(|(path, wrong)| (path.to_owned(), wrong.to_owned())));
}

#[test]
fn all_texts_of_a_token_share_what_they_may_cost_and_make() {
    let stopped = |claims: Value| match Claims::parse(&object(claims)).unwrap().render(&people()).unwrap_err().wrong {
        Wrong::Template(error) => error.meaning,
        other => panic!("{other:?}"),
    };
    // Each fits, both together do not.
    let big = "{{user.unsafe_metadata.big}}";
    assert_eq!(rendered(json!({ "a": big }))["a"].as_str().map(str::len), Some(3000));
    assert_eq!(stopped(json!({ "a": big, "b": big })), Meaning::OutputTooLong);
    // Work that makes next to nothing is counted over all of them.
    let costly = "{{ user.unsafe_metadata.big | replace: 'x', 'xxxxxxxxxxxxxxxxxxxx' | split: '' | size }}";
    assert_eq!(stopped(json!({ "all": vec![costly; 80] })), Meaning::TooMuchWork);
}

#[test]
fn paths_are_known_without_rendering() {
    let claims = object(
        json!({ "a": "{{user.id}}", "b": ["{{ env.id | default: user.id }}", "{{user.primary_phone_number}}"] }),
    );
    let claims = Claims::parse(&claims).unwrap();
    assert_eq!(claims.paths().collect::<Vec<_>>(), ["env.id", "user.id", "user.primary_phone_number.phone_number"]);
}

#[test]
fn depth_is_bounded_before_it_is_walked() {
    let deep = (0..100).fold(json!("{{user.id}}"), |inner, _| json!([inner]));
    assert_eq!(refused(json!({ "a": deep }))[0].1, "nesting_too_deep");
}

/// Texts that would be something, if anything were.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{%",
        "%}",
        "{{-",
        "-}}",
        "raw",
        "endraw",
        "'",
        "\"",
        "[",
        "]",
        ".",
        "|",
        ":",
        ",",
        " ",
        "\n",
        "ü",
        "user",
        "id",
        "private_metadata",
        "public_metadata",
        "unsafe_metadata",
        "big",
        "tags",
        "size",
        "first",
        "0",
        "-1",
        "default",
        "json",
        "split",
        "replace",
        "truncate",
        "urlencode",
        "upcase",
        "{{user.id}}",
        "{{user.unsafe_metadata.big}}",
        "{{user.public_metadata}}",
        "{{ user.unsafe_metadata.big | split: '' }}",
        "{{ user.unsafe_metadata.big | replace: 'x', 'xxxxxxxxxxxxxxxx' }}",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((texts(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_json_as_claims_ends_with_bounded_claims_or_an_error(members in prop::collection::vec((texts(), any_json()), 0..8)) {
        let claims: Map<String, Value> = members.into_iter().collect();
        if let Ok(read) = Claims::parse(&claims) {
            prop_assert!(!read.paths().any(is_private));
            if let Ok(made) = read.render(&people()) {
                prop_assert!(made.keys().eq(claims.keys()), "no value makes a claim");
                let fixed = Value::Object(claims).to_string().len();
                // A character of a text takes six bytes of JSON at most.
                prop_assert!(Value::Object(made).to_string().len() <= fixed + 6 * MAX_RENDERED + 64 * 64);
            }
        }
    }
}
