//! One diesel backend, [`Any`], over SQLite and PostgreSQL.
//!
//! The secret kept here is that there are two engines. Query code is ordinary diesel-async against
//! [`Conn`]; it is built once into SQL text that both engines read the same way, and handed on to
//! the stock driver of whichever is behind the connection. Everything that really differs is in
//! [`fragments`], in [`migrate`], or asks for it by name in [`native`].
//!
//! [`Database`] is one per process, [`Handle`] one per worker thread. [`Handle::write`] is the only
//! maker of a [`Tx`], so a function that takes `&mut Tx<'_>` runs inside a write transaction.

mod backend;
mod bind;
mod conn;
mod database;
mod error;
pub mod fragments;
mod handle;
mod json;
mod lite;
pub mod migrate;
pub mod native;
mod observe;
mod options;
mod postgres;
mod row;
mod sqlite;
mod text;
mod tx;
mod value;

pub use backend::{Any, EngineKind};
pub use conn::{Conn, Transactions};
pub use database::Database;
pub use error::{Conflict, Error, Retry};
pub use fragments::{Lock, bytewise, contains, total};
pub use handle::{Handle, Reader};
pub use json::{Doc, Json};
pub use observe::observe;
pub use options::{Options, Synchronous};
pub use tx::Tx;
