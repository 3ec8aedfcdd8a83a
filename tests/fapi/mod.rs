//! The frontend API, operation by operation, as a browser sees it.

mod captcha;
mod client;
mod email_addresses;
mod environment;
mod input;
mod jwks;
mod lock_out;
mod me;
mod password;
mod restrictions;
mod session_tokens;
mod sessions;
mod sign_in;
mod sign_in_codes;
mod sign_in_sessions;
mod sign_up;
mod sign_up_codes;
mod sign_up_policy;
mod step_up;
mod step_up_proof;
pub(crate) mod steps;
mod tickets;
mod transfer;
