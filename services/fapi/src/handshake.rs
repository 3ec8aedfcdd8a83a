//! The page behind a mailed link, and the handshake of servers that render for a browser.

use crate::answers::{device, hand_over};
use crate::handshake_page::{self as page, Wish};
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use crypto::Secret;
use domain::code;
use domain::environment::Environment;
use domain::{Context, Kind};
use engine::handshake::{self, Confirmed, HandshakeError, Outcome};
use engine::{Engine, redirects};
use url::Url;
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Bucket, By, Cookies, Form, FromForm, FromQuery, Limiter, MaybeDevice, OrFault, Params, Posted,
    Query, WantsHtml,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(client_handshake).service(confirm_handshake);
}

/// What a link or a rendering server asks with.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct HandshakeQuery {
    /// Where the browser lands afterwards; one that is not allowed counts as none.
    redirect_url: Option<String>,
    /// The ticket of a mailed link.
    #[param(rename = "__authn_ticket", value_type = Option<String>)]
    ticket: Option<Secret<String>>,
    /// What the link is for; `sign_in` and `sign_up` lead on to the application, with the ticket.
    #[param(rename = "__authn_status")]
    status: Option<String>,
    /// The organization of an invitation; handed on.
    #[param(rename = "__authn_organization_id")]
    organization_id: Option<String>,
    /// A token of a rendering server. This release hands none out, so none is valid.
    handshake_token: Option<String>,
}

impl FromQuery for HandshakeQuery {
    fn from_query(params: &mut Params) -> Option<Self> {
        let blank = params.is_blank("handshake_token").then(String::new);
        let redirect_url = params.text("redirect_url", 2048);
        let ticket = params.text("__authn_ticket", 512).map(Secret::new);
        let status = params.text("__authn_status", 32);
        let organization_id = params.text("__authn_organization_id", 64);
        let handshake_token = params.text("handshake_token", 4096).or(blank);
        Some(Self { redirect_url, ticket, status, organization_id, handshake_token })
    }
}

/// Shows what a mailed link is for; nothing changes by looking. Without a ticket: makes the browser's client.
#[utoipa::path(
    params(HandshakeQuery),
    responses(
        ApiErrors,
        (status = 200, content((api::ClientHandshake = "application/json"), (String = "text/html"))),
        (status = 303, description = "On to the application, with the ticket of an invitation or a sign-in token."),
        (status = 422, content((api::ErrorResponse = "application/json"), (String = "text/html"))),
    ),
    security(())
)]
#[get("/v1/client/handshake")]
async fn client_handshake(
    caller: MaybeDevice,
    engine: Data<Engine>,
    limiter: Limiter,
    cookies: Cookies,
    html: WantsHtml,
    Query(asked): Query<HandshakeQuery>,
) -> Result<HttpResponse, ApiError> {
    let (cx, env) = (&caller.cx, &caller.env);
    let redirect_url = redirects::target(&engine, env, asked.redirect_url.as_deref()).await.or_fault()?;
    let Some(ticket) = &asked.ticket else {
        match asked.handshake_token.as_deref() {
            Some("") => return Err(ApiError::refuse(Kind::Malformed, code::HANDSHAKE_TOKEN_MISSING)),
            Some(_) => return Err(ApiError::refuse(Kind::Unauthenticated, code::HANDSHAKE_TOKEN_INVALID)),
            None => {}
        }
        if caller.client.is_none() {
            // A row for everybody who asks without a cookie.
            limiter.take(Bucket::ClientCreate, By::Peer)?;
        }
        if !caller.just_replaced {
            device(&engine, &caller, &cookies).await?;
        }
        return Ok(HttpResponse::Ok().json(api::ClientHandshake::new(redirect_url)));
    };
    if let Some(onward) = onward(env, &asked, ticket, redirect_url.as_deref()) {
        return Ok(match html.0 {
            true => HttpResponse::SeeOther().insert_header((LOCATION, onward.expose().as_str())).finish(),
            // No answer of ours carries a ticket.
            false => HttpResponse::Ok().json(api::ClientHandshake::new(None)),
        });
    }
    let here = caller.client.as_ref().map(|client| client.id);
    match handshake::look(&engine, cx, env, here, ticket.expose()).await {
        Ok(asked) if html.0 => page::ask(env, ticket, &asked).or_fault(),
        Ok(_) => Ok(HttpResponse::Ok().json(api::ClientHandshake::new(None))),
        Err(error) => refused(env, html, error),
    }
}

