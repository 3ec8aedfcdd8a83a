//! Query strings: read like a form, every problem collected; what nobody asked for is ignored.

use crate::error::ApiError;
use crate::page::{self, Paging};
use crate::state::after_caller;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::code::{self, Code};
use domain::page::{Direction, Order};
use domain::{Kind, Problem, Timestamp};
use futures_util::future::LocalBoxFuture;

/// The most parameters that are looked at.
const PAIRS_MAX: usize = 1000;

/// The most values of one name.
const VALUES_MAX: usize = 100;

/// The longest value, in bytes.
const VALUE_MAX: usize = 4096;

/// The longest text of a search, in characters.
pub const SEARCH_MAX: usize = 256;

/// How many rows a page has when nothing is said, and at most.
const LIMIT_DEFAULT: i64 = 10;
const LIMIT_MAX: i64 = 500;

/// A query string that is read parameter by parameter.
pub trait FromQuery: Sized {
    /// Reads the parameters; `None` when a required one is missing.
    fn from_query(params: &mut Params) -> Option<Self>;
}

/// The query of a request, read when the caller is known.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: FromQuery + 'static> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        after_caller(req, async |req| {
            let mut params = Params::new(req.query_string());
            let value = T::from_query(&mut params);
            let is_page = params.is_page;
            let value = params.finish(value)?;
            if is_page {
                page::note_event_cursor(req).await?;
            }
            Ok(Self(value))
        })
    }
}

/// Query parameters that are being read.
pub struct Params {
    pairs: Vec<(String, String)>,
    /// What was read, for the cursor to be bound to.
    noted: Vec<(&'static str, String)>,
    /// Names that came without a value.
    blank: Vec<String>,
    problems: Vec<Problem>,
    /// Whether a page of a list is asked for.
    is_page: bool,
}

impl Params {
    /// Takes a query string apart; `name[]` is `name`, an empty value is an absent one.
    pub fn new(query: &str) -> Self {
        let (mut pairs, mut blank) = (Vec::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(PAIRS_MAX) {
            let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
            match value.is_empty() {
                true => blank.push(name),
                false => pairs.push((name, value.into_owned())),
            }
        }
        Self { pairs, noted: Vec::new(), blank, problems: Vec::new(), is_page: false }
    }

    /// Whether a parameter came without a value, for those whose absence means something else.
    pub fn is_blank(&self, name: &str) -> bool {
        self.blank.iter().any(|blank| blank == name) && !self.pairs.iter().any(|(given, _)| given == name)
    }

    fn wrong(&mut self, name: &str, code: Code) {
        self.problems.push(Problem::of_param(Kind::Invalid, code, name));
    }

    fn values(&mut self, name: &'static str) -> Vec<String> {
        let values: Vec<String> =
            self.pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).take(VALUES_MAX + 1).collect();
        if values.len() > VALUES_MAX {
            self.wrong(name, code::PARAM_VALUE_INVALID);
            return Vec::new();
        }
        // U+0000 is no text that can be compared with anything stored.
        if values.iter().any(|value| value.len() > VALUE_MAX || value.contains('\0')) {
            self.wrong(name, code::PARAM_FORMAT_INVALID);
            return Vec::new();
        }
        values
    }

    fn single(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.values(name);
        if values.len() > 1 {
            self.wrong(name, code::PARAM_FORMAT_INVALID);
            return None;
        }
        values.pop()
    }

    fn note(&mut self, name: &'static str, value: &str) {
        self.noted.push((name, value.to_owned()));
    }

