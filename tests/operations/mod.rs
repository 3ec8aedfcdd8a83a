//! What an operator relies on: upkeep, retention, keys that change, probes, the benchmark.

mod bench;
mod keys;
mod probes;
mod retention;
mod upkeep;
