//! The filters: a closed set. Each is paid for by the length of what goes in and what comes out.

use crate::Dialect;
use crate::error::Meaning;
use crate::render::Meter;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::RangeInclusive;

/// The longest text and the longest list that a filter makes.
const MAX_TEXT: usize = 64 * 1024;
const MAX_LIST: usize = 1000;

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Append,
    Capitalize,
    DateUnix,
    Default,
    Downcase,
    First,
    Join,
    Json,
    Last,
    Prepend,
    Replace,
    Size,
    Split,
    Strip,
    Truncate,
    Upcase,
    Urlencode,
}

const ALL: [Filter; 17] = [
    Filter::Append,
    Filter::Capitalize,
    Filter::DateUnix,
    Filter::Default,
    Filter::Downcase,
    Filter::First,
    Filter::Join,
    Filter::Json,
    Filter::Last,
    Filter::Prepend,
    Filter::Replace,
    Filter::Size,
    Filter::Split,
    Filter::Strip,
    Filter::Truncate,
    Filter::Upcase,
    Filter::Urlencode,
];

impl Filter {
    /// The filter of this name, if there is one in this dialect.
    pub(crate) fn find(name: &str, dialect: Dialect) -> Option<Self> {
        let known = ALL.into_iter().find(|filter| filter.name() == name)?;
        let only_messages = matches!(known, Self::Append | Self::Capitalize | Self::Join | Self::Prepend | Self::Strip);
        (dialect == Dialect::Message || !only_messages).then_some(known)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Capitalize => "capitalize",
            Self::DateUnix => "date_unix",
            Self::Default => "default",
            Self::Downcase => "downcase",
            Self::First => "first",
            Self::Join => "join",
            Self::Json => "json",
            Self::Last => "last",
            Self::Prepend => "prepend",
            Self::Replace => "replace",
            Self::Size => "size",
            Self::Split => "split",
            Self::Strip => "strip",
            Self::Truncate => "truncate",
            Self::Upcase => "upcase",
            Self::Urlencode => "urlencode",
        }
    }

    /// How many arguments it takes.
    pub(crate) const fn arguments(self) -> RangeInclusive<usize> {
        match self {
            Self::Append | Self::Prepend | Self::Default | Self::Split => 1..=1,
            Self::Replace => 2..=2,
            Self::Join => 0..=1,
            Self::Truncate => 0..=2,
            _ => 0..=0,
        }
    }

    /// What becomes of a value.
    pub(crate) fn apply<'a>(
        self,
        input: Cow<'a, Value>,
        arguments: &[Cow<'a, Value>],
        meter: &mut Meter,
    ) -> Result<Cow<'a, Value>, Meaning> {
        let argument = |n: usize, meter: &mut Meter| match arguments.get(n) {
            Some(value) => text(value, meter),
            None => Ok(Cow::Borrowed("")),
        };
        let made = match self {
            Self::Default => {
                let missing = match input.as_ref() {
                    Value::Null | Value::Bool(false) => true,
                    other => is_empty(other),
                };
                return Ok(if missing { arguments.first().cloned().unwrap_or_default() } else { input });
            }
            Self::First | Self::Last => {
                let last = self == Self::Last;
                let pick = |list: &[Value]| if last { list.last().cloned() } else { list.first().cloned() };
                let picked = match input.as_ref() {
                    Value::Array(list) => pick(list).unwrap_or(Value::Null),
                    Value::String(text) if last => text.chars().next_back().map_or(Value::Null, one),
                    Value::String(text) => text.chars().next().map_or(Value::Null, one),
                    _ => Value::Null,
                };
                meter.pay_for(size(&picked))?;
                picked
            }
            Self::Size => {
                meter.pay_for(input.as_str().map_or(0, str::len))?;
                size_of(&input)
            }
            Self::DateUnix => unix_seconds(&input),
            Self::Json => {
                let mut written = Capped(Vec::new());
                serde_json::to_writer(&mut written, input.as_ref()).map_err(|_| Meaning::OutputTooLong)?;
                // JSON is UTF-8, and it was written whole.
                Value::String(String::from_utf8(written.0).unwrap_or_default())
            }
            Self::Split => split(&text(&input, meter)?, &argument(0, meter)?),
            Self::Join => {
                let by = if arguments.is_empty() { Cow::Borrowed(" ") } else { argument(0, meter)? };
                match input.as_ref() {
                    Value::Array(list) => join(list, &by, meter)?,
                    other => other.clone(),
                }
            }
            Self::Append => joined(&text(&input, meter)?, &argument(0, meter)?)?,
            Self::Prepend => joined(&argument(0, meter)?, &text(&input, meter)?)?,
            Self::Replace => replace(&text(&input, meter)?, &argument(0, meter)?, &argument(1, meter)?)?,
            Self::Truncate => {
                let length = arguments.first().map_or(Some(50), |n| n.as_u64());
                let ellipsis = if arguments.len() > 1 { argument(1, meter)? } else { Cow::Borrowed("...") };
                truncate(&text(&input, meter)?, usize::try_from(length.unwrap_or(50)).unwrap_or(MAX_TEXT), &ellipsis)?
            }
            Self::Capitalize => {
                let text = text(&input, meter)?;
                let mut rest = text.chars();
                let first: String = rest.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
                Value::String(first + rest.as_str())
            }
            Self::Downcase => Value::String(text(&input, meter)?.to_lowercase()),
            Self::Upcase => Value::String(text(&input, meter)?.to_uppercase()),
            Self::Strip => Value::String(text(&input, meter)?.trim().to_owned()),
            Self::Urlencode => urlencode(&text(&input, meter)?)?,
        };
        meter.pay_for(size(&made))?;
        Ok(Cow::Owned(made))
    }
}

