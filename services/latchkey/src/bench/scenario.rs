//! What is asked for, in order.

use super::client::{Connection, request};
use super::factors::{self, Fapi};
use super::load::{Load, Measured, Source, Subject, drive};
use super::people::{Dice, ORIGIN, PASSWORD, Place, address};
use super::pull::{self, Pulled};
use super::raw::{self, Raw};
use super::series::Series;
use super::server::Server;
use anyhow::{Context as _, bail};
use crypto::password::PoolOptions;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Route {
    NoOp,
    Jwks,
    Mint,
    TemplateMint,
    Me,
    Client,
    List,
    SignIn,
    SignUp,
    SignInTotp,
    SignInPasskey,
    Pull,
    Write,
    Webhooks,
    Outbox,
}

impl Route {
    /// What one server as in production is asked for, in the order it is measured.
    const SERVED: [Self; 12] = [
        Self::NoOp,
        Self::Jwks,
        Self::Mint,
        Self::TemplateMint,
        Self::Me,
        Self::Client,
        Self::List,
        Self::SignIn,
        Self::SignUp,
        Self::SignInTotp,
        Self::SignInPasskey,
        Self::Pull,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Jwks => "JWKS",
            Self::Mint => "token mint",
            Self::TemplateMint => "template mint",
            Self::Me => "/v1/me",
            Self::Client => "/v1/client",
            Self::List => "BAPI list of 20",
            Self::SignIn => "sign-in by password",
            Self::SignUp => "sign-up",
            Self::SignInTotp => "sign-in with TOTP",
            Self::SignInPasskey => "sign-in by passkey",
            Self::Pull => "pull of the event log",
            Self::Write => "BAPI write",
            Self::Webhooks => "BAPI write, 3 webhooks",
            Self::Outbox => "write without its event",
        }
    }

    /// Whether it is asked for by somebody who is signed in.
    const fn wants_browsers(self) -> bool {
        matches!(self, Self::Mint | Self::TemplateMint | Self::Me | Self::Client)
    }
}

/// What is measured; everything when nothing is named.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a>(pub(super) &'a [Route]);

impl Wanted<'_> {
    pub(super) fn has(self, route: Route) -> bool {
        self.0.is_empty() || self.0.contains(&route)
    }
}

/// What follows the path of a mint to have it by the template of the benchmark.
const TEMPLATE: &str = "/bench";

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
    pub(super) workers: usize,
    pub(super) passwords: PoolOptions,
    pub(super) length: Duration,
    pub(super) rounds: u32,
    pub(super) wanted: Wanted<'a>,
    pub(super) seed: u64,
}

/// What was measured.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) rows: Vec<Measured>,
    pub(super) raw: Raw,
    /// Server CPU of a mint, in signatures; each round.
    pub(super) mint: Series,
    /// Sign-ins in a second, in percent of the raw hashes; each round.
    pub(super) sign_in: Series,
    /// The same for sign-ins with an authenticator app behind the password.
    pub(super) sign_in_totp: Series,
    /// Server CPU of a sign-in by passkey, in ES256 verifications; each round.
    pub(super) sign_in_passkey: Series,
    /// The event log, read from its beginning to its end.
    pub(super) pulled: Option<Pulled>,
}

