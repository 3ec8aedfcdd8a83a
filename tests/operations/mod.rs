//! What an operator relies on: upkeep, retention, keys that change, probes.

mod keys;
mod probes;
mod retention;
mod upkeep;
