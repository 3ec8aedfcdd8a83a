//! A whole platform.

use crate::caller::Caller;
use crate::clock::TestClock;
use crate::database::TestDatabase;
use crate::environment::TestEnvironment;
use crate::jar::Jar;
use crate::person::{KnownUser, Named};
use crate::setup::{ORIGIN, Setup, another_process};
use actix_web::dev::ServerHandle;
use anydb::{Database, EngineKind};
use crypto::password::HashPool;
use domain::environment::EnvironmentKind;
use domain::settings::Settings;
use domain::{Clock, Context, Surface, Timestamp};
use engine::{Engine, Parts};
use outbound::fake::Stranger;
use outbound::{Channel, Inbox, InboxMessage, InboxQuery, Objects};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use storage::events::LoggedEvent;

/// A whole platform of a test's own; everything ends when it is dropped.
pub struct TestApp {
    /// The environment that callers belong to unless they are told otherwise.
    pub env: TestEnvironment,
    /// An engine of the test's thread, for what no surface offers.
    pub engine: Engine,
    /// The password pool, which counts its hashes.
    pub passwords: HashPool,
    /// Who stands for captcha providers and the range API: answers 200 with nothing until it is told otherwise.
    pub stranger: Stranger,
    /// Where pictures lie.
    pub objects: Objects,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) inbox: Inbox,
    pub(crate) http: reqwest::Client,
    pub(crate) bapi_url: String,
    pub(crate) ops_url: Option<String>,
    pub(crate) parts: Arc<Parts>,
    /// Who was made by name, so that a name means one person throughout a test.
    pub(crate) people: RefCell<HashMap<String, KnownUser>>,
    /// The position of the last event that is left out of [`TestApp::events`].
    pub(crate) seen_events: Cell<i64>,
    pub(crate) servers: RefCell<Vec<ServerHandle>>,
    pub(crate) database: Database,
    // Last: it is deleted when everything that uses it is gone.
    pub(crate) data: TestDatabase,
}

impl TestApp {
    /// Starts a platform on SQLite.
    pub async fn start() -> Self {
        Setup::on(EngineKind::Sqlite).start().await
    }

    /// Starts a platform on an engine.
    pub async fn start_on(engine: EngineKind) -> Self {
        Setup::on(engine).start().await
    }

    /// Which engine it stands on.
    pub fn engine_kind(&self) -> EngineKind {
        self.database.engine()
    }

    /// The database, for another process on the same data.
    pub fn database_url(&self) -> &str {
        self.data.url()
    }

    /// Everything the database keeps, as text, to look for what must not be there.
    pub async fn database_text(&self) -> String {
        crate::evidence::database_text(&self.data).await
    }

    /// Does what somebody at the database itself would do; how many rows it hit.
    pub async fn tamper(&self, sql: &str) -> usize {
        crate::evidence::tamper(&self.engine, sql.to_owned()).await
    }

    // ---- time and what happens by itself

    /// The time of the platform.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the platform's clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Runs every job that is due, puts the event log in order and pushes it to webhooks.
    pub async fn run_jobs(&self) {
        self.order_events().await;
        while engine::webhooks::delivery::run_due(&self.engine, "test", 100).await.expect("events are pushed") > 0 {}
    }

    /// The same without pushing anything: what is to be pushed waits.
    pub async fn order_events(&self) {
        while engine::jobs::run_due(&self.engine, "test", 100).await.expect("jobs run") > 0 {}
        while engine::events::sequence(&self.engine).await.expect("events are put in order") > 0 {}
        while engine::webhooks::fan_out(&self.engine).await.expect("events are handed over") > 0 {}
    }

    /// One pass of what the worker does each second beside the jobs.
    pub async fn tick(&self) {
        engine::upkeep::tick(&self.engine).await.expect("upkeep runs");
        engine::tenancy::refresh(&self.engine).await.expect("caches are refreshed");
    }

    // ---- what came of it

