//! From pieces to a tree of nodes.

use crate::error::{Meaning, TemplateError};
use crate::expression::{Chain, Condition, Expr, Reader};
use crate::scan::{Piece, Token, scan};
use crate::{Dialect, MAX_NESTING, MAX_SOURCE, Template};

/// A part of a template.
#[derive(Debug)]
pub(crate) enum Node {
    /// Stays as it is.
    Text(u32, String),
    /// A value.
    Output(Chain),
    /// Gives a value a name.
    Assign(String, Chain),
    /// The first arm that applies, else the other body. An arm of `unless` applies when its condition does not.
    If(Vec<Arm>, Vec<Node>),
    /// The first arm one of whose values equals the subject, else the other body.
    Case(u32, Expr, Vec<(Vec<Expr>, Vec<Node>)>, Vec<Node>),
    /// Once for each element.
    For(Box<Loop>),
}

/// An arm of an `if`.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) wanted: bool,
    pub(crate) condition: Condition,
    pub(crate) body: Vec<Node>,
}

/// A loop over the elements of a list.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) line: u32,
    pub(crate) name: String,
    pub(crate) list: Expr,
    pub(crate) limit: Option<usize>,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

struct Parser<'a> {
    dialect: Dialect,
    tokens: std::vec::IntoIter<Token<'a>>,
    paths: Vec<String>,
    shown: Vec<String>,
}

/// A tag that ends a body: its name, what follows it, and its line.
struct Stop<'a> {
    name: &'a str,
    rest: &'a str,
    line: u32,
}

pub(crate) fn parse(source: &str, dialect: Dialect) -> Result<Template, TemplateError> {
    if source.len() > MAX_SOURCE {
        return Err(TemplateError::new(1, Meaning::SourceTooLong));
    }
    let tokens = scan(source, dialect)?.into_iter();
    let mut parser = Parser { dialect, tokens, paths: Vec::new(), shown: Vec::new() };
    let (nodes, stop) = parser.body(0, &[])?;
    debug_assert!(stop.is_none(), "nothing ends the outermost body");
    let sorted = |mut paths: Vec<String>| {
        paths.sort_unstable();
        paths.dedup();
        paths
    };
    Ok(Template { nodes, paths: sorted(parser.paths), shown: sorted(parser.shown) })
}

