//! What a person who follows a mailed link reads. The pages hold no script, load nothing and cannot be framed.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use askama::Template;
use crypto::Secret;
use domain::environment::Environment;
use domain::{Kind, Problem};
use engine::handshake::{Asked, Outcome, What};

#[derive(Template)]
#[template(path = "handshake.html")]
struct Page<'a> {
    nonce: &'a str,
    application: &'a str,
    title: String,
    lines: Vec<String>,
    ask: Option<Ask<'a>>,
}

struct Ask<'a> {
    device: &'a str,
    time: String,
    ticket: &'a str,
    /// The button that says yes; none where that counts in another browser only.
    yes: Option<&'static str>,
}

/// What a page tells that asks nothing.
pub(crate) enum Wish<'a> {
    SignedIn,
    GoBack,
    Transferred,
    Stopped,
    OtherBrowser,
    Refused(&'a Problem),
}

impl Wish<'_> {
    pub(crate) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::SignedIn,
            Outcome::Verified => Self::GoBack,
            Outcome::Transferable => Self::Transferred,
            Outcome::Denied => Self::Stopped,
        }
    }
}

fn application(env: &Environment) -> &str {
    env.settings.application_name.as_deref().unwrap_or(&env.name)
}

/// Asks whether it was the person who wanted the link.
pub(crate) fn ask(env: &Environment, ticket: &Secret<String>, asked: &Asked) -> Result<HttpResponse, askama::Error> {
    let app = application(env);
    let (title, line, yes) = match asked.what {
        What::SignIn => {
            (format!("Sign in to {app}?"), "Somebody with this e-mail address wants to sign in.", "Yes, sign me in")
        }
        What::SignUp => (
            format!("Continue with {app}?"),
            "Somebody wants to use this e-mail address for an account.",
            "Yes, that was me",
        ),
        What::Address => (
            "Is this your e-mail address?".to_owned(),
            "Somebody who is signed in wants to add this e-mail address to their account. They can then sign in with it.",
            "Yes, add it to my account",
        ),
    };
    let mut lines = vec![line.to_owned()];
    if asked.elsewhere {
        lines.push("To go on, open this link in the browser where you asked for it.".to_owned());
    }
    let ask = Ask {
        device: asked.device.as_deref().unwrap_or("An unknown device"),
        time: asked.at.spoken(),
        ticket: ticket.expose(),
        yes: (!asked.elsewhere).then_some(yes),
    };
    render(StatusCode::OK, app, title, lines, Some(ask))
}

/// Tells what became of a link.
pub(crate) fn told(env: &Environment, wish: Wish<'_>) -> Result<HttpResponse, askama::Error> {
    let app = application(env);
    let (status, title, line) = match wish {
        Wish::SignedIn => (StatusCode::OK, "You are signed in", format!("You can close this page and go on in {app}.")),
        Wish::GoBack => (
            StatusCode::OK,
            "Confirmed",
            "Go back to the device and the page where you began: it goes on there. You can close this page.".to_owned(),
        ),
        Wish::Transferred => (
            StatusCode::OK,
            "Confirmed",
            "Go back to the page where you began, and follow what it says there. You can close this page.".to_owned(),
        ),
        Wish::Stopped => (
            StatusCode::OK,
            "Thank you",
            "The link does not work any more, and nobody got in by it. There is nothing else you need to do."
                .to_owned(),
        ),
        Wish::OtherBrowser => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Another browser",
            "Open this link in the browser where you asked for it.".to_owned(),
        ),
        Wish::Refused(problem) => {
            let status = match problem.kind {
                Kind::Forbidden => StatusCode::FORBIDDEN,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, "This did not work", problem.code.long_message.to_owned())
        }
    };
    render(status, app, title.to_owned(), vec![line], None)
}

fn render(
    status: StatusCode,
    application: &str,
    title: String,
    lines: Vec<String>,
    ask: Option<Ask<'_>>,
) -> Result<HttpResponse, askama::Error> {
    let nonce = crypto::random::jti();
    let page = Page { nonce: &nonce, application, title, lines, ask }.render()?;
    // No `form-action`: browsers hold it against every redirect after the confirmation, and the application's page may
    // lead on to origins that we do not know.
    let policy = format!("default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'");
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
        // The ticket in the address goes to nobody else. With `no-referrer` browsers would send the page's own form
        // with `Origin: null`, and it would be refused as a foreign one (Fetch, "append a request `Origin` header").
        .insert_header((REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .body(page))
}
