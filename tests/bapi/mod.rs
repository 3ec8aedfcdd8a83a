//! The backend API, operation by operation, as a backend with a secret key sees it.

mod email_addresses;
mod idempotency;
mod input;
mod instance;
mod keys;
mod moderation;
mod password_digests;
mod sessions;
mod user_changes;
mod user_creation;
mod user_deletion;
mod user_filters;
mod user_pages;
