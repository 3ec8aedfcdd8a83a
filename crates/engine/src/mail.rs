//! Mails: what they are about, and how they leave. A mail is a job of the queue, written in the transaction of
//! the change that causes it: sealed, because it holds codes and links. Its text is made by the worker, away from
//! the transaction.

mod letter;
mod texts;

pub use letter::{Invite, Inviter, Letter};

use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events};
use domain::event::{Event, EventType};
use domain::user::EmailAddress;
use domain::{Context, Email, JobId, MessageId, UserId};
use outbound::{Mail, MailError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::Tx;

/// The kind of job that sends a mail.
pub(crate) const JOB: &str = "mail";

/// What waits in the queue, sealed.
#[derive(Serialize, Deserialize)]
struct Queued {
    message: MessageId,
    /// Nobody for a mail that only looks, from the inside as well, like one that is sent.
    to: Option<String>,
    user: Option<UserId>,
    slug: String,
    variables: Map<String, Value>,
    code: Option<String>,
    link: Option<String>,
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
    let queued = Queued {
        message: cx.id(),
        to: address.map(|(email, _)| email.as_str().to_owned()),
        user: address.and_then(|(_, known)| known).map(|known| known.user_id),
        slug: letter.slug().to_owned(),
        variables: letter.variables(cx),
        code: shown.code,
        link: shown.link,
        created_at: cx.now,
    };
    let job: JobId = cx.id();
    let plain = serde_json::to_vec(&queued).expect("a queued mail has a JSON form");
    let payload = tenant.keys.seal("jobs", "payload", &job.to_string(), &plain);
    storage::jobs::enqueue(tx, cx.env, job, JOB, payload, cx.now).await?;
    if let Some((email, known)) = address {
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
    let mut queued: Queued = serde_json::from_slice(plain.expose()).map_err(|_| SendError::Unreadable)?;
    let Some(to) = queued.to else { return Ok(()) };
    everybody_knows(engine, &tenant, queued.user, &mut queued.variables).await?;
    let text = texts::render(&queued.slug, &queued.variables);
    let mail = Mail {
        id: queued.message,
        environment_id: job.env,
        from: engine.shared().settings().mail_from.clone(),
        to: Email::parse(&to).map_err(|_| SendError::Unreadable)?,
        subject: text.subject,
        text: text.plain,
        html: Some(text.html),
        code: queued.code,
        link: queued.link,
        template_slug: queued.slug,
        created_at: queued.created_at,
    };
    engine.shared().mailer().send(&mail).await?;
    Ok(())
}

/// Adds what every text may show: the application and the person.
async fn everybody_knows(
    engine: &Engine,
    tenant: &Tenant,
    user: Option<UserId>,
    variables: &mut Map<String, Value>,
) -> Result<(), StorageError> {
    let env = &tenant.env;
    let app = json!({
        "name": env.settings.application_name.as_deref().unwrap_or(&env.name),
        "url": env.settings.paths.home_url.as_deref().unwrap_or(&env.issuer),
        "support_email": env.settings.support_email,
    });
    variables.insert("app".to_owned(), app);
    if !variables.contains_key("user") {
        let known = match user {
            Some(user) => storage::users::find(&mut *engine.read().await?, env.id, user).await?,
            None => None,
        };
        let names = known.map(|user| (user.first_name, user.last_name)).unwrap_or_default();
        variables.insert("user".to_owned(), json!({ "first_name": names.0, "last_name": names.1 }));
    }
    Ok(())
}
