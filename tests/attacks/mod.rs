//! What an attacker would try, each named for the promise that stops it.

mod account_changes;
mod audit;
mod breached_passwords;
mod canaries;
mod client_trust;
mod cookies;
mod crash;
mod enumeration;
mod exhaustion;
mod guessing;
mod images;
mod invitations;
mod keys;
mod link_abuse;
mod links;
mod look_alikes;
mod magic_links;
mod mass_assignment;
mod opaque;
mod open_redirects;
mod pending;
mod phones;
mod races;
mod resets;
mod restrictions;
mod revocation;
mod router;
mod second_factor;
mod second_factor_guessing;
mod second_phones;
mod slow_bodies;
mod steps;
mod stopwatch;
mod template_tokens;
mod templates;
mod tenants;
mod token_kinds;
mod tokens;
mod two_processes;
mod walks;
mod webauthn;
mod webhook_crash;
mod webhook_order;
mod webhooks;

use domain::Surface;
use serde_json::json;
use testkit::{Caller, Reply, TestApp};

/// Where an attempt stands: its path, and the challenge that is open.
#[derive(Debug, Clone)]
struct Attempt {
    path: String,
    challenge: String,
}

impl Attempt {
    /// Answers the open challenge with a code.
    async fn answer(&self, browser: &Caller, code: &str) -> Reply {
        browser.post(self.answer_path(), json!({ "code": code })).await
    }

    fn answer_path(&self) -> String {
        format!("{}/challenges/{}/answer", self.path, self.challenge)
    }
}

/// Asks for a code on an attempt that was begun.
async fn ask_for_code(browser: &Caller, path: String) -> Attempt {
    let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await;
    Attempt { challenge: issued.has_status(200).str("/response/id"), path }
}

/// Begins a sign-in and asks for a code.
async fn sign_in_by_code(browser: &Caller, identifier: &str) -> Attempt {
    let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": identifier })).await;
    ask_for_code(browser, format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"))).await
}

/// Begins a sign-up and asks for a code.
async fn sign_up_by_code(browser: &Caller, email: &str) -> Attempt {
    let body = json!({ "email_address": email, "password": "correct horse of sign-up" });
    let begun = browser.post("/v1/client/sign-ups", body).await;
    ask_for_code(browser, format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"))).await
}

/// Adds an address to a signed-in person and asks for its code.
async fn address_by_code(person: &Caller, email: &str) -> Attempt {
    let added = person.post("/v1/me/email-addresses", json!({ "email_address": email })).await;
    ask_for_code(person, format!("/v1/me/email-addresses/{}", added.has_status(200).str("/response/id"))).await
}

/// A code that is not this one.
fn another_code(code: &str) -> &'static str {
    if code == "135790" { "246801" } else { "135790" }
}

/// Host and prefix of a surface: what stands before the path on the wire.
fn place(app: &TestApp, surface: Surface) -> (String, String) {
    let base = if surface == Surface::Bapi { app.bapi_stranger().base().to_owned() } else { app.env.issuer.clone() };
    let rest = base.trim_start_matches("http://");
    match rest.split_once('/') {
        Some((host, prefix)) => (host.to_owned(), format!("/{prefix}")),
        None => (rest.to_owned(), String::new()),
    }
}

/// Sends a request head as it is written, and gives status and whole answer. `{host}` and `{prefix}` are filled in.
async fn raw(app: &TestApp, surface: Surface, head: &str, body: &str) -> (u16, String) {
    let (host, prefix) = place(app, surface);
    let head = head.replace("{host}", &host).replace("{prefix}", &prefix).replace('\n', "\r\n");
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let message = format!("{head}\r\n{length}Connection: close\r\n\r\n{body}");
    let answer = app.send_raw(surface, message.as_bytes()).await;
    (status_of(&answer), answer)
}

/// The status of an answer in its raw form; 0 when the connection was closed without one.
fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
