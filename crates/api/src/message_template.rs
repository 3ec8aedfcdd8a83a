//! The texts of mail and SMS, as their operator sees and changes them.

use crate::words::{self, words};
use domain::message::MessageTemplate;
use domain::{TemplateId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of an e-mail template.
    EmailTemplateTag ["email_template"];
    /// The type tag of an SMS template.
    SmsTemplateTag ["sms_template"];
    /// The type tag of a preview.
    EmailPreviewTag ["email_preview"];
    /// What a short message is about.
    SmsTemplateSlug ["verification_code", "reset_password_code", "invitation"];
}

/// The text of a mail.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailTemplate {
    /// Its id.
    pub id: TemplateId,
    /// The type tag.
    #[schema(schema_with = words::one::<EmailTemplateTag>)]
    pub object: EmailTemplateTag,
    /// What the mail is about.
    pub slug: String,
    /// The subject, as a template.
    #[schema(min_length = 1, max_length = 256)]
    pub subject: String,
    /// The HTML part, as a template.
    pub body_html: String,
    /// The plain part, as a template.
    pub body_text: String,
    /// The name the mail is from; null is the application's.
    #[schema(required, max_length = 64)]
    pub from_email_name: Option<String>,
    /// The name answers go to, at the support address; null makes no difference between both.
    #[schema(required, max_length = 64)]
    pub reply_to_email_name: Option<String>,
    /// Whether the platform sends it; else its text goes to webhooks.
    pub delivered_by_us: bool,
    /// Whether everything is as it was shipped.
    pub is_default: bool,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is sent where nothing was changed.
#[derive(Debug, Clone, Copy)]
pub struct Shipped<'a> {
    /// The subject.
    pub subject: &'a str,
    /// The HTML part.
    pub html: &'a str,
    /// The plain part.
    pub text: &'a str,
}

impl EmailTemplate {
    /// A template with what stands for what was not changed.
    pub fn new(template: &MessageTemplate, shipped: Shipped<'_>) -> Self {
        let texts = &template.texts;
        let or = |own: &Option<String>, shipped: &str| own.clone().unwrap_or_else(|| shipped.to_owned());
        Self {
            id: template.id,
            object: EmailTemplateTag("email_template"),
            slug: template.slug.clone(),
            subject: or(&texts.subject, shipped.subject),
            body_html: or(&texts.body_html, shipped.html),
            body_text: or(&texts.body_text, shipped.text),
            from_email_name: texts.from_email_name.clone(),
            reply_to_email_name: texts.reply_to_email_name.clone(),
            delivered_by_us: template.delivered_by_us,
            is_default: template.is_default(),
            created_at: template.created_at,
            updated_at: template.updated_at,
        }
    }
}

/// The text of a short message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsTemplate {
    /// Its id.
    pub id: TemplateId,
    /// The type tag.
    #[schema(schema_with = words::one::<SmsTemplateTag>)]
    pub object: SmsTemplateTag,
    /// What the message is about.
    #[schema(schema_with = words::one::<SmsTemplateSlug>)]
    pub slug: SmsTemplateSlug,
    /// What it says, as a template.
    #[schema(max_length = 1600)]
    pub body: String,
    /// Whether the platform sends it; else its text goes to webhooks.
    pub delivered_by_us: bool,
    /// The number it is from; null is that of the installation.
    #[schema(required, max_length = 16, pattern = r"^\+[1-9][0-9]{1,14}$")]
    pub from_number_override: Option<String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl SmsTemplate {
    /// A template with what stands for what was not changed.
    pub fn new(template: &MessageTemplate, slug: domain::message::SmsSlug, shipped: &str) -> Self {
        Self {
            id: template.id,
            object: SmsTemplateTag("sms_template"),
            slug: SmsTemplateSlug(slug.as_str()),
            body: template.texts.body.clone().unwrap_or_else(|| shipped.to_owned()),
            delivered_by_us: template.delivered_by_us,
            from_number_override: template.from_number_override.clone(),
            created_at: template.created_at,
            updated_at: template.updated_at,
        }
    }
}

/// A mail as it would look.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailPreview {
    /// The type tag.
    #[schema(schema_with = words::one::<EmailPreviewTag>)]
    pub object: EmailPreviewTag,
    /// The subject.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The plain part.
    pub text: String,
}

impl EmailPreview {
    /// A mail that is not sent.
    pub fn new(subject: String, html: String, text: String) -> Self {
        Self { object: EmailPreviewTag("email_preview"), subject, html, text }
    }
}
