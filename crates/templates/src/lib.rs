//! Templates that operators write, for mail, SMS and claims, and the texts that are sent until they do.
//!
//! The secret kept here is how little a template can do. The language is a part of Liquid: whatever is written in
//! it, reading it takes time and stack in proportion to its length, and rendering it ends after a fixed amount of
//! work with an output of a fixed size. There is no clock, no I/O and no include in this crate. See decision note
//! "Own Liquid" for why this is not a library.

pub mod claims;
mod error;
mod expression;
mod filters;
mod lex;
mod parse;
mod render;
mod scan;
pub mod texts;

pub use error::{Meaning, TemplateError};
pub use render::{Cap, Output};

use serde_json::{Map, Value};

/// The longest source that is read, in bytes.
pub const MAX_SOURCE: usize = 64 * 1024;
/// How deep blocks may stand in each other.
pub const MAX_NESTING: usize = 50;

/// Who writes a template, which decides what may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Mail and SMS: output, filters and tags.
    Message,
    /// Claims of tokens: output and filters of a smaller set; a tag is an error.
    Claims,
}

/// A template that was read and found right.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<parse::Node>,
    paths: Vec<String>,
    shown: Vec<String>,
}

impl Template {
    /// Reads a template.
    pub fn parse(source: &str, dialect: Dialect) -> Result<Self, TemplateError> {
        parse::parse(source, dialect)
    }

    /// Makes a text of it. Names that are not known are empty. What is escaped and how long it may be is told by
    /// `output`; a template that wants more work than any honest one is refused.
    pub fn render(&self, values: &Map<String, Value>, output: Output) -> Result<String, TemplateError> {
        render::render(&self.nodes, values, output)
    }

    /// The value of a template that is one placeholder and nothing else, with its type, else its text. A name that
    /// is not known is the empty text.
    pub fn evaluate(&self, values: &Map<String, Value>, output: Output) -> Result<Value, TemplateError> {
        render::evaluate(&self.nodes, values, output, &mut render::Meter::full())
    }

    /// Every path that is read anywhere in it, such as `user.first_name`, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Whether the text can show this value: it stands in an output, or in what is assigned to a name.
    pub fn shows(&self, path: &str) -> bool {
        self.shown.binary_search_by(|shown| shown.as_str().cmp(path)).is_ok()
    }
}

#[cfg(test)]
mod tests;
