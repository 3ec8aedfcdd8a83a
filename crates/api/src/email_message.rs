//! A mail that went out, as events tell of it: never its text, which holds codes and links.

use crate::words::{self, words};
use domain::{EmailAddressId, MessageId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a mail.
    EmailMessageTag ["email"];
}

/// A mail that went out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailMessage {
    /// Its id.
    pub id: MessageId,
    /// The type tag.
    #[schema(schema_with = words::one::<EmailMessageTag>)]
    pub object: EmailMessageTag,
    /// Whom it went to.
    #[schema(format = "email")]
    pub to_email_address: String,
    /// The address of a known person.
    #[schema(required)]
    pub email_address_id: Option<EmailAddressId>,
    /// The template it was made from.
    pub slug: String,
    /// The subject; null, for it may hold a code.
    #[schema(required)]
    pub subject: Option<String>,
    /// The HTML text; null, for it may hold a code.
    #[schema(required)]
    pub body: Option<String>,
    /// The plain text; null, for it may hold a code.
    #[schema(required)]
    pub body_plain: Option<String>,
    /// Whether the platform delivers it.
    pub delivered_by_us: bool,
    /// Where its delivery stands.
    pub status: &'static str,
    /// The person it went to, when known.
    #[schema(required)]
    pub user_id: Option<UserId>,
}

impl EmailMessage {
    /// A mail that was put in the queue.
    pub fn queued(id: MessageId, to: &domain::Email, slug: &str, address: Option<&domain::user::EmailAddress>) -> Self {
        Self {
            id,
            object: EmailMessageTag("email"),
            to_email_address: to.as_str().to_owned(),
            email_address_id: address.map(|a| a.id),
            slug: slug.to_owned(),
            subject: None,
            body: None,
            body_plain: None,
            delivered_by_us: true,
            status: "queued",
            user_id: address.map(|a| a.user_id),
        }
    }

    /// The same mail, when the environment has to deliver it.
    pub fn for_the_environment(self) -> Self {
        Self { delivered_by_us: false, ..self }
    }
}
