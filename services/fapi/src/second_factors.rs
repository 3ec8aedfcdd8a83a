//! A signed-in person's authenticator app and backup codes.

use crate::answers::{Written, hand_session, written};
use actix_web::web::{Data, Json};
use actix_web::{delete, get, post};
use api::Envelope;
use domain::UserId;
use engine::{Engine, backup_codes, totp};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Body, Bucket, By, Cookies, Enrolling, Form, FromForm, Limiter, OrFault, SignedIn};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_my_totp)
        .service(create_my_totp)
        .service(verify_my_totp)
        .service(delete_my_totp)
        .service(get_my_backup_codes)
        .service(create_my_backup_codes)
        .service(delete_my_backup_codes);
}

/// Shows the person's authenticator app, or the enrolment that is open; never its secret.
#[utoipa::path(responses((status = 200, body = api::TotpSecret), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/totp")]
async fn get_my_totp(Enrolling(caller): Enrolling, engine: Data<Engine>) -> Result<Json<api::TotpSecret>, ApiError> {
    Ok(Json(api::TotpSecret::from(&totp::find(&engine, &caller.cx, caller.user.id).await?)))
}

/// Begins to enrol an authenticator app; shows its secret, this once.
#[utoipa::path(responses((status = 200, body = Envelope<api::TotpSecret>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/totp")]
async fn create_my_totp(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    limiter: Limiter,
) -> Written<api::TotpSecret> {
    caller.require_fresh(&engine).await?;
    limiter.take(Bucket::ChallengeCreate, By::Id(&caller.user.id))?;
    let begun = totp::start(&engine, &caller.cx, caller.user.id).await?;
    let response = api::TotpSecret {
        secret: Some(begun.base32.expose().clone()),
        otpauth_uri: Some(begun.uri.expose().clone()),
        qr_code_data_url: Some(begun.qr_code.expose().clone()),
        ..api::TotpSecret::from(&begun.secret)
    };
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// The first code of an authenticator app.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyMyTotp {
    /// The code: six digits, with or without spaces.
    #[schema(min_length = 6, max_length = 8)]
    code: String,
}

impl FromForm for VerifyMyTotp {
    fn from_form(form: &mut Form) -> Option<Self> {
        let code = form.parse("code", |text| domain::user::totp_code(text).ok_or(())).required();
        Some(Self { code: code? })
    }
}

/// Confirms an authenticator app by a code of it; sign-in asks for one from now on.
#[utoipa::path(request_body = VerifyMyTotp, responses((status = 200, body = Envelope<api::TotpSecret>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/totp/verify")]
async fn verify_my_totp(
    Enrolling(caller): Enrolling,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    Body(body): Body<VerifyMyTotp>,
) -> Written<api::TotpSecret> {
    caller.require_fresh(&engine).await?;
    limiter.take(Bucket::ChallengeAnswer, By::Id(&caller.user.id))?;
    let (secret, session) = totp::confirm(&engine, &caller.cx, &caller.session, body.code).await?;
    hand_session(&engine, &caller.cx, &caller.env, &cookies, &session).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::TotpSecret::from(&secret)).await
}

/// Removes the person's authenticator app; shows what it was.
#[utoipa::path(responses((status = 200, body = Envelope<api::TotpSecret>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/totp")]
async fn delete_my_totp(caller: SignedIn, engine: Data<Engine>) -> Written<api::TotpSecret> {
    caller.require_fresh(&engine).await?;
    let secret = totp::remove(&engine, &caller.cx, caller.user.id).await?;
    written(&engine, &caller.cx, &caller.env, caller.client_id, api::TotpSecret::from(&secret)).await
}

fn shown(user: UserId, batch: &backup_codes::Batch) -> api::BackupCodeBatch {
    let codes = batch.codes.iter().map(|code| code.expose().clone()).collect();
    api::BackupCodeBatch::new(user, batch.count, codes, batch.generated_at)
}

/// Says how many backup codes the person has left; never the codes.
#[utoipa::path(responses((status = 200, body = api::BackupCodeBatch), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[get("/v1/me/backup-codes")]
async fn get_my_backup_codes(caller: SignedIn, engine: Data<Engine>) -> Result<Json<api::BackupCodeBatch>, ApiError> {
    let batch = backup_codes::count(&engine, &caller.cx, caller.user.id).await.or_fault()?;
    Ok(Json(shown(caller.user.id, &batch)))
}

/// Makes backup codes in place of those that are left; shows them, this once.
#[utoipa::path(responses((status = 200, body = Envelope<api::BackupCodeBatch>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[post("/v1/me/backup-codes")]
async fn create_my_backup_codes(
    caller: SignedIn,
    engine: Data<Engine>,
    limiter: Limiter,
) -> Written<api::BackupCodeBatch> {
    caller.require_fresh(&engine).await?;
    limiter.take(Bucket::ChallengeCreate, By::Id(&caller.user.id))?;
    let batch = backup_codes::generate(&engine, &caller.cx, caller.user.id).await?;
    let response = shown(caller.user.id, &batch);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// Removes the backup codes that are left.
#[utoipa::path(responses((status = 200, body = Envelope<api::BackupCodeBatch>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/backup-codes")]
async fn delete_my_backup_codes(caller: SignedIn, engine: Data<Engine>) -> Written<api::BackupCodeBatch> {
    caller.require_fresh(&engine).await?;
    let batch = backup_codes::remove(&engine, &caller.cx, caller.user.id).await?;
    let response = shown(caller.user.id, &batch);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}
