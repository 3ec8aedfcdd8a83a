//! Rendering: every step is paid for, and when what was given is spent it is over.

use crate::error::{Meaning, TemplateError};
use crate::expression::{Chain, Comparison, Condition, Expr, Join, Operator, Path, Step};
use crate::filters::{is_empty, size, size_of, text};
use crate::parse::{Loop, Node};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

/// What a rendering may spend. A node, a filter and a comparison cost one, and so do 64 bytes that are read or made;
/// the longest honest mail of ours costs a few hundred.
const WORK: u32 = 50_000;

/// How often a loop runs at most.
const MAX_ROUNDS: usize = 1000;

/// How long a text may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// In bytes.
    Bytes(usize),
    /// In characters.
    Chars(usize),
}

/// What a text is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// How long it may become; one that is longer is refused, never cut.
    pub cap: Cap,
    /// Whether every value is escaped for HTML, text and attributes alike.
    pub escape: bool,
}

impl Output {
    /// The HTML part of a mail.
    pub const HTML: Self = Self { cap: Cap::Bytes(256 * 1024), escape: true };
    /// The plain part of a mail.
    pub const TEXT: Self = Self { cap: Cap::Bytes(256 * 1024), escape: false };
    /// The subject of a mail. It is escaped because readers and webhooks show it in pages.
    pub const SUBJECT: Self = Self { cap: Cap::Bytes(2048), escape: true };
    /// A short message.
    pub const SMS: Self = Self { cap: Cap::Chars(1600), escape: false };
    /// One claim of a token.
    pub const CLAIM: Self = Self { cap: Cap::Bytes(4096), escape: false };
}

/// What is left to spend.
#[derive(Debug)]
pub(crate) struct Meter(u32);

impl Meter {
    /// What one rendering may spend.
    pub(crate) const fn full() -> Self {
        Self(WORK)
    }
    pub(crate) fn pay(&mut self, steps: usize) -> Result<(), Meaning> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.0 = self.0.checked_sub(steps).ok_or(Meaning::TooMuchWork)?;
        Ok(())
    }
    pub(crate) fn pay_for(&mut self, bytes: usize) -> Result<(), Meaning> {
        self.pay(1 + bytes / 64)
    }
}

struct Renderer<'a> {
    values: &'a Map<String, Value>,
    assigned: HashMap<&'a str, Cow<'a, Value>>,
    /// The elements of the loops we are in, the innermost last.
    elements: Vec<(&'a str, Cow<'a, Value>)>,
    /// How far the loops we are in have come, and how far they go.
    rounds: Vec<(usize, usize)>,
    meter: Meter,
    output: Output,
    made: String,
    characters: usize,
}

impl<'a> Renderer<'a> {
    fn new(values: &'a Map<String, Value>, output: Output, meter: Meter) -> Self {
        Self {
            values,
            assigned: HashMap::new(),
            elements: Vec::new(),
            rounds: Vec::new(),
            meter,
            output,
            made: String::new(),
            characters: 0,
        }
    }
}

pub(crate) fn render(nodes: &[Node], values: &Map<String, Value>, output: Output) -> Result<String, TemplateError> {
    let mut renderer = Renderer::new(values, output, Meter::full());
    renderer.nodes(nodes)?;
    Ok(renderer.made)
}

/// The value of a template that is one placeholder, else its text; what it costs is taken from the meter.
pub(crate) fn evaluate(
    nodes: &[Node],
    values: &Map<String, Value>,
    output: Output,
    meter: &mut Meter,
) -> Result<Value, TemplateError> {
    let mut renderer = Renderer::new(values, output, std::mem::replace(meter, Meter(0)));
    let made = match nodes {
        [Node::Output(chain)] => renderer.alone(chain),
        nodes => renderer.nodes(nodes).map(|()| Value::String(std::mem::take(&mut renderer.made))),
    };
    *meter = renderer.meter;
    made
}

/// For text and for quoted attributes alike.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

impl<'a> Renderer<'a> {
    fn push(&mut self, text: &str) -> Result<(), Meaning> {
        self.meter.pay_for(text.len())?;
        let fits = match self.output.cap {
            Cap::Bytes(most) => self.made.len() + text.len() <= most,
            Cap::Chars(most) => {
                self.characters += text.chars().count();
                self.characters <= most
            }
        };
        if !fits {
            return Err(Meaning::OutputTooLong);
        }
        self.made.push_str(text);
        Ok(())
    }

    /// A value that stands alone, with its type.
    fn alone(&mut self, chain: &'a Chain) -> Result<Value, TemplateError> {
        let value = self.chain(chain)?.into_owned();
        // Whatever its type, it is as long as its text.
        let at = |meaning| TemplateError::new(chain.line, meaning);
        let text = text(&value, &mut self.meter).map_err(at)?;
        self.push(&text).map_err(at)?;
        Ok(if value.is_null() { Value::from("") } else { value })
    }

