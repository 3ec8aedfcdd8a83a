//! Values, chains of filters and conditions, as they are read.

use crate::Dialect;
use crate::claims;
use crate::error::{Meaning, TemplateError};
use crate::filters::Filter;
use crate::lex::{Word, words};
use serde_json::Value;
use std::iter::Peekable;
use std::vec::IntoIter;

/// How deep brackets may stand in each other.
const MAX_BRACKETS: usize = 8;

/// What stands for a value.
#[derive(Debug)]
pub(crate) enum Expr {
    /// The value itself.
    Literal(Value),
    /// What has nothing in it.
    Empty,
    /// What has nothing in it, or nothing to see.
    Blank,
    /// A name, and the way down from it.
    Path(Path),
}

/// A name, and the way down from it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) root: String,
    pub(crate) steps: Vec<Step>,
}

/// A step down.
#[derive(Debug)]
pub(crate) enum Step {
    /// To a member.
    Name(String),
    /// To an element; negative ones count from the end.
    Index(i64),
    /// To what another value names.
    Computed(Path),
}

/// A value and the filters it goes through.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) line: u32,
    pub(crate) entry: Expr,
    pub(crate) calls: Vec<Call>,
}

/// A filter with its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) filter: Filter,
    pub(crate) arguments: Vec<Expr>,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Contains,
}

/// One comparison, or a value that counts as true unless it is false or nothing.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) left: Expr,
    pub(crate) right: Option<(Operator, Expr)>,
}

/// How a comparison is joined to all that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
}

/// Comparisons; each but the last with what joins it to the rest. There are no brackets: the rest is one condition.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) line: u32,
    pub(crate) joined: Vec<(Comparison, Join)>,
    pub(crate) last: Comparison,
}

