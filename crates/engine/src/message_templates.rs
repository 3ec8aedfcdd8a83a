//! The texts of mail and SMS, as an environment's operator reads and changes them. What nobody changed is ours, and
//! has an id all the same.

use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, idempotency, messages};
use domain::message::{Channel, EmailSlug, MessageTemplate, SmsSlug};
use domain::{Context, Kind, Patch, Problem, Refusal, Timestamp, Verdict, code};
use serde_json::{Map, Value};
use templates::{Dialect, Output, Template, TemplateError, texts};

/// Why a text is not changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum TemplateRefused {
    /// The templates are no good: each problem names its field.
    #[error("the template cannot be used")]
    Problems(Vec<Problem>),
    /// The database failed.
    #[error("the template cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(TemplateRefused);

impl Refusal for TemplateRefused {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Problems(problems) => Verdict::Refused(problems.clone()),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What a request says about a mail.
#[derive(Debug, Clone, Default)]
pub struct EmailChange {
    /// The subject.
    pub subject: Option<String>,
    /// The HTML part.
    pub body_html: Option<String>,
    /// The plain part.
    pub body_text: Option<String>,
    /// The name it is from.
    pub from_email_name: Patch<String>,
    /// The name answers go to.
    pub reply_to_email_name: Patch<String>,
    /// Whether the platform sends it.
    pub delivered_by_us: Option<bool>,
}

/// What a request says about a short message.
#[derive(Debug, Clone, Default)]
pub struct SmsChange {
    /// What it says.
    pub body: Option<String>,
    /// Whether the platform sends it.
    pub delivered_by_us: Option<bool>,
    /// The number it is from.
    pub from_number_override: Patch<String>,
}

/// Every mail, in the order of the slugs.
pub async fn emails(engine: &Engine, cx: &Context) -> Result<Vec<api::EmailTemplate>, StorageError> {
    let all = all(engine, cx, Channel::Email, EmailSlug::ALL.iter().map(|slug| slug.as_str())).await?;
    Ok(EmailSlug::ALL.iter().zip(&all).map(|(slug, template)| email_body(*slug, template)).collect())
}

/// One mail.
pub async fn email(engine: &Engine, cx: &Context, slug: EmailSlug) -> Result<api::EmailTemplate, StorageError> {
    Ok(email_body(slug, &one(engine, cx, Channel::Email, slug.as_str()).await?))
}

/// Every short message, in the order of the slugs.
pub async fn smses(engine: &Engine, cx: &Context) -> Result<Vec<api::SmsTemplate>, StorageError> {
    let all = all(engine, cx, Channel::Sms, SmsSlug::ALL.iter().map(|slug| slug.as_str())).await?;
    Ok(SmsSlug::ALL.iter().zip(&all).map(|(slug, template)| sms_body(*slug, template)).collect())
}

/// One short message.
pub async fn sms(engine: &Engine, cx: &Context, slug: SmsSlug) -> Result<api::SmsTemplate, StorageError> {
    Ok(sms_body(slug, &one(engine, cx, Channel::Sms, slug.as_str()).await?))
}

async fn all(
    engine: &Engine,
    cx: &Context,
    channel: Channel,
    slugs: impl Iterator<Item = &'static str>,
) -> Result<Vec<MessageTemplate>, StorageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let stored = storage::message_templates::list(&mut *engine.read().await?, cx.env).await?;
    let of = |slug: &str| stored.iter().find(|t| t.channel == channel && t.slug == slug).cloned();
    Ok(slugs.map(|slug| of(slug).unwrap_or_else(|| unchanged(&tenant, channel, slug))).collect())
}

async fn one(
    engine: &Engine,
    cx: &Context,
    channel: Channel,
    slug: &'static str,
) -> Result<MessageTemplate, StorageError> {
    let mut found = all(engine, cx, channel, std::iter::once(slug)).await?;
    Ok(found.remove(0))
}

fn unchanged(tenant: &Tenant, channel: Channel, slug: &str) -> MessageTemplate {
    MessageTemplate::unchanged(tenant.env.id, tenant.env.created_at, channel, slug)
}

