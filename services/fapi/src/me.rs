//! A signed-in person's own account.

use crate::answers::{Written, written};
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::Envelope;
use crypto::Secret;
use domain::Patch;
use domain::text::{Metadata, Username, label, locale};
use engine::{Engine, me, sessions};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Cookies, Enrolling, Form, FromForm, OrFault, SignedIn};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_me)
        .service(update_me)
        .service(delete_me)
        .service(delete_myself)
        .service(change_my_password)
        .service(remove_my_password)
        .service(list_my_sessions);
}

/// Shows the signed-in person.
#[utoipa::path(responses((status = 200, body = api::User), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me")]
async fn get_me(Enrolling(caller): Enrolling, engine: Data<Engine>) -> Result<Json<api::User>, ApiError> {
    let person = me::whole(&engine, &caller.cx, caller.user).await.or_fault()?;
    Ok(Json(api::User::for_fapi(&person, &caller.env.settings, caller.cx.now)))
}

/// What a person may change of the profile; absent stays, null clears.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMe {
    /// The user name.
    #[schema(value_type = Option<String>, min_length = 4, max_length = 64)]
    username: Patch<Username>,
    /// The given name.
    #[schema(value_type = Option<String>, max_length = 256)]
    first_name: Patch<String>,
    /// The family name.
    #[schema(value_type = Option<String>, max_length = 256)]
    last_name: Patch<String>,
    /// The person's own data, replaced whole.
    #[schema(value_type = Option<api::Metadata>)]
    unsafe_metadata: Option<Metadata>,
    /// The language of mails, as a BCP 47 tag.
    #[schema(value_type = Option<String>)]
    locale: Patch<String>,
}

impl FromForm for UpdateMe {
    fn from_form(form: &mut Form) -> Option<Self> {
        let username = form.parse("username", Username::parse).patch();
        let first_name = form.parse("first_name", |t| label(t, 256)).patch();
        let last_name = form.parse("last_name", |t| label(t, 256)).patch();
        let unsafe_metadata = form.metadata("unsafe_metadata").optional();
        let locale = form.parse("locale", locale).patch();
        Some(Self { username, first_name, last_name, unsafe_metadata, locale })
    }
}

/// Changes the profile.
#[utoipa::path(request_body = UpdateMe, responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[patch("/v1/me")]
async fn update_me(caller: SignedIn, engine: Data<Engine>, Body(body): Body<UpdateMe>) -> Written<api::User> {
    let UpdateMe { username, first_name, last_name, unsafe_metadata, locale } = body;
    let change = me::Profile { username, first_name, last_name, unsafe_metadata, locale };
    let person = me::update(&engine, &caller.cx, &caller.env, caller.user.id, change).await?;
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// A change of the password.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    /// The one that is set; needed when one is.
    #[schema(value_type = Option<String>)]
    current_password: Option<Secret<String>>,
    /// The new one: 8 to 1024 characters, not a common one.
    #[schema(value_type = String, min_length = 8, max_length = 1024)]
    new_password: Secret<String>,
    /// Ends every other session; true when absent.
    #[schema(value_type = Option<bool>, default = true)]
    sign_out_of_other_sessions: bool,
}

impl FromForm for ChangePassword {
    fn from_form(form: &mut Form) -> Option<Self> {
        let current_password = form.secret("current_password").optional();
        let new_password = form.secret("new_password").required();
        let sign_out_of_other_sessions = form.boolean("sign_out_of_other_sessions").or(true);
        Some(Self { current_password, new_password: new_password?, sign_out_of_other_sessions })
    }
}

/// Changes the password; other sessions end unless told otherwise.
#[utoipa::path(request_body = ChangePassword, responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/change-password")]
async fn change_my_password(
    caller: SignedIn,
    engine: Data<Engine>,
    Body(body): Body<ChangePassword>,
) -> Written<api::User> {
    caller.require_fresh(&engine).await?;
    let change = me::NewPassword {
        current: body.current_password,
        new: body.new_password,
        sign_out_of_other_sessions: body.sign_out_of_other_sessions,
    };
    let person = me::change_password(&engine, &caller.cx, &caller.env, &caller.session, change).await?;
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// The password that is to be removed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemovePassword {
    /// The one that is set.
    #[schema(value_type = String)]
    current_password: Secret<String>,
}

impl FromForm for RemovePassword {
    fn from_form(form: &mut Form) -> Option<Self> {
        let current_password = form.secret("current_password").required();
        Some(Self { current_password: current_password? })
    }
}

/// Removes the password, where the person has another way to sign in.
#[utoipa::path(request_body = RemovePassword, responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/password")]
async fn remove_my_password(
    caller: SignedIn,
    engine: Data<Engine>,
    Body(body): Body<RemovePassword>,
) -> Written<api::User> {
    caller.require_fresh(&engine).await?;
    let person = me::remove_password(&engine, &caller.cx, &caller.env, &caller.session, body.current_password).await?;
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// The deletion of one's own account.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteMyself {
    /// The person's own id, if anything.
    confirmation: Option<String>,
}

impl FromForm for DeleteMyself {
    fn from_form(form: &mut Form) -> Option<Self> {
        let confirmation = form.text("confirmation", 64).optional();
        Some(Self { confirmation })
    }
}

/// Deletes the person's own account; shows what it was.
#[utoipa::path(request_body = DeleteMyself, responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me")]
async fn delete_me(
    caller: SignedIn,
    engine: Data<Engine>,
    cookies: Cookies,
    Body(body): Body<DeleteMyself>,
) -> Written<api::User> {
    leave(caller, &engine, &cookies, body).await
}

/// Deletes the person's own account; shows what it was.
#[utoipa::path(request_body = DeleteMyself, responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/delete-self")]
async fn delete_myself(
    caller: SignedIn,
    engine: Data<Engine>,
    cookies: Cookies,
    Body(body): Body<DeleteMyself>,
) -> Written<api::User> {
    leave(caller, &engine, &cookies, body).await
}

async fn leave(caller: SignedIn, engine: &Engine, cookies: &Cookies, body: DeleteMyself) -> Written<api::User> {
    caller.require_fresh(engine).await?;
    let person = me::delete(engine, &caller.cx, &caller.env, &caller.user, body.confirmation.as_deref()).await?;
    cookies.clear_session();
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// Lists the person's live sessions on every device.
#[utoipa::path(responses((status = 200, body = Vec<api::Session>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/sessions")]
async fn list_my_sessions(caller: SignedIn, engine: Data<Engine>) -> Result<Json<Vec<api::Session>>, ApiError> {
    let sessions = sessions::of_user(&engine, &caller.cx, &caller.env, caller.user.id).await.or_fault()?;
    Ok(Json(sessions.iter().map(|s| api::Session::new(s, &caller.env.settings, caller.cx.now)).collect()))
}
