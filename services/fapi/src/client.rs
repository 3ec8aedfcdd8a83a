//! The browser itself.

use crate::answers::{device, hand_over};
use actix_web::web::{Data, Json};
use actix_web::{delete, get, put};
use api::Envelope;
use domain::{Refusal, Verdict};
use engine::{Engine, clients, handshake};
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Bucket, By, Cookies, Device, Limiter, MaybeDevice, OrFault};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_client).service(create_client).service(destroy_client);
}

/// Shows the client, its sessions and the attempts in progress; makes one when the browser has none.
#[utoipa::path(responses((status = 200, body = api::Client), ApiErrors), security(()))]
#[get("/v1/client")]
async fn get_client(
    caller: MaybeDevice,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
) -> Result<Json<api::Client>, ApiError> {
    if caller.just_replaced {
        // Answered, and nothing is kept or set: the newer cookie is on its way to this tab.
        return Ok(Json(clients::nothing(&caller.cx, &caller.env)));
    }
    if caller.client.is_none() {
        // A row for everybody who asks without a cookie.
        limiter.take(Bucket::ClientCreate, By::Peer)?;
    }
    let client = device(&engine, &caller, &cookies).await?;
    let id = client.id;
    let shown = clients::visit(&engine, &caller.cx, &caller.env, client).await?;
    if shown.sign_in.is_none() && shown.sign_up.is_none() {
        return Ok(Json(shown));
    }
    // A link that was confirmed in another browser: the session begins here.
    match handshake::collect(&engine, &caller.cx, id).await {
        Ok(Some(begun)) => {
            hand_over(&engine, &caller.cx, &caller.env, &cookies, Some(&begun)).await?;
            Ok(Json(clients::show(&engine, &caller.cx, &caller.env, id).await?))
        }
        Ok(None) => Ok(Json(shown)),
        Err(error) if error.verdict() == Verdict::Fault => Err(error.into()),
        // Banned since, or signed in already: it is said to whoever answers the challenge.
        Err(_) => Ok(Json(shown)),
    }
}

/// Makes a new client; the live sessions of the old one end.
#[utoipa::path(responses((status = 200, body = Envelope<api::Client>), ApiErrors), security(()))]
#[put("/v1/client")]
async fn create_client(
    caller: MaybeDevice,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
) -> Result<Json<Envelope<api::Client>>, ApiError> {
    limiter.take(Bucket::ClientCreate, By::Peer)?;
    if let Some(old) = &caller.client {
        clients::destroy(&engine, &caller.cx, &caller.env, old.id).await?;
        cookies.clear_session();
    }
    let (client, cookie) = clients::create(&engine, &caller.cx).await.or_fault()?;
    cookies.set_client(&cookie);
    let shown = clients::show_known(&engine, &caller.cx, &caller.env, &client).await.or_fault()?;
    Ok(Json(Envelope { response: shown.clone(), client: Some(shown) }))
}

/// Ends every session of the client and takes its cookies away.
#[utoipa::path(responses((status = 200, body = Envelope<api::Client>), ApiErrors), security(("client" = [])))]
#[delete("/v1/client")]
async fn destroy_client(
    caller: Device,
    engine: Data<Engine>,
    cookies: Cookies,
) -> Result<Json<Envelope<api::Client>>, ApiError> {
    clients::destroy(&engine, &caller.cx, &caller.env, caller.client.id).await?;
    cookies.clear_client();
    cookies.clear_session();
    let response = clients::show(&engine, &caller.cx, &caller.env, caller.client.id).await?;
    Ok(Json(Envelope { response, client: None }))
}
