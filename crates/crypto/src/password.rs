//! Passwords: what is accepted, how it is hashed, what was imported, and who may compute.
//!
//! Passwords are taken byte for byte, without Unicode normalization: what one client sent another
//! client must send. Normalizing now would lock out imported users whose old system did not.

mod compute;
mod import;
mod policy;
mod pool;
mod stored;

use serde::{Deserialize, Serialize};

pub use compute::{needs_rehash, verify};
pub use import::{Foreign, ImportError, import};
pub use policy::{LengthError, Policy};
pub use pool::{HashPool, PoolError, PoolOptions, PoolStartError};
pub use stored::{InvalidHash, StoredHash};

/// What one hash of a new password costs (argon2id, RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

impl Default for Params {
    /// The least that OWASP's password storage cheat sheet calls enough.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// Costs that argon2id does not have or that no hash here may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("argon2id takes 8 KiB a lane to 256 MiB of memory, 1 to 16 iterations and 1 to 16 lanes")]
pub struct InvalidParams;

impl Params {
    /// Checks the costs against what argon2id has and against the caps for stored hashes.
    pub fn validate(&self) -> Result<(), InvalidParams> {
        let memory = self.parallelism.saturating_mul(8)..=262_144;
        let fits = (1..=16).contains(&self.parallelism)
            && (1..=16).contains(&self.iterations)
            && memory.contains(&self.memory_kib);
        if fits { Ok(()) } else { Err(InvalidParams) }
    }
}

#[cfg(test)]
mod tests;
