//! The words of an expression.

use crate::error::{Meaning, TemplateError};

/// A word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Word<'a> {
    /// A name.
    Name(&'a str),
    /// A quoted text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A mark such as `|` or `==`.
    Mark(&'static str),
}

const MARKS: [&str; 13] = ["==", "!=", "<>", "<=", ">=", "<", ">", "=", "|", ":", ",", ".", "["];

/// Splits what stands between braces into words.
pub(crate) fn words(line: u32, text: &str) -> Result<Vec<Word<'_>>, TemplateError> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let rest = &text[at..];
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
            words.push(Word::Name(&rest[..end]));
            at += end;
        } else if byte == b'"' || byte == b'\'' {
            let end = rest[1..].find(char::from(byte)).ok_or_else(|| TemplateError::new(line, Meaning::Unclosed))?;
            words.push(Word::Text(&rest[1..=end]));
            at += end + 2;
        } else if byte.is_ascii_digit() || (byte == b'-' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) {
            let (word, length) = number(line, rest)?;
            words.push(word);
            at += length;
        } else if rest.starts_with("..") || byte == b'(' {
            return Err(TemplateError::new(line, Meaning::RangeNotAllowed));
        } else if byte == b']' {
            words.push(Word::Mark("]"));
            at += 1;
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            words.push(Word::Mark(mark));
            at += mark.len();
        } else {
            let odd = rest.chars().next().map(String::from).unwrap_or_default();
            return Err(TemplateError::new(line, Meaning::Expression(odd)));
        }
    }
    Ok(words)
}

fn number(line: u32, rest: &str) -> Result<(Word<'_>, usize), TemplateError> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let sign = usize::from(rest.starts_with('-'));
    let mut end = sign + digits(&rest[sign..]);
    let bad = |text: &str| TemplateError::new(line, Meaning::Expression(TemplateError::found(text)));
    let fraction = rest[end..].strip_prefix('.').map(digits).filter(|length| *length > 0);
    if let Some(length) = fraction {
        end += 1 + length;
        let float: f64 = rest[..end].parse().map_err(|_| bad(&rest[..end]))?;
        return Ok((Word::Float(float), end));
    }
    Ok((Word::Integer(rest[..end].parse().map_err(|_| bad(&rest[..end]))?), end))
}
