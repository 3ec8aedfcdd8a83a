//! What happened, as the event log keeps it.

use serde_json::Value;

/// The name of an event. Names are the contract with webhook receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A person was made.
    UserCreated,
    /// A person was changed.
    UserUpdated,
    /// A person was deleted.
    UserDeleted,
    /// Failures locked a person.
    UserLockedOut,
    /// A session began.
    SessionCreated,
    /// A person signed out.
    SessionEnded,
    /// A person removed a device.
    SessionRemoved,
    /// A session was taken away.
    SessionRevoked,
    /// A session was used.
    SessionTouched,
    /// A mail went out.
    EmailCreated,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
}

impl EventType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDeleted => "user.deleted",
            Self::UserLockedOut => "user.locked_out",
            Self::SessionCreated => "session.created",
            Self::SessionEnded => "session.ended",
            Self::SessionRemoved => "session.removed",
            Self::SessionRevoked => "session.revoked",
            Self::SessionTouched => "session.touched",
            Self::EmailCreated => "email.created",
            Self::ApiKeyCreated => "apiKey.created",
            Self::ApiKeyRevoked => "apiKey.revoked",
        }
    }
}

/// An event, made inside the transaction of its change.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub event_type: EventType,
    /// The version of the payload's form.
    pub version: i32,
    /// The kind of thing it is about, such as `user`.
    pub subject_type: &'static str,
    /// The id of the thing it is about.
    pub subject_id: String,
    /// The thing as it was at that moment, in the form of the backend API. Never holds a secret.
    pub data: Value,
}

impl Event {
    /// An event of version 1.
    pub fn new(event_type: EventType, subject_type: &'static str, subject_id: impl ToString, data: Value) -> Self {
        Self { event_type, version: 1, subject_type, subject_id: subject_id.to_string(), data }
    }
}
