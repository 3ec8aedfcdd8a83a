//! The claims of a token: JSON whose texts may hold placeholders.
//!
//! What comes of a placeholder is never read as a template again, and keys are not templates: whatever a person
//! writes into the own metadata, it stays a value. All texts of one token share one allowance of work and of output.

use crate::error::{Meaning, TemplateError};
use crate::expression::{Path, Step};
use crate::render::{self, Meter};
use crate::{Dialect, Output, Template};
use serde_json::{Map, Value};

/// How many bytes all rendered texts of one token may have together: no token that holds more is handed out.
pub const MAX_RENDERED: usize = 4096;

/// How deep claims may nest; what is deeper is refused before it is walked.
const MAX_DEPTH: usize = 32;

/// The name that no claim may read, in whatever spelling.
const PRIVATE: &str = "private_metadata";

/// Members whose keys are the caller's own: below them every name is allowed.
const OPEN: [&str; 2] = ["public_metadata", "unsafe_metadata"];

/// Claims that were read and found right.
#[derive(Debug)]
pub struct Claims {
    members: Vec<(String, Node)>,
    paths: Vec<String>,
}

#[derive(Debug)]
enum Node {
    /// Stays as it is.
    Fixed(Value),
    /// A text with placeholders.
    Text(Box<Template>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Why claims cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// A text cannot be read or rendered.
    Template(TemplateError),
    /// A text reads private metadata.
    PrivateMetadata,
}

/// A claim that cannot be used, by its dotted path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim cannot be used")]
pub struct ClaimError {
    /// Where it stands, such as `roles.0`.
    pub path: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// Names that stand for a value and have members all the same.
pub(crate) fn resolve_shorthand(path: &mut Path) {
    let [Step::Name(name)] = path.steps.as_slice() else { return };
    let member = match (path.root.as_str(), name.as_str()) {
        ("user", "primary_email_address") => "email_address",
        ("user", "primary_phone_number") => "phone_number",
        _ => return,
    };
    path.steps.push(Step::Name(member.to_owned()));
}

/// Whether a path leads to private metadata. Below what is open, the name is one like any other.
fn is_private(path: &str) -> bool {
    path.split('.').take_while(|name| !OPEN.contains(name)).any(|name| name.eq_ignore_ascii_case(PRIVATE))
}

impl Claims {
    /// Reads claims; everything that is wrong is told at once.
    pub fn parse(claims: &Map<String, Value>) -> Result<Self, Vec<ClaimError>> {
        let mut reader = Reader { paths: Vec::new(), errors: Vec::new() };
        let members = reader.object("", claims, 1);
        if !reader.errors.is_empty() {
            return Err(reader.errors);
        }
        reader.paths.sort_unstable();
        reader.paths.dedup();
        Ok(Self { members, paths: reader.paths })
    }

    /// Puts values in place of the placeholders. Names that are not known are empty texts.
    pub fn render(&self, values: &Map<String, Value>) -> Result<Map<String, Value>, ClaimError> {
        let mut writer = Writer { values, meter: Meter::full(), left: MAX_RENDERED };
        writer.object("", &self.members)
    }

    /// Every path that is read, such as `user.public_metadata.plan`, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Reader {
    paths: Vec<String>,
    errors: Vec<ClaimError>,
}

impl Reader {
    fn object(&mut self, path: &str, object: &Map<String, Value>, depth: usize) -> Vec<(String, Node)> {
        let members = object.iter();
        members.map(|(name, value)| (name.clone(), self.node(&join(path, name), value, depth))).collect()
    }

    fn node(&mut self, path: &str, value: &Value, depth: usize) -> Node {
        let is_open = matches!(value, Value::Array(_) | Value::Object(_));
        if is_open && depth >= MAX_DEPTH {
            self.error(path, Wrong::Template(TemplateError::new(1, Meaning::NestingTooDeep)));
            return Node::Fixed(Value::Null);
        }
        match value {
            Value::String(text) if text.contains("{{") || text.contains("{%") => self.text(path, text),
            Value::Array(list) => {
                let nodes = list.iter().enumerate();
                Node::List(nodes.map(|(at, value)| self.node(&join(path, &at.to_string()), value, depth + 1)).collect())
            }
            Value::Object(object) => Node::Object(self.object(path, object, depth + 1)),
            fixed => Node::Fixed(fixed.clone()),
        }
    }

    fn text(&mut self, path: &str, text: &str) -> Node {
        match Template::parse(text, Dialect::Claims) {
            Ok(template) if template.paths().any(is_private) => self.error(path, Wrong::PrivateMetadata),
            Ok(template) => {
                self.paths.extend(template.paths().map(str::to_owned));
                return Node::Text(Box::new(template));
            }
            Err(error) => self.error(path, Wrong::Template(error)),
        }
        Node::Fixed(Value::Null)
    }

    fn error(&mut self, path: &str, wrong: Wrong) {
        self.errors.push(ClaimError { path: path.to_owned(), wrong });
    }
}

struct Writer<'a> {
    values: &'a Map<String, Value>,
    meter: Meter,
    /// How many bytes may still be made.
    left: usize,
}

impl Writer<'_> {
    fn object(&mut self, path: &str, members: &[(String, Node)]) -> Result<Map<String, Value>, ClaimError> {
        members.iter().map(|(name, node)| Ok((name.clone(), self.node(&join(path, name), node)?))).collect()
    }

    fn node(&mut self, path: &str, node: &Node) -> Result<Value, ClaimError> {
        Ok(match node {
            Node::Fixed(value) => value.clone(),
            Node::Object(members) => Value::Object(self.object(path, members)?),
            Node::List(nodes) => {
                let nodes = nodes.iter().enumerate();
                let values = nodes.map(|(at, node)| self.node(&join(path, &at.to_string()), node));
                Value::Array(values.collect::<Result<_, _>>()?)
            }
            Node::Text(template) => self.text(path, template)?,
        })
    }

    fn text(&mut self, path: &str, template: &Template) -> Result<Value, ClaimError> {
        let failed = |error| ClaimError { path: path.to_owned(), wrong: Wrong::Template(error) };
        let value = render::evaluate(&template.nodes, self.values, Output::CLAIM, &mut self.meter).map_err(failed)?;
        let length = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| failed(TemplateError::new(1, Meaning::OutputTooLong)))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
