//! People.

use crate::user_bodies::{
    LockRequest, MetadataRequest, UserCreateRequest, UserUpdateRequest, VerifyPasswordRequest, VerifyTotpRequest,
};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::{Page, TotalCount, Verified};
use domain::environment::Environment;
use domain::user::Person;
use domain::{Context, Email, UserId};
use engine::{Engine, UserFilter, UserKey, images, phone_numbers, totp, users};
use utoipa::IntoParams;
use web::ServiceConfig;
use web::query::SEARCH_MAX;
use web::upload::{FileForm, Upload};
use web::{
    ApiError, ApiErrors, Body, FromQuery, Id, NoContent, OrFault, PageParams, Paging, Params, Query, SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_users)
        .service(create_user)
        .service(count_users)
        .service(get_user)
        .service(update_user)
        .service(delete_user)
        .service(upload_user_profile_image)
        .service(delete_user_profile_image)
        .service(update_user_metadata)
        .service(ban_user)
        .service(unban_user)
        .service(lock_user)
        .service(unlock_user)
        .service(verify_password)
        .service(verify_totp)
        .service(delete_user_mfa);
}

/// Which people are meant: OR inside one filter, AND across them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct UserQuery {
    /// Has one of these addresses.
    #[param(value_type = Option<Vec<String>>)]
    email_address: Vec<Email>,
    /// Has one of these phone numbers, in any spelling with the country code.
    #[param(value_type = Option<Vec<String>>)]
    phone_number: Vec<String>,
    /// Has one of these user names.
    #[param(value_type = Option<Vec<String>>)]
    username: Vec<String>,
    /// Is one of these.
    #[param(value_type = Option<Vec<String>>)]
    user_id: Vec<String>,
    /// Has one of these external ids.
    #[param(value_type = Option<Vec<String>>)]
    external_id: Vec<String>,
    /// Has this in an address, the user name or a name; case does not matter.
    #[param(max_length = 256)]
    query: Option<String>,
    /// Was active at this time or later.
    last_active_at_since: Option<i64>,
    /// Was made after this time.
    created_at_after: Option<i64>,
    /// Was made before this time.
    created_at_before: Option<i64>,
}

fn any_text(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.trim().to_owned())
}

/// A number in its one form; what is none is nobody's.
fn any_number(text: &str) -> Result<String, std::convert::Infallible> {
    // An unescaped `+` arrives as a space, which is trimmed.
    let read = phone_numbers::read(text).or_else(|_| phone_numbers::read(&format!("+{text}")));
    Ok(read.map_or_else(|_| text.to_owned(), |number| number.to_string()))
}

impl FromQuery for UserQuery {
    fn from_query(params: &mut Params) -> Option<Self> {
        let email_address = params.all("email_address", Email::parse);
        let phone_number = params.all("phone_number", any_number);
        let username = params.all("username", any_text);
        let user_id = params.all("user_id", any_text);
        let external_id = params.all("external_id", any_text);
        let query = params.text("query", SEARCH_MAX);
        let last_active_at_since = params.timestamp("last_active_at_since").map(domain::Timestamp::millis);
        let created_at_after = params.timestamp("created_at_after").map(domain::Timestamp::millis);
        let created_at_before = params.timestamp("created_at_before").map(domain::Timestamp::millis);
        Some(Self {
            email_address,
            phone_number,
            username,
            user_id,
            external_id,
            query,
            last_active_at_since,
            created_at_after,
            created_at_before,
        })
    }
}

impl UserQuery {
    fn filter(self, env: &Environment) -> UserFilter {
        UserFilter {
            email_addresses: self.email_address.iter().map(|e| env.settings.canonical(e)).collect(),
            phone_numbers: self.phone_number,
            usernames: self.username,
            user_ids: self.user_id,
            external_ids: self.external_id,
            query: self.query.map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty()),
            last_active_at_since: self.last_active_at_since,
            created_at_after: self.created_at_after,
            created_at_before: self.created_at_before,
        }
    }
}

/// A page of the people who are meant.
struct ListUsers {
    who: UserQuery,
    paging: Paging<UserKey>,
}

impl FromQuery for ListUsers {
    fn from_query(params: &mut Params) -> Option<Self> {
        let who = UserQuery::from_query(params);
        let orders = [
            ("created_at", UserKey::CreatedAt),
            ("updated_at", UserKey::UpdatedAt),
            ("last_active_at", UserKey::LastActiveAt),
            ("last_sign_in_at", UserKey::LastSignInAt),
        ];
        let paging = params.paging("users", &orders);
        Some(Self { who: who?, paging: paging? })
    }
}

/// Gives a person a picture: PNG, JPEG, WebP or GIF. It is kept as a new PNG without anything beside the pixels.
#[utoipa::path(
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses((status = 200, body = api::User), ApiErrors)
)]
#[post("/v1/users/{user_id}/profile-image")]
async fn upload_user_profile_image(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
    upload: Upload,
) -> Result<Json<api::User>, ApiError> {
    let person = images::set(&engine, &caller.cx, id, upload.file()).await?;
    Ok(body(&person, &caller.env, &caller.cx))
}

/// Takes a person's picture away.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[delete("/v1/users/{user_id}/profile-image")]
async fn delete_user_profile_image(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
) -> Result<Json<api::User>, ApiError> {
    let person = images::clear(&engine, &caller.cx, id).await?;
    Ok(body(&person, &caller.env, &caller.cx))
}

fn body(person: &Person, env: &Environment, cx: &Context) -> Json<api::User> {
    Json(api::User::for_bapi(person, &env.settings, cx.now))
}

