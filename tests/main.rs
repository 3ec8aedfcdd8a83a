//! The integration tests: one binary, each test on both engines.

mod attacks;
mod bapi;
mod browser;
mod contract;
mod fapi;
mod fuzzed;
mod operations;
mod readme;
mod storage;
