//! What the papers of others say: bytes in, verified values out.
//!
//! The secret kept here: how a passkey's answer is checked, what a telephone number is, which pictures are
//! decoded and how a square code is drawn. Nothing here waits, looks at a clock, or knows a user; whatever it
//! reads may come from a stranger and is refused as a value, never by a panic.

pub mod image;
pub mod phone;
pub mod qr;
pub mod webauthn;