    // Goes as deep as blocks stand in each other, which reading has bounded.
    fn nodes(&mut self, nodes: &'a [Node]) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(line, text) => self.push(text).map_err(|meaning| TemplateError::new(*line, meaning))?,
                Node::Output(chain) => {
                    let value = self.chain(chain)?;
                    self.show(&value).map_err(|meaning| TemplateError::new(chain.line, meaning))?;
                }
                Node::Assign(name, chain) => {
                    let value = self.chain(chain)?;
                    self.assigned.insert(name, value);
                }
                Node::If(arms, otherwise) => {
                    let mut body = otherwise;
                    for arm in arms {
                        if self.applies(&arm.condition)? == arm.wanted {
                            body = &arm.body;
                            break;
                        }
                    }
                    self.nodes(body)?;
                }
                Node::Case(line, subject, arms, otherwise) => {
                    let chosen = self.chosen(subject, arms).map_err(|meaning| TemplateError::new(*line, meaning))?;
                    self.nodes(chosen.unwrap_or(otherwise))?;
                }
                Node::For(repeat) => self.repeat(repeat)?,
            }
        }
        Ok(())
    }

    fn show(&mut self, value: &Value) -> Result<(), Meaning> {
        let shown = text(value, &mut self.meter)?;
        if self.output.escape {
            return self.push(&escape(&shown));
        }
        self.push(&shown)
    }

    fn chosen(&mut self, subject: &'a Expr, arms: &'a [(Vec<Expr>, Vec<Node>)]) -> Result<Option<&'a [Node]>, Meaning> {
        for (values, body) in arms {
            for value in values {
                if self.compare(subject, Operator::Equal, value)? {
                    return Ok(Some(body));
                }
            }
        }
        Ok(None)
    }

    fn repeat(&mut self, repeat: &'a Loop) -> Result<(), TemplateError> {
        let at = |meaning| TemplateError::new(repeat.line, meaning);
        let most = repeat.limit.unwrap_or(usize::MAX).min(MAX_ROUNDS + 1);
        let elements: Vec<Cow<'a, Value>> = match self.value(&repeat.list).map_err(at)? {
            Cow::Borrowed(Value::Array(list)) => list.iter().take(most).map(Cow::Borrowed).collect(),
            Cow::Owned(Value::Array(list)) => list.into_iter().take(most).map(Cow::Owned).collect(),
            _ => Vec::new(),
        };
        let rounds = elements.len();
        if rounds > MAX_ROUNDS {
            return Err(at(Meaning::TooMuchWork));
        }
        if rounds == 0 {
            return self.nodes(&repeat.otherwise);
        }
        self.meter.pay(rounds).map_err(at)?;
        for (i, element) in elements.into_iter().enumerate() {
            self.meter.pay(1).map_err(at)?;
            self.elements.push((&repeat.name, element));
            self.rounds.push((i, rounds));
            let done = self.nodes(&repeat.body);
            self.elements.pop();
            self.rounds.pop();
            done?;
        }
        Ok(())
    }

    fn chain(&mut self, chain: &'a Chain) -> Result<Cow<'a, Value>, TemplateError> {
        self.filtered(chain).map_err(|meaning| TemplateError::new(chain.line, meaning))
    }

    fn filtered(&mut self, chain: &'a Chain) -> Result<Cow<'a, Value>, Meaning> {
        let mut value = self.value(&chain.entry)?;
        for call in &chain.calls {
            let mut arguments = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                arguments.push(self.value(argument)?);
            }
            value = call.filter.apply(value, &arguments, &mut self.meter)?;
        }
        Ok(value)
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Cow<'a, Value>, Meaning> {
        self.meter.pay(1)?;
        match expr {
            Expr::Literal(value) => Ok(Cow::Borrowed(value)),
            Expr::Empty | Expr::Blank => Ok(Cow::Owned(Value::from(""))),
            Expr::Path(path) => self.path(path),
        }
    }

    fn path(&mut self, path: &'a Path) -> Result<Cow<'a, Value>, Meaning> {
        if path.root == "forloop" && !self.rounds.is_empty() {
            return Ok(Cow::Owned(self.forloop(path)));
        }
        let computed = self.computed(path)?;
        let local = self.elements.iter().rev().find(|(name, _)| *name == path.root).map(|(_, value)| value);
        let held = local.or_else(|| self.assigned.get(path.root.as_str()));
        let found: Cow<'a, Value> = match held {
            Some(Cow::Borrowed(value)) => walk(value, path, &computed),
            // What the template made itself is its own: what is taken out of it is copied, and paid for.
            Some(Cow::Owned(value)) => Cow::Owned(walk(value, path, &computed).into_owned()),
            None => self.values.get(&path.root).map_or(Cow::Owned(Value::Null), |value| walk(value, path, &computed)),
        };
        let copied = if let Cow::Owned(value) = &found { size(value) } else { 0 };
        self.meter.pay_for(copied)?;
        if let (Value::Number(characters), Some(Step::Name(name))) = (found.as_ref(), path.steps.last())
            && name == "size"
        {
            // They were counted.
            self.meter.pay_for(characters.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0))?;
        }
        Ok(found)
    }

    /// The names in brackets that depend on other values.
    fn computed(&mut self, path: &'a Path) -> Result<Vec<Step>, Meaning> {
        let mut names = Vec::new();
        for step in &path.steps {
            if let Step::Computed(inner) = step {
                let value = self.path(inner)?;
                names.push(match value.as_ref() {
                    Value::Number(number) => Step::Index(number.as_i64().unwrap_or(i64::MAX)),
                    other => Step::Name(text(other, &mut self.meter)?.into_owned()),
                });
            }
        }
        Ok(names)
    }

    fn forloop(&self, path: &Path) -> Value {
        let (at, of) = self.rounds.last().copied().unwrap_or_default();
        match path.steps.as_slice() {
            [Step::Name(name)] => match name.as_str() {
                "index" => Value::from(at + 1),
                "index0" => Value::from(at),
                "length" => Value::from(of),
                "first" => Value::from(at == 0),
                "last" => Value::from(at + 1 == of),
                _ => Value::Null,
            },
            _ => Value::Null,
        }
    }

    fn applies(&mut self, condition: &'a Condition) -> Result<bool, TemplateError> {
        let at = |meaning| TemplateError::new(condition.line, meaning);
        // From the right: each joins what follows it as a whole.
        let mut truth = self.holds(&condition.last).map_err(at)?;
        for (comparison, join) in condition.joined.iter().rev() {
            let this = self.holds(comparison).map_err(at)?;
            truth = match join {
                Join::And => this && truth,
                Join::Or => this || truth,
            };
        }
        Ok(truth)
    }

    fn holds(&mut self, comparison: &'a Comparison) -> Result<bool, Meaning> {
        match &comparison.right {
            Some((operator, right)) => self.compare(&comparison.left, *operator, right),
            None => Ok(!matches!(self.value(&comparison.left)?.as_ref(), Value::Null | Value::Bool(false))),
        }
    }

    fn compare(&mut self, left: &'a Expr, operator: Operator, right: &'a Expr) -> Result<bool, Meaning> {
        let special = |expr: &Expr| matches!(expr, Expr::Empty | Expr::Blank);
        if special(left) || special(right) {
            let (marker, other) = if special(right) { (right, left) } else { (left, right) };
            let value = self.value(other)?;
            self.meter.pay_for(value.as_str().map_or(0, str::len))?;
            let nothing = match marker {
                Expr::Blank => is_blank(&value),
                _ => is_empty(&value),
            };
            return Ok(match operator {
                Operator::Equal => nothing,
                Operator::NotEqual => !nothing,
                _ => false,
            });
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        self.meter.pay_for(size(&left).saturating_add(size(&right)))?;
        Ok(match operator {
            Operator::Equal => equal(&left, &right),
            Operator::NotEqual => !equal(&left, &right),
            Operator::Less => order(&left, &right) == Some(Ordering::Less),
            Operator::Greater => order(&left, &right) == Some(Ordering::Greater),
            Operator::LessOrEqual => order(&left, &right).is_some_and(Ordering::is_le),
            Operator::GreaterOrEqual => order(&left, &right).is_some_and(Ordering::is_ge),
            Operator::Contains => match left.as_ref() {
                Value::String(text) => right.as_str().is_some_and(|part| text.contains(part)),
                Value::Array(list) => list.iter().any(|element| equal(element, &right)),
                Value::Object(map) => right.as_str().is_some_and(|key| map.contains_key(key)),
                _ => false,
            },
        })
    }
}

