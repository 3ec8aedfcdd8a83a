//! What the platform does: people, sessions and the attempts that lead to them, written once for every surface.
//!
//! The secret kept here is the *order of steps*: what is read before what is hashed, what stands in one
//! transaction, which event goes with which change. An operation opens the transaction; a step takes the
//! transaction and never opens one. Decisions are `domain`'s, SQL is `storage`'s.

pub mod activity;
pub mod api_keys;
pub mod audit;
pub mod backup_codes;
pub mod bootstrap;
pub mod callers;
pub mod captcha;
pub mod challenges;
pub mod clients;
pub mod configuration;
pub mod cursor;
pub mod emails;
mod engine;
pub mod events;
pub mod factors;
pub mod guesses;
pub mod handshake;
pub mod health;
pub mod idempotency;
pub mod identifier_lists;
pub mod images;
pub mod invitations;
pub mod jobs;
pub mod jwt_templates;
pub mod mail;
pub mod me;
pub mod message_templates;
pub mod messages;
pub mod operators;
pub mod passkeys;
pub mod passwords;
mod people;
pub mod phone_numbers;
pub mod pull;
mod purge;
pub mod redirects;
mod refusals;
pub mod restrictions;
pub mod sessions;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod signing;
pub mod sms;
pub mod standing;
pub mod step_up;
pub mod tenancy;
pub mod tickets;
pub mod tokens;
pub mod totp;
pub mod upkeep;
pub mod users;
pub mod webhooks;

pub use engine::{Engine, EngineSettings, Parts, Shared};
pub use keys::Jwks;
pub use storage::Error as StorageError;
pub use storage::{
    api_keys::Key as ApiKeyKey, audit::AuditFilter, invitations::Filter as InvitationFilter,
    invitations::Key as InvitationKey, jwt_templates::Key as JwtTemplateKey, operator::Key as OperatorKey,
    passkeys::Filter as PasskeyFilter, passkeys::Key as PasskeyKey, sessions::Filter as SessionFilter,
    sessions::Key as SessionKey, users::Filter as UserFilter, users::Key as UserKey,
    webhook_deliveries::Filter as DeliveryFilter, webhook_deliveries::Key as DeliveryKey, webhooks::Key as WebhookKey,
};
