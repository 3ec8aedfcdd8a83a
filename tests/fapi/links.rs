//! Steps of the tests about mailed links.

use super::steps::{open_sign_in, open_sign_up};
use serde_json::json;
use testkit::{Call, Caller, TestApp};

/// Lets addresses be proven by links as well.
pub(crate) async fn switch_on(app: &TestApp) {
    app.settings(|s| {
        s.attribute_settings.email_address.verifications = vec!["email_code".to_owned(), "email_link".to_owned()];
    })
    .await;
}

/// Issues a link under a parent; the path of the challenge.
pub(crate) async fn ask(browser: &Caller, parent: &str) -> String {
    super::steps::challenge(browser, parent, "email_link").await
}

/// Begins a sign-in by a link: the paths of the attempt and of the challenge.
pub(crate) async fn sign_in(browser: &Caller, identifier: &str) -> (String, String) {
    let path = open_sign_in(browser, identifier).await;
    let open = ask(browser, &path).await;
    (path, open)
}

/// Begins a sign-up by a link: the paths of the attempt and of the challenge.
pub(crate) async fn sign_up(browser: &Caller, email: &str) -> (String, String) {
    let path = open_sign_up(browser, email).await;
    let open = ask(browser, &path).await;
    (path, open)
}

/// The newest link that was mailed to an address.
pub(crate) async fn last_link(app: &TestApp, address: &str) -> String {
    let link = app.mails_to(address).await.into_iter().rev().find_map(|mail| mail.link);
    link.unwrap_or_else(|| panic!("no link was mailed to {address}"))
}

/// The ticket of the newest link that was mailed to an address.
pub(crate) async fn last_ticket(app: &TestApp, address: &str) -> String {
    let link = last_link(app, address).await;
    let ticket = link.split("__authn_ticket=").nth(1).and_then(|rest| rest.split('&').next());
    ticket.unwrap_or_else(|| panic!("no ticket in {link}")).to_owned()
}

/// The origin of the FAPI's own pages.
pub(crate) fn own_origin(app: &TestApp) -> String {
    let rest = app.env.issuer.split("://").nth(1).unwrap_or_default();
    format!("http://{}", rest.split('/').next().unwrap_or_default())
}

/// Follows a link as a browser does.
pub(crate) fn follow(browser: &Caller, ticket: &str) -> Call {
    let path = format!("/v1/client/handshake?__authn_ticket={ticket}&__authn_status=complete");
    browser.get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

/// Answers the page of a link as a program does.
pub(crate) fn confirm(app: &TestApp, browser: &Caller, ticket: &str, word: &str) -> Call {
    let body = json!({ "__authn_ticket": ticket, "__authn_confirm": word });
    browser.post("/v1/client/handshake", body).origin(&own_origin(app))
}

/// Answers the page of a link as its own form does.
pub(crate) fn submit(app: &TestApp, browser: &Caller, ticket: &str, word: &str) -> Call {
    let body = format!("__authn_ticket={ticket}&__authn_confirm={word}");
    let call = browser.post_empty("/v1/client/handshake").raw("application/x-www-form-urlencoded", body);
    call.origin(&own_origin(app)).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

/// Answers a challenge of a link for the client that asked.
pub(crate) fn answer(browser: &Caller, challenge: &str) -> Call {
    browser.post(format!("{challenge}/answer"), json!({}))
}
