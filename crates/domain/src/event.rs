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
    /// A person enrolled a passkey.
    PasskeyAdded,
    /// A passkey was taken away.
    PasskeyRemoved,
    /// A mail went out.
    EmailCreated,
    /// A short message waits for the environment to deliver it.
    SmsQueued,
    /// The carrier has taken a short message.
    SmsDelivered,
    /// A short message was given up.
    SmsFailed,
    /// A phone number was added to a person.
    PhoneNumberCreated,
    /// The ownership of a phone number was proven.
    PhoneNumberVerified,
    /// A phone number was taken off a person.
    PhoneNumberRemoved,
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
            Self::PasskeyAdded => "passkey.added",
            Self::PasskeyRemoved => "passkey.removed",
            Self::EmailCreated => "email.created",
            Self::SmsQueued => "sms.queued",
            Self::SmsDelivered => "sms.delivered",
            Self::SmsFailed => "sms.failed",
            Self::PhoneNumberCreated => "phoneNumber.created",
            Self::PhoneNumberVerified => "phoneNumber.verified",
            Self::PhoneNumberRemoved => "phoneNumber.removed",
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