/// Lists people.
#[utoipa::path(params(PageParams, UserQuery), responses((status = 200, body = Page<api::User>), ApiErrors))]
#[get("/v1/users")]
async fn list_users(
    caller: SecretKey,
    engine: Data<Engine>,
    asked: Query<ListUsers>,
) -> Result<Json<Page<api::User>>, ApiError> {
    let ListUsers { who, paging } = asked.0;
    let request = paging.open(&engine, &caller.env).await?;
    let found = users::list(&engine, &caller.cx, who.filter(&caller.env), request).await.or_fault()?;
    let bodies = found.map(|p| api::User::for_bapi(&p, &caller.env.settings, caller.cx.now));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}

/// Counts people.
#[utoipa::path(params(UserQuery), responses((status = 200, body = TotalCount), ApiErrors))]
#[get("/v1/users/count")]
async fn count_users(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(who): Query<UserQuery>,
) -> Result<Json<TotalCount>, ApiError> {
    let total = users::count(&engine, &caller.cx, who.filter(&caller.env)).await.or_fault()?;
    Ok(Json(TotalCount::new(total)))
}

/// Makes a person.
#[utoipa::path(request_body = UserCreateRequest, responses((status = 201, body = api::User), ApiErrors))]
#[post("/v1/users")]
async fn create_user(
    Write { cx, env, body: asked, .. }: Write<UserCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::User>, StatusCode), ApiError> {
    let person = users::create(&engine, &cx, asked.into()).await?;
    Ok((body(&person, &env, &cx), StatusCode::CREATED))
}

/// Shows a person.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[get("/v1/users/{user_id}")]
async fn get_user(caller: SecretKey, engine: Data<Engine>, Id(id): Id<UserId>) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::find(&engine, &caller.cx, id).await?, &caller.env, &caller.cx))
}

/// Changes a person.
#[utoipa::path(request_body = UserUpdateRequest, responses((status = 200, body = api::User), ApiErrors))]
#[patch("/v1/users/{user_id}")]
async fn update_user(
    Write { cx, env, body: asked, .. }: Write<UserUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::update(&engine, &cx, id, asked.into()).await?, &env, &cx))
}

/// Deletes a person: sessions end, identifiers are free again.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/users/{user_id}")]
async fn delete_user(caller: SecretKey, engine: Data<Engine>, Id(id): Id<UserId>) -> Result<NoContent, ApiError> {
    users::delete(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}

/// Merges metadata.
#[utoipa::path(request_body = MetadataRequest, responses((status = 200, body = api::User), ApiErrors))]
#[patch("/v1/users/{user_id}/metadata")]
async fn update_user_metadata(
    Write { cx, env, body: asked, .. }: Write<MetadataRequest>,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::update_metadata(&engine, &cx, id, asked.into()).await?, &env, &cx))
}

/// Refuses a person for good; every session ends at once.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[post("/v1/users/{user_id}/ban")]
async fn ban_user(caller: SecretKey, engine: Data<Engine>, Id(id): Id<UserId>) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::ban(&engine, &caller.cx, id).await?, &caller.env, &caller.cx))
}

/// Takes a ban back; sessions stay revoked.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[post("/v1/users/{user_id}/unban")]
async fn unban_user(caller: SecretKey, engine: Data<Engine>, Id(id): Id<UserId>) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::unban(&engine, &caller.cx, id).await?, &caller.env, &caller.cx))
}

/// Refuses a person for a time; every session ends at once.
#[utoipa::path(request_body(content = LockRequest, content_type = "application/json"), responses((status = 200, body = api::User), ApiErrors))]
#[post("/v1/users/{user_id}/lock")]
async fn lock_user(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
    Body(asked): Body<LockRequest>,
) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::lock(&engine, &caller.cx, id, asked.lockout_minutes).await?, &caller.env, &caller.cx))
}

/// Takes every lock off, and forgets the failures.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[post("/v1/users/{user_id}/unlock")]
async fn unlock_user(caller: SecretKey, engine: Data<Engine>, Id(id): Id<UserId>) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::unlock(&engine, &caller.cx, id).await?, &caller.env, &caller.cx))
}

/// Says whether a password is the person's.
#[utoipa::path(request_body = VerifyPasswordRequest, responses((status = 200, body = Verified), ApiErrors))]
#[post("/v1/users/{user_id}/verify-password")]
async fn verify_password(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
    Body(asked): Body<VerifyPasswordRequest>,
) -> Result<Json<Verified>, ApiError> {
    let verified = users::verify_password(&engine, &caller.cx, id, asked.password).await?;
    Ok(Json(Verified { verified }))
}

/// Says whether a code is one of the person's authenticator app; a right one is used up, as at a sign-in.
#[utoipa::path(request_body = VerifyTotpRequest, responses((status = 200, body = Verified), ApiErrors))]
#[post("/v1/users/{user_id}/verify-totp")]
async fn verify_totp(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
    Body(asked): Body<VerifyTotpRequest>,
) -> Result<Json<Verified>, ApiError> {
    let verified = totp::verify(&engine, &caller.cx, id, asked.code).await?;
    Ok(Json(Verified { verified }))
}

/// Takes every second factor away: the authenticator app, the backup codes, and numbers out of that service.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors))]
#[delete("/v1/users/{user_id}/mfa")]
async fn delete_user_mfa(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<UserId>,
) -> Result<Json<api::User>, ApiError> {
    Ok(body(&users::remove_second_factors(&engine, &caller.cx, id).await?, &caller.env, &caller.cx))
}
