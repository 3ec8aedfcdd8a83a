//! Sign-in.

use crate::answers::{Written, device, hand_over, written};
use crate::challenges::{ChallengeAnswerRequest, ChallengeCreateRequest, count_sending, shown};
use actix_web::web::{Data, Json};
use actix_web::{get, post};
use api::Envelope;
use crypto::Secret;
use domain::{ChallengeId, SignInId};
use engine::captcha::{self, Attempt, Brought};
use engine::{Engine, sign_in};
use std::fmt::Display;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Cookies, Device, Form, FromForm, Id, Limiter, MaybeDevice};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(create_sign_in)
        .service(get_sign_in)
        .service(create_sign_in_challenge)
        .service(get_sign_in_challenge)
        .service(answer_sign_in_challenge);
}

/// What a sign-in begins with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSignIn {
    /// An e-mail address, a phone number in E.164 form or a user name.
    identifier: Option<String>,
    /// The first challenge to issue.
    strategy: Option<String>,
    /// The answer to a password challenge.
    #[schema(value_type = Option<String>)]
    password: Option<Secret<String>>,
    /// Where a link lands.
    redirect_url: Option<String>,
    /// A ticket.
    #[schema(value_type = Option<String>)]
    ticket: Option<Secret<String>>,
    /// Goes on with a sign-up of this client.
    transfer: Option<bool>,
    /// The captcha's proof.
    captcha_token: Option<String>,
    /// The captcha's kind.
    #[expect(dead_code, reason = "documented and checked; the provider knows it from the token")]
    captcha_widget_type: Option<String>,
    /// Why the browser has no proof.
    captcha_error: Option<String>,
}

impl FromForm for CreateSignIn {
    fn from_form(form: &mut Form) -> Option<Self> {
        let identifier = form.text("identifier", 320).optional();
        let strategy = form.text("strategy", 64).optional();
        let password = form.secret("password").optional();
        let redirect_url = form.text("redirect_url", 2048).optional();
        let ticket = form.secret("ticket").optional();
        let transfer = form.boolean("transfer").optional();
        let captcha_token = form.text("captcha_token", 8192).optional();
        let captcha_widget_type = form.text("captcha_widget_type", 16).optional();
        let captcha_error = form.text("captcha_error", 256).optional();
        Some(Self {
            identifier,
            strategy,
            password,
            redirect_url,
            ticket,
            transfer,
            captcha_token,
            captcha_widget_type,
            captcha_error,
        })
    }
}

impl From<CreateSignIn> for sign_in::Create {
    fn from(body: CreateSignIn) -> Self {
        Self {
            identifier: body.identifier,
            strategy: body.strategy,
            password: body.password,
            redirect_url: body.redirect_url,
            ticket: body.ticket,
            transfer: body.transfer.unwrap_or(false),
        }
    }
}

/// Begins a sign-in, or goes on with the one that is open.
#[utoipa::path(request_body = CreateSignIn, responses((status = 200, body = Envelope<api::SignIn>), ApiErrors), security(("client" = []), ()))]
#[post("/v1/client/sign-ins")]
async fn create_sign_in(
    caller: MaybeDevice,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Body(body): Body<CreateSignIn>,
) -> Written<api::SignIn> {
    limiter.take(Bucket::SignInCreate, By::Peer)?;
    let (cx, env) = (&caller.cx, &caller.env);
    if let (Some(strategy), Some(text)) = (&body.strategy, &body.identifier)
        && let Some(identifier) = sign_in::identifier(&env.settings, text)
    {
        count_sending(&limiter, strategy, Some(&identifier.canonical))?;
    }
    let brought = Brought { token: body.captcha_token.clone(), error: body.captcha_error.clone() };
    let cleared = captcha::clear(&engine, cx, env, Attempt::SignIn(body.identifier.as_deref()), &brought).await?;
    if cleared.is_unproven() {
        limiter.take_unproven(Bucket::SignInCreate)?;
    }
    let client = device(&engine, &caller, &cookies).await?.id;
    let moved = sign_in::create(&engine, cx, env, client, cleared, body.into()).await?;
    hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    let response = api::SignIn::new(&moved.sign_in, moved.person.as_ref(), &env.settings, cx.now);
    written(&engine, cx, env, client, response).await
}

/// Shows a sign-in of this client.
#[utoipa::path(responses((status = 200, body = api::SignIn), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sign-ins/{sign_in_id}")]
async fn get_sign_in(
    caller: Device,
    engine: Data<Engine>,
    Id(id): Id<SignInId>,
) -> Result<Json<api::SignIn>, ApiError> {
    let (found, person) = sign_in::find(&engine, &caller.cx, &caller.env, caller.client.id, id).await?;
    Ok(Json(api::SignIn::new(&found, person.as_ref(), &caller.env.settings, caller.cx.now)))
}

/// Issues a challenge; the one before it gives way.
#[utoipa::path(request_body = ChallengeCreateRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sign-ins/{sign_in_id}/challenges")]
async fn create_sign_in_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SignInId>,
    Body(body): Body<ChallengeCreateRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeCreate, By::Id(&id))?;
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let identifier = sign_in::find(&engine, cx, env, client, id).await?.0.identifier;
    count_sending(&limiter, &body.strategy, identifier.as_ref().map(|i| &i.canonical as &dyn Display))?;
    body.check_landing(&engine, env).await?;
    let (wanted, answer) = body.taken_apart();
    let mut moved = sign_in::prepare(&engine, cx, client, id, wanted).await?;
    if let (Some(issued), Some(answer)) = (&moved.challenge, answer) {
        moved = sign_in::answer(&engine, cx, env, client, id, issued.id, answer).await?;
        hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    }
    let response = shown(moved.challenge, cx.now)?;
    written(&engine, cx, env, client, response).await
}

/// Shows a challenge; nothing changes by looking.
#[utoipa::path(responses((status = 200, body = api::Challenge), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sign-ins/{sign_in_id}/challenges/{challenge_id}")]
async fn get_sign_in_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<SignInId>,
    Id(challenge): Id<ChallengeId>,
) -> Result<Json<api::Challenge>, ApiError> {
    limiter.take(Bucket::ChallengePoll, By::Id(&challenge))?;
    let found = sign_in::challenge(&engine, &caller.cx, caller.client.id, id, challenge).await?;
    Ok(Json(api::Challenge::new(&found, caller.cx.now)))
}

/// Answers a challenge; the last one that is needed begins a session.
#[utoipa::path(request_body = ChallengeAnswerRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sign-ins/{sign_in_id}/challenges/{challenge_id}/answer")]
async fn answer_sign_in_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SignInId>,
    Id(challenge): Id<ChallengeId>,
    Body(body): Body<ChallengeAnswerRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeAnswer, By::Id(&id))?;
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let answer = body.into();
    let moved = sign_in::answer(&engine, cx, env, client, id, challenge, answer).await?;
    hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    let response = shown(moved.challenge, cx.now)?;
    written(&engine, cx, env, client, response).await
}
