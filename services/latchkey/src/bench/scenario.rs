//! What is asked for, in order.

use super::client::{Connection, request};
use super::load::{Measured, Source, Subject, drive};
use super::people::{Dice, ORIGIN, PASSWORD, Place, address};
use super::raw::Raw;
use super::server::Server;
use anyhow::Context as _;
use crypto::password::PoolOptions;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(super) const NO_OP: &str = "no-op";
pub(super) const JWKS: &str = "JWKS";
pub(super) const MINT: &str = "token mint";
pub(super) const ME: &str = "/v1/me";
pub(super) const CLIENT: &str = "/v1/client";
pub(super) const LIST: &str = "BAPI list of 20";
pub(super) const SIGN_IN: &str = "sign-in by password";
pub(super) const SIGN_UP: &str = "sign-up";

/// Browsers that are signed in for each connection, so that not the same few rows are read all the time.
const BROWSERS_EACH: usize = 4;

/// A browser that somebody is signed in on.
struct Browser {
    cookies: String,
    session: String,
}

pub(super) struct Scenario<'a> {
    pub(super) place: &'a Place,
    pub(super) server: &'a Server,
    pub(super) connections: usize,
    pub(super) length: Duration,
    pub(super) seed: u64,
}

impl Scenario<'_> {
    pub(super) async fn run(
        &self,
        raw: &mut Raw,
        passwords: PoolOptions,
        tell: impl Fn(&str),
    ) -> anyhow::Result<Vec<Measured>> {
        tell("browsers are signed in");
        let browsers = self.browsers().await?;
        let mut measured = Vec::new();
        for name in [NO_OP, JWKS, MINT, ME, CLIENT, LIST] {
            tell(name);
            measured.push(self.drive(name, self.ready(name, &browsers)).await?);
            if name == MINT {
                raw.signature_again(self.length)?;
            }
        }
        // Before, between and after: what else the machine does meanwhile then touches both sides alike.
        raw.hashes_again(passwords, self.length).await?;
        for (name, source) in [(SIGN_IN, self.sign_ins()), (SIGN_UP, self.sign_ups())] {
            tell(name);
            measured.push(self.drive(name, source).await?);
            if name == SIGN_IN {
                raw.hashes_again(passwords, self.length).await?;
            }
        }
        Ok(measured)
    }

    async fn drive(&self, name: &'static str, source: Source) -> anyhow::Result<Measured> {
        let address = if name == LIST { self.server.bapi() } else { self.server.fapi() };
        drive(self.server, Subject { name, address, source }, self.connections, self.length).await
    }

    fn fapi(&self, line: (&str, &str), headers: &[(&str, &str)], body: Option<&serde_json::Value>) -> Vec<u8> {
        let (method, path) = line;
        request(&format!("{method} /{}{path}", self.place.label), headers, body)
    }

    /// Requests that can be asked again and again.
    fn ready(&self, name: &str, browsers: &[Browser]) -> Source {
        let of_browsers = |make: &dyn Fn(&Browser) -> Vec<u8>| browsers.iter().map(make).collect();
        let requests = match name {
            NO_OP => vec![request("GET /healthz", &[], None)],
            JWKS => vec![self.fapi(("GET", "/.well-known/jwks.json"), &[], None)],
            MINT => of_browsers(&|browser| {
                let path = format!("/v1/client/sessions/{}/tokens", browser.session);
                self.fapi(("POST", &path), &[("Cookie", &browser.cookies), ("Origin", ORIGIN)], None)
            }),
            ME | CLIENT => of_browsers(&|browser| {
                self.fapi(("GET", name), &[("Cookie", &browser.cookies), ("Origin", ORIGIN)], None)
            }),
            _ => {
                let bearer = format!("Bearer {}", self.place.secret_key.expose());
                vec![request("GET /v1/users?limit=20", &[("Authorization", &bearer)], None)]
            }
        };
        Source::Ready(Rc::new(requests))
    }

    fn sign_in(&self, number: u32) -> Vec<u8> {
        let body = json!({ "identifier": address(number), "strategy": "password", "password": PASSWORD });
        self.fapi(("POST", "/v1/client/sign-ins"), &[("Origin", ORIGIN)], Some(&body))
    }

    /// Sign-ins of people who are drawn, each on a browser that is new.
    fn sign_ins(&self) -> Source {
        let dice = RefCell::new(Dice(self.seed));
        let label = self.place.label.clone();
        let users = self.place.users;
        Source::Made(Rc::new(move |_| {
            let number = dice.borrow_mut().roll(users);
            let body = json!({ "identifier": address(number), "strategy": "password", "password": PASSWORD });
            request(&format!("POST /{label}/v1/client/sign-ins"), &[("Origin", ORIGIN)], Some(&body))
        }))
    }

    /// Sign-ups of people who are not there yet, done with one request each.
    fn sign_ups(&self) -> Source {
        let label = self.place.label.clone();
        Source::Made(Rc::new(move |number| {
            let body = json!({
                "email_address": format!("newcomer-{number}@bench.example"), "password": PASSWORD,
                "first_name": "New", "last_name": "Comer",
            });
            request(&format!("POST /{label}/v1/client/sign-ups"), &[("Origin", ORIGIN)], Some(&body))
        }))
    }

    async fn browsers(&self) -> anyhow::Result<Vec<Browser>> {
        let mut signing_in = tokio::task::JoinSet::new();
        let mut dice = Dice(self.seed);
        for _ in 0..self.connections {
            let mut connection = Connection::open(self.server.fapi()).await?;
            let requests: Vec<_> = (0..BROWSERS_EACH).map(|_| self.sign_in(dice.roll(self.place.users))).collect();
            signing_in.spawn_local(async move {
                let mut browsers = Vec::new();
                for request in requests {
                    let answer = connection.ask(&request).await?;
                    answer.expect(200, "a sign-in")?;
                    let body = answer.json()?;
                    let session = body["response"]["created_session_id"].as_str().map(str::to_owned);
                    let session = session.with_context(|| format!("a sign-in made no session: {body}"))?;
                    browsers.push(Browser { cookies: answer.cookies(), session });
                }
                anyhow::Ok(browsers)
            });
        }
        let mut browsers = Vec::new();
        while let Some(done) = signing_in.join_next().await {
            browsers.extend(done.context("a sign-in was cut short")??);
        }
        Ok(browsers)
    }
}
