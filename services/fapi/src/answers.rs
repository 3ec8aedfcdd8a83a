//! What every write of this surface answers with: the resource, and the client as it is now.

use actix_web::web::Json;
use api::Envelope;
use domain::client::Client;
use domain::environment::Environment;
use domain::session::Session;
use domain::{ClientId, Context};
use engine::callers::DeviceCookie;
use engine::sessions::Begun;
use engine::{Engine, clients, sessions, tokens};
use web::{ApiError, Cookies, MaybeDevice, OrFault, SignedIn};

/// The answer of a write.
pub(crate) type Written<T> = Result<Json<Envelope<T>>, ApiError>;

/// Wraps a resource with the client as it is now.
pub(crate) async fn written<T>(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    response: T,
) -> Written<T> {
    let client = clients::show(engine, cx, env, client).await?;
    Ok(Json(Envelope { response, client: Some(client) }))
}

/// The client of the request; made now, with its cookie, when it has none.
pub(crate) async fn device(engine: &Engine, caller: &MaybeDevice, cookies: &Cookies) -> Result<Client, ApiError> {
    match &caller.client {
        Some(client) => Ok(client.clone()),
        // A late tab: its next request carries the newer cookie, and one made here would be withheld.
        None if caller.just_replaced => {
            Err(ApiError::refuse(domain::Kind::Unauthenticated, domain::code::CLIENT_NOT_FOUND))
        }
        None => {
            let (client, cookie) = clients::create(engine, &caller.cx).await.or_fault()?;
            cookies.set_client(&cookie);
            Ok(client)
        }
    }
}

/// Leaves the browser with what a completed attempt has made: a new client cookie and a session cookie.
pub(crate) async fn hand_over(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    cookies: &Cookies,
    begun: Option<&Begun>,
) -> Result<(), ApiError> {
    let Some(begun) = begun else { return Ok(()) };
    cookies.set_client(&DeviceCookie { client_id: begun.session.client_id, secret: begun.client_secret.clone() });
    hand_session(engine, cx, env, cookies, &begun.session).await
}

/// Gives the browser the cookie of a session that was pending when it asked, and may be active now.
pub(crate) async fn hand_pending(engine: &Engine, caller: &SignedIn, cookies: &Cookies) -> Result<(), ApiError> {
    if !caller.is_pending() {
        return Ok(());
    }
    let session = sessions::find(engine, &caller.cx, caller.session.id).await?;
    hand_session(engine, &caller.cx, &caller.env, cookies, &session).await
}

/// Gives the browser the cookie of a session.
pub(crate) async fn hand_session(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    cookies: &Cookies,
    session: &Session,
) -> Result<(), ApiError> {
    cookies.set_session(tokens::cookie(engine, cx, env, session).await?);
    Ok(())
}
