//! The sessions of this client, and their tokens.

use crate::answers::{Written, hand_session, written};
use crate::challenges::{ChallengeAnswerRequest, ChallengeCreateRequest, count_sending};
use actix_web::http::header::ORIGIN;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, get, patch, post};
use api::{Envelope, Token};
use domain::jwt_template::TemplateName;
use domain::session::{Ending, Session};
use domain::{ChallengeId, SessionId, code};
use engine::tokens::Ask;
use engine::{Engine, sessions, step_up, tokens};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Cookies, Device, DeviceToken, Form, FromForm, Id, Limiter, Minted};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_client_session_token)
        .service(get_client_session)
        .service(touch_client_session)
        .service(end_client_session)
        .service(remove_client_session)
        .service(get_client_session_token_with_template)
        .service(set_session_active_organization)
        .service(create_session_challenge)
        .service(get_session_challenge)
        .service(answer_session_challenge);
}

/// Shows a session of this client, in any state.
#[utoipa::path(responses((status = 200, body = api::Session), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sessions/{session_id}")]
async fn get_client_session(
    caller: Device,
    engine: Data<Engine>,
    Id(id): Id<SessionId>,
) -> Result<Json<api::Session>, ApiError> {
    let session = sessions::on_client(&engine, &caller.cx, caller.client.id, id).await?;
    Ok(Json(api::Session::new(&session, &caller.env.settings, caller.cx.now)))
}

/// What a use of a session says.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TouchSession {
    /// The organization to act for; null for none.
    active_organization_id: Option<String>,
}

impl FromForm for TouchSession {
    fn from_form(form: &mut Form) -> Option<Self> {
        let active_organization_id = form.text("active_organization_id", 64).nullable();
        Some(Self { active_organization_id })
    }
}

/// Makes a session the one used last.
#[utoipa::path(request_body = TouchSession, responses((status = 200, body = Envelope<api::Session>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/touch")]
async fn touch_client_session(
    caller: Device,
    engine: Data<Engine>,
    cookies: Cookies,
    Id(id): Id<SessionId>,
    Body(body): Body<TouchSession>,
) -> Written<api::Session> {
    touch(&engine, &caller, &cookies, id, body.active_organization_id).await
}

/// Which organization a session acts for.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveOrganizationRequest {
    /// The organization; null for none.
    #[schema(required)]
    organization_id: Option<String>,
}

impl FromForm for ActiveOrganizationRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let alias = form.has("active_organization_id");
        let name = if alias { "active_organization_id" } else { "organization_id" };
        if !form.has(name) {
            form.wrong("organization_id", code::PARAM_NIL);
        }
        let organization_id = form.text(name, 64).nullable();
        Some(Self { organization_id })
    }
}

/// Sets the organization that a session acts for.
#[utoipa::path(request_body = ActiveOrganizationRequest, responses((status = 200, body = Envelope<api::Session>), ApiErrors), security(("client" = [])))]
#[patch("/v1/client/sessions/{session_id}/active-organization")]
async fn set_session_active_organization(
    caller: Device,
    engine: Data<Engine>,
    cookies: Cookies,
    Id(id): Id<SessionId>,
    Body(body): Body<ActiveOrganizationRequest>,
) -> Written<api::Session> {
    let session = sessions::on_client(&engine, &caller.cx, caller.client.id, id).await?;
    sessions::may_choose_organization(&session, &caller.env, caller.cx.now)?;
    touch(&engine, &caller, &cookies, id, body.organization_id).await
}

async fn touch(
    engine: &Engine,
    caller: &Device,
    cookies: &Cookies,
    id: SessionId,
    organization: Option<String>,
) -> Written<api::Session> {
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let session = sessions::on_client(engine, cx, client, id).await?;
    if organization.is_some() {
        sessions::may_choose_organization(&session, env, cx.now)?;
        // Nobody is a member of anything before organizations exist.
        return Err(sessions::SessionError::NotAMember.into());
    }
    let session = sessions::touch(engine, cx, env, client, id).await?;
    hand_session(engine, cx, env, cookies, &session).await?;
    written(engine, cx, env, client, api::Session::new(&session, &env.settings, cx.now)).await
}

/// Signs out of a session.
#[utoipa::path(responses((status = 200, body = Envelope<api::Session>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/end")]
async fn end_client_session(
    caller: Device,
    engine: Data<Engine>,
    cookies: Cookies,
    Id(id): Id<SessionId>,
) -> Written<api::Session> {
    leave(&engine, &caller, &cookies, id, Ending::Ended).await
}

/// Takes a session off this device.
#[utoipa::path(responses((status = 200, body = Envelope<api::Session>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/remove")]
async fn remove_client_session(
    caller: Device,
    engine: Data<Engine>,
    cookies: Cookies,
    Id(id): Id<SessionId>,
) -> Written<api::Session> {
    leave(&engine, &caller, &cookies, id, Ending::Removed).await
}

