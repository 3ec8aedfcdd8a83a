//! Passkeys of people.

use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch};
use api::Page;
use domain::text::label;
use domain::{PasskeyId, UserId};
use engine::{Engine, PasskeyFilter, PasskeyKey, passkeys};
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_passkeys).service(get_passkey).service(update_passkey).service(delete_passkey);
}

const ORDERS: [(&str, PasskeyKey); 1] = [("created_at", PasskeyKey::CreatedAt)];

/// Which passkeys are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListPasskeys {
    /// Of this person.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[param(ignore)]
    paging: Paging<PasskeyKey>,
}

impl FromQuery for ListPasskeys {
    fn from_query(params: &mut Params) -> Option<Self> {
        let user_id = params.parse("user_id", str::parse::<UserId>);
        let paging = params.paging("passkeys", &ORDERS);
        Some(Self { user_id, paging: paging? })
    }
}

/// Lists passkeys.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::Passkey>), ApiErrors))]
#[get("/v1/passkeys")]
async fn list_passkeys(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListPasskeys>,
) -> Result<Json<Page<api::Passkey>>, ApiError> {
    let filter = PasskeyFilter { user_id: asked.user_id.map(|id| id.to_string()) };
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = passkeys::list(&engine, &caller.cx, filter, request).await.or_fault()?;
    let bodies = found.map(|key| api::Passkey::from(&key));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Shows a passkey.
#[utoipa::path(responses((status = 200, body = api::Passkey), ApiErrors))]
#[get("/v1/passkeys/{passkey_id}")]
async fn get_passkey(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<PasskeyId>,
) -> Result<Json<api::Passkey>, ApiError> {
    Ok(Json(api::Passkey::from(&passkeys::find(&engine, &caller.cx, id).await?)))
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
        let nickname = form.parse("nickname", |text| label(text, 100)).required();
        Some(Self { nickname: nickname? })
    }
}

/// Names a passkey anew.
#[utoipa::path(request_body = PasskeyUpdateRequest, responses((status = 200, body = api::Passkey), ApiErrors))]
#[patch("/v1/passkeys/{passkey_id}")]
async fn update_passkey(
    Write { cx, body, .. }: Write<PasskeyUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<PasskeyId>,
) -> Result<Json<api::Passkey>, ApiError> {
    let owner = passkeys::find(&engine, &cx, id).await?.user_id;
    Ok(Json(api::Passkey::from(&passkeys::rename(&engine, &cx, owner, id, body.nickname).await?)))
}

/// Removes a passkey, the last way to sign in as well.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/passkeys/{passkey_id}")]
async fn delete_passkey(caller: SecretKey, engine: Data<Engine>, Id(id): Id<PasskeyId>) -> Result<NoContent, ApiError> {
    let owner = passkeys::find(&engine, &caller.cx, id).await?.user_id;
    passkeys::remove(&engine, &caller.cx, owner, id, passkeys::Remover::Backend).await?;
    Ok(NoContent)
}
