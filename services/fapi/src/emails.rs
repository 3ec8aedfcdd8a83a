//! A signed-in person's e-mail addresses.

use crate::answers::{Written, written};
use crate::challenges::{ChallengeAnswerRequest, ChallengeCreateRequest, count_sending};
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::Envelope;
use domain::{ChallengeId, Email, EmailAddressId};
use engine::{Engine, emails};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Form, FromForm, Id, Limiter, OrFault, SignedIn};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_my_email_addresses)
        .service(create_my_email_address)
        .service(get_my_email_address)
        .service(update_my_email_address)
        .service(delete_my_email_address)
        .service(create_email_address_challenge)
        .service(get_email_address_challenge)
        .service(answer_email_address_challenge);
}

/// Lists the person's addresses, oldest first.
#[utoipa::path(responses((status = 200, body = Vec<api::EmailAddress>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/email-addresses")]
async fn list_my_email_addresses(
    caller: SignedIn,
    engine: Data<Engine>,
) -> Result<Json<Vec<api::EmailAddress>>, ApiError> {
    let addresses = emails::of_user(&engine, &caller.cx, caller.user.id).await.or_fault()?;
    Ok(Json(addresses.iter().map(api::EmailAddress::from).collect()))
}

/// An address to add.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateMyEmailAddress {
    /// The address.
    #[schema(value_type = String, format = "email", max_length = 254)]
    email_address: Email,
}

impl FromForm for CreateMyEmailAddress {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email_address = form.email("email_address").required();
        Some(Self { email_address: email_address? })
    }
}

/// Adds an address; it is to be proven by a challenge.
#[utoipa::path(request_body = CreateMyEmailAddress, responses((status = 200, body = Envelope<api::EmailAddress>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/email-addresses")]
async fn create_my_email_address(
    caller: SignedIn,
    engine: Data<Engine>,
    Body(body): Body<CreateMyEmailAddress>,
) -> Written<api::EmailAddress> {
    caller.require_fresh(&engine).await?;
    let how = emails::Addition { verified: false, primary: false, status: 200 };
    let address = emails::add(&engine, &caller.cx, caller.user.id, body.email_address, how).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::EmailAddress::from(&address)).await
}

/// Shows an address of the person.
#[utoipa::path(responses((status = 200, body = api::EmailAddress), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/email-addresses/{email_address_id}")]
async fn get_my_email_address(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
) -> Result<Json<api::EmailAddress>, ApiError> {
    let address = emails::own(&engine, &caller.cx, caller.user.id, id).await?;
    Ok(Json(api::EmailAddress::from(&address)))
}

/// A change of an address.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMyEmailAddress {
    /// Makes it the primary one; `is_primary` means the same.
    primary: Option<bool>,
}

impl FromForm for UpdateMyEmailAddress {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = if form.has("is_primary") { "is_primary" } else { "primary" };
        let primary = form.boolean(name).optional();
        Some(Self { primary })
    }
}

/// Changes an address.
#[utoipa::path(request_body = UpdateMyEmailAddress, responses((status = 200, body = Envelope<api::EmailAddress>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[patch("/v1/me/email-addresses/{email_address_id}")]
async fn update_my_email_address(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
    Body(body): Body<UpdateMyEmailAddress>,
) -> Written<api::EmailAddress> {
    caller.require_fresh(&engine).await?;
    let change = emails::Change { verified: None, primary: body.primary };
    let address = emails::change(&engine, &caller.cx, caller.user.id, id, change).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::EmailAddress::from(&address)).await
}

/// Removes an address; shows what it was.
#[utoipa::path(responses((status = 200, body = Envelope<api::EmailAddress>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/email-addresses/{email_address_id}")]
async fn delete_my_email_address(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<EmailAddressId>,
) -> Written<api::EmailAddress> {
    caller.require_fresh(&engine).await?;
    let address = emails::remove(&engine, &caller.cx, caller.user.id, id, emails::Remover::Owner).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::EmailAddress::from(&address)).await
}

/// Sends a code to an address of the person.
#[utoipa::path(request_body = ChallengeCreateRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/email-addresses/{email_address_id}/challenges")]
async fn create_email_address_challenge(
    caller: SignedIn,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<EmailAddressId>,
    Body(body): Body<ChallengeCreateRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeCreate, By::Id(&id))?;
    let address = emails::own(&engine, &caller.cx, caller.user.id, id).await?;
    count_sending(&limiter, &body.strategy, Some(&address.canonical))?;
    body.check_landing(&engine, &caller.env).await?;
    let mut challenge =
        emails::prepare(&engine, &caller.cx, caller.user.id, id, &body.strategy, body.redirect_url).await?;
    if body.code.is_some() {
        challenge = emails::answer(&engine, &caller.cx, caller.user.id, id, challenge.id, body.code).await?;
    }
    let response = api::Challenge::new(&challenge, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// Shows a challenge; nothing changes by looking.
#[utoipa::path(responses((status = 200, body = api::Challenge), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/email-addresses/{email_address_id}/challenges/{challenge_id}")]
async fn get_email_address_challenge(
    caller: SignedIn,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<EmailAddressId>,
    Id(challenge): Id<ChallengeId>,
) -> Result<Json<api::Challenge>, ApiError> {
    limiter.take(Bucket::ChallengePoll, By::Id(&challenge))?;
    let found = emails::challenge(&engine, &caller.cx, caller.user.id, id, challenge).await?;
    Ok(Json(api::Challenge::new(&found, caller.cx.now)))
}

/// Answers a challenge; the right code proves the address.
#[utoipa::path(request_body = ChallengeAnswerRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/email-addresses/{email_address_id}/challenges/{challenge_id}/answer")]
async fn answer_email_address_challenge(
    caller: SignedIn,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<EmailAddressId>,
    Id(challenge): Id<ChallengeId>,
    Body(body): Body<ChallengeAnswerRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeAnswer, By::Id(&id))?;
    let challenge = emails::answer(&engine, &caller.cx, caller.user.id, id, challenge, body.code).await?;
    let response = api::Challenge::new(&challenge, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}
