//! The texts of mail and SMS.

use actix_web::web::{Data, Json};
use actix_web::{get, patch, post};
use domain::Patch;
use domain::code;
use domain::message::{EmailSlug, SmsSlug};
use domain::page::{Direction, Page, Start};
use domain::phone::Phone;
use domain::text::{Metadata, label};
use engine::Engine;
use engine::message_templates::{self as texts, EmailChange, SmsChange};
use utoipa::{IntoParams, ToSchema};
use web::Nothing;
use web::ServiceConfig;
use web::form::read;
use web::{ApiError, ApiErrors, Body, Form, FromForm, FromQuery, Id, OrFault, Paging, Params, Query, SecretKey, Write};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_sms_templates)
        .service(get_sms_template)
        .service(update_sms_template)
        .service(revert_sms_template)
        .service(list_email_templates)
        .service(get_email_template)
        .service(update_email_template)
        .service(revert_email_template)
        .service(preview_email_template);
}

/// A template, exactly as it was written, of at most `max` characters.
fn source(form: &mut Form, name: &'static str, max: usize) -> Option<String> {
    match form.field(name, read::verbatim(max)).patch() {
        Patch::Set(text) => Some(text),
        Patch::Keep => None,
        Patch::Clear => {
            form.wrong(name, code::PARAM_FORMAT_INVALID);
            None
        }
    }
}

/// The longest body of a mail, in characters: as many bytes as a template may have.
const BODY_MAX: usize = 64 * 1024;
const SUBJECT_MAX: usize = 256;

/// A change of a short message.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmsTemplateRequest {
    /// What it says, as a template.
    #[schema(min_length = 1, max_length = 1600)]
    body: Option<String>,
    /// Whether the platform sends it; else its text goes to webhooks.
    delivered_by_us: Option<bool>,
    /// The number it is from; null is that of the installation.
    #[schema(value_type = Option<String>, max_length = 16, pattern = r"^\+[1-9][0-9]{1,14}$")]
    from_number_override: Patch<String>,
}

impl FromForm for SmsTemplateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let body = source(form, "body", 1600);
        let delivered_by_us = form.boolean("delivered_by_us").optional();
        let number = |text: &str| Phone::from_e164(text).map(|number| number.to_string());
        let from_number_override = form.parse("from_number_override", number).patch();
        Some(Self { body, delivered_by_us, from_number_override })
    }
}

/// Lists the short messages, in the order of their slugs.
#[utoipa::path(responses((status = 200, body = Vec<api::SmsTemplate>), ApiErrors))]
#[get("/v1/sms-templates")]
async fn list_sms_templates(caller: SecretKey, engine: Data<Engine>) -> Result<Json<Vec<api::SmsTemplate>>, ApiError> {
    Ok(Json(texts::smses(&engine, &caller.cx).await.or_fault()?))
}

/// Shows a short message.
#[utoipa::path(responses((status = 200, body = api::SmsTemplate), ApiErrors))]
#[get("/v1/sms-templates/{sms_template_slug}")]
async fn get_sms_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(slug): Id<SmsSlug>,
) -> Result<Json<api::SmsTemplate>, ApiError> {
    Ok(Json(texts::sms(&engine, &caller.cx, slug).await.or_fault()?))
}

/// Changes a short message.
#[utoipa::path(request_body = SmsTemplateRequest, responses((status = 200, body = api::SmsTemplate), ApiErrors))]
#[patch("/v1/sms-templates/{sms_template_slug}")]
async fn update_sms_template(
    Write { cx, body, .. }: Write<SmsTemplateRequest>,
    engine: Data<Engine>,
    Id(slug): Id<SmsSlug>,
) -> Result<Json<api::SmsTemplate>, ApiError> {
    let SmsTemplateRequest { body, delivered_by_us, from_number_override } = body;
    let change = SmsChange { body, delivered_by_us, from_number_override };
    Ok(Json(texts::change_sms(&engine, &cx, slug, change).await?))
}

/// Takes every change of a short message back.
#[utoipa::path(responses((status = 200, body = api::SmsTemplate), ApiErrors))]
#[post("/v1/sms-templates/{sms_template_slug}/revert")]
async fn revert_sms_template(
    Write { cx, .. }: Write<Nothing>,
    engine: Data<Engine>,
    Id(slug): Id<SmsSlug>,
) -> Result<Json<api::SmsTemplate>, ApiError> {
    Ok(Json(texts::revert_sms(&engine, &cx, slug).await?))
}

/// Which mails are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListEmailTemplates {
    /// Where to go on: `meta.next_cursor` of the page before.
    #[expect(dead_code, reason = "documented; the paging reads it")]
    cursor: Option<String>,
    /// How many rows at most; clamped to 1..500.
    #[param(value_type = Option<i64>, default = 10)]
    #[expect(dead_code, reason = "documented; the paging reads it")]
    limit: Option<i64>,
    /// How many rows to skip; not together with `cursor`.
    #[param(value_type = Option<i64>, default = 0, minimum = 0)]
    #[expect(dead_code, reason = "documented; the paging reads it")]
    offset: Option<i64>,
    #[param(ignore)]
    paging: Paging<BySlug>,
}

#[derive(Debug, Clone, Copy)]
struct BySlug;

impl FromQuery for ListEmailTemplates {
    fn from_query(params: &mut Params) -> Option<Self> {
        let paging = params.paging_in("email_templates", &[("slug", BySlug)], Direction::Ascending);
        Some(Self { cursor: None, limit: None, offset: None, paging: paging? })
    }
}