/// Reads the words of one output or tag.
pub(crate) struct Reader<'a> {
    pub(crate) line: u32,
    dialect: Dialect,
    words: Peekable<IntoIter<Word<'a>>>,
    /// Every path that was read.
    pub(crate) paths: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(line: u32, text: &'a str, dialect: Dialect) -> Result<Self, TemplateError> {
        Ok(Self { line, dialect, words: words(line, text)?.into_iter().peekable(), paths: Vec::new() })
    }

    pub(crate) fn error<T>(&self, meaning: Meaning) -> Result<T, TemplateError> {
        Err(TemplateError::new(self.line, meaning))
    }

    fn unexpected<T>(&self, word: Option<Word<'_>>) -> Result<T, TemplateError> {
        let found = match word {
            None => "the end".to_owned(),
            Some(Word::Name(text) | Word::Text(text)) => TemplateError::found(text),
            Some(Word::Integer(number)) => number.to_string(),
            Some(Word::Float(number)) => number.to_string(),
            Some(Word::Mark(mark)) => mark.to_owned(),
        };
        self.error(Meaning::Expression(found))
    }

    /// A name, whatever it is.
    pub(crate) fn name(&mut self) -> Result<&'a str, TemplateError> {
        match self.words.next() {
            Some(Word::Name(name)) => Ok(name),
            other => self.unexpected(other),
        }
    }

    /// Whether the next word is this mark or name; takes it then.
    pub(crate) fn takes(&mut self, wanted: &str) -> bool {
        self.words.next_if(|word| matches!(word, Word::Mark(text) | Word::Name(text) if *text == wanted)).is_some()
    }

    /// This mark or name has to come.
    pub(crate) fn expect(&mut self, wanted: &str) -> Result<(), TemplateError> {
        if self.takes(wanted) {
            return Ok(());
        }
        let other = self.words.next();
        self.unexpected(other)
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), TemplateError> {
        match self.words.next() {
            None => Ok(()),
            other => self.unexpected(other),
        }
    }

    /// A number of elements.
    pub(crate) fn count(&mut self) -> Result<usize, TemplateError> {
        match self.words.next() {
            Some(Word::Integer(number)) => Ok(usize::try_from(number).unwrap_or(0)),
            other => self.unexpected(other),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Expr, TemplateError> {
        Ok(match self.words.next() {
            Some(Word::Text(text)) => Expr::Literal(Value::from(text)),
            Some(Word::Integer(number)) => Expr::Literal(Value::from(number)),
            Some(Word::Float(number)) => Expr::Literal(Value::from(number)),
            Some(Word::Name("true")) => Expr::Literal(Value::Bool(true)),
            Some(Word::Name("false")) => Expr::Literal(Value::Bool(false)),
            Some(Word::Name("nil" | "null")) => Expr::Literal(Value::Null),
            Some(Word::Name("empty")) => Expr::Empty,
            Some(Word::Name("blank")) => Expr::Blank,
            Some(Word::Name(root)) => Expr::Path(self.path(root, 0)?),
            other => return self.unexpected(other),
        })
    }

    fn path(&mut self, root: &str, depth: usize) -> Result<Path, TemplateError> {
        if depth > MAX_BRACKETS {
            return self.error(Meaning::NestingTooDeep);
        }
        let mut path = Path { root: root.to_owned(), steps: Vec::new() };
        loop {
            if self.takes(".") {
                path.steps.push(Step::Name(self.name()?.to_owned()));
            } else if self.takes("[") {
                let step = match self.words.next() {
                    Some(Word::Text(text)) => Step::Name(text.to_owned()),
                    Some(Word::Integer(number)) => Step::Index(number),
                    Some(Word::Name(_)) if self.dialect == Dialect::Claims => {
                        return self.error(Meaning::ComputedName);
                    }
                    Some(Word::Name(root)) => Step::Computed(self.path(root, depth + 1)?),
                    other => return self.unexpected(other),
                };
                self.expect("]")?;
                path.steps.push(step);
            } else {
                if self.dialect == Dialect::Claims {
                    claims::resolve_shorthand(&mut path);
                }
                self.paths.push(path.to_string());
                return Ok(path);
            }
        }
    }

    /// A value with its filters, to the end.
    pub(crate) fn chain(&mut self) -> Result<Chain, TemplateError> {
        let entry = self.value()?;
        let mut calls = Vec::new();
        while self.takes("|") {
            let name = self.name()?;
            let Some(filter) = Filter::find(name, self.dialect) else {
                return self.error(Meaning::UnknownFilter(TemplateError::found(name)));
            };
            let mut arguments = Vec::new();
            if self.takes(":") {
                arguments.push(self.value()?);
                while self.takes(",") {
                    arguments.push(self.value()?);
                }
            }
            if !filter.arguments().contains(&arguments.len()) {
                return self.error(Meaning::FilterArguments(filter.name()));
            }
            calls.push(Call { filter, arguments });
        }
        self.end()?;
        Ok(Chain { line: self.line, entry, calls })
    }

    /// A condition, to the end.
    pub(crate) fn condition(&mut self) -> Result<Condition, TemplateError> {
        let mut joined = Vec::new();
        loop {
            let comparison = self.comparison()?;
            if self.takes("and") {
                joined.push((comparison, Join::And));
            } else if self.takes("or") {
                joined.push((comparison, Join::Or));
            } else {
                self.end()?;
                return Ok(Condition { line: self.line, joined, last: comparison });
            }
        }
    }

    fn comparison(&mut self) -> Result<Comparison, TemplateError> {
        let left = self.value()?;
        let operator = match self.words.peek() {
            Some(Word::Mark("==")) => Operator::Equal,
            Some(Word::Mark("!=" | "<>")) => Operator::NotEqual,
            Some(Word::Mark("<")) => Operator::Less,
            Some(Word::Mark(">")) => Operator::Greater,
            Some(Word::Mark("<=")) => Operator::LessOrEqual,
            Some(Word::Mark(">=")) => Operator::GreaterOrEqual,
            Some(Word::Name("contains")) => Operator::Contains,
            _ => return Ok(Comparison { left, right: None }),
        };
        self.words.next();
        Ok(Comparison { left, right: Some((operator, self.value()?)) })
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(number) => write!(f, ".{number}")?,
                Step::Computed(_) => f.write_str(".*")?,
            }
        }
        Ok(())
    }
}
