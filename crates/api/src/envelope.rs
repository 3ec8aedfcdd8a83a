//! What stands around resources, and the small answers that are no resource.

use crate::client::Client;
use crate::words::{self, words};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a token.
    TokenTag ["token"];
    /// The type tag of a count.
    TotalCountTag ["total_count"];
}

/// A write's resource, and the client as it is after the write.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope<T> {
    /// The resource.
    pub response: T,
    /// The client after the write; null when the device has none any more.
    #[schema(required)]
    pub client: Option<Client>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// How many rows match, over all pages.
    #[schema(minimum = 0)]
    pub total_count: i64,
    /// Where to go on.
    pub meta: PageMeta,
}

/// Where a list goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PageMeta {
    /// What `cursor` takes for the next page; only there when more rows exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows, with the sealed cursor of the next one.
    pub fn new(data: Vec<T>, total_count: i64, next_cursor: Option<String>) -> Self {
        Self { data, total_count, meta: PageMeta { next_cursor } }
    }
}

/// How many rows match.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalCount {
    /// The type tag.
    #[schema(schema_with = words::one::<TotalCountTag>)]
    pub object: TotalCountTag,
    /// How many rows match.
    #[schema(minimum = 0)]
    pub total_count: i64,
}

impl TotalCount {
    /// So many rows.
    pub fn new(total_count: i64) -> Self {
        Self { object: TotalCountTag("total_count"), total_count }
    }
}

/// A token that was just minted. Its debug output hides the token.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The type tag.
    #[schema(schema_with = words::one::<TokenTag>)]
    pub object: TokenTag,
    /// The token in compact form (RFC 7519).
    pub jwt: String,
}

impl Token {
    /// A minted token.
    pub fn new(jwt: String) -> Self {
        Self { object: TokenTag("token"), jwt }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Whether a secret was right.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Right or wrong.
    pub verified: bool,
}
