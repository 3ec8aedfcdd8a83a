//! What is wrong with a template: where, and what, in words that do not change.

use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The source is longer than is read.
    SourceTooLong,
    /// `{{`, `{%` or a quote that nothing closes.
    Unclosed,
    /// A block without its end.
    BlockNotClosed(&'static str),
    /// An end, `else` or `when` outside its block.
    Misplaced(String),
    /// A tag that does not exist here.
    UnknownTag(String),
    /// A tag, where only output is allowed.
    TagNotAllowed,
    /// A filter that does not exist here.
    UnknownFilter(String),
    /// A filter with too few or too many arguments.
    FilterArguments(&'static str),
    /// A range, which would have to be counted out.
    RangeNotAllowed,
    /// A name that depends on another value, where only fixed ones are allowed.
    ComputedName,
    /// Something that is no expression.
    Expression(String),
    /// Blocks or brackets too deep in each other.
    NestingTooDeep,
    /// The text would be longer than is sent.
    OutputTooLong,
    /// Rendering it takes more work than any honest template does.
    TooMuchWork,
}

impl Meaning {
    /// The word that programs match on; never renamed.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SourceTooLong => "source_too_long",
            Self::Unclosed => "unclosed",
            Self::BlockNotClosed(_) => "block_not_closed",
            Self::Misplaced(_) => "misplaced",
            Self::UnknownTag(_) => "unknown_tag",
            Self::TagNotAllowed => "tag_not_allowed",
            Self::UnknownFilter(_) => "unknown_filter",
            Self::FilterArguments(_) => "filter_arguments",
            Self::RangeNotAllowed => "range_not_allowed",
            Self::ComputedName => "computed_name",
            Self::Expression(_) => "expression",
            Self::NestingTooDeep => "nesting_too_deep",
            Self::OutputTooLong => "output_too_long",
            Self::TooMuchWork => "too_much_work",
        }
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceTooLong => write!(f, "the template is longer than {} bytes", crate::MAX_SOURCE),
            Self::Unclosed => f.write_str("something is opened here and never closed"),
            Self::BlockNotClosed(name) => write!(f, "the block `{name}` is never closed"),
            Self::Misplaced(name) => write!(f, "`{name}` stands outside its block"),
            Self::UnknownTag(name) => write!(f, "there is no tag `{name}` here"),
            Self::TagNotAllowed => f.write_str("tags are not allowed here"),
            Self::UnknownFilter(name) if name == "escape" => {
                f.write_str("there is no filter `escape`: where it is needed, values are escaped by themselves")
            }
            Self::UnknownFilter(name) => write!(f, "there is no filter `{name}` here"),
            Self::FilterArguments(name) => write!(f, "the filter `{name}` takes another number of arguments"),
            Self::RangeNotAllowed => f.write_str("ranges are not allowed"),
            Self::ComputedName => f.write_str("only fixed names are allowed in brackets here"),
            Self::Expression(found) => write!(f, "`{found}` cannot stand here"),
            Self::NestingTooDeep => f.write_str("blocks or brackets stand too deep in each other"),
            Self::OutputTooLong => f.write_str("the text is too long"),
            Self::TooMuchWork => f.write_str("the template takes too much work"),
        }
    }
}

/// A template cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {meaning}")]
pub struct TemplateError {
    /// The line of the source, from 1.
    pub line: u32,
    /// What is wrong.
    pub meaning: Meaning,
}

impl TemplateError {
    pub(crate) fn new(line: u32, meaning: Meaning) -> Self {
        Self { line, meaning }
    }
    /// Something of the author's, cut so that an error stays short.
    pub(crate) fn found(text: &str) -> String {
        text.chars().take(32).collect()
    }
}
