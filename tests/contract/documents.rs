//! The committed documents are those of the code, and they hold together.

use domain::Surface;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use testkit::document;

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; run `latchkey openapi`", path.display()))
}

#[test]
fn the_committed_documents_are_those_of_the_code() {
    for (name, made) in [("fapi.yaml", fapi::openapi()), ("bapi.yaml", bapi::openapi())] {
        let made = made.to_yaml().expect("a document has a YAML form");
        assert!(committed(name) == made, "openapi/{name} is not what the code makes: run `latchkey openapi`");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    for surface in [Surface::Fapi, Surface::Bapi] {
        let value = document(surface).value();
        let mut found = BTreeSet::new();
        references(value, &mut found);
        for target in &found {
            let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads out of the document"));
            assert!(value.pointer(pointer).is_some(), "{target} leads nowhere");
        }
        for name in value["components"]["schemas"].as_object().into_iter().flat_map(|schemas| schemas.keys()) {
            // The errors' schema is named by the shared answers.
            assert!(found.contains(&format!("#/components/schemas/{name}")), "nobody uses {name}");
        }
    }
}

#[test]
fn every_object_says_whether_it_is_closed() {
    for surface in [Surface::Fapi, Surface::Bapi] {
        let schemas = document(surface).value()["components"]["schemas"].as_object().expect("there are schemas");
        for (name, schema) in schemas {
            if schema["type"] == "object" {
                assert!(
                    schema.get("additionalProperties").is_some(),
                    "{name} does not say whether it takes other keys"
                );
            }
        }
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_a_summary_and_a_success() {
    for surface in [Surface::Fapi, Surface::Bapi] {
        let mut ids = BTreeSet::new();
        for operation in document(surface).operations() {
            let name = format!("{} {}", operation.method, operation.template);
            assert!(
                !operation.id().is_empty() && ids.insert(operation.id()),
                "{name}: no id of its own: {:?}",
                operation.id()
            );
            let value = operation.value();
            assert!(value["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
            let statuses = value["responses"].as_object().expect("there are answers").keys();
            assert!(statuses.into_iter().any(|status| status.starts_with('2')), "{name} never succeeds");
        }
    }
}
