//! The backend API, operation by operation, as a backend with a secret key sees it.

mod appearance;
mod email_addresses;
mod idempotency;
mod input;
mod instance;
mod keys;
mod lists;
mod localization;
mod message_templates;
mod mfa;
mod moderation;
mod organization_settings;
mod passkeys;
mod password_digests;
mod phone_numbers;
mod redirect_urls;
mod sessions;
mod user_changes;
mod user_creation;
mod user_deletion;
mod user_filters;
mod user_pages;
