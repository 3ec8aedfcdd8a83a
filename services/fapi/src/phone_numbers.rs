//! A signed-in person's phone numbers.

use crate::answers::{Written, hand_pending, written};
use crate::challenges::{ChallengeAnswerRequest, ChallengeCreateRequest, count_sending};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::Envelope;
use domain::user::NumberChange;
use domain::{ChallengeId, PhoneNumberId};
use engine::phone_numbers::{self, PhoneError, Shown};
use engine::{Engine, standing};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Cookies, Enrolling, Form, FromForm, Id, Limiter, OrFault, SignedIn};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_my_phone_numbers)
        .service(create_my_phone_number)
        .service(get_my_phone_number)
        .service(update_my_phone_number)
        .service(delete_my_phone_number)
        .service(create_phone_number_challenge)
        .service(get_phone_number_challenge)
        .service(answer_phone_number_challenge);
}

fn body(shown: &Shown) -> api::PhoneNumber {
    api::PhoneNumber::new(&shown.number, shown.is_primary)
}

/// Lists the person's numbers, oldest first.
#[utoipa::path(responses((status = 200, body = Vec<api::PhoneNumber>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/phone-numbers")]
async fn list_my_phone_numbers(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
) -> Result<Json<Vec<api::PhoneNumber>>, ApiError> {
    let numbers = phone_numbers::of_user(&engine, &caller.cx, &caller.user).await.or_fault()?;
    Ok(Json(numbers.iter().map(body).collect()))
}

/// A number to add.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateMyPhoneNumber {
    /// The number with its country code, in any spelling.
    #[schema(max_length = 32)]
    phone_number: String,
}

impl FromForm for CreateMyPhoneNumber {
    fn from_form(form: &mut Form) -> Option<Self> {
        let phone_number = form.text("phone_number", 32).required();
        Some(Self { phone_number: phone_number? })
    }
}

/// Adds a number; it is to be proven by a challenge.
#[utoipa::path(request_body = CreateMyPhoneNumber, responses((status = 201, body = Envelope<api::PhoneNumber>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/phone-numbers")]
async fn create_my_phone_number(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    Body(asked): Body<CreateMyPhoneNumber>,
) -> Result<(Json<Envelope<api::PhoneNumber>>, StatusCode), ApiError> {
    phone_numbers::may_enrol(&caller.session, &caller.env.settings, None)?;
    caller.require_fresh(&engine).await?;
    let number = phone_numbers::read_own(&caller.env.settings, &asked.phone_number)?;
    let how = phone_numbers::Addition { verified: false, primary: false, status: 201 };
    let added = phone_numbers::add(&engine, &caller.cx, caller.user.id, number, how).await?;
    let answer = written(&engine, &caller.cx, &caller.env, caller.client_id, body(&added)).await?;
    Ok((answer, StatusCode::CREATED))
}

/// Shows a number of the person.
#[utoipa::path(responses((status = 200, body = api::PhoneNumber), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/phone-numbers/{phone_number_id}")]
async fn get_my_phone_number(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    Id(id): Id<PhoneNumberId>,
) -> Result<Json<api::PhoneNumber>, ApiError> {
    Ok(Json(body(&phone_numbers::own(&engine, &caller.cx, caller.user.id, id).await?)))
}

/// A change of a number; looked at as a whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMyPhoneNumber {
    /// Makes it the primary one; it must be proven.
    is_primary: Option<bool>,
    /// Lets it serve as a second factor; it must be proven.
    reserved_for_second_factor: Option<bool>,
    /// Offers it first among the second factors; it must serve as one.
    default_second_factor: Option<bool>,
}

impl FromForm for UpdateMyPhoneNumber {
    fn from_form(form: &mut Form) -> Option<Self> {
        let is_primary = form.boolean("is_primary").optional();
        let reserved_for_second_factor = form.boolean("reserved_for_second_factor").optional();
        let default_second_factor = form.boolean("default_second_factor").optional();
        Some(Self { is_primary, reserved_for_second_factor, default_second_factor })
    }
}

