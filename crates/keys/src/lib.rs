//! An environment's own keys: the data key that seals its secrets, and the signing keys of its tokens.
//!
//! The secret kept here is where private keys are: they leave the database sealed, live in memory as
//! signers, and nothing above this crate sees one. Who signs, who is only published and who is gone is
//! decided by `domain::key` and written down here.

mod environment_keys;
mod jwks;
mod rotation;

pub use environment_keys::{EnvironmentKeys, KeysError, audit_head, load};
pub use jwks::Jwks;
pub use rotation::{AddKeyError, NewSigningKey, Rotation, add_data_key, insert_active, retire_due, rotate};