impl<'a> Parser<'a> {
    /// The nodes up to one of these tags, or to the end of the source.
    fn body(&mut self, depth: usize, until: &[&'static str]) -> Result<(Vec<Node>, Option<Stop<'a>>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(Token { line, piece }) = self.tokens.next() {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(line, text.to_owned())),
                Piece::Output(inner) => {
                    let chain = self.shown_chain(Reader::new(line, inner, self.dialect)?)?;
                    nodes.push(Node::Output(chain));
                }
                Piece::Tag(_) if self.dialect == Dialect::Claims => {
                    return Err(TemplateError::new(line, Meaning::TagNotAllowed));
                }
                Piece::Tag(inner) => {
                    let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
                    let (name, rest) = inner.split_at(end);
                    if until.contains(&name) {
                        return Ok((nodes, Some(Stop { name, rest, line })));
                    }
                    nodes.push(self.tag(depth, line, name, rest)?);
                }
            }
        }
        Ok((nodes, None))
    }

    fn shown_chain(&mut self, mut reader: Reader<'a>) -> Result<Chain, TemplateError> {
        let chain = reader.chain()?;
        self.shown.extend(reader.paths.iter().cloned());
        self.paths.append(&mut reader.paths);
        Ok(chain)
    }

    fn tag(&mut self, depth: usize, line: u32, name: &str, rest: &'a str) -> Result<Node, TemplateError> {
        if depth >= MAX_NESTING {
            return Err(TemplateError::new(line, Meaning::NestingTooDeep));
        }
        match name {
            "assign" => {
                let mut reader = Reader::new(line, rest, self.dialect)?;
                let target = reader.name()?.to_owned();
                reader.expect("=")?;
                Ok(Node::Assign(target, self.shown_chain(reader)?))
            }
            "if" => self.branches(depth, line, rest, "if", "endif"),
            "unless" => self.branches(depth, line, rest, "unless", "endunless"),
            "case" => self.case(depth, line, rest),
            "for" => self.repeat(depth, line, rest),
            "else" | "elsif" | "when" | "endif" | "endunless" | "endcase" | "endfor" | "endraw" | "endcomment" => {
                Err(TemplateError::new(line, Meaning::Misplaced(name.to_owned())))
            }
            _ => Err(TemplateError::new(line, Meaning::UnknownTag(TemplateError::found(name)))),
        }
    }

    fn condition(&mut self, line: u32, rest: &'a str) -> Result<Condition, TemplateError> {
        let mut reader = Reader::new(line, rest, self.dialect)?;
        let condition = reader.condition()?;
        self.paths.append(&mut reader.paths);
        Ok(condition)
    }

    /// The end of a block has to be there.
    fn closed(line: u32, name: &'static str, stop: Option<Stop<'a>>) -> Result<Stop<'a>, TemplateError> {
        stop.ok_or_else(|| TemplateError::new(line, Meaning::BlockNotClosed(name)))
    }

    fn branches(
        &mut self,
        depth: usize,
        line: u32,
        rest: &'a str,
        name: &'static str,
        end: &'static str,
    ) -> Result<Node, TemplateError> {
        let mut arms = Vec::new();
        let mut next = Some((name == "if", self.condition(line, rest)?));
        let mut otherwise = Vec::new();
        let mut at = line;
        loop {
            let until: &[&'static str] = if next.is_some() { &["elsif", "else", end] } else { &[end] };
            let (body, stop) = self.body(depth + 1, until)?;
            let stop = Self::closed(at, name, stop)?;
            match next.take() {
                Some((wanted, condition)) => arms.push(Arm { wanted, condition, body }),
                None => otherwise = body,
            }
            at = line;
            match stop.name {
                "elsif" => next = Some((true, self.condition(stop.line, stop.rest)?)),
                "else" => self.bare(&stop)?,
                _ => {
                    self.bare(&stop)?;
                    return Ok(Node::If(arms, otherwise));
                }
            }
        }
    }

    /// Nothing may follow the name of a tag.
    fn bare(&self, stop: &Stop<'a>) -> Result<(), TemplateError> {
        Reader::new(stop.line, stop.rest, self.dialect)?.end()
    }

    fn case(&mut self, depth: usize, line: u32, rest: &'a str) -> Result<Node, TemplateError> {
        let mut reader = Reader::new(line, rest, self.dialect)?;
        let subject = reader.value()?;
        reader.end()?;
        self.paths.append(&mut reader.paths);
        // What stands before the first `when` belongs to nothing.
        let (_, stop) = self.body(depth + 1, &["when", "else", "endcase"])?;
        let mut stop = Self::closed(line, "case", stop)?;
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            match stop.name {
                "when" => {
                    let mut reader = Reader::new(stop.line, stop.rest, self.dialect)?;
                    let mut values = vec![reader.value()?];
                    while reader.takes(",") || reader.takes("or") {
                        values.push(reader.value()?);
                    }
                    reader.end()?;
                    self.paths.append(&mut reader.paths);
                    let (body, next) = self.body(depth + 1, &["when", "else", "endcase"])?;
                    stop = Self::closed(line, "case", next)?;
                    arms.push((values, body));
                }
                "else" => {
                    self.bare(&stop)?;
                    let (body, next) = self.body(depth + 1, &["endcase"])?;
                    stop = Self::closed(line, "case", next)?;
                    otherwise = body;
                }
                _ => {
                    self.bare(&stop)?;
                    return Ok(Node::Case(line, subject, arms, otherwise));
                }
            }
        }
    }

    fn repeat(&mut self, depth: usize, line: u32, rest: &'a str) -> Result<Node, TemplateError> {
        let mut reader = Reader::new(line, rest, self.dialect)?;
        let name = reader.name()?.to_owned();
        reader.expect("in")?;
        let list = reader.value()?;
        let mut limit = None;
        if reader.takes("limit") {
            reader.expect(":")?;
            limit = Some(reader.count()?);
        }
        reader.end()?;
        // What is looped over can be shown by the name of its elements.
        self.shown.extend(reader.paths.iter().cloned());
        self.paths.append(&mut reader.paths);
        let (body, stop) = self.body(depth + 1, &["else", "endfor"])?;
        let mut stop = Self::closed(line, "for", stop)?;
        let mut otherwise = Vec::new();
        self.bare(&stop)?;
        if stop.name == "else" {
            let (other, next) = self.body(depth + 1, &["endfor"])?;
            stop = Self::closed(line, "for", next)?;
            self.bare(&stop)?;
            otherwise = other;
        }
        Ok(Node::For(Box::new(Loop { line, name, list, limit, body, otherwise })))
    }
}
