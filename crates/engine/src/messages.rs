//! What mail and SMS have in common: whose text is used, what every text may show, and what becomes of a message that
//! the environment delivers itself.

use crate::jobs::Settled;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events};
use domain::event::Event;
use domain::message::{Channel, EmailSlug, MessageTemplate, SmsSlug};
use domain::{Context, EnvironmentId, EventId, UserId};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;
use storage::jobs::LeasedJob;
use templates::{Dialect, Output, Template, TemplateError, texts};

/// How long the text of a message waits for the environment to fetch it.
const TEXT_KEPT: std::time::Duration = domain::time::hours(24);

/// The three parts of a mail, read.
pub(crate) struct EmailForm {
    pub(crate) subject: Template,
    pub(crate) html: Template,
    pub(crate) text: Template,
}

/// A mail as it leaves.
pub(crate) struct EmailParts {
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
}

impl EmailForm {
    pub(crate) fn render(&self, values: &Map<String, Value>) -> Result<EmailParts, TemplateError> {
        let subject = self.subject.render(values, Output::SUBJECT)?;
        Ok(EmailParts {
            // A subject is one line, whatever stands in a value.
            subject: subject
                .split(|c: char| c.is_control())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            html: self.html.render(values, Output::HTML)?,
            text: self.text.render(values, Output::TEXT)?,
        })
    }
}

fn ours(source: &str) -> Template {
    Template::parse(source, Dialect::Message).expect("a test reads every text of ours")
}

static EMAILS: LazyLock<HashMap<&'static str, EmailForm>> = LazyLock::new(|| {
    let form = |text: &texts::EmailText| EmailForm {
        subject: ours(text.subject),
        html: ours(text.html),
        text: ours(text.text),
    };
    texts::emails().iter().map(|text| (text.slug, form(text))).collect()
});
static SMSES: LazyLock<HashMap<&'static str, Template>> =
    LazyLock::new(|| texts::smses().into_iter().map(|text| (text.slug, ours(text.body))).collect());

struct Own {
    template: MessageTemplate,
    email: Option<EmailForm>,
    sms: Option<Template>,
}

/// What an environment changed of its messages, read once and kept with it.
#[derive(Default)]
pub(crate) struct Forms(HashMap<(Channel, String), Own>);

impl Forms {
    /// Reads what was stored. A text that cannot be read any more gives way to ours.
    pub(crate) fn of(env: EnvironmentId, stored: Vec<MessageTemplate>) -> Self {
        let read = |template: MessageTemplate| {
            let (mut email, mut sms) = (None, None);
            let outcome = match template.channel {
                Channel::Email => read_email(&template).map(|form| email = form),
                Channel::Sms => read_sms(&template).map(|form| sms = form),
            };
            if let Err(error) = outcome {
                tracing::error!(environment.id = %env, template.slug = template.slug, %error, "a stored template cannot be read");
            }
            ((template.channel, template.slug.clone()), Own { template, email, sms })
        };
        Self(stored.into_iter().map(read).collect())
    }

    /// What the operator made of a message, if anything.
    pub(crate) fn changed(&self, channel: Channel, slug: &str) -> Option<&MessageTemplate> {
        self.own(channel, slug).map(|own| &own.template)
    }

    fn own(&self, channel: Channel, slug: &str) -> Option<&Own> {
        self.0.get(&(channel, slug.to_owned()))
    }

    /// Whether the platform sends this message.
    pub(crate) fn delivered_by_us(&self, channel: Channel, slug: &str) -> bool {
        self.changed(channel, slug).is_none_or(|template| template.delivered_by_us)
    }

    /// The text of a mail. When the operator's cannot be made, ours is sent: a code has to arrive.
    pub(crate) fn email(&self, slug: EmailSlug, values: &Map<String, Value>) -> Result<EmailParts, TemplateError> {
        if let Some(form) = self.own(Channel::Email, slug.as_str()).and_then(|own| own.email.as_ref()) {
            match form.render(values) {
                Ok(parts) => return Ok(parts),
                Err(error) => {
                    tracing::warn!(template.slug = %slug, %error, "a mail gets our text: the operator's cannot be made")
                }
            }
        }
        EMAILS.get(slug.as_str()).expect("every mail has a text of ours").render(values)
    }

    /// The text of a short message, likewise.
    pub(crate) fn sms(&self, slug: SmsSlug, values: &Map<String, Value>) -> Result<String, TemplateError> {
        if let Some(form) = self.own(Channel::Sms, slug.as_str()).and_then(|own| own.sms.as_ref()) {
            match form.render(values, Output::SMS) {
                Ok(text) => return Ok(text),
                Err(error) => {
                    tracing::warn!(template.slug = %slug, %error, "a short message gets our text: the operator's cannot be made")
                }
            }
        }
        SMSES.get(slug.as_str()).expect("every short message has a text of ours").render(values, Output::SMS)
    }
}

