//! What the services share about HTTP: who calls, what they sent, how often they may, and how an answer or
//! an error becomes bytes.
//!
//! The secret kept here is actix and the two surfaces' habits: cookies, origins, tenant prefixes, status
//! codes. A handler names its caller and its body as arguments and answers with a value or an [`ApiError`].

mod accept;
pub mod actions;
pub mod body;
pub mod callers;
pub mod conditional;
pub mod cookies;
pub mod docs;
pub mod edge;
pub mod error;
pub mod form;
pub mod health;
pub mod limits;
pub mod page;
pub mod path;
pub mod process;
pub mod query;
pub mod reply;
mod routing;
pub mod server;
pub mod upload;
pub mod write;

#[cfg(test)]
mod sample;
mod state;

pub use accept::WantsHtml;
pub use actions::Operations;
pub use body::{Body, FromForm, Nothing, Posted};
pub use callers::{Anyone, Device, DeviceToken, Enrolling, MaybeDevice, Operator, SecretKey, SignedIn};
pub use conditional::{IfMatch, IfNoneMatch};
pub use cookies::Cookies;
pub use error::{ApiError, ApiErrors, OrFault};
pub use form::{Form, Given};
pub use health::Probes;
pub use limits::{Bucket, By, LimitSettings, Limiter, Limits};
pub use page::{PageParams, Paging};
pub use path::{Id, PathId};
pub use query::{FromQuery, Params, Query};
pub use reply::{Minted, NoContent};
pub use routing::ServiceConfig;
pub use server::AppParts;
pub use write::Write;
