//! From a source to its pieces: text, outputs and tags. One pass, no looking back.

use crate::Dialect;
use crate::error::{Meaning, TemplateError};

/// A piece of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// What stands between `{{` and `}}`.
    Output(&'a str),
    /// What stands between `{%` and `%}`.
    Tag(&'a str),
}

/// A piece and the line it begins in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) line: u32,
    pub(crate) piece: Piece<'a>,
}

struct Scanner<'a> {
    source: &'a str,
    dialect: Dialect,
    at: usize,
    line: u32,
    /// Whether white space at the beginning of the next text goes away.
    trim: bool,
    tokens: Vec<Token<'a>>,
}

/// Splits a source. `{% raw %}` and `{% comment %}` are resolved here: nothing inside them is read.
pub(crate) fn scan(source: &str, dialect: Dialect) -> Result<Vec<Token<'_>>, TemplateError> {
    let mut scanner = Scanner { source, dialect, at: 0, line: 1, trim: false, tokens: Vec::new() };
    while scanner.at < source.len() {
        scanner.text_and_markup()?;
    }
    Ok(scanner.tokens)
}

impl<'a> Scanner<'a> {
    fn advance(&mut self, to: usize) {
        let passed = &self.source.as_bytes()[self.at..to];
        let lines = passed.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = to;
    }

    fn text(&mut self, to: usize, trim_end: bool) {
        let mut text = &self.source[self.at..to];
        if std::mem::take(&mut self.trim) {
            text = text.trim_start();
        }
        if trim_end {
            text = text.trim_end();
        }
        if !text.is_empty() {
            self.tokens.push(Token { line: self.line, piece: Piece::Text(text) });
        }
        self.advance(to);
    }

    fn text_and_markup(&mut self) -> Result<(), TemplateError> {
        let bytes = self.source.as_bytes();
        let mut open = self.at;
        while open + 1 < bytes.len() && !(bytes[open] == b'{' && matches!(bytes[open + 1], b'{' | b'%')) {
            open += 1;
        }
        if open + 1 >= bytes.len() {
            self.text(bytes.len(), false);
            return Ok(());
        }
        let dash = bytes.get(open + 2) == Some(&b'-');
        self.text(open, dash);
        let is_output = bytes[open + 1] == b'{';
        let line = self.line;
        let begin = open + 2 + usize::from(dash);
        let close = closing(bytes, begin, if is_output { b'}' } else { b'%' })
            .ok_or_else(|| TemplateError::new(line, Meaning::Unclosed))?;
        // `{{-}}` has one dash, which is the opening one.
        let dash = close > begin && bytes[close - 1] == b'-';
        let inner = self.source[begin..close - usize::from(dash)].trim();
        self.advance(close + 2);
        self.trim = dash;
        if is_output {
            self.tokens.push(Token { line, piece: Piece::Output(inner) });
            return Ok(());
        }
        match inner {
            // In claims even these are tags like any other, and refused by whoever reads the pieces.
            _ if self.dialect == Dialect::Claims => {
                self.tokens.push(Token { line, piece: Piece::Tag(inner) });
                Ok(())
            }
            "raw" => self.verbatim(line, "raw", "endraw"),
            "comment" => self.verbatim(line, "comment", "endcomment"),
            _ => {
                self.tokens.push(Token { line, piece: Piece::Tag(inner) });
                Ok(())
            }
        }
    }

    /// Goes on behind the end of a block whose inside is not read.
    fn verbatim(&mut self, line: u32, name: &'static str, end: &str) -> Result<(), TemplateError> {
        let mut from = self.at;
        while let Some(found) = self.source[from..].find("{%") {
            let open = from + found;
            let rest = &self.source[open + 2..];
            let dashed = rest.starts_with('-');
            let named = rest[usize::from(dashed)..].trim_start();
            if let Some(behind) = named.strip_prefix(end) {
                let closing = behind.trim_start();
                let trim = closing.starts_with("-%}");
                if trim || closing.starts_with("%}") {
                    if name == "raw" {
                        self.text(open, dashed);
                    }
                    let length = closing.len() - if trim { 3 } else { 2 };
                    self.advance(self.source.len() - length);
                    self.trim = trim;
                    return Ok(());
                }
            }
            from = open + 2;
        }
        Err(TemplateError::new(line, Meaning::BlockNotClosed(name)))
    }
}

/// Where `}}` or `%}` stands, outside quotes.
fn closing(bytes: &[u8], from: usize, first: u8) -> Option<usize> {
    let mut quote = None;
    let mut at = from;
    while at + 1 < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if byte == first && bytes[at + 1] == b'}' => return Some(at),
            None => {}
        }
        at += 1;
    }
    None
}
