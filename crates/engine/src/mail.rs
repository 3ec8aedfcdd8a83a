//! Mails: what they say, and how they leave. A mail is a job of the queue, written in the transaction of the
//! change that causes it, sealed, because it holds a code.

use crate::{Engine, StorageError, events, tenancy};
use crypto::Secret;
use domain::environment::Environment;
use domain::event::{Event, EventType};
use domain::user::EmailAddress;
use domain::{Context, Email, JobId, MessageId};
use keys::EnvironmentKeys;
use outbound::{Mail, MailError};
use serde::{Deserialize, Serialize};
use storage::Tx;

/// The kind of job that sends a mail.
pub(crate) const JOB: &str = "mail";

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    /// A code to sign in, sign up or prove an address.
    VerificationCode,
    /// Somebody tried to sign up with an address that has an account.
    AccountExists,
    /// The password was changed.
    PasswordChanged,
    /// The primary address was changed; goes to the old one.
    PrimaryEmailChanged,
}

impl Letter {
    const fn slug(self) -> &'static str {
        match self {
            Self::VerificationCode => "verification_code",
            Self::AccountExists => "account_exists",
            Self::PasswordChanged => "password_changed",
            Self::PrimaryEmailChanged => "primary_email_address_changed",
        }
    }

    fn lines(self, app: &str, code: &str) -> (String, Vec<String>) {
        match self {
            Self::VerificationCode => (
                format!("{code} is your {app} code"),
                vec![
                    format!("Your code for {app} is {code}."),
                    "It works for 10 minutes and only once. If you did not ask for it, you can ignore this message."
                        .into(),
                ],
            ),
            Self::AccountExists => (
                format!("You already have an account with {app}"),
                vec![
                    format!(
                        "Somebody, perhaps you, tried to sign up for {app} with this address. It already has an account."
                    ),
                    "To get in, sign in instead. If it was not you, there is nothing you need to do.".into(),
                ],
            ),
            Self::PasswordChanged => (
                format!("Your {app} password was changed"),
                vec![
                    format!("The password of your {app} account was changed."),
                    "If it was not you, ask for help at once: somebody else may be in your account.".into(),
                ],
            ),
            Self::PrimaryEmailChanged => (
                format!("The e-mail address of your {app} account was changed"),
                vec![
                    format!("This address is no longer the primary one of your {app} account."),
                    "If it was not you, ask for help at once: somebody else may be in your account.".into(),
                ],
            ),
        }
    }
}

/// What waits in the queue, sealed.
#[derive(Serialize, Deserialize)]
struct Queued {
    message: MessageId,
    /// Nobody for a mail that only looks, from the inside as well, like one that is sent.
    to: Option<String>,
    slug: String,
    subject: String,
    text: String,
    html: String,
    code: Option<String>,
    created_at: domain::Timestamp,
}

/// Whom a mail goes to.
pub(crate) enum To<'a> {
    /// An address of a known person.
    Address(&'a EmailAddress),
    /// An address nobody has yet.
    Email(&'a Email),
    /// Nobody: the same work is done, and nothing is sent.
    Nobody,
}

/// Puts a mail into the queue.
pub(crate) async fn enqueue(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    keys: &EnvironmentKeys,
    letter: Letter,
    to: To<'_>,
    code: Option<&Secret<String>>,
) -> Result<(), StorageError> {
    // Only this letter is about a code; in any other one it would be a code that opens nothing.
    let code = code.filter(|_| letter == Letter::VerificationCode);
    let app = env.settings.application_name.as_deref().unwrap_or(&env.name);
    let (subject, lines) = letter.lines(app, code.map_or("", |c| c.expose()));
    let address = match to {
        To::Address(address) => Some((&address.email, Some(address))),
        To::Email(email) => Some((email, None)),
        To::Nobody => None,
    };
    let queued = Queued {
        message: cx.id(),
        to: address.map(|(email, _)| email.as_str().to_owned()),
        slug: letter.slug().to_owned(),
        text: format!("{}\n", lines.join("\n\n")),
        html: html(&subject, &lines, code.map(|c| c.expose().as_str())),
        subject,
        code: code.map(|c| c.expose().clone()),
        created_at: cx.now,
    };
    let job: JobId = cx.id();
    let plain = serde_json::to_vec(&queued).expect("a queued mail has a JSON form");
    let payload = keys.seal("jobs", "payload", &job.to_string(), &plain);
    storage::jobs::enqueue(tx, cx.env, job, JOB, payload, cx.now).await?;
    if let Some((email, known)) = address {
        let body = events::body(&api::EmailMessage::queued(queued.message, email, &queued.slug, known));
        events::push(tx, cx, Event::new(EventType::EmailCreated, "email", queued.message, body)).await?;
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn html(subject: &str, lines: &[String], code: Option<&str>) -> String {
    let mut body = String::new();
    for (i, line) in lines.iter().enumerate() {
        body.push_str(&format!("<p style=\"margin:0 0 16px\">{}</p>", escape(line)));
        if let (0, Some(code)) = (i, code) {
            let style = "margin:0 0 16px;font:600 32px/1.2 ui-monospace,Menlo,Consolas,monospace;letter-spacing:6px";
            body.push_str(&format!("<p style=\"{style}\">{}</p>", escape(code)));
        }
    }
    let frame = "font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:480px;margin:32px auto;padding:0 16px";
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head><body><div style=\"{frame}\">{body}</div></body></html>",
        escape(subject)
    )
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The queued mail cannot be read.
    #[error("a queued mail cannot be read")]
    Unreadable,
    /// The carrier did not take it.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The database failed.
    #[error("a queued mail cannot be loaded")]
    Storage(#[from] StorageError),
}

impl SendError {
    pub(crate) fn may_retry(&self) -> bool {
        match self {
            Self::Unreadable => false,
            Self::Mail(error) => error.may_retry(),
            Self::Storage(_) => true,
        }
    }
}

/// Sends a queued mail.
pub(crate) async fn send(engine: &Engine, job: &storage::jobs::LeasedJob) -> Result<(), SendError> {
    let tenant = tenancy::tenant(engine, job.env).await?;
    let plain =
        tenant.keys.open("jobs", "payload", &job.id.to_string(), &job.payload).map_err(|_| SendError::Unreadable)?;
    let queued: Queued = serde_json::from_slice(plain.expose()).map_err(|_| SendError::Unreadable)?;
    let Some(to) = queued.to else { return Ok(()) };
    let mail = Mail {
        id: queued.message,
        environment_id: job.env,
        from: engine.shared().settings().mail_from.clone(),
        to: Email::parse(&to).map_err(|_| SendError::Unreadable)?,
        subject: queued.subject,
        text: queued.text,
        html: Some(queued.html),
        code: queued.code,
        link: None,
        template_slug: queued.slug,
        created_at: queued.created_at,
    };
    engine.shared().mailer().send(&mail).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_markup_stays_text_in_the_html_of_a_mail() {
        let (subject, lines) = Letter::VerificationCode.lines("<b>Evil</b> & \"Co\"", "123456");
        let html = html(&subject, &lines, Some("123456"));
        assert!(!html.contains("<b>Evil"));
        assert!(html.contains("&lt;b&gt;Evil&lt;/b&gt; &amp; &quot;Co&quot;"));
    }
}
