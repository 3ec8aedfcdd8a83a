//! Sign-up.

use crate::answers::{Written, device, hand_over, written};
use crate::challenges::{ChallengeAnswerRequest, ChallengeCreateRequest, count_sending, shown};
use actix_web::web::{Data, Json};
use actix_web::{get, patch, post};
use api::Envelope;
use crypto::Secret;
use domain::strategy::Strategy;
use domain::text::{Metadata, Username, label};
use domain::{ChallengeId, Email, SignUpId};
use engine::captcha::{self, Attempt, Brought};
use engine::{Engine, sign_up};
use std::fmt::Display;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Cookies, Device, Form, FromForm, Id, Limiter, MaybeDevice};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(create_sign_up)
        .service(get_sign_up)
        .service(update_sign_up)
        .service(create_sign_up_challenge)
        .service(get_sign_up_challenge)
        .service(answer_sign_up_challenge);
}

/// What somebody says of themselves.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateSignUp {
    /// The address.
    #[schema(value_type = Option<String>, format = "email", max_length = 254)]
    email_address: Option<Email>,
    /// The phone number with its country code, in any spelling.
    #[schema(max_length = 32)]
    phone_number: Option<String>,
    /// The user name.
    #[schema(value_type = Option<String>, min_length = 4, max_length = 64)]
    username: Option<Username>,
    /// The given name.
    #[schema(max_length = 256)]
    first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 256)]
    last_name: Option<String>,
    /// The password: 8 to 1024 characters.
    #[schema(value_type = Option<String>, min_length = 8, max_length = 1024)]
    password: Option<Secret<String>>,
    /// The person's own data.
    #[schema(value_type = Option<api::Metadata>)]
    unsafe_metadata: Option<Metadata>,
    /// Whether the terms were accepted.
    legal_accepted: Option<bool>,
}

impl FromForm for UpdateSignUp {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email_address = form.email("email_address").optional();
        let phone_number = form.text("phone_number", 32).optional();
        let username = form.parse("username", Username::parse).optional();
        let first_name = form.parse("first_name", |t| label(t, 256)).optional();
        let last_name = form.parse("last_name", |t| label(t, 256)).optional();
        let password = form.secret("password").optional();
        let unsafe_metadata = form.metadata("unsafe_metadata").optional();
        let legal_accepted = form.boolean("legal_accepted").optional();
        Some(Self {
            email_address,
            phone_number,
            username,
            first_name,
            last_name,
            password,
            unsafe_metadata,
            legal_accepted,
        })
    }
}

impl From<UpdateSignUp> for sign_up::Fields {
    fn from(body: UpdateSignUp) -> Self {
        Self {
            email_address: body.email_address,
            username: body.username,
            phone_number: body.phone_number,
            first_name: body.first_name,
            last_name: body.last_name,
            password: body.password,
            unsafe_metadata: body.unsafe_metadata,
            legal_accepted: body.legal_accepted,
            ticket: None,
            transfer: false,
        }
    }
}

/// What a sign-up begins with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSignUp {
    /// What somebody says of themselves.
    #[serde(flatten)]
    fields: UpdateSignUp,
    /// Where a link lands.
    #[expect(dead_code, reason = "documented and checked; no strategy of this release reads it")]
    redirect_url: Option<String>,
    /// The ticket of an invitation: it says which address signs up.
    #[schema(value_type = Option<String>)]
    ticket: Option<Secret<String>>,
    /// Goes on with a sign-in of this client.
    transfer: Option<bool>,
    /// The captcha's proof.
    captcha_token: Option<String>,
    /// The captcha's kind.
    #[expect(dead_code, reason = "documented and checked; the provider knows it from the token")]
    captcha_widget_type: Option<String>,
    /// Why the browser has no proof.
    captcha_error: Option<String>,
}

impl FromForm for CreateSignUp {
    fn from_form(form: &mut Form) -> Option<Self> {
        let fields = UpdateSignUp::from_form(form);
        let redirect_url = form.text("redirect_url", 2048).optional();
        let ticket = form.secret("ticket").optional();
        let transfer = form.boolean("transfer").optional();
        let captcha_token = form.text("captcha_token", 8192).optional();
        let captcha_widget_type = form.text("captcha_widget_type", 16).optional();
        let captcha_error = form.text("captcha_error", 256).optional();
        Some(Self {
            fields: fields?,
            redirect_url,
            ticket,
            transfer,
            captcha_token,
            captcha_widget_type,
            captcha_error,
        })
    }
}