    /// The mails that went out, newest last; those still in the queue are sent first.
    pub async fn mails(&self) -> Vec<InboxMessage> {
        self.messages(Channel::Email).await
    }

    /// The short messages that went out, newest last; those still in the queue are sent first.
    pub async fn smses(&self) -> Vec<InboxMessage> {
        self.messages(Channel::Sms).await
    }

    async fn messages(&self, channel: Channel) -> Vec<InboxMessage> {
        self.run_jobs().await;
        let query = InboxQuery { channel: Some(channel), limit: Some(500), ..InboxQuery::default() };
        let mut messages = self.inbox.list(&query).expect("there is no cursor").data;
        messages.reverse();
        messages
    }

    /// The mails to one address, newest last.
    pub async fn mails_to(&self, address: &str) -> Vec<InboxMessage> {
        self.mails().await.into_iter().filter(|mail| mail.to == address).collect()
    }

    /// The newest code that was mailed to an address.
    pub async fn last_code(&self, address: &str) -> String {
        let mails = self.mails_to(address).await;
        let code = mails.into_iter().rev().find_map(|mail| mail.code);
        code.unwrap_or_else(|| panic!("no code was mailed to {address}"))
    }

    /// The newest code that was sent to a number.
    pub async fn last_sms_code(&self, number: &str) -> String {
        let sent = self.smses().await.into_iter().rev();
        let code = sent.filter(|sms| sms.to == number).find_map(|sms| sms.code);
        code.unwrap_or_else(|| panic!("no code was sent to {number}"))
    }

    /// The names of the environment's events since it was made or since [`TestApp::skip_events`], in their order.
    pub async fn events(&self) -> Vec<String> {
        let events = self.logged_events(&self.env).await.into_iter();
        events.filter(|event| event.position > self.seen_events.get()).map(|event| event.event_type).collect()
    }

    /// Leaves everything that happened so far out of [`TestApp::events`].
    pub async fn skip_events(&self) {
        let last = self.logged_events(&self.env).await.last().map_or(0, |event| event.position);
        self.seen_events.set(last);
    }

