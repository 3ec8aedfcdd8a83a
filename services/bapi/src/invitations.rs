//! Invitations to the application.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{get, post};
use api::{InvitationBatch, Page};
use domain::invitation::{BATCH_MAX, InvitationStatus, LIFETIME};
use domain::text::Metadata;
use domain::time::hours;
use domain::{Email, InvitationId, Patch, code};
use engine::invitations::{self, NewInvitation};
use engine::{Engine, InvitationFilter, InvitationKey};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::query::SEARCH_MAX;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, OrFault, PageParams, Paging, Params, Query, SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_invitations)
        .service(create_invitation)
        .service(bulk_create_invitations)
        .service(revoke_invitation);
}

const ORDERS: [(&str, InvitationKey); 2] =
    [("created_at", InvitationKey::CreatedAt), ("updated_at", InvitationKey::UpdatedAt)];

/// Which invitations are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListInvitations {
    /// In one of these states.
    #[param(value_type = Option<Vec<String>>)]
    status: Vec<InvitationStatus>,
    /// Has this in its address; case does not matter.
    #[param(max_length = 256)]
    query: Option<String>,
    #[param(ignore)]
    paging: Paging<InvitationKey>,
}

impl FromQuery for ListInvitations {
    fn from_query(params: &mut Params) -> Option<Self> {
        let status = params.choices("status", InvitationStatus::parse);
        let query = params.text("query", SEARCH_MAX);
        let paging = params.paging("invitations", &ORDERS);
        Some(Self { status, query, paging: paging? })
    }
}

/// Lists invitations.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::Invitation>), ApiErrors))]
#[get("/v1/invitations")]
async fn list_invitations(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListInvitations>,
) -> Result<Json<Page<api::Invitation>>, ApiError> {
    let filter = InvitationFilter { statuses: asked.status, query: asked.query.map(|text| text.to_lowercase()) };
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = invitations::list(&engine, &caller.cx, filter, request).await.or_fault()?;
    Ok(Json(asked.paging.answer(&engine, &caller.env, found).await?))
}

/// Somebody to invite.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationCreateRequest {
    /// Who is invited.
    #[schema(value_type = String, format = "email", max_length = 254)]
    email_address: Email,
    /// Where the link leads in the end: an address of an allowed origin.
    #[schema(format = "uri", max_length = 2048)]
    redirect_url: Option<String>,
    /// What the person's public metadata gets along.
    #[schema(value_type = Option<api::Metadata>)]
    public_metadata: Metadata,
    /// Whether a mail goes out.
    #[schema(value_type = Option<bool>, default = true)]
    notify: bool,
    /// How many days it may be followed; null is for ever.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 365, default = 30)]
    expires_in_days: Option<Duration>,
    /// The mail: `invitation` is the one there is.
    #[expect(dead_code, reason = "documented and checked; one mail is there to be named")]
    #[schema(value_type = Option<String>, pattern = "^invitation$")]
    template_slug: Option<()>,
    /// Invites somebody who has an account, too.
    #[schema(value_type = Option<bool>, default = false)]
    ignore_existing: bool,
}

impl FromForm for InvitationCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email_address = form.email("email_address").required();
        let redirect_url = form.text("redirect_url", 2048).nullable();
        let public_metadata = form.metadata("public_metadata").or(Metadata::new());
        let notify = form.boolean("notify").or(true);
        let days = form.integer("expires_in_days", 1..=365).patch();
        let template_slug = form.choice("template_slug", |slug| (slug == "invitation").then_some(())).nullable();
        let ignore_existing = form.boolean("ignore_existing").or(false);
        let expires_in_days = match days {
            Patch::Keep => Some(LIFETIME),
            Patch::Clear => None,
            Patch::Set(days) => Some(hours(days.unsigned_abs() * 24)),
        };
        Some(Self {
            email_address: email_address?,
            redirect_url,
            public_metadata,
            notify,
            expires_in_days,
            template_slug,
            ignore_existing,
        })
    }
}

impl From<InvitationCreateRequest> for NewInvitation {
    fn from(body: InvitationCreateRequest) -> Self {
        Self {
            email: body.email_address,
            redirect_url: body.redirect_url,
            public_metadata: body.public_metadata,
            notify: body.notify,
            lifetime: body.expires_in_days,
            ignore_existing: body.ignore_existing,
        }
    }
}

/// Invites somebody to sign up; the mail's link proves the address, the `url` of the answer does not.
#[utoipa::path(request_body = InvitationCreateRequest, responses((status = 201, body = api::Invitation), ApiErrors))]
#[post("/v1/invitations")]
async fn create_invitation(
    Write { cx, body, .. }: Write<InvitationCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::Invitation>, StatusCode), ApiError> {
    Ok((Json(invitations::create(&engine, &cx, body.into()).await?), StatusCode::CREATED))
}

/// Several to invite.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationBulkCreateRequest {
    /// All of them, or none when one cannot be invited.
    #[schema(min_items = 1, max_items = 500)]
    invitations: Vec<InvitationCreateRequest>,
}

impl FromForm for InvitationBulkCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let rows =
            form.rows("invitations", 1..=BATCH_MAX, code::BULK_INVITATION_FAILED, InvitationCreateRequest::from_form);
        let invitations = rows.required();
        Some(Self { invitations: invitations? })
    }
}

/// Invites up to 500 at once: all of them, or none; `meta.index` of a refusal says which row it is about.
#[utoipa::path(request_body = InvitationBulkCreateRequest, responses((status = 201, body = InvitationBatch), ApiErrors))]
#[post("/v1/invitations/bulk")]
async fn bulk_create_invitations(
    Write { cx, body, .. }: Write<InvitationBulkCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<InvitationBatch>, StatusCode), ApiError> {
    let wanted = body.invitations.into_iter().map(NewInvitation::from).collect();
    Ok((Json(invitations::create_all(&engine, &cx, wanted).await?), StatusCode::CREATED))
}

/// Takes an invitation back: its links open nothing any more.
#[utoipa::path(responses((status = 200, body = api::Invitation), ApiErrors))]
#[post("/v1/invitations/{invitation_id}/revoke")]
async fn revoke_invitation(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<InvitationId>,
) -> Result<Json<api::Invitation>, ApiError> {
    Ok(Json(invitations::revoke(&engine, &caller.cx, id).await?))
}