/// Where the ticket of an invitation or a sign-in token leads: it is spent there, not here.
fn onward(
    env: &Environment,
    asked: &HandshakeQuery,
    ticket: &Secret<String>,
    redirect_url: Option<&str>,
) -> Option<Secret<String>> {
    let usual = match asked.status.as_deref() {
        Some("sign_in") => env.sign_in_url(),
        Some("sign_up") => env.sign_up_url(),
        _ => return None,
    };
    let mut target = Url::parse(redirect_url.unwrap_or(&usual)).ok()?;
    target.query_pairs_mut().append_pair("__authn_ticket", ticket.expose());
    if let Some(status) = &asked.status {
        target.query_pairs_mut().append_pair("__authn_status", status);
    }
    if let Some(id) = &asked.organization_id {
        target.query_pairs_mut().append_pair("__authn_organization_id", id);
    }
    Some(Secret::new(target.into()))
}

/// The answer of the page behind a mailed link.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmHandshake {
    /// The ticket of the link.
    #[serde(rename = "__authn_ticket")]
    #[schema(value_type = String)]
    ticket: Secret<String>,
    /// `yes`, or `no` when it was somebody else who asked.
    #[serde(rename = "__authn_confirm")]
    #[schema(value_type = String, pattern = "^(yes|no)$")]
    confirm: bool,
}

impl FromForm for ConfirmHandshake {
    fn from_form(form: &mut Form) -> Option<Self> {
        let ticket = form.secret("__authn_ticket").required();
        let confirm = form.choice("__authn_confirm", |word| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        });
        let confirm = confirm.required();
        Some(Self { ticket: ticket?, confirm: confirm? })
    }
}

/// Takes the answer of the page behind a mailed link, once.
#[utoipa::path(
    request_body(content((ConfirmHandshake = "application/json"), (ConfirmHandshake = "application/x-www-form-urlencoded"))),
    responses(
        ApiErrors,
        (status = 200, content((api::ClientHandshake = "application/json"), (String = "text/html"))),
        (status = 303, description = "On to where the application wants the browser to land."),
        (status = 403, content((api::ErrorResponse = "application/json"), (String = "text/html"))),
        (status = 422, content((api::ErrorResponse = "application/json"), (String = "text/html"))),
    ),
    security(())
)]
#[post("/v1/client/handshake")]
async fn confirm_handshake(
    caller: MaybeDevice,
    engine: Data<Engine>,
    cookies: Cookies,
    html: WantsHtml,
    Posted(body): Posted<ConfirmHandshake>,
) -> Result<HttpResponse, ApiError> {
    let here = caller.client.as_ref().map(|client| client.id);
    let confirmed = handshake::confirm(&engine, &caller.cx, here, body.ticket.expose(), body.confirm).await;
    match confirmed {
        Ok(confirmed) => done(&engine, &caller.cx, &caller.env, &cookies, html, confirmed).await,
        Err(error) => refused(&caller.env, html, error),
    }
}

async fn done(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    cookies: &Cookies,
    html: WantsHtml,
    confirmed: Confirmed,
) -> Result<HttpResponse, ApiError> {
    hand_over(engine, cx, env, cookies, confirmed.begun.as_ref()).await?;
    // Checked again: the list may have changed since the link was sent.
    let landing = redirects::target(engine, env, confirmed.redirect_url.as_deref()).await.or_fault()?;
    let landing = landing.filter(|_| confirmed.outcome != Outcome::Denied);
    match (html.0, landing) {
        (false, landing) => Ok(HttpResponse::Ok().json(api::ClientHandshake::new(landing))),
        (true, Some(landing)) => {
            let mut landing = Url::parse(&landing).or_fault()?;
            landing.query_pairs_mut().append_pair("__authn_status", word(confirmed.outcome));
            Ok(HttpResponse::SeeOther().insert_header((LOCATION, landing.as_str())).finish())
        }
        (true, None) => page::told(env, Wish::of(confirmed.outcome)).or_fault(),
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Verified => "verified",
        Outcome::Transferable => "transferable",
        Outcome::Denied => "failed",
    }
}

/// A browser reads a page, everything else an error.
fn refused(env: &Environment, html: WantsHtml, error: HandshakeError) -> Result<HttpResponse, ApiError> {
    let is_elsewhere = matches!(error, HandshakeError::Elsewhere);
    let error = ApiError::from(error);
    match error.refused().first() {
        Some(problem) if html.0 && matches!(problem.kind, Kind::Invalid | Kind::Forbidden) => {
            let wish = if is_elsewhere { Wish::OtherBrowser } else { Wish::Refused(problem) };
            page::told(env, wish).or_fault()
        }
        _ => Err(error),
    }
}
