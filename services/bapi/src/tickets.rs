//! Sign-in and actor tokens.

use actix_web::http::StatusCode;
use actix_web::post;
use actix_web::web::{Data, Json};
use api::TicketBody;
use domain::{ActorTokenId, Kind, SignInTokenId, UserId, code};
use engine::tickets::{TicketError, Wanted};
use engine::{Engine, tickets};
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Form, FromForm, Id, SecretKey, Write};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(create_sign_in_token)
        .service(revoke_sign_in_token)
        .service(create_actor_token)
        .service(revoke_actor_token);
}

/// A sign-in token to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInTokenCreateRequest {
    /// Whom it signs in.
    user_id: String,
    /// How long it may be used.
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 2592000, default = 3600)]
    expires_in_seconds: Duration,
}

impl FromForm for SignInTokenCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let user_id = form.text("user_id", 64).required();
        let expires_in = form.integer("expires_in_seconds", 60..=2_592_000).or(3600);
        Some(Self { user_id: user_id?, expires_in_seconds: seconds(expires_in) })
    }
}

/// An actor token to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActorTokenCreateRequest {
    /// In whose place.
    user_id: String,
    /// Who acts: `sub` of at most 255 characters, and what else the claim `act` shall say; at most 1 KiB.
    #[schema(value_type = api::OpenObject)]
    actor: Map<String, Value>,
    /// How long it may be used.
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 86400, default = 600)]
    expires_in_seconds: Duration,
    /// How long the session lives at most.
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 43200, default = 1800)]
    session_max_duration_in_seconds: Duration,
}

impl FromForm for ActorTokenCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let user_id = form.text("user_id", 64).required();
        let actor = form.object("actor").required();
        let expires_in = form.integer("expires_in_seconds", 60..=86_400).or(600);
        let session_max = form.integer("session_max_duration_in_seconds", 60..=43_200).or(1800);
        let actor = actor?;
        let sub = actor.get("sub").and_then(Value::as_str).map(str::trim);
        if sub.is_none_or(|sub| sub.is_empty() || sub.chars().count() > 255) {
            form.wrong(
                "actor.sub",
                if actor.contains_key("sub") { code::PARAM_FORMAT_INVALID } else { code::PARAM_NIL },
            );
        }
        if Value::Object(actor.clone()).to_string().len() > 1024 {
            form.wrong("actor", code::PARAM_VALUE_INVALID);
        }
        Some(Self {
            user_id: user_id?,
            actor,
            expires_in_seconds: seconds(expires_in),
            session_max_duration_in_seconds: seconds(session_max),
        })
    }
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(n.unsigned_abs())
}

/// An id of another form is nobody's.
fn person(id: &str) -> Result<UserId, ApiError> {
    Ok(id.parse().map_err(|_| TicketError::NoUser)?)
}

fn of_sign_in(body: TicketBody) -> Result<Json<api::SignInToken>, ApiError> {
    match body {
        TicketBody::SignIn(body) => Ok(Json(body)),
        TicketBody::Actor(_) => Err(ApiError::refuse(Kind::NotFound, code::SIGN_IN_TOKEN_NOT_FOUND)),
    }
}

fn of_actor(body: TicketBody) -> Result<Json<api::ActorToken>, ApiError> {
    match body {
        TicketBody::Actor(body) => Ok(Json(body)),
        TicketBody::SignIn(_) => Err(ApiError::refuse(Kind::NotFound, code::ACTOR_TOKEN_NOT_FOUND)),
    }
}

/// Makes a ticket that signs a person in, once; a first factor, so that a second one is still asked for.
#[utoipa::path(request_body = SignInTokenCreateRequest, responses((status = 201, body = api::SignInToken), ApiErrors))]
#[post("/v1/sign-in-tokens")]
async fn create_sign_in_token(
    Write { cx, body, .. }: Write<SignInTokenCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::SignInToken>, StatusCode), ApiError> {
    let user = person(&body.user_id)?;
    let made = tickets::create(&engine, &cx, user, Wanted::SignIn, body.expires_in_seconds).await?;
    Ok((of_sign_in(made)?, StatusCode::CREATED))
}

/// Takes a sign-in token back.
#[utoipa::path(responses((status = 200, body = api::SignInToken), ApiErrors))]
#[post("/v1/sign-in-tokens/{sign_in_token_id}/revoke")]
async fn revoke_sign_in_token(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<SignInTokenId>,
) -> Result<Json<api::SignInToken>, ApiError> {
    of_sign_in(tickets::revoke_sign_in(&engine, &caller.cx, id).await?)
}

/// Makes a ticket that lets an operator act in a person's place, once and for a short time.
#[utoipa::path(request_body = ActorTokenCreateRequest, responses((status = 201, body = api::ActorToken), ApiErrors))]
#[post("/v1/actor-tokens")]
async fn create_actor_token(
    Write { cx, body, .. }: Write<ActorTokenCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::ActorToken>, StatusCode), ApiError> {
    let user = person(&body.user_id)?;
    let wanted = Wanted::Actor { actor: body.actor, session_max: body.session_max_duration_in_seconds };
    let made = tickets::create(&engine, &cx, user, wanted, body.expires_in_seconds).await?;
    Ok((of_actor(made)?, StatusCode::CREATED))
}

/// Takes an actor token back; a session that it began goes on to its end.
#[utoipa::path(responses((status = 200, body = api::ActorToken), ApiErrors))]
#[post("/v1/actor-tokens/{actor_token_id}/revoke")]
async fn revoke_actor_token(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<ActorTokenId>,
) -> Result<Json<api::ActorToken>, ApiError> {
    of_actor(tickets::revoke_actor(&engine, &caller.cx, id).await?)
}
