//! Points in time, in whole Unix milliseconds: the form of the wire and of the tables.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Tells what time it is; the one source of `now`, so that a test can move it.
pub trait Clock: Send + Sync {
    /// The time of this moment.
    fn now(&self) -> Timestamp;
}

/// A moment, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// Unix milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole Unix seconds, rounded down: the unit of JWT claims (RFC 7519 section 2).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// Whole seconds from `earlier` to here, never negative.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        ((self.0 - earlier.0) / 1000).max(0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .description(Some("Unix milliseconds"))
            .into()
    }
}
impl utoipa::ToSchema for Timestamp {}

/// So many minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// So many hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}