impl Scenario<'_> {
    pub(super) async fn run(&self, tell: impl Fn(&str)) -> anyhow::Result<Outcome> {
        let routes = || Route::SERVED.into_iter().filter(|route| self.wanted.has(*route));
        let mut browsers = Vec::new();
        if routes().any(Route::wants_browsers) {
            tell("browsers are signed in");
            browsers = self.browsers().await?;
        }
        let mut outcome = Outcome::default();
        for route in routes() {
            tell(route.name());
            match route {
                Route::Mint => self.mint(&browsers, &mut outcome).await?,
                Route::SignIn => self.sign_in_by_password(&mut outcome).await?,
                Route::SignInTotp => self.sign_in_with_totp(&mut outcome).await?,
                Route::SignInPasskey => self.sign_in_by_passkey(&mut outcome).await?,
                Route::Pull => outcome.pulled = Some(pull::to_the_end(self.server, self.place, self.length).await?),
                Route::SignUp => outcome.rows.push(self.drive(route, self.sign_ups()).await?),
                _ => outcome.rows.push(self.drive(route, self.ready(route, &browsers)).await?),
            }
        }
        Ok(outcome)
    }

    /// Signatures and mints in turn, each round between two timings of the signature: what else the machine does
    /// meanwhile then touches both sides alike.
    async fn mint(&self, browsers: &[Browser], outcome: &mut Outcome) -> anyhow::Result<()> {
        let Source::Ready(requests) = self.ready(Route::Mint, browsers) else { bail!("a mint can be asked again") };
        let message = self.signed_bytes(&requests).await?;
        let sign = || raw::signature(self.workers, message, self.length / 2);
        let mut sum: Option<Measured> = None;
        let mut before = sign()?;
        outcome.raw.signature.push(before);
        for _ in 0..self.rounds {
            let minted = self.drive(Route::Mint, Source::Ready(Rc::clone(&requests))).await?;
            let after = sign()?;
            outcome.raw.signature.push(after);
            outcome.mint.push(minted.cpu_each() / f64::midpoint(before, after));
            before = after;
            match &mut sum {
                Some(sum) => sum.add(minted),
                None => sum = Some(minted),
            }
        }
        outcome.rows.extend(sum);
        Ok(())
    }

    /// The same for raw hashes and sign-ins.
    async fn sign_in_by_password(&self, outcome: &mut Outcome) -> anyhow::Result<()> {
        let source = self.sign_ins();
        let mut sum: Option<Measured> = None;
        let mut before = raw::hashes(self.passwords, self.length).await?;
        outcome.raw.add(before);
        for _ in 0..self.rounds {
            let signed_in = self.drive(Route::SignIn, source.clone()).await?;
            let after = raw::hashes(self.passwords, self.length).await?;
            outcome.raw.add(after);
            let alone = f64::midpoint(before.per_second, after.per_second);
            outcome.sign_in.push(signed_in.per_second() / alone * 100.0);
            before = after;
            match &mut sum {
                Some(sum) => sum.add(signed_in),
                None => sum = Some(signed_in),
            }
        }
        outcome.rows.extend(sum);
        Ok(())
    }

    fn where_it_is(&self) -> Fapi {
        Fapi { address: self.server.fapi(), label: self.place.label.clone() }
    }

    /// The same for sign-ins whose second step is a code of an app.
    async fn sign_in_with_totp(&self, outcome: &mut Outcome) -> anyhow::Result<()> {
        let mut before = raw::hashes(self.passwords, self.length).await?;
        outcome.raw.add(before);
        // An app has two codes for the measurement, and one more every thirty seconds; hashes bound how many are asked.
        let asked = before.per_second * self.length.as_secs_f64() * 1.5 * f64::from(self.rounds) / 2.0;
        let holders = (asked as u32 + u32::try_from(self.connections)?).min(self.place.users() / 2);
        let people = (self.place.users() - holders..self.place.users()).collect();
        let source = factors::with_apps(&self.where_it_is(), people, self.connections).await?;
        let mut sum: Option<Measured> = None;
        for _ in 0..self.rounds {
            let signed_in = self.drive(Route::SignInTotp, source.clone()).await?;
            let after = raw::hashes(self.passwords, self.length).await?;
            outcome.raw.add(after);
            let alone = f64::midpoint(before.per_second, after.per_second);
            outcome.sign_in_totp.push(signed_in.per_second() / alone * 100.0);
            before = after;
            match &mut sum {
                Some(sum) => sum.add(signed_in),
                None => sum = Some(signed_in),
            }
        }
        outcome.rows.extend(sum);
        Ok(())
    }

    /// Verifications and sign-ins by passkey in turn.
    async fn sign_in_by_passkey(&self, outcome: &mut Outcome) -> anyhow::Result<()> {
        let holders = u32::try_from(self.connections * BROWSERS_EACH)?.min(self.place.users() / 2);
        let source = factors::with_passkeys(&self.where_it_is(), (0..holders).collect(), self.connections).await?;
        let verify = || raw::verification(self.workers, self.length / 2);
        let mut sum: Option<Measured> = None;
        let mut before = verify()?;
        outcome.raw.verification.push(before);
        for _ in 0..self.rounds {
            let signed_in = self.drive(Route::SignInPasskey, source.clone()).await?;
            let after = verify()?;
            outcome.raw.verification.push(after);
            outcome.sign_in_passkey.push(signed_in.cpu_each() / f64::midpoint(before, after));
            before = after;
            match &mut sum {
                Some(sum) => sum.add(signed_in),
                None => sum = Some(signed_in),
            }
        }
        outcome.rows.extend(sum);
        Ok(())
    }

    /// How many bytes the signature of a token covers.
    async fn signed_bytes(&self, requests: &[Vec<u8>]) -> anyhow::Result<usize> {
        let request = requests.first().context("nobody is signed in")?;
        let mut connection = Connection::open(self.server.fapi()).await?;
        let answer = connection.ask(request).await?;
        answer.expect(200, Route::Mint.name())?;
        let body = answer.json()?;
        body["jwt"].as_str().and_then(|jwt| jwt.rfind('.')).context("a mint answered without a token")
    }

    async fn drive(&self, route: Route, source: Source) -> anyhow::Result<Measured> {
        let address = if route == Route::List { self.server.bapi() } else { self.server.fapi() };
        let load = Load::full(self.connections, self.length);
        drive(self.server, Subject { name: route.name(), address, source }, load).await
    }

    fn fapi(&self, line: (&str, &str), headers: &[(&str, &str)], body: Option<&serde_json::Value>) -> Vec<u8> {
        let (method, path) = line;
        request(&format!("{method} /{}{path}", self.place.label), headers, body)
    }

    /// Requests that can be asked again and again.
    fn ready(&self, route: Route, browsers: &[Browser]) -> Source {
        let of_browsers = |make: &dyn Fn(&Browser) -> Vec<u8>| browsers.iter().map(make).collect();
        let requests = match route {
            Route::NoOp => vec![request("GET /healthz", &[], None)],
            Route::Jwks => vec![self.fapi(("GET", "/.well-known/jwks.json"), &[], None)],
            Route::Mint | Route::TemplateMint => of_browsers(&|browser| {
                let template = if route == Route::Mint { "" } else { TEMPLATE };
                let path = format!("/v1/client/sessions/{}/tokens{template}", browser.session);
                self.fapi(("POST", &path), &[("Cookie", &browser.cookies), ("Origin", ORIGIN)], None)
            }),
            Route::Me | Route::Client => of_browsers(&|browser| {
                self.fapi(("GET", route.name()), &[("Cookie", &browser.cookies), ("Origin", ORIGIN)], None)
            }),
            _ => {
                vec![request("GET /v1/users?limit=20", &[("Authorization", &self.place.bearer())], None)]
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
        let users = self.place.users();
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
            let requests: Vec<_> = (0..BROWSERS_EACH).map(|_| self.sign_in(dice.roll(self.place.users()))).collect();
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
