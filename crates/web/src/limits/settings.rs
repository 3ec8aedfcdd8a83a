//! What an operator may set about limits.

use serde::Deserialize;
use std::collections::BTreeMap;

/// So many requests in so many seconds; a burst of them all at once is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// How many.
    pub max: u32,
    /// In how many seconds.
    pub window_seconds: u64,
}

impl Allowance {
    /// So many requests in so many seconds.
    pub const fn new(max: u32, window_seconds: u64) -> Self {
        Self { max, window_seconds }
    }

    /// A quarter of it, but something.
    pub(crate) const fn quarter(self) -> Self {
        let max = self.max / 4;
        Self { max: if max == 0 { 1 } else { max }, ..self }
    }
}

/// The limits of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Other allowances than the defaults, by the name of the bucket.
    pub buckets: BTreeMap<String, Allowance>,
    /// How many times as much development and staging environments allow.
    pub development_multiplier: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { buckets: BTreeMap::new(), development_multiplier: 100 }
    }
}

impl LimitSettings {
    /// What development and staging allow where production allows this.
    pub(crate) fn relaxed(&self, allowance: Allowance) -> Allowance {
        Allowance { max: allowance.max.saturating_mul(self.development_multiplier.max(1)), ..allowance }
    }
}