/// Lists the mails, in the order of their slugs.
#[utoipa::path(params(ListEmailTemplates), responses((status = 200, body = api::Page<api::EmailTemplate>), ApiErrors))]
#[get("/v1/email-templates")]
async fn list_email_templates(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListEmailTemplates>,
) -> Result<Json<api::Page<api::EmailTemplate>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let mut all = texts::emails(&engine, &caller.cx).await.or_fault()?;
    if request.order.direction == Direction::Descending {
        all.reverse();
    }
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let begin = match &request.start {
        Start::Offset(rows) => usize::try_from(*rows).unwrap_or(usize::MAX),
        Start::After { id, .. } => all.iter().position(|template| template.slug == *id).map_or(all.len(), |at| at + 1),
    };
    let rest: Vec<api::EmailTemplate> = all.into_iter().skip(begin).collect();
    let page = Page::cut(rest, request.limit, total, |template| (0, template.slug.clone()));
    Ok(Json(asked.paging.answer(&engine, &caller.env, page).await?))
}

/// Shows a mail.
#[utoipa::path(responses((status = 200, body = api::EmailTemplate), ApiErrors))]
#[get("/v1/email-templates/{slug}")]
async fn get_email_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(slug): Id<EmailSlug>,
) -> Result<Json<api::EmailTemplate>, ApiError> {
    Ok(Json(texts::email(&engine, &caller.cx, slug).await.or_fault()?))
}

/// A change of a mail.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailTemplateRequest {
    /// The subject, as a template.
    #[schema(min_length = 1, max_length = 256)]
    subject: Option<String>,
    /// The HTML part, as a template; values are escaped in it.
    #[schema(min_length = 1, max_length = 65536)]
    body_html: Option<String>,
    /// The plain part, as a template.
    #[schema(min_length = 1, max_length = 65536)]
    body_text: Option<String>,
    /// The name the mail is from; null is the application's.
    #[schema(value_type = Option<String>, max_length = 64)]
    from_email_name: Patch<String>,
    /// The name answers go to, at the support address.
    #[schema(value_type = Option<String>, max_length = 64)]
    reply_to_email_name: Patch<String>,
    /// Whether the platform sends it; else its text goes to webhooks.
    delivered_by_us: Option<bool>,
}

fn sender_name(text: &str) -> Result<String, domain::text::BadText> {
    label(text, 64)
}

impl FromForm for EmailTemplateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let subject = source(form, "subject", SUBJECT_MAX);
        let body_html = source(form, "body_html", BODY_MAX);
        let body_text = source(form, "body_text", BODY_MAX);
        let from_email_name = form.parse("from_email_name", sender_name).patch();
        let reply_to_email_name = form.parse("reply_to_email_name", sender_name).patch();
        let delivered_by_us = form.boolean("delivered_by_us").optional();
        Some(Self { subject, body_html, body_text, from_email_name, reply_to_email_name, delivered_by_us })
    }
}

impl From<EmailTemplateRequest> for EmailChange {
    fn from(sent: EmailTemplateRequest) -> Self {
        Self {
            subject: sent.subject,
            body_html: sent.body_html,
            body_text: sent.body_text,
            from_email_name: sent.from_email_name,
            reply_to_email_name: sent.reply_to_email_name,
            delivered_by_us: sent.delivered_by_us,
        }
    }
}

/// Changes a mail.
#[utoipa::path(request_body = EmailTemplateRequest, responses((status = 200, body = api::EmailTemplate), ApiErrors))]
#[patch("/v1/email-templates/{slug}")]
async fn update_email_template(
    Write { cx, body, .. }: Write<EmailTemplateRequest>,
    engine: Data<Engine>,
    Id(slug): Id<EmailSlug>,
) -> Result<Json<api::EmailTemplate>, ApiError> {
    Ok(Json(texts::change_email(&engine, &cx, slug, body.into()).await?))
}

/// Takes every change of a mail back.
#[utoipa::path(responses((status = 200, body = api::EmailTemplate), ApiErrors))]
#[post("/v1/email-templates/{slug}/revert")]
async fn revert_email_template(
    Write { cx, .. }: Write<Nothing>,
    engine: Data<Engine>,
    Id(slug): Id<EmailSlug>,
) -> Result<Json<api::EmailTemplate>, ApiError> {
    Ok(Json(texts::revert_email(&engine, &cx, slug).await?))
}

/// A mail to look at: fields in place of what is stored.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailPreviewRequest {
    /// The subject, as a template.
    #[schema(min_length = 1, max_length = 256)]
    subject: Option<String>,
    /// The HTML part, as a template.
    #[schema(min_length = 1, max_length = 65536)]
    body_html: Option<String>,
    /// The plain part, as a template.
    #[schema(min_length = 1, max_length = 65536)]
    body_text: Option<String>,
    /// Values in place of the made-up ones.
    #[schema(value_type = Option<api::OpenObject>)]
    variables: Metadata,
}

impl FromForm for EmailPreviewRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let subject = source(form, "subject", SUBJECT_MAX);
        let body_html = source(form, "body_html", BODY_MAX);
        let body_text = source(form, "body_text", BODY_MAX);
        let variables = form.field("variables", read::object()).optional().unwrap_or_default();
        Some(Self { subject, body_html, body_text, variables })
    }
}

/// Shows how a mail would look; sends nothing and changes nothing.
#[utoipa::path(request_body = EmailPreviewRequest, responses((status = 200, body = api::EmailPreview), ApiErrors))]
#[post("/v1/email-templates/{slug}/preview")]
async fn preview_email_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(slug): Id<EmailSlug>,
    Body(body): Body<EmailPreviewRequest>,
) -> Result<Json<api::EmailPreview>, ApiError> {
    let EmailPreviewRequest { subject, body_html, body_text, variables } = body;
    let change = EmailChange { subject, body_html, body_text, ..EmailChange::default() };
    Ok(Json(texts::preview(&engine, &caller.cx, slug, change, variables).await?))
}
