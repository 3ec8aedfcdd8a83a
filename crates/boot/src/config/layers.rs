//! Where settings come from, and which of them wins.

use super::{Config, DEFAULTS, Problems, check};
use figment::Figment;
use figment::providers::Serialized;
use std::path::PathBuf;
use toml::{Table, Value};

/// Where the settings of a process are looked for; what stands later wins.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// Variables of the environment: those with the prefix `LATCHKEY_`, and `DATABASE_URL`.
    pub environment: Vec<(String, String)>,
    /// What the command line says: dotted paths and values.
    pub flags: Vec<(&'static str, Value)>,
}

impl Sources {
    /// The environment of this process, and the file if one is named.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) || name == SHORT || name == SHORT_FILE)
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Self { file, environment, flags: Vec::new() }
    }
}

/// Why there are no settings to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings file {} cannot be read", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The file is not TOML.
    #[error("the settings file {} is not TOML", .0.display())]
    Syntax(PathBuf, #[source] Box<toml::de::Error>),
    /// Keys or values are wrong: all of them.
    #[error(transparent)]
    Problems(#[from] Problems),
}

const PREFIX: &str = "LATCHKEY_";
const SHORT: &str = "DATABASE_URL";
const SHORT_FILE: &str = "DATABASE_URL_FILE";

// Read by others than the configuration: the place of the file itself, and the server that tests use.
const NO_SETTINGS: [&str; 2] = ["LATCHKEY_CONFIG", "LATCHKEY_TEST_POSTGRES"];

/// Gathers the settings, and says everything that is wrong with them at once.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let defaults: Table = DEFAULTS.parse().expect("a test parses the built-in defaults");
    let mut problems = Problems(Vec::new());
    let mut figment = Figment::from(Serialized::defaults(&defaults));
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File(path.clone(), error))?;
        let table: Table = text.parse().map_err(|error| ConfigError::Syntax(path.clone(), Box::new(error)))?;
        compare("", &defaults, &table, &mut problems);
        figment = figment.merge(Serialized::defaults(table));
    }
    figment = figment.merge(Serialized::defaults(of_environment(sources, &defaults, &mut problems)));
    let mut flags = Table::new();
    for (path, value) in &sources.flags {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        put(&mut flags, &path, value.clone());
    }
    figment = figment.merge(Serialized::defaults(flags));
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    let merged: Table = figment.extract().map_err(of_figment)?;
    let raw = figment.extract().map_err(of_figment)?;
    Ok(check::check(raw, merged)?)
}

fn of_figment(error: figment::Error) -> Problems {
    let mut problems = Problems(Vec::new());
    for error in error {
        problems.add(error.path.join("."), error.kind.to_string());
    }
    problems
}

fn of_environment(sources: &Sources, defaults: &Table, problems: &mut Problems) -> Table {
    let mut table = Table::new();
    let mut variables: Vec<_> =
        sources.environment.iter().filter(|(name, _)| !NO_SETTINGS.contains(&name.as_str())).collect();
    // The short names come first, so that the long ones win whatever the order of the environment.
    variables.sort_by_key(|(name, _)| (name.starts_with(PREFIX), name.clone()));
    for (name, text) in variables {
        let path: Vec<String> = match name.as_str() {
            SHORT => vec!["database".into(), "url".into()],
            SHORT_FILE => vec!["database".into(), "url_file".into()],
            long => long.strip_prefix(PREFIX).unwrap_or(long).split("__").map(str::to_ascii_lowercase).collect(),
        };
        match find(defaults, &path).map(|default| of_text(default, text)) {
            None => problems.add(name, "there is no such setting"),
            Some(Err(wanted)) => problems.add(name, format!("must be {wanted}")),
            Some(Ok(value)) => put(&mut table, &path, value),
        }
    }
    table
}

/// Reads a text as the kind of value that the default is: a password of digits stays a text.
fn of_text(default: &Value, text: &str) -> Result<Value, &'static str> {
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| "a whole number"),
        Value::Boolean(_) => text.trim().parse().map(Value::Boolean).map_err(|_| "true or false"),
        Value::Array(_) => Ok(Value::Array(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| item.to_owned().into()).collect(),
        )),
        Value::Table(_) => Err("a section: name one of its keys behind two underscores"),
        Value::Float(_) | Value::Datetime(_) => Err("of a kind that no setting has"),
    }
}

fn compare(path: &str, defaults: &Table, given: &Table, problems: &mut Problems) {
    for (key, value) in given {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (defaults.get(key), value) {
            (None, _) => problems.add(path, "there is no such setting"),
            (Some(Value::Table(defaults)), Value::Table(given)) => compare(&path, defaults, given, problems),
            (Some(default), value) if default.type_str() != value.type_str() => {
                problems.add(path, format!("must be of type {}, not {}", default.type_str(), value.type_str()));
            }
            _ => {}
        }
    }
}

fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table()?, rest) }
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let part = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(part) = part {
                put(part, rest, value);
            }
        }
    }
}