async fn leave(
    engine: &Engine,
    caller: &Device,
    cookies: &Cookies,
    id: SessionId,
    how: Ending,
) -> Written<api::Session> {
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let session: Session = sessions::leave(engine, cx, env, client, id, how).await?;
    // The cookie of the session that was used last goes with it; another one's is not touched.
    if caller.client.last_active_session_id == Some(id) {
        cookies.clear_session();
    }
    written(engine, cx, env, client, api::Session::new(&session, &env.settings, cx.now)).await
}

/// The origin of the page that asks.
fn origin(req: &HttpRequest) -> Option<&str> {
    req.headers().get(ORIGIN).and_then(|o| o.to_str().ok()).filter(|o| *o != "null")
}

/// Mints a token of a session: what a backend trusts without asking.
#[utoipa::path(responses((status = 200, body = Token), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/tokens")]
async fn get_client_session_token(
    req: HttpRequest,
    caller: DeviceToken,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<SessionId>,
) -> Result<Minted, ApiError> {
    // With the client, whose id no token tells: a stranger cannot empty the bucket of somebody's session.
    limiter.take(Bucket::TokenMint, By::Id(&format_args!("{id}.{}", caller.cookie.client_id)))?;
    let ask = Ask { origin: origin(&req), template: None };
    Ok(Minted(tokens::mint(&engine, &caller.cx, &caller.env, (&caller.cookie, id), ask).await?))
}

/// Mints a token by a template.
#[utoipa::path(responses((status = 200, body = Token), ApiErrors), params(("template_name" = String, Path, pattern = "^[A-Za-z0-9_-]{1,64}$")), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/tokens/{template_name}")]
async fn get_client_session_token_with_template(
    req: HttpRequest,
    caller: DeviceToken,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<SessionId>,
    Id(name): Id<TemplateName>,
) -> Result<Json<Token>, ApiError> {
    limiter.take(Bucket::TemplateMint, By::Id(&format_args!("{id}.{}", caller.cookie.client_id)))?;
    let ask = Ask { origin: origin(&req), template: Some(&name) };
    Ok(Json(Token::new(tokens::mint(&engine, &caller.cx, &caller.env, (&caller.cookie, id), ask).await?)))
}

/// Asks for a factor anew, before a sensitive change.
#[utoipa::path(request_body = ChallengeCreateRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/challenges")]
async fn create_session_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SessionId>,
    Body(body): Body<ChallengeCreateRequest>,
) -> Written<api::Challenge> {
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let owner = sessions::on_client(&engine, cx, client, id).await?.user_id;
    limiter.take(Bucket::ChallengeCreate, By::Id(&id))?;
    count_sending(&limiter, &body.strategy, Some(&owner))?;
    let (wanted, answer) = body.taken_apart();
    let mut challenge = step_up::prepare(&engine, cx, client, id, wanted).await?;
    if let Some(answer) = answer {
        let (session, answered) = step_up::answer(&engine, cx, env, client, id, challenge.id, answer).await?;
        hand_session(&engine, cx, env, &cookies, &session).await?;
        challenge = answered;
    }
    written(&engine, cx, env, client, api::Challenge::new(&challenge, cx.now)).await
}

/// Shows a challenge; nothing changes by looking.
#[utoipa::path(responses((status = 200, body = api::Challenge), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sessions/{session_id}/challenges/{challenge_id}")]
async fn get_session_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<SessionId>,
    Id(challenge): Id<ChallengeId>,
) -> Result<Json<api::Challenge>, ApiError> {
    limiter.take(Bucket::ChallengePoll, By::Id(&challenge))?;
    let found = step_up::challenge(&engine, &caller.cx, caller.client.id, id, challenge).await?;
    Ok(Json(api::Challenge::new(&found, caller.cx.now)))
}

/// Proves a factor anew; the session counts as fresh for ten minutes.
#[utoipa::path(request_body = ChallengeAnswerRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sessions/{session_id}/challenges/{challenge_id}/answer")]
async fn answer_session_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SessionId>,
    Id(challenge): Id<ChallengeId>,
    Body(body): Body<ChallengeAnswerRequest>,
) -> Written<api::Challenge> {
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    sessions::on_client(&engine, cx, client, id).await?;
    limiter.take(Bucket::ChallengeAnswer, By::Id(&id))?;
    let (session, challenge) = step_up::answer(&engine, cx, env, client, id, challenge, body.into()).await?;
    hand_session(&engine, cx, env, &cookies, &session).await?;
    written(&engine, cx, env, client, api::Challenge::new(&challenge, cx.now)).await
}
