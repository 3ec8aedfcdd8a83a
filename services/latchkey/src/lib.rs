//! The command: everything in one process for developers and small installations, and what operators do by hand.
//!
//! It wires what the services and `boot` offer and prints for people; no rule of the product stands here.

mod api_keys;
mod audit;
mod bench;
mod bootstrap;
mod cli;
#[cfg(test)]
mod compose;
mod config;
mod dev;
mod environments;
mod inbox;
mod keys;
mod migrate;
mod openapi;
mod operator;
mod print;
mod serve;

pub use cli::main;