fn read_email(template: &MessageTemplate) -> Result<Option<EmailForm>, TemplateError> {
    let texts = &template.texts;
    if texts.subject.is_none() && texts.body_html.is_none() && texts.body_text.is_none() {
        return Ok(None);
    }
    let Some(shipped) = texts::email(&template.slug) else { return Ok(None) };
    let read =
        |own: &Option<String>, shipped: &str| Template::parse(own.as_deref().unwrap_or(shipped), Dialect::Message);
    Ok(Some(EmailForm {
        subject: read(&texts.subject, shipped.subject)?,
        html: read(&texts.body_html, shipped.html)?,
        text: read(&texts.body_text, shipped.text)?,
    }))
}

fn read_sms(template: &MessageTemplate) -> Result<Option<Template>, TemplateError> {
    template.texts.body.as_ref().map(|body| Template::parse(body, Dialect::Message)).transpose()
}

/// The application, as every text may show it.
pub(crate) fn app(tenant: &Tenant) -> Value {
    let env = &tenant.env;
    json!({
        "name": env.settings.application_name.as_deref().unwrap_or(&env.name),
        "url": env.settings.paths.home_url.as_deref().unwrap_or(&env.issuer),
        "support_email": env.settings.support_email,
    })
}

/// Adds what every text may show: the application, and the person it goes to.
pub(crate) async fn everybody_knows(
    engine: &Engine,
    tenant: &Tenant,
    user: Option<UserId>,
    values: &mut Map<String, Value>,
) -> Result<(), StorageError> {
    values.insert("app".to_owned(), app(tenant));
    if values.contains_key("user") {
        return Ok(());
    }
    let known = match user {
        Some(user) => storage::users::find(&mut *engine.read().await?, tenant.env.id, user).await?,
        None => None,
    };
    let names = known.map(|user| (user.first_name, user.last_name)).unwrap_or_default();
    values.insert("user".to_owned(), json!({ "first_name": names.0, "last_name": names.1 }));
    Ok(())
}

/// Tells the environment of a message that it delivers itself. Event and text are written, and the job goes away, in
/// one transaction: the environment hears of it once.
pub(crate) async fn hand_over(
    engine: &Engine,
    job: &LeasedJob,
    owner: &str,
    cx: &Context,
    event: Event,
    text: Value,
) -> Result<Settled, StorageError> {
    let (job, owner) = (job.id, owner.to_owned());
    // Sealed inside: the place of the seal is the event's id, which is made there.
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            if storage::jobs::complete(tx, cx.env, job, &owner).await? {
                let id = storage::events::push(tx, cx, &event).await?;
                let sealed = tenant.keys.seal("event_texts", "sealed", &id.to_string(), text.to_string().as_bytes());
                storage::event_texts::insert(tx, cx.env, id, &sealed, cx.now + TEXT_KEPT).await?;
            }
            Ok::<_, StorageError>(Settled::Already)
        })
        .await
}

/// Tells what became of a message, and takes its job away with it.
pub(crate) async fn settle(
    engine: &Engine,
    job: &LeasedJob,
    owner: &str,
    cx: &Context,
    event: Event,
) -> Result<Settled, StorageError> {
    let (job, owner) = (job.id, owner.to_owned());
    engine
        .write(cx, async move |tx, cx| {
            if storage::jobs::complete(tx, cx.env, job, &owner).await? {
                events::push(tx, cx, event.clone()).await?;
            }
            Ok::<_, StorageError>(Settled::Already)
        })
        .await
}

/// The text of a message that the environment delivers itself, by the event that told of it: `subject`, `body` and
/// `body_plain` of a mail, `body` of a short message. None for other events, and after a day.
pub async fn text_of(engine: &Engine, env: EnvironmentId, event: EventId) -> Result<Option<Value>, StorageError> {
    let sealed = storage::event_texts::find(&mut *engine.read().await?, env, event, engine.now()).await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let tenant = tenancy::tenant(engine, env).await?;
    let plain = tenant.keys.open("event_texts", "sealed", &event.to_string(), &sealed).map_err(storage::fault_from)?;
    serde_json::from_slice(plain.expose()).map(Some).map_err(storage::fault_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_a_text_of_ours() {
        for slug in EmailSlug::ALL {
            assert!(Forms::default().email(*slug, &texts::sample()).is_ok(), "{slug}");
        }
        for slug in SmsSlug::ALL {
            assert!(Forms::default().sms(*slug, &texts::sample()).is_ok(), "{slug}");
        }
        assert_eq!((EMAILS.len(), SMSES.len()), (EmailSlug::ALL.len(), SmsSlug::ALL.len()));
    }

    #[test]
    fn a_subject_is_one_line_whatever_a_value_holds() {
        let mut values = texts::sample();
        values.insert("app".to_owned(), json!({ "name": "Evil\r\nBcc: all@example.com\u{0}" }));
        let parts = Forms::default().email("passkey_added".parse().unwrap(), &values).unwrap();
        assert_eq!(parts.subject, "A passkey was added to your Evil Bcc: all@example.com  account");
    }
}