/// Goes down from a value; what is not there is nothing.
fn walk<'v>(value: &'v Value, path: &Path, computed: &[Step]) -> Cow<'v, Value> {
    let mut computed = computed.iter();
    let mut at = Cow::Borrowed(value);
    for step in &path.steps {
        let step = if let Step::Computed(_) = step { computed.next().unwrap_or(step) } else { step };
        at = match at {
            Cow::Borrowed(value) => down(value, step),
            // Only sizes and single characters are made on the way; nothing is below them.
            Cow::Owned(_) => Cow::Owned(Value::Null),
        };
    }
    at
}

fn down<'v>(value: &'v Value, step: &Step) -> Cow<'v, Value> {
    let nothing = Cow::Owned(Value::Null);
    match (value, step) {
        (Value::Object(map), Step::Name(name)) => match map.get(name) {
            Some(member) => Cow::Borrowed(member),
            None if name == "size" => Cow::Owned(size_of(value)),
            None => nothing,
        },
        (Value::Array(list), Step::Index(number)) => element(list, *number).map_or(nothing, Cow::Borrowed),
        (Value::Array(list), Step::Name(name)) => match name.as_str() {
            "first" => list.first().map_or(nothing, Cow::Borrowed),
            "last" => list.last().map_or(nothing, Cow::Borrowed),
            "size" => Cow::Owned(size_of(value)),
            _ => nothing,
        },
        (Value::String(_), Step::Name(name)) if name == "size" => Cow::Owned(size_of(value)),
        _ => nothing,
    }
}

fn element(list: &[Value], number: i64) -> Option<&Value> {
    let index = usize::try_from(number.unsigned_abs()).ok()?;
    if number < 0 { list.len().checked_sub(index).and_then(|at| list.get(at)) } else { list.get(index) }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        other => is_empty(other),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
