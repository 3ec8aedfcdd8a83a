//! The documents are the contract: every operation they list is walked, so that a new one cannot escape.

mod bodies;
mod catalogue;
mod documents;
mod errors;
mod operations;
mod pending;
mod permissions;
mod strangers;
mod tenants;
