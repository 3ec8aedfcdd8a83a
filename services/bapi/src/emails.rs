//! E-mail addresses of people.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use domain::{Email, EmailAddressId, UserId};
use engine::{Engine, emails};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Form, FromForm, Id, NoContent, SecretKey, Write};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(create_email_address)
        .service(get_email_address)
        .service(update_email_address)
        .service(delete_email_address);
}

/// An address to add.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailAddressCreateRequest {
    /// Whose it is.
    #[schema(value_type = String)]
    user_id: String,
    /// The address.
    #[schema(value_type = String, format = "email", max_length = 254)]
    email_address: Email,
    /// It counts as proven.
    #[schema(value_type = Option<bool>, default = false)]
    verified: bool,
    /// It becomes the primary one, if it is proven.
    #[schema(value_type = Option<bool>, default = false)]
    primary: bool,
}

impl FromForm for EmailAddressCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let user_id = form.text("user_id", 64).required();
        let email_address = form.email("email_address").required();
        let verified = form.boolean("verified").or(false);
        let primary = form.boolean("primary").or(false);
        Some(Self { user_id: user_id?, email_address: email_address?, verified, primary })
    }
}

/// Adds an address to a person; no challenge is issued.
#[utoipa::path(request_body = EmailAddressCreateRequest, responses((status = 201, body = api::EmailAddress), ApiErrors))]
#[post("/v1/email-addresses")]
async fn create_email_address(
    Write { cx, body, .. }: Write<EmailAddressCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::EmailAddress>, StatusCode), ApiError> {
    // An id of another form is nobody's.
    let user: UserId = body.user_id.parse().map_err(|_| emails::EmailError::NoUser)?;
    let how = emails::Addition { verified: body.verified, primary: body.primary, status: 201 };
    let address = emails::add(&engine, &cx, user, body.email_address, how).await?;
    Ok((Json(api::EmailAddress::from(&address)), StatusCode::CREATED))
}

/// Shows an address.
#[utoipa::path(responses((status = 200, body = api::EmailAddress), ApiErrors))]
#[get("/v1/email-addresses/{email_address_id}")]
async fn get_email_address(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
) -> Result<Json<api::EmailAddress>, ApiError> {
    Ok(Json(api::EmailAddress::from(&emails::find(&engine, &caller.cx, id).await?)))
}

/// A change of an address.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailAddressUpdateRequest {
    /// Counts as proven from now on; false is refused.
    verified: Option<bool>,
    /// Becomes the primary one; it must be proven.
    primary: Option<bool>,
}

impl FromForm for EmailAddressUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let verified = form.boolean("verified").optional();
        let primary = form.boolean("primary").optional();
        Some(Self { verified, primary })
    }
}

/// Changes an address.
#[utoipa::path(request_body = EmailAddressUpdateRequest, responses((status = 200, body = api::EmailAddress), ApiErrors))]
#[patch("/v1/email-addresses/{email_address_id}")]
async fn update_email_address(
    Write { cx, body, .. }: Write<EmailAddressUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
) -> Result<Json<api::EmailAddress>, ApiError> {
    let owner = emails::find(&engine, &cx, id).await?.user_id;
    let change = emails::Change { verified: body.verified, primary: body.primary };
    Ok(Json(api::EmailAddress::from(&emails::change(&engine, &cx, owner, id, change).await?)))
}

/// Deletes an address; the oldest proven one takes the place of a primary one.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/email-addresses/{email_address_id}")]
async fn delete_email_address(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
) -> Result<NoContent, ApiError> {
    let owner = emails::find(&engine, &caller.cx, id).await?.user_id;
    emails::remove(&engine, &caller.cx, owner, id, emails::Remover::Backend).await?;
    Ok(NoContent)
}