fn shipped(slug: EmailSlug) -> &'static texts::EmailText {
    texts::email(slug.as_str()).expect("every mail has a text of ours")
}

fn shipped_sms(slug: SmsSlug) -> texts::SmsText {
    texts::sms(slug.as_str()).expect("every short message has a text of ours")
}

fn email_body(slug: EmailSlug, template: &MessageTemplate) -> api::EmailTemplate {
    let texts::EmailText { subject, html, text, .. } = *shipped(slug);
    api::EmailTemplate::new(template, api::Shipped { subject, html, text })
}

fn sms_body(slug: SmsSlug, template: &MessageTemplate) -> api::SmsTemplate {
    api::SmsTemplate::new(template, slug, shipped_sms(slug).body)
}

/// Changes a mail.
pub async fn change_email(
    engine: &Engine,
    cx: &Context,
    slug: EmailSlug,
    change: EmailChange,
) -> Result<api::EmailTemplate, TemplateRefused> {
    let looked_at = change.clone();
    apart(move || problems_of_email(slug, &looked_at)).await?;
    let edit = move |template: &mut MessageTemplate, now: Timestamp| {
        let ours = shipped(slug);
        let texts = &mut template.texts;
        set(&mut texts.subject, &change.subject, ours.subject);
        set(&mut texts.body_html, &change.body_html, ours.html);
        set(&mut texts.body_text, &change.body_text, ours.text);
        change.from_email_name.clone().apply(&mut texts.from_email_name);
        change.reply_to_email_name.clone().apply(&mut texts.reply_to_email_name);
        template.delivered_by_us = change.delivered_by_us.unwrap_or(template.delivered_by_us);
        template.updated_at = now;
    };
    write(engine, cx, Channel::Email, slug.as_str(), edit, move |template| email_body(slug, template)).await
}

/// Takes every change of a mail back.
pub async fn revert_email(
    engine: &Engine,
    cx: &Context,
    slug: EmailSlug,
) -> Result<api::EmailTemplate, TemplateRefused> {
    write(engine, cx, Channel::Email, slug.as_str(), MessageTemplate::revert, move |template| {
        email_body(slug, template)
    })
    .await
}

/// Changes a short message.
pub async fn change_sms(
    engine: &Engine,
    cx: &Context,
    slug: SmsSlug,
    change: SmsChange,
) -> Result<api::SmsTemplate, TemplateRefused> {
    let body = change.body.clone();
    apart(move || {
        let needs = shipped_sms(slug).needs;
        let problem = body.as_deref().and_then(|body| problem_of("body", body, needs, Output::SMS));
        problem.into_iter().collect()
    })
    .await?;
    let edit = move |template: &mut MessageTemplate, now: Timestamp| {
        set(&mut template.texts.body, &change.body, shipped_sms(slug).body);
        template.delivered_by_us = change.delivered_by_us.unwrap_or(template.delivered_by_us);
        change.from_number_override.clone().apply(&mut template.from_number_override);
        template.updated_at = now;
    };
    write(engine, cx, Channel::Sms, slug.as_str(), edit, move |template| sms_body(slug, template)).await
}

/// Takes every change of a short message back.
pub async fn revert_sms(engine: &Engine, cx: &Context, slug: SmsSlug) -> Result<api::SmsTemplate, TemplateRefused> {
    write(engine, cx, Channel::Sms, slug.as_str(), MessageTemplate::revert, move |template| sms_body(slug, template))
        .await
}

/// A text that says what ours says is no change.
fn set(own: &mut Option<String>, sent: &Option<String>, ours: &str) {
    if let Some(sent) = sent {
        *own = (sent != ours).then(|| sent.clone());
    }
}