fn one(character: char) -> Value {
    Value::String(character.to_string())
}

/// A value as a text: nothing for nothing, JSON for lists and objects.
pub(crate) fn text<'v>(value: &'v Value, meter: &mut Meter) -> Result<Cow<'v, str>, Meaning> {
    let text: Cow<'v, str> = match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Array(_) | Value::Object(_) => {
            let mut written = Capped(Vec::new());
            serde_json::to_writer(&mut written, value).map_err(|_| Meaning::OutputTooLong)?;
            Cow::Owned(String::from_utf8(written.0).unwrap_or_default())
        }
    };
    meter.pay_for(text.len())?;
    Ok(text)
}

/// Takes what is written up to a length and then fails: a large value is never written whole.
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much there is of a value, in bytes, about.
pub(crate) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|v| 16 + size(v)).sum(),
        Value::Object(map) => map.iter().map(|(k, v)| 16 + k.len() + size(v)).sum(),
        _ => 8,
    }
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Characters of a text, elements of a list, members of an object.
pub(crate) fn size_of(value: &Value) -> Value {
    Value::from(match value {
        Value::String(text) => text.chars().count(),
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    })
}

/// Unix milliseconds, the form of every time of ours, as whole seconds.
fn unix_seconds(value: &Value) -> Value {
    let millis = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    millis.map_or(Value::Null, |millis: i64| Value::from(millis.div_euclid(1000)))
}

fn split(text: &str, by: &str) -> Value {
    let part = |part: &str| Value::String(part.to_owned());
    // The last part keeps what is left, so that nothing is lost when there are too many.
    Value::Array(if text.is_empty() {
        Vec::new()
    } else if by.is_empty() {
        text.chars().take(MAX_LIST).map(one).collect()
    } else {
        text.splitn(MAX_LIST, by).map(part).collect()
    })
}

fn join(list: &[Value], by: &str, meter: &mut Meter) -> Result<Value, Meaning> {
    let mut all = String::new();
    for (i, value) in list.iter().enumerate() {
        let text = text(value, meter)?;
        if all.len() + by.len() + text.len() > MAX_TEXT {
            return Err(Meaning::OutputTooLong);
        }
        if i > 0 {
            all.push_str(by);
        }
        all.push_str(&text);
    }
    Ok(Value::String(all))
}

fn joined(left: &str, right: &str) -> Result<Value, Meaning> {
    if left.len() + right.len() > MAX_TEXT {
        return Err(Meaning::OutputTooLong);
    }
    Ok(Value::String([left, right].concat()))
}

fn replace(text: &str, from: &str, to: &str) -> Result<Value, Meaning> {
    // Nothing stands between any two characters; nobody means that.
    if from.is_empty() {
        return Ok(Value::String(text.to_owned()));
    }
    let mut all = String::new();
    for (i, part) in text.split(from).enumerate() {
        if all.len() + to.len() + part.len() > MAX_TEXT {
            return Err(Meaning::OutputTooLong);
        }
        if i > 0 {
            all.push_str(to);
        }
        all.push_str(part);
    }
    Ok(Value::String(all))
}

/// At most so many characters, those of the ellipsis among them.
fn truncate(text: &str, length: usize, ellipsis: &str) -> Result<Value, Meaning> {
    if text.chars().nth(length).is_none() {
        return Ok(Value::String(text.to_owned()));
    }
    let kept: String = text.chars().take(length.saturating_sub(ellipsis.chars().count())).collect();
    joined(&kept, ellipsis)
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 as `%XX`.
fn urlencode(text: &str) -> Result<Value, Meaning> {
    if text.len() > MAX_TEXT / 3 {
        return Err(Meaning::OutputTooLong);
    }
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            all.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |n: u8| char::from(HEX[usize::from(n & 15)]);
            all.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    Ok(Value::String(all))
}
