//! What authentication is made of, as values: ids, states and the moves between them, settings, events.
//!
//! The secret kept here is the *rules*: which move is allowed from which state, what counts as the same
//! e-mail address, who may hear what. There is no I/O, no waiting and no row in this crate; time comes in
//! as a parameter.

pub mod action;
pub mod appearance;
pub mod audit;
pub mod challenge;
pub mod client;
pub mod code;
pub mod context;
pub mod cursor;
mod disposable;
pub mod email;
pub mod environment;
pub mod etag;
pub mod event;
pub mod event_pattern;
pub mod id;
pub mod identifier;
pub mod invitation;
pub mod jwt_template;
pub mod key;
pub mod listed;
pub mod localization;
mod merge;
pub mod message;
pub mod origin;
pub mod page;
pub mod patch;
pub mod phone;
pub mod redirect;
pub mod refusal;
pub mod session;
pub mod settings;
mod settings_change;
pub mod sign_in;
pub mod sign_up;
pub mod strategy;
pub mod text;
pub mod ticket;
pub mod time;
pub mod user;
pub mod webhook;

pub use context::{Actor, Context, Surface};
pub use email::Email;
pub use id::*;
pub use patch::Patch;
pub use phone::Phone;
pub use refusal::{Kind, Problem, Refusal, Verdict};
pub use time::{Clock, Timestamp};