async fn write<T: serde::Serialize + Send + 'static>(
    engine: &Engine,
    cx: &Context,
    channel: Channel,
    slug: &'static str,
    edit: impl Fn(&mut MessageTemplate, Timestamp) + Send + 'static,
    body: impl Fn(&MessageTemplate) -> T + Send + 'static,
) -> Result<T, TemplateRefused> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let made = engine
        .write(cx, async move |tx, cx| {
            // Holds the environment, so that two first changes of a message come after each other; and tells every
            // process that keeps its texts.
            storage::environments::bump(tx, cx.env).await?;
            let stored = storage::message_templates::lock(tx, cx.env, channel, slug).await?;
            let mut template = stored.unwrap_or_else(|| unchanged(&tenant, channel, slug));
            edit(&mut template, cx.now);
            storage::message_templates::save(tx, cx.env, &template).await?;
            let made = body(&template);
            idempotency::keep(tx, cx, 200, &made, None).await?;
            Ok::<_, StorageError>(made)
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(made)
}

/// Shows how a mail would look, with these fields in place of what is stored and these values in place of made-up
/// ones. Nothing is sent or changed.
pub async fn preview(
    engine: &Engine,
    cx: &Context,
    slug: EmailSlug,
    change: EmailChange,
    variables: Map<String, Value>,
) -> Result<api::EmailPreview, TemplateRefused> {
    let stored = email(engine, cx, slug).await?;
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let mut values = texts::sample();
    values.insert("app".to_owned(), messages::app(&tenant));
    overlay(&mut values, variables);
    let shown = tokio::task::spawn_blocking(move || {
        let problems = problems_of_email(slug, &change);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut problems = Vec::new();
        let mut part = |param: &'static str, sent: Option<String>, stored: String, output: Output| {
            let rendered = Template::parse(sent.as_ref().unwrap_or(&stored), Dialect::Message)
                .and_then(|template| template.render(&values, output));
            rendered.unwrap_or_else(|error| {
                problems.push(problem(param, &error));
                String::new()
            })
        };
        let subject = part("subject", change.subject, stored.subject, Output::SUBJECT);
        let html = part("body_html", change.body_html, stored.body_html, Output::HTML);
        let text = part("body_text", change.body_text, stored.body_text, Output::TEXT);
        if problems.is_empty() { Ok(api::EmailPreview::new(subject, html, text)) } else { Err(problems) }
    })
    .await;
    shown.map_err(storage::fault_from)?.map_err(TemplateRefused::Problems)
}

/// Objects are merged one level deep, everything else is replaced.
fn overlay(values: &mut Map<String, Value>, sent: Map<String, Value>) {
    for (name, value) in sent {
        match (values.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(sent)) => known.extend(sent),
            (_, value) => {
                values.insert(name, value);
            }
        }
    }
}

/// Looks at templates off the worker: what an operator wrote may take its time.
async fn apart(look: impl FnOnce() -> Vec<Problem> + Send + 'static) -> Result<(), TemplateRefused> {
    let problems = tokio::task::spawn_blocking(look).await.map_err(storage::fault_from)?;
    if problems.is_empty() { Ok(()) } else { Err(TemplateRefused::Problems(problems)) }
}

fn problems_of_email(slug: EmailSlug, change: &EmailChange) -> Vec<Problem> {
    let needs = shipped(slug).needs;
    [
        ("subject", &change.subject, None, Output::SUBJECT),
        ("body_html", &change.body_html, needs, Output::HTML),
        ("body_text", &change.body_text, needs, Output::TEXT),
    ]
    .into_iter()
    .filter_map(|(param, sent, needs, output)| problem_of(param, sent.as_deref()?, needs, output))
    .collect()
}

/// What is wrong with a template: it cannot be read, lacks what it is for, or does not end with made-up values.
fn problem_of(param: &str, source: &str, needs: Option<&str>, output: Output) -> Option<Problem> {
    let template = match Template::parse(source, Dialect::Message) {
        Ok(template) => template,
        Err(error) => return Some(problem(param, &error)),
    };
    if let Some(needs) = needs.filter(|needs| !template.shows(needs)) {
        let lacks = Problem::of_param(Kind::Invalid, code::PARAM_INVALID, param).with("reason", "variable_missing");
        return Some(lacks.with("detail", format!("the text has to show {{{{ {needs} }}}}")));
    }
    template.render(&texts::sample(), output).err().map(|error| problem(param, &error))
}

fn problem(param: &str, error: &TemplateError) -> Problem {
    Problem::of_param(Kind::Invalid, code::PARAM_INVALID, param)
        .with("line", error.line)
        .with("reason", error.meaning.as_str())
        .with("detail", error.meaning.to_string())
}
