//! A signed-in person's passkeys.

use crate::answers::{hand_pending, written};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::Envelope;
use domain::text::label;
use domain::{ChallengeId, PasskeyId};
use engine::{Engine, passkeys};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Body, Bucket, By, Cookies, Enrolling, Form, FromForm, Id, Limiter, NoContent, OrFault,
    SignedIn,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_my_passkeys)
        .service(begin_my_passkey_registration)
        .service(complete_my_passkey_registration)
        .service(update_my_passkey)
        .service(delete_my_passkey);
}

/// The longest name of a passkey.
const NICKNAME_MAX: usize = 100;

/// A new passkey, as the browser gives it; its own `camelCase` is read as well. All bytes are base64url.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `protocols` reads")]
pub(crate) struct PasskeyAttestation {
    /// The credential's id.
    id: String,
    /// The same.
    raw_id: String,
    /// What the authenticator answered.
    response: PasskeyAttestationResponse,
    /// `public-key`.
    r#type: String,
    /// How the authenticator is reached: `usb`, `nfc`, `ble`, `internal`, `hybrid`.
    transports: Option<Vec<String>>,
}

/// What the authenticator answered to a registration.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `protocols` reads")]
pub(crate) struct PasskeyAttestationResponse {
    /// What the browser saw.
    client_data_json: String,
    /// The new key.
    attestation_object: String,
}

/// The use of a passkey, as the browser gives it; its own `camelCase` is read as well. All bytes are base64url.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `protocols` reads")]
pub(crate) struct PasskeyAssertion {
    /// The credential's id.
    id: String,
    /// The same.
    raw_id: String,
    /// What the authenticator answered.
    response: PasskeyAssertionResponse,
    /// `public-key`.
    r#type: String,
}

/// What the authenticator answered to a request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `protocols` reads")]
pub(crate) struct PasskeyAssertionResponse {
    /// What the browser saw.
    client_data_json: String,
    /// What the authenticator saw.
    authenticator_data: String,
    /// The signature over both.
    signature: String,
    /// The user that the authenticator names.
    user_handle: Option<String>,
}

/// Lists the person's passkeys, newest first.
#[utoipa::path(responses((status = 200, body = api::PasskeyList), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/passkeys")]
async fn list_my_passkeys(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
) -> Result<Json<api::PasskeyList>, ApiError> {
    let keys = passkeys::of_user(&engine, &caller.cx, caller.user.id).await.or_fault()?;
    Ok(Json(keys.into()))
}

/// What a registration begins with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyBeginRegistrationRequest {
    /// What the passkey is to be called.
    #[schema(max_length = 100)]
    nickname: Option<String>,
}

impl FromForm for PasskeyBeginRegistrationRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let nickname = form.parse("nickname", |text| label(text, NICKNAME_MAX)).optional();
        Some(Self { nickname })
    }
}

/// Asks for a new passkey: the browser passes `creation_options` to its authenticator.
#[utoipa::path(request_body = PasskeyBeginRegistrationRequest, responses((status = 201, body = api::Challenge), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/passkeys/begin-registration")]
async fn begin_my_passkey_registration(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    limiter: Limiter,
    Body(body): Body<PasskeyBeginRegistrationRequest>,
) -> Result<(Json<api::Challenge>, StatusCode), ApiError> {
    limiter.take(Bucket::ChallengeCreate, By::Id(&caller.user.id))?;
    passkeys::may_enrol(&caller.session, &caller.env.settings)?;
    caller.require_fresh(&engine).await?;
    let challenge = passkeys::begin(&engine, &caller.cx, caller.user.id, body.nickname).await?;
    Ok((Json(api::Challenge::new(&challenge, caller.cx.now)), StatusCode::CREATED))
}

/// What a registration ends with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyCompleteRegistrationRequest {
    /// What the browser's authenticator gave.
    #[schema(value_type = PasskeyAttestation)]
    attestation: Map<String, Value>,
    /// What the passkey is to be called.
    #[schema(max_length = 100)]
    nickname: Option<String>,
}

impl FromForm for PasskeyCompleteRegistrationRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let attestation = form.object("attestation").required();
        let nickname = form.parse("nickname", |text| label(text, NICKNAME_MAX)).optional();
        Some(Self { attestation: attestation?, nickname })
    }
}

/// Takes the new passkey.
#[utoipa::path(request_body = PasskeyCompleteRegistrationRequest, responses((status = 201, body = Envelope<api::Passkey>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/passkeys/complete-registration/{challenge_id}")]
async fn complete_my_passkey_registration(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(challenge): Id<ChallengeId>,
    Body(body): Body<PasskeyCompleteRegistrationRequest>,
) -> Result<(Json<Envelope<api::Passkey>>, StatusCode), ApiError> {
    limiter.take(Bucket::ChallengeAnswer, By::Id(&caller.user.id))?;
    passkeys::may_enrol(&caller.session, &caller.env.settings)?;
    caller.require_fresh(&engine).await?;
    let attestation = Value::Object(body.attestation);
    let key = passkeys::complete(&engine, &caller.cx, &caller.session, challenge, &attestation, body.nickname).await?;
    hand_pending(&engine, &caller, &cookies).await?;
    let answer = written(&engine, &caller.cx, &caller.env, caller.client_id, api::Passkey::from(&key)).await?;
    Ok((answer, StatusCode::CREATED))
}

/// A change of a passkey.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyUpdateRequest {
    /// What it is called from now on.
    #[schema(max_length = 100)]
    nickname: String,
}

impl FromForm for PasskeyUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let nickname = form.parse("nickname", |text| label(text, NICKNAME_MAX)).required();
        Some(Self { nickname: nickname? })
    }
}

/// Names a passkey anew.
#[utoipa::path(request_body = PasskeyUpdateRequest, responses((status = 200, body = Envelope<api::Passkey>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[patch("/v1/me/passkeys/{passkey_id}")]
async fn update_my_passkey(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<PasskeyId>,
    Body(body): Body<PasskeyUpdateRequest>,
) -> Result<Json<Envelope<api::Passkey>>, ApiError> {
    caller.require_fresh(&engine).await?;
    let key = passkeys::rename(&engine, &caller.cx, caller.user.id, id, body.nickname).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::Passkey::from(&key)).await
}

/// Removes a passkey; the authenticator may keep showing it.
#[utoipa::path(responses((status = 204), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/passkeys/{passkey_id}")]
async fn delete_my_passkey(
    caller: SignedIn,
    engine: Data<Engine>,
    Id(id): Id<PasskeyId>,
) -> Result<NoContent, ApiError> {
    caller.require_fresh(&engine).await?;
    passkeys::remove(&engine, &caller.cx, caller.user.id, id, passkeys::Remover::Owner).await?;
    Ok(NoContent)
}
