//! Mails: what they are about, and how they leave. A mail is a job of the queue, written in the transaction of
//! the change that causes it: sealed, because it holds codes and links. Its text is made by the worker, away from
//! the transaction.

mod letter;

pub use letter::{Invite, Inviter, Letter};

use crate::jobs::Settled;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, messages};
use domain::event::{Event, EventType};
use domain::message::{Channel, EmailSlug};
use domain::user::EmailAddress;
use domain::{Context, Email, EmailAddressId, JobId, MessageId, UserId};
use outbound::{Mail, MailError, Sender};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::Tx;
use storage::jobs::LeasedJob;
use templates::TemplateError;

/// The kind of job that sends a mail.
pub(crate) const JOB: &str = "mail";

/// What waits in the queue, sealed.
#[derive(Serialize, Deserialize)]
struct Queued {
    message: MessageId,
    /// Nobody for a mail that only looks, from the inside as well, like one that is sent.
    to: Option<String>,
    address: Option<EmailAddressId>,
    user: Option<UserId>,
    slug: String,
    variables: Map<String, Value>,
    code: Option<String>,
    link: Option<String>,
    #[serde(default = "ours")]
    delivered_by_us: bool,
    #[serde(default)]
    was_test: bool,
    created_at: domain::Timestamp,
}

/// What a mail was that an earlier version has queued.
const fn ours() -> bool {
    true
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
    tenant: &Tenant,
    letter: Letter,
    to: To<'_>,
) -> Result<(), StorageError> {
    let address = match to {
        To::Address(address) => Some((&address.email, Some(address))),
        To::Email(email) => Some((email, None)),
        To::Nobody => None,
    };
    let shown = letter.shown();
    let known = address.and_then(|(_, known)| known);
    let queued = Queued {
        message: cx.id(),
        to: address.map(|(email, _)| email.as_str().to_owned()),
        address: known.map(|known| known.id),
        user: known.map(|known| known.user_id),
        slug: letter.slug().to_owned(),
        variables: letter.variables(cx),
        code: shown.code,
        link: shown.link,
        delivered_by_us: tenant.forms.delivered_by_us(Channel::Email, letter.slug()),
        was_test: cx.was_test,
        created_at: cx.now,
    };
    let job: JobId = cx.id();
    let plain = serde_json::to_vec(&queued).expect("a queued mail has a JSON form");
    let payload = tenant.keys.seal("jobs", "payload", &job.to_string(), &plain);
    storage::jobs::enqueue(tx, cx.env, job, JOB, payload, cx.now).await?;
    // Of a mail that the environment delivers, the worker tells together with its text.
    if let Some((email, known)) = address.filter(|_| queued.delivered_by_us) {
        let body = events::body(&api::EmailMessage::queued(queued.message, email, &queued.slug, known));
        events::push(tx, cx, Event::new(EventType::EmailCreated, "email", queued.message, body)).await?;
    }
    Ok(())
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The queued mail cannot be read.
    #[error("a queued mail cannot be read")]
    Unreadable,
    /// Its text cannot be made, not even ours.
    #[error("the text of a mail cannot be made")]
    Text(#[from] TemplateError),
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
            Self::Unreadable | Self::Text(_) => false,
            Self::Mail(error) => error.may_retry(),
            Self::Storage(_) => true,
        }
    }
}

/// Sends a queued mail, or hands it over to the environment.
pub(crate) async fn send(engine: &Engine, job: &LeasedJob, owner: &str) -> Result<Settled, SendError> {
    let tenant = tenancy::tenant(engine, job.env).await?;
    let plain =
        tenant.keys.open("jobs", "payload", &job.id.to_string(), &job.payload).map_err(|_| SendError::Unreadable)?;
    let mut queued: Queued = serde_json::from_slice(plain.expose()).map_err(|_| SendError::Unreadable)?;
    let Some(to) = &queued.to else { return Ok(Settled::Done) };
    let to = Email::parse(to).map_err(|_| SendError::Unreadable)?;
    let slug: EmailSlug = queued.slug.parse().map_err(|_| SendError::Unreadable)?;
    messages::everybody_knows(engine, &tenant, queued.user, &mut queued.variables).await?;
    let parts = tenant.forms.email(slug, &queued.variables)?;
    if !queued.delivered_by_us {
        let cx = Context { was_test: queued.was_test, ..Context::system(job.env, engine.now()) };
        let body = api::EmailMessage {
            email_address_id: queued.address,
            user_id: queued.user,
            ..api::EmailMessage::queued(queued.message, &to, &queued.slug, None).for_the_environment()
        };
        let event = Event::new(EventType::EmailCreated, "email", queued.message, events::body(&body));
        let text = json!({ "subject": parts.subject, "body": parts.html, "body_plain": parts.text });
        return Ok(messages::hand_over(engine, job, owner, &cx, event, text).await?);
    }
    let (from, reply_to) = senders(engine, &tenant, slug);
    let mail = Mail {
        id: queued.message,
        environment_id: job.env,
        from,
        reply_to,
        to,
        subject: parts.subject,
        text: parts.text,
        html: Some(parts.html),
        code: queued.code,
        link: queued.link,
        template_slug: queued.slug,
        created_at: queued.created_at,
    };
    engine.shared().mailer().send(&mail).await?;
    Ok(Settled::Done)
}

/// Whom a mail is from, and whom answers go to: names of the environment at addresses of the operator's.
fn senders(engine: &Engine, tenant: &Tenant, slug: EmailSlug) -> (String, Option<String>) {
    let texts = tenant.forms.changed(Channel::Email, slug.as_str()).map(|template| &template.texts);
    let app = messages::app(tenant);
    let name = texts.and_then(|texts| texts.from_email_name.as_deref()).or_else(|| app["name"].as_str());
    let plain = &engine.shared().settings().mail_from;
    let from = Sender::parse(plain)
        .map_or_else(|_| plain.clone(), |sender| sender.named(name.unwrap_or_default()).to_string());
    let reply_to = texts.and_then(|texts| texts.reply_to_email_name.as_deref()).and_then(|name| {
        let address = tenant.env.settings.support_email.as_deref()?;
        Some(Sender::parse(address).ok()?.named(name).to_string())
    });
    (from, reply_to)
}
