//! A whole platform in one call, for tests only.
//!
//! The secret kept here is how little a test needs to say: it gets a platform with a database of its own,
//! on SQLite and on PostgreSQL, callers that are values, a clock that can be pushed, and the certainty that
//! every answer was held against the OpenAPI documents.

mod app;
mod authenticator;
mod authenticator_app;
mod both;
mod call;
mod caller;
mod clock;
mod database;
mod documents;
mod environment;
mod evidence;
mod jar;
mod logs;
mod loud;
mod passkeys;
mod person;
mod race;
mod raw;
mod reply;
mod setup;
mod subset;

pub use anydb::EngineKind;
pub use app::TestApp;
pub use authenticator::{Authenticator, Lie};
pub use authenticator_app::AuthenticatorApp;
pub use both::{Turn, run};
pub use call::Call;
pub use caller::Caller;
pub use clock::TestClock;
pub use database::{PostgresServer, TestDatabase};
pub use documents::{Document, Operation, contract, contract_folder, document};
pub use domain::time::{hours, minutes};
pub use environment::TestEnvironment;
pub use jar::{Jar, SetCookie};
pub use logs::logs;
pub use outbound::fake::{Asked, Reply as Says, Stranger};
pub use passkeys::{PasskeyChallenge, RP_ID};
pub use person::{KnownUser, Named, SignedInUser};
pub use race::race;
pub use raw::Held;
pub use reply::Reply;
pub use reqwest::Method;
pub use setup::{ORIGIN, Setup};