/// Begins a sign-up, or goes on with the one that is open when nothing is sent.
#[utoipa::path(request_body = CreateSignUp, responses((status = 200, body = Envelope<api::SignUp>), ApiErrors), security(("client" = []), ()))]
#[post("/v1/client/sign-ups")]
async fn create_sign_up(
    caller: MaybeDevice,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Body(body): Body<CreateSignUp>,
) -> Written<api::SignUp> {
    limiter.take(Bucket::SignUpCreate, By::Peer)?;
    let (cx, env) = (&caller.cx, &caller.env);
    let brought = Brought { token: body.captcha_token, error: body.captcha_error };
    let attempt = Attempt::SignUp(body.fields.email_address.as_ref(), body.fields.phone_number.as_deref());
    let cleared = captcha::clear(&engine, cx, env, attempt, &brought).await?;
    if cleared.is_unproven() {
        limiter.take_unproven(Bucket::SignUpCreate)?;
    }
    let client = device(&engine, &caller, &cookies).await?.id;
    let fields =
        sign_up::Fields { ticket: body.ticket, transfer: body.transfer.unwrap_or(false), ..body.fields.into() };
    let moved = sign_up::create(&engine, cx, env, client, cleared, fields).await?;
    hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    let response = api::SignUp::new(&moved.sign_up, &env.settings, cx.now);
    written(&engine, cx, env, client, response).await
}

/// Shows a sign-up of this client.
#[utoipa::path(responses((status = 200, body = api::SignUp), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sign-ups/{sign_up_id}")]
async fn get_sign_up(
    caller: Device,
    engine: Data<Engine>,
    Id(id): Id<SignUpId>,
) -> Result<Json<api::SignUp>, ApiError> {
    let found = sign_up::find(&engine, &caller.cx, caller.client.id, id).await?;
    Ok(Json(api::SignUp::new(&found, &caller.env.settings, caller.cx.now)))
}

/// Adds to a sign-up; a later value overwrites an earlier one.
#[utoipa::path(request_body = UpdateSignUp, responses((status = 200, body = Envelope<api::SignUp>), ApiErrors), security(("client" = [])))]
#[patch("/v1/client/sign-ups/{sign_up_id}")]
async fn update_sign_up(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SignUpId>,
    Body(body): Body<UpdateSignUp>,
) -> Written<api::SignUp> {
    // Each may cost a hash, and may tell that a user name is taken.
    limiter.take(Bucket::SignUpCreate, By::Peer)?;
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let moved = sign_up::update(&engine, cx, env, client, id, body.into()).await?;
    hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    let response = api::SignUp::new(&moved.sign_up, &env.settings, cx.now);
    written(&engine, cx, env, client, response).await
}

/// Issues a challenge; the one before it gives way.
#[utoipa::path(request_body = ChallengeCreateRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sign-ups/{sign_up_id}/challenges")]
async fn create_sign_up_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SignUpId>,
    Body(body): Body<ChallengeCreateRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeCreate, By::Id(&id))?;
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let staged = sign_up::find(&engine, cx, client, id).await?;
    let to = match Strategy::parse(&body.strategy) {
        Some(strategy) if strategy.is_texted() => staged.phone_number.map(|number| number.to_string()),
        _ => staged.email_address.map(|email| env.settings.canonical(&email)),
    };
    count_sending(&limiter, &body.strategy, to.as_ref().map(|to| to as &dyn Display))?;
    body.check_landing(&engine, env).await?;
    let mut moved = sign_up::prepare(&engine, cx, client, id, &body.strategy, body.redirect_url).await?;
    if let (Some(issued), Some(code)) = (&moved.challenge, body.code) {
        moved = sign_up::answer(&engine, cx, client, id, issued.id, Some(code)).await?;
        hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    }
    let response = shown(moved.challenge, cx.now)?;
    written(&engine, cx, env, client, response).await
}

/// Shows a challenge; nothing changes by looking.
#[utoipa::path(responses((status = 200, body = api::Challenge), ApiErrors), security(("client" = [])))]
#[get("/v1/client/sign-ups/{sign_up_id}/challenges/{challenge_id}")]
async fn get_sign_up_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    Id(id): Id<SignUpId>,
    Id(challenge): Id<ChallengeId>,
) -> Result<Json<api::Challenge>, ApiError> {
    limiter.take(Bucket::ChallengePoll, By::Id(&challenge))?;
    let found = sign_up::challenge(&engine, &caller.cx, caller.client.id, id, challenge).await?;
    Ok(Json(api::Challenge::new(&found, caller.cx.now)))
}

/// Answers a challenge; the last thing that is missing makes the person and begins a session.
#[utoipa::path(request_body = ChallengeAnswerRequest, responses((status = 200, body = Envelope<api::Challenge>), ApiErrors), security(("client" = [])))]
#[post("/v1/client/sign-ups/{sign_up_id}/challenges/{challenge_id}/answer")]
async fn answer_sign_up_challenge(
    caller: Device,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Id(id): Id<SignUpId>,
    Id(challenge): Id<ChallengeId>,
    Body(body): Body<ChallengeAnswerRequest>,
) -> Written<api::Challenge> {
    limiter.take(Bucket::ChallengeAnswer, By::Id(&id))?;
    let (cx, env, client) = (&caller.cx, &caller.env, caller.client.id);
    let moved = sign_up::answer(&engine, cx, client, id, challenge, body.code).await?;
    hand_over(&engine, cx, env, &cookies, moved.begun.as_ref()).await?;
    let response = shown(moved.challenge, cx.now)?;
    written(&engine, cx, env, client, response).await
}
