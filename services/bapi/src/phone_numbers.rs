//! Phone numbers of people.

use crate::codes::of_number;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::Page;
use domain::user::NumberChange;
use domain::{Phone, PhoneNumberId, UserId};
use engine::Engine;
use engine::phone_numbers::{self, PhoneError, Shown};
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_phone_numbers)
        .service(create_phone_number)
        .service(get_phone_number)
        .service(update_phone_number)
        .service(delete_phone_number);
}

fn body(shown: &Shown) -> api::PhoneNumber {
    api::PhoneNumber::new(&shown.number, shown.is_primary)
}

/// Which numbers are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListPhoneNumbers {
    /// Of this person.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[param(ignore)]
    paging: Paging<()>,
}

impl FromQuery for ListPhoneNumbers {
    fn from_query(params: &mut Params) -> Option<Self> {
        let user_id = params.parse("user_id", str::parse::<UserId>);
        let paging = params.paging("phone_numbers", &[("created_at", ())]);
        Some(Self { user_id, paging: paging? })
    }
}

/// Lists phone numbers.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::PhoneNumber>), ApiErrors))]
#[get("/v1/phone-numbers")]
async fn list_phone_numbers(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListPhoneNumbers>,
) -> Result<Json<Page<api::PhoneNumber>>, ApiError> {
    let ListPhoneNumbers { user_id, paging } = asked;
    let request = paging.open(&engine, &caller.env).await?;
    let found = phone_numbers::list(&engine, &caller.cx, user_id, request).await.or_fault()?;
    Ok(Json(paging.answer(&engine, &caller.env, found.map(|shown| body(&shown))).await?))
}

/// A number to add.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhoneNumberCreateRequest {
    /// Whose it is.
    #[schema(value_type = String)]
    user_id: String,
    /// The number with its country code, in any spelling.
    #[schema(value_type = String, max_length = 32)]
    phone_number: Phone,
    /// It counts as proven.
    #[schema(value_type = Option<bool>, default = false)]
    verified: bool,
    /// It becomes the primary one, if it is proven.
    #[schema(value_type = Option<bool>, default = false)]
    primary: bool,
}

impl FromForm for PhoneNumberCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let user_id = form.text("user_id", 64).required();
        let phone_number = form.parse("phone_number", phone_numbers::read).required();
        let verified = form.boolean("verified").or(false);
        let primary = form.boolean("primary").or(false);
        Some(Self { user_id: user_id?, phone_number: phone_number?, verified, primary })
    }
}

/// Adds a number to a person; no challenge is issued.
#[utoipa::path(request_body = PhoneNumberCreateRequest, responses((status = 201, body = api::PhoneNumber), ApiErrors))]
#[post("/v1/phone-numbers")]
async fn create_phone_number(
    Write { cx, body: asked, .. }: Write<PhoneNumberCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::PhoneNumber>, StatusCode), ApiError> {
    // An id of another form is nobody's.
    let user: UserId = asked.user_id.parse().map_err(|_| PhoneError::NoUser)?;
    let how = phone_numbers::Addition { verified: asked.verified, primary: asked.primary, status: 201 };
    let added = phone_numbers::add(&engine, &cx, user, asked.phone_number, how).await.map_err(of_number)?;
    Ok((Json(body(&added)), StatusCode::CREATED))
}

/// Shows a number.
#[utoipa::path(responses((status = 200, body = api::PhoneNumber), ApiErrors))]
#[get("/v1/phone-numbers/{phone_number_id}")]
async fn get_phone_number(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<PhoneNumberId>,
) -> Result<Json<api::PhoneNumber>, ApiError> {
    Ok(Json(body(&phone_numbers::find(&engine, &caller.cx, id).await.map_err(of_number)?)))
}

/// A change of a number; looked at as a whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhoneNumberUpdateRequest {
    /// Becomes the primary one; it must be proven.
    is_primary: Option<bool>,
    /// Serves as a second factor; it must be proven.
    reserved_for_second_factor: Option<bool>,
    /// Is offered first among the second factors; it must serve as one.
    default_second_factor: Option<bool>,
    /// Counts as proven, or no longer; a number that is primary or serves as a second factor stays proven.
    verified: Option<bool>,
}

impl FromForm for PhoneNumberUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let is_primary = form.boolean("is_primary").optional();
        let reserved_for_second_factor = form.boolean("reserved_for_second_factor").optional();
        let default_second_factor = form.boolean("default_second_factor").optional();
        let verified = form.boolean("verified").optional();
        Some(Self { is_primary, reserved_for_second_factor, default_second_factor, verified })
    }
}

/// Changes a number.
#[utoipa::path(request_body = PhoneNumberUpdateRequest, responses((status = 200, body = api::PhoneNumber), ApiErrors))]
#[patch("/v1/phone-numbers/{phone_number_id}")]
async fn update_phone_number(
    Write { cx, body: asked, .. }: Write<PhoneNumberUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<PhoneNumberId>,
) -> Result<Json<api::PhoneNumber>, ApiError> {
    let owner = phone_numbers::find(&engine, &cx, id).await.map_err(of_number)?.number.user_id;
    let change = NumberChange {
        verified: asked.verified,
        is_primary: asked.is_primary,
        reserved_for_second_factor: asked.reserved_for_second_factor,
        default_second_factor: asked.default_second_factor,
    };
    Ok(Json(body(&phone_numbers::change(&engine, &cx, owner, id, change).await.map_err(of_number)?)))
}

/// Deletes a number; one that serves as a second factor stays until it no longer does.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/phone-numbers/{phone_number_id}")]
async fn delete_phone_number(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<PhoneNumberId>,
) -> Result<NoContent, ApiError> {
    let owner = phone_numbers::find(&engine, &caller.cx, id).await.map_err(of_number)?.number.user_id;
    phone_numbers::remove(&engine, &caller.cx, owner, id).await.map_err(of_number)?;
    Ok(NoContent)
}
