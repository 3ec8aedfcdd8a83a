//! What stands in `docker-compose.yml` is what this version understands.

use crate::cli;
use boot::config::{Sources, load};
use serde_json::Value;

fn compose() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docker-compose.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut yaml: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
    yaml.apply_merge().unwrap();
    serde_json::to_value(yaml).unwrap()
}

fn words(service: &Value) -> Vec<&str> {
    service["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn the_compose_file_has_every_part() {
    let compose = compose();
    for (service, command) in
        [("fapi", "serve fapi"), ("bapi", "serve bapi"), ("worker", "serve worker"), ("migrate", "migrate")]
    {
        assert_eq!(words(&compose["services"][service]).join(" "), command);
    }
    assert!(compose["services"]["postgres"]["image"].as_str().unwrap().starts_with("postgres:"));
    assert!(compose["services"]["mail"]["image"].as_str().unwrap().contains("mailpit"));
}

#[test]
fn every_setting_and_command_of_the_compose_file_is_understood() {
    let compose = compose();
    let mut ours = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        if service["image"] != "latchkey" {
            continue;
        }
        ours += 1;
        let environment = service["environment"].as_object().unwrap();
        let variables = environment.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
        let config = load(&Sources { environment: variables.collect(), ..Sources::default() });
        let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(config.smtp.is_some() && boot::process::one_of_several(&config).is_ok(), "{name}");
        assert!(cli::understands(["latchkey"].into_iter().chain(words(service))), "{name}");
    }
    assert_eq!(ours, 5);
}
