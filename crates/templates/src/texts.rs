//! The texts that are sent until an operator writes others: one file for each mail and short message.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The text of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailText {
    /// What the mail is about.
    pub slug: &'static str,
    /// The subject.
    pub subject: &'static str,
    /// The HTML part.
    pub html: &'static str,
    /// The plain part.
    pub text: &'static str,
    /// The value without which the mail is of no use.
    pub needs: Option<&'static str>,
}

/// The text of a short message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsText {
    /// What the message is about.
    pub slug: &'static str,
    /// What it says.
    pub body: &'static str,
    /// The value without which the message is of no use.
    pub needs: Option<&'static str>,
}

const LAYOUT: &str = include_str!("texts/email/layout.html");

macro_rules! sources {
    ($folder:literal: $($slug:literal),* $(,)?) => {
        &[$(($slug, include_str!(concat!("texts/", $folder, "/", $slug, ".liquid")))),*]
    };
}

// In the order of the slugs.
const EMAILS: &[(&str, &str)] = sources!["email":
    "account_exists",
    "account_locked",
    "backup_codes_generated",
    "invitation",
    "magic_link",
    "mfa_disabled",
    "organization_invitation",
    "organization_invitation_accepted",
    "passkey_added",
    "passkey_removed",
    "password_changed",
    "password_removed",
    "primary_email_address_changed",
    "reset_password_code",
    "totp_enabled",
    "verification_code",
];
const SMSES: &[(&str, &str)] = sources!["sms": "invitation", "reset_password_code", "verification_code"];

static EMAIL_TEXTS: LazyLock<Vec<EmailText>> =
    LazyLock::new(|| EMAILS.iter().map(|(slug, file)| email_text(slug, file)).collect());

fn email_text(slug: &'static str, file: &'static str) -> EmailText {
    let (subject, rest) = file.split_once("\n--- html\n").expect("every file of ours has an HTML part");
    let (html, text) = rest.split_once("\n--- text\n").expect("every file of ours has a plain part");
    let needs = match slug {
        "verification_code" | "reset_password_code" => Some("code"),
        "magic_link" | "invitation" | "organization_invitation" => Some("action_url"),
        _ => None,
    };
    // Once for each of the few texts, and they are needed to the end.
    let html = Box::leak(LAYOUT.replace("<!-- content -->", html).into_boxed_str());
    EmailText { slug, subject, html, text, needs }
}

/// The texts of all mails, in the order of their slugs.
pub fn emails() -> &'static [EmailText] {
    &EMAIL_TEXTS
}

/// The text of a mail.
pub fn email(slug: &str) -> Option<&'static EmailText> {
    emails().iter().find(|text| text.slug == slug)
}

/// The texts of all short messages, in the order of their slugs.
pub fn smses() -> Vec<SmsText> {
    SMSES.iter().map(|(slug, file)| sms_text(slug, file)).collect()
}

/// The text of a short message.
pub fn sms(slug: &str) -> Option<SmsText> {
    SMSES.iter().find(|(name, _)| *name == slug).map(|(slug, file)| sms_text(slug, file))
}

fn sms_text(slug: &'static str, file: &'static str) -> SmsText {
    let needs = matches!(slug, "verification_code" | "reset_password_code").then_some("otp_code");
    SmsText { slug, body: file.trim_end(), needs }
}

/// Values of a made-up message, of every name that a text may show.
pub fn sample() -> Map<String, Value> {
    let sample = json!({
        "app": { "name": "Acme", "url": "https://acme.example", "support_email": "help@acme.example" },
        "user": { "first_name": "Ann", "last_name": "Lee", "email": "ann@example.com" },
        "request": { "device": "Firefox on Linux", "city": "Berlin", "time": "22 November 2026, 09:05 UTC" },
        "inviter": { "name": "Bob Ray", "email": "bob@example.com" },
        "organization": { "name": "Example Ltd" },
        "role": { "name": "Member" },
        "expires_at_human": "29 November 2026, 09:05 UTC",
        "code": "123456",
        "otp_code": "123456",
        "action_url": "https://acme.example/verify?ticket=sample",
        "ttl_minutes": 10,
    });
    match sample {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}