    /// The events of an environment, in their order.
    pub async fn logged_events(&self, env: &TestEnvironment) -> Vec<LoggedEvent> {
        self.run_jobs().await;
        let mut all: Vec<LoggedEvent> = Vec::new();
        loop {
            let after = all.last().map_or(0, |event| event.position);
            let page = engine::events::list(&self.engine, env.id, after, 500).await.expect("events are listed");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    // ---- environments

    /// Another environment of the same installation.
    pub async fn second_environment(&self) -> TestEnvironment {
        self.environment_of(EnvironmentKind::Development, "Second").await
    }

    /// Another environment, by its kind and name.
    pub async fn environment_of(&self, kind: EnvironmentKind, name: &str) -> TestEnvironment {
        let origins = vec![ORIGIN.to_owned()];
        let made =
            engine::bootstrap::create_environment(&self.engine, None, name.to_owned(), kind, None, origins).await;
        TestEnvironment::of(made.expect("another environment can be made"))
    }

    /// The operators' own environment, with a fresh key to it.
    pub async fn operators(&self) -> TestEnvironment {
        let all = engine::bootstrap::list_environments(&self.engine).await.expect("environments are listed");
        let made = all.into_iter().find(domain::environment::Environment::is_admin).expect("bootstrapping makes it");
        let cx = Context::operator(made.id, self.now());
        let wanted = engine::api_keys::NewKey::unrestricted("Operator");
        let key = engine::api_keys::create(&self.engine, &cx, None, wanted).await.expect("a key can be made");
        TestEnvironment {
            id: made.id,
            issuer: made.issuer.clone(),
            publishable_key: engine::bootstrap::publishable_key(&made),
            secret_key: key.secret.expose().clone(),
            made,
        }
    }

    /// Changes the environment's settings.
    pub async fn settings(&self, change: impl Fn(&mut Settings) + Send + 'static) {
        self.settings_of(&self.env, change).await;
    }

    /// Changes another environment's settings.
    pub async fn settings_of(&self, env: &TestEnvironment, change: impl Fn(&mut Settings) + Send + 'static) {
        let cx = Context::operator(env.id, self.now());
        let changed = engine::tenancy::change(&self.engine, &cx, move |env, _| change(&mut env.settings)).await;
        changed.expect("settings can be changed");
    }

    // ---- callers

    /// A browser without cookies, on the application's origin.
    pub fn anyone(&self) -> Caller {
        self.anyone_of(&self.env)
    }

    /// A browser without cookies, at another environment.
    pub fn anyone_of(&self, env: &TestEnvironment) -> Caller {
        Caller {
            http: self.http.clone(),
            surface: Surface::Fapi,
            base: env.issuer.clone(),
            jar: Some(Jar::default()),
            authorization: None,
            origin: Some(ORIGIN.to_owned()),
        }
    }

    /// A browser without cookies at another process on the same data. Nothing goes on in that process beside its
    /// requests: what it knows of changes elsewhere, its requests have asked for.
    pub fn anyone_at_another_process(&self) -> Caller {
        let (url, handle) = another_process(self, Surface::Fapi);
        self.servers.borrow_mut().push(handle);
        let public_url = &self.engine.shared().settings().public_url;
        let base = self.env.issuer.replacen(public_url.as_str(), &url, 1);
        Caller { base, ..self.anyone() }
    }

    /// Somebody without a key at the backend API of another process on the same data, as above.
    pub fn bapi_stranger_at_another_process(&self) -> Caller {
        let (base, handle) = another_process(self, Surface::Bapi);
        self.servers.borrow_mut().push(handle);
        Caller { base, ..self.bapi_stranger() }
    }

    /// A browser that has a client, nobody signed in.
    pub async fn browser(&self) -> Caller {
        let browser = self.anyone();
        browser.get("/v1/client").await.has_status(200);
        browser
    }

    /// The backend, with the environment's secret key.
    pub fn bapi(&self) -> Caller {
        self.bapi_of(&self.env)
    }

    /// The backend of another environment.
    pub fn bapi_of(&self, env: &TestEnvironment) -> Caller {
        Caller { authorization: Some(format!("Bearer {}", env.secret_key)), ..self.bapi_stranger() }
    }

    /// Somebody at the backend API without a key.
    pub fn bapi_stranger(&self) -> Caller {
        Caller {
            http: self.http.clone(),
            surface: Surface::Bapi,
            base: self.bapi_url.clone(),
            jar: None,
            authorization: None,
            origin: None,
        }
    }

    /// A person by name: made when first needed, one person throughout the test.
    pub fn user(&self, name: &str) -> Named<'_> {
        self.user_of(&self.env, name)
    }

    /// A person of another environment.
    pub fn user_of(&self, env: &TestEnvironment, name: &str) -> Named<'_> {
        Named { app: self, env: env.clone(), name: name.to_owned() }
    }

    /// Sends bytes to a surface as they are and reads until it hangs up: for what no HTTP library would send.
    pub async fn send_raw(&self, surface: Surface, bytes: &[u8]) -> String {
        let url = if surface == Surface::Bapi { &self.bapi_url } else { &self.env.issuer };
        crate::raw::send(url, bytes).await
    }
}

impl TestApp {
    /// The answer to a `GET` at the root of a surface, of the socket for machines when none is named.
    pub async fn probe(&self, surface: Option<Surface>, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        match (surface, &self.ops_url) {
            (Some(surface), _) => self.send_raw(surface, head.as_bytes()).await,
            (None, url) => crate::raw::send(url.as_ref().expect("there is such a socket"), head.as_bytes()).await,
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for server in self.servers.borrow().iter() {
            // The command is sent by the call; waiting for its end would need the runtime that is ending.
            drop(server.stop(false));
        }
    }
}