    /// A parameter that a type reads; what it refuses has the wrong format.
    pub fn parse<T, E>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.single(name)?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return None;
        }
        self.note(name, trimmed);
        match parse(trimmed) {
            Ok(value) => Some(value),
            Err(_) => {
                self.wrong(name, code::PARAM_FORMAT_INVALID);
                None
            }
        }
    }

    /// All values of a name, each read alike.
    pub fn all<T, E>(&mut self, name: &'static str, mut parse: impl FnMut(&str) -> Result<T, E>) -> Vec<T> {
        let values = self.values(name);
        let mut read = Vec::with_capacity(values.len());
        for value in values {
            let trimmed = value.trim();
            self.note(name, trimmed);
            match parse(trimmed) {
                Ok(value) => read.push(value),
                Err(_) => {
                    self.wrong(name, code::PARAM_FORMAT_INVALID);
                    break;
                }
            }
        }
        read
    }

    /// All words of a name, each one of a set.
    pub fn choices<T>(&mut self, name: &'static str, mut parse: impl FnMut(&str) -> Option<T>) -> Vec<T> {
        let values = self.values(name);
        let mut read = Vec::with_capacity(values.len());
        for value in values {
            self.note(name, value.trim());
            match parse(value.trim()) {
                Some(value) => read.push(value),
                None => {
                    self.wrong(name, code::PARAM_VALUE_INVALID);
                    break;
                }
            }
        }
        read
    }

    /// One word of a set.
    pub fn choice<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.single(name)?;
        self.note(name, text.trim());
        let value = parse(text.trim());
        if value.is_none() {
            self.wrong(name, code::PARAM_VALUE_INVALID);
        }
        value
    }

    /// A text of at most `max` characters, trimmed.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.parse(name, |text| if text.chars().count() <= max { Ok(text.to_owned()) } else { Err(()) })
    }

    /// `true` or `false`, `1` or `0`.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.parse(name, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(()),
        })
    }

    /// A whole number.
    pub fn integer(&mut self, name: &'static str) -> Option<i64> {
        self.parse(name, str::parse)
    }

    /// A moment, in Unix milliseconds.
    pub fn timestamp(&mut self, name: &'static str) -> Option<Timestamp> {
        self.integer(name).map(Timestamp::from_millis)
    }

    /// A whole number, brought into a range however large it is.
    pub fn clamped(&mut self, name: &'static str, default: i64, min: i64, max: i64) -> i64 {
        let Some(text) = self.single(name) else { return default };
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            self.wrong(name, code::PARAM_FORMAT_INVALID);
            return default;
        }
        let beyond = if text.starts_with('-') { min } else { max };
        text.parse::<i64>().unwrap_or(beyond).clamp(min, max)
    }

    /// The page that is asked for: `limit`, `offset`, `cursor` and `order_by`. Read it last: its cursors are
    /// bound to the list, the order and everything read before.
    ///
    /// `orders` are the keys to order by; the first of them, descending, is the default.
    pub fn paging<K: Copy>(&mut self, list: &'static str, orders: &[(&'static str, K)]) -> Option<Paging<K>> {
        self.paging_in(list, orders, Direction::Descending)
    }

    /// The same, for a list that runs this way by default.
    pub fn paging_in<K: Copy>(
        &mut self,
        list: &'static str,
        orders: &[(&'static str, K)],
        default: Direction,
    ) -> Option<Paging<K>> {
        self.is_page = true;
        let limit = self.clamped("limit", LIMIT_DEFAULT, 1, LIMIT_MAX);
        let has_offset = self.pairs.iter().any(|(name, _)| name == "offset");
        let offset = self.clamped("offset", 0, 0, i64::MAX);
        let cursor = self.single("cursor");
        let order = self.order(orders, default);
        if cursor.is_some() && has_offset {
            self.wrong("cursor", code::PARAM_FORMAT_INVALID);
            return None;
        }
        let (name, order) = order?;
        Some(Paging::new(order, limit, offset, cursor, self.binding(list, name, order.direction)))
    }

    fn order<K: Copy>(&mut self, orders: &[(&'static str, K)], default: Direction) -> Option<(&'static str, Order<K>)> {
        let Some(text) = self.single("order_by") else {
            let (name, key) = *orders.first()?;
            return Some((name, Order { key, direction: default }));
        };
        // An unescaped `+` arrives as a space.
        let (wanted, direction) = match text.strip_prefix('-') {
            Some(rest) => (rest, Direction::Descending),
            None => (text.strip_prefix(['+', ' ']).unwrap_or(&text), Direction::Ascending),
        };
        let found = orders.iter().find(|(name, _)| *name == wanted);
        if found.is_none() {
            self.wrong("order_by", code::PARAM_VALUE_INVALID);
        }
        found.map(|(name, key)| (*name, Order { key: *key, direction }))
    }

    /// One text for a list, its order and its filters, in whatever order the filters were sent.
    fn binding(&self, list: &str, order: &str, direction: Direction) -> String {
        let sign = if direction == Direction::Descending { '-' } else { '+' };
        let mut filters = self.noted.clone();
        filters.sort_unstable();
        let filters = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
        format!("{list} {sign}{order} {filters}")
    }

    /// What was read, unless anything at all is wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ApiError::problems(self.problems)),
        }
    }
}

#[cfg(test)]
mod tests;