/// Changes a number.
#[utoipa::path(request_body = UpdateMyPhoneNumber, responses((status = 200, body = Envelope<api::PhoneNumber>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[patch("/v1/me/phone-numbers/{phone_number_id}")]
async fn update_my_phone_number(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    cookies: Cookies,
    Id(id): Id<PhoneNumberId>,
    Body(asked): Body<UpdateMyPhoneNumber>,
) -> Written<api::PhoneNumber> {
    phone_numbers::may_enrol(&caller.session, &caller.env.settings, asked.is_primary)?;
    caller.require_fresh(&engine).await?;
    let change = NumberChange {
        verified: None,
        is_primary: asked.is_primary,
        reserved_for_second_factor: asked.reserved_for_second_factor,
        default_second_factor: asked.default_second_factor,
    };
    let changed = phone_numbers::change(&engine, &caller.cx, caller.user.id, id, change).await?;
    hand_pending(&engine, &caller, &cookies).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, body(&changed)).await
}

/// Removes a number; shows what it was. One that serves as a second factor stays until it no longer does.
#[utoipa::path(responses((status = 200, body = Envelope<api::PhoneNumber>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/phone-numbers/{phone_number_id}")]
async fn delete_my_phone_number(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<PhoneNumberId>,
) -> Written<api::PhoneNumber> {
    caller.require_fresh(&engine).await?;
    let removed = phone_numbers::remove(&engine, &caller.cx, caller.user.id, id).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, body(&removed)).await
}

/// Sends a code to a number of the person.
#[utoipa::path(request_body = ChallengeCreateRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/phone-numbers/{phone_number_id}/challenges")]
async fn create_phone_number_challenge(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    cookies: Cookies,
    limiter: Limiter,
    Id(id): Id<PhoneNumberId>,
    Body(asked): Body<ChallengeCreateRequest>,
) -> Written<api::Challenge> {
    standing::require_owner(&caller.session)?;
    phone_numbers::may_enrol(&caller.session, &caller.env.settings, None)?;
    limiter.take(Bucket::ChallengeCreate, By::Id(&id))?;
    let (cx, user) = (&caller.cx, caller.user.id);
    phone_numbers::own(&engine, cx, user, id).await?;
    let (wanted, answer) = asked.taken_apart();
    if wanted.phone_number_id.as_ref().is_some_and(|named| *named != id.to_string()) {
        return Err(PhoneError::AnotherNumber.into());
    }
    // By person: adding one number after the other is no way around the limit.
    count_sending(&limiter, &wanted.strategy, Some(&user))?;
    let mut challenge = phone_numbers::prepare(&engine, cx, user, id, &wanted.strategy).await?;
    if let Some(answer) = answer {
        challenge = phone_numbers::answer(&engine, cx, user, id, challenge.id, answer.code).await?;
        hand_pending(&engine, &caller, &cookies).await?;
    }
    let response = api::Challenge::new(&challenge, cx.now);
    written(&engine, cx, &caller.env, caller.client_id, response).await
}

/// Shows a challenge; nothing changes by looking.
#[utoipa::path(responses((status = 200, body = api::Challenge), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/phone-numbers/{phone_number_id}/challenges/{challenge_id}")]
async fn get_phone_number_challenge(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<PhoneNumberId>,
    Id(challenge): Id<ChallengeId>,
) -> Result<Json<api::Challenge>, ApiError> {
    limiter.take(Bucket::ChallengePoll, By::Id(&challenge))?;
    let found = phone_numbers::challenge(&engine, &caller.cx, caller.user.id, id, challenge).await?;
    Ok(Json(api::Challenge::new(&found, caller.cx.now)))
}

/// Answers a challenge; the right code proves the number, and in a pending session makes it the second factor.
#[utoipa::path(request_body = ChallengeAnswerRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/phone-numbers/{phone_number_id}/challenges/{challenge_id}/answer")]
async fn answer_phone_number_challenge(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    cookies: Cookies,
    limiter: Limiter,
    Id(id): Id<PhoneNumberId>,
    Id(challenge): Id<ChallengeId>,
    Body(asked): Body<ChallengeAnswerRequest>,
) -> Written<api::Challenge> {
    standing::require_owner(&caller.session)?;
    phone_numbers::may_enrol(&caller.session, &caller.env.settings, None)?;
    limiter.take(Bucket::ChallengeAnswer, By::Id(&id))?;
    let challenge = phone_numbers::answer(&engine, &caller.cx, caller.user.id, id, challenge, asked.code).await?;
    hand_pending(&engine, &caller, &cookies).await?;
    let response = api::Challenge::new(&challenge, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}
