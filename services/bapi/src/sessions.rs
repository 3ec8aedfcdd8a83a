//! Sessions.

use actix_web::web::{Data, Json};
use actix_web::{get, post};
use api::{Page, Token};
use domain::jwt_template::TemplateName;
use domain::session::SessionStatus;
use domain::{ClientId, SessionId, UserId};
use engine::tokens::Ask;
use engine::{Engine, SessionFilter, SessionKey, sessions, tokens, users};
use utoipa::IntoParams;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, FromQuery, Id, OrFault, PageParams, Paging, Params, Query, SecretKey};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_sessions)
        .service(list_user_sessions)
        .service(get_session)
        .service(revoke_session)
        .service(get_session_token)
        .service(get_session_token_with_template);
}

const ORDERS: [(&str, SessionKey); 2] = [("created_at", SessionKey::CreatedAt), ("updated_at", SessionKey::UpdatedAt)];

/// Which sessions are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListSessions {
    /// Of this person.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// On this client.
    #[param(value_type = Option<String>)]
    client_id: Option<ClientId>,
    /// In one of these states.
    #[param(value_type = Option<Vec<String>>)]
    status: Vec<SessionStatus>,
    #[param(ignore)]
    paging: Paging<SessionKey>,
}

impl FromQuery for ListSessions {
    fn from_query(params: &mut Params) -> Option<Self> {
        let user_id = params.parse("user_id", str::parse::<UserId>);
        let client_id = params.parse("client_id", str::parse::<ClientId>);
        let status = params.choices("status", SessionStatus::parse);
        let paging = params.paging("sessions", &ORDERS);
        Some(Self { user_id, client_id, status, paging: paging? })
    }
}

/// Lists sessions.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::Session>), ApiErrors))]
#[get("/v1/sessions")]
async fn list_sessions(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListSessions>,
) -> Result<Json<Page<api::Session>>, ApiError> {
    let filter = SessionFilter {
        user_id: asked.user_id.map(|id| id.to_string()),
        client_id: asked.client_id.map(|id| id.to_string()),
        statuses: asked.status,
    };
    page(&caller, &engine, filter, asked.paging).await
}

/// How the sessions of one person are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListUserSessions {
    #[param(ignore)]
    paging: Paging<SessionKey>,
}

impl FromQuery for ListUserSessions {
    fn from_query(params: &mut Params) -> Option<Self> {
        let paging = params.paging("user_sessions", &ORDERS);
        Some(Self { paging: paging? })
    }
}

/// Lists the sessions of a person.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::Session>), ApiErrors))]
#[get("/v1/users/{user_id}/sessions")]
async fn list_user_sessions(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(user): Id<UserId>,
    Query(asked): Query<ListUserSessions>,
) -> Result<Json<Page<api::Session>>, ApiError> {
    users::find(&engine, &caller.cx, user).await?;
    let filter = SessionFilter { user_id: Some(user.to_string()), ..SessionFilter::default() };
    page(&caller, &engine, filter, asked.paging).await
}

async fn page(
    caller: &SecretKey,
    engine: &Engine,
    filter: SessionFilter,
    paging: Paging<SessionKey>,
) -> Result<Json<Page<api::Session>>, ApiError> {
    let request = paging.open(engine, &caller.env).await?;
    let found = sessions::list(engine, &caller.cx, filter, request).await.or_fault()?;
    let bodies = found.map(|s| api::Session::new(&s, &caller.env.settings, caller.cx.now));
    Ok(Json(paging.answer(engine, &caller.env, bodies).await?))
}

/// Shows a session.
#[utoipa::path(responses((status = 200, body = api::Session), ApiErrors))]
#[get("/v1/sessions/{session_id}")]
async fn get_session(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<SessionId>,
) -> Result<Json<api::Session>, ApiError> {
    let session = sessions::find(&engine, &caller.cx, id).await?;
    Ok(Json(api::Session::new(&session, &caller.env.settings, caller.cx.now)))
}

/// Ends a session at once; the next mint is refused.
#[utoipa::path(responses((status = 200, body = api::Session), ApiErrors))]
#[post("/v1/sessions/{session_id}/revoke")]
async fn revoke_session(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<SessionId>,
) -> Result<Json<api::Session>, ApiError> {
    let session = sessions::revoke(&engine, &caller.cx, &caller.env, id).await?;
    Ok(Json(api::Session::new(&session, &caller.env.settings, caller.cx.now)))
}

/// Mints a token of a live session.
#[utoipa::path(responses((status = 200, body = Token), ApiErrors))]
#[post("/v1/sessions/{session_id}/tokens")]
async fn get_session_token(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<SessionId>,
) -> Result<Json<Token>, ApiError> {
    Ok(Json(Token::new(tokens::mint_for_backend(&engine, &caller.cx, &caller.env, id, Ask::default()).await?)))
}

/// Mints a token of a live session by a template.
#[utoipa::path(responses((status = 200, body = Token), ApiErrors), params(("template_name" = String, Path, pattern = "^[A-Za-z0-9_-]{1,64}$")))]
#[post("/v1/sessions/{session_id}/tokens/{template_name}")]
async fn get_session_token_with_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<SessionId>,
    Id(name): Id<TemplateName>,
) -> Result<Json<Token>, ApiError> {
    let ask = Ask { template: Some(&name), ..Ask::default() };
    Ok(Json(Token::new(tokens::mint_for_backend(&engine, &caller.cx, &caller.env, id, ask).await?)))
}
