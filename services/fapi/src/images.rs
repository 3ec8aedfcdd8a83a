//! Pictures of people: uploaded by their owner, shown to anybody who knows the name.

use crate::answers::{Written, written};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use api::Envelope;
use domain::{Kind, code};
use engine::{Engine, images};
use web::ServiceConfig;
use web::upload::{FileForm, Upload};
use web::{Anyone, ApiError, ApiErrors, Bucket, By, Limiter, OrFault, SignedIn};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(upload_my_profile_image).service(delete_my_profile_image).service(get_image);
}

/// Gives the signed-in person a picture: PNG, JPEG, WebP or GIF. It is kept as a new PNG without anything beside the
/// pixels.
#[utoipa::path(
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Envelope<api::User>), ApiErrors),
    security(("session" = []), ("session_cookie" = []), ("client" = []))
)]
#[post("/v1/me/profile-image")]
async fn upload_my_profile_image(
    caller: SignedIn,
    engine: Data<Engine>,
    limiter: Limiter,
    upload: Upload,
) -> Written<api::User> {
    limiter.take(Bucket::ImageUpload, By::Id(&caller.user.id))?;
    let person = images::set(&engine, &caller.cx, caller.user.id, upload.file()).await?;
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// Takes the picture away.
#[utoipa::path(responses((status = 200, body = Envelope<api::User>), ApiErrors), security(("session" = []), ("session_cookie" = []), ("client" = [])))]
#[delete("/v1/me/profile-image")]
async fn delete_my_profile_image(caller: SignedIn, engine: Data<Engine>) -> Written<api::User> {
    let person = images::clear(&engine, &caller.cx, caller.user.id).await?;
    let response = api::User::for_fapi(&person, &caller.env.settings, caller.cx.now);
    written(&engine, &caller.cx, &caller.env, caller.client_id, response).await
}

/// Shows a picture. Its name is never used again, so it may be kept for ever.
#[utoipa::path(responses((status = 200, body = Vec<u8>, content_type = "image/png"), ApiErrors), security(()))]
#[get("/v1/images/{image}")]
async fn get_image(caller: Anyone, engine: Data<Engine>, image: Path<String>) -> Result<HttpResponse, ApiError> {
    let found = images::find(&engine, caller.env.id, &image).await.or_fault()?;
    let bytes = found.ok_or_else(|| ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, images::CONTENT_TYPE))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Should a browser ever take it for a page, it is one without scripts and without our origin.
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((CONTENT_DISPOSITION, "inline; filename=\"image.png\""))
        // Pages of every application show it.
        .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"))
        .body(bytes))
}
