//! A short message, as events tell of it: never its text, which holds codes.

use crate::words::{self, words};
use domain::{MessageId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a short message.
    SmsMessageTag ["sms"];
    /// Where the delivery of a short message stands.
    SmsStatus ["queued", "delivered", "failed"];
}

/// A short message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsMessage {
    /// Its id.
    pub id: MessageId,
    /// The type tag.
    #[schema(schema_with = words::one::<SmsMessageTag>)]
    pub object: SmsMessageTag,
    /// The template it was made from.
    pub template_slug: String,
    /// The number it is for.
    pub to: String,
    /// What it says; null, for it may hold a code.
    #[schema(required)]
    pub body: Option<String>,
    /// The number it is from, when the template names one.
    #[schema(required)]
    pub from_number_override: Option<String>,
    /// Whether the platform delivers it.
    pub delivered_by_us: bool,
    /// Where its delivery stands.
    #[schema(schema_with = words::one::<SmsStatus>)]
    pub status: SmsStatus,
    /// The person it is for, when known.
    #[schema(required)]
    pub user_id: Option<UserId>,
    /// Always empty: for what the environment wants to keep with a message.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl SmsMessage {
    /// A message that the environment has to deliver.
    pub fn queued() -> SmsStatus {
        SmsStatus("queued")
    }
    /// A message that the carrier has taken.
    pub fn delivered() -> SmsStatus {
        SmsStatus("delivered")
    }
    /// A message that was given up.
    pub fn failed() -> SmsStatus {
        SmsStatus("failed")
    }
    /// A message, and where it stands.
    pub fn new(
        id: MessageId,
        slug: &str,
        to: &str,
        from: Option<&str>,
        user: Option<UserId>,
        status: SmsStatus,
    ) -> Self {
        Self {
            id,
            object: SmsMessageTag("sms"),
            template_slug: slug.to_owned(),
            to: to.to_owned(),
            body: None,
            from_number_override: from.map(str::to_owned),
            delivered_by_us: status != Self::queued(),
            status,
            user_id: user,
            metadata: serde_json::Map::new(),
        }
    }
}
