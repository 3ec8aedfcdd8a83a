//! From a migrated database to a platform that listens.

use crate::app::TestApp;
use crate::clock::TestClock;
use crate::database::TestDatabase;
use crate::environment::TestEnvironment;
use actix_web::dev::{Server, ServerHandle};
use anydb::{Database, EngineKind, Options, Synchronous};
use crypto::password::{HashPool, Params, PoolOptions};
use crypto::seal::MasterKeys;
use domain::Surface;
use domain::environment::EnvironmentKind;
use engine::bootstrap::BootstrapSpec;
use engine::{Engine, EngineSettings, Parts, Shared};
use outbound::fake::Stranger;
use outbound::{Breached, BreachedSettings, Captcha, Http, HttpSettings, Inbox, Objects};
use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use web::Probes;
use web::limits::{LimitSettings, Limits};
use web::server::{AppParts, ServerSettings};

/// The origin of the application in every test.
pub const ORIGIN: &str = "https://app.example.test";

/// What a test may want otherwise than usual.
#[derive(Debug, Clone)]
pub struct Setup {
    engine: EngineKind,
    kind: EnvironmentKind,
    passwords: PoolOptions,
    limits: LimitSettings,
    breached_file: Option<PathBuf>,
    probes: Probes,
}

impl Setup {
    /// The usual: a development environment, and password hashes that cost next to nothing.
    pub fn on(engine: EngineKind) -> Self {
        let params = Params { memory_kib: 64, iterations: 1, parallelism: 1 };
        Self {
            engine,
            kind: EnvironmentKind::Development,
            passwords: PoolOptions { params, threads: 2, waiting_per_thread: 256 },
            limits: LimitSettings::default(),
            breached_file: None,
            probes: Probes::All,
        }
    }

    /// Another kind of environment.
    #[must_use]
    pub fn kind(mut self, kind: EnvironmentKind) -> Self {
        self.kind = kind;
        self
    }

    /// Other costs of a password hash.
    #[must_use]
    pub fn passwords(mut self, passwords: PoolOptions) -> Self {
        self.passwords = passwords;
        self
    }

    /// Other rate limits.
    #[must_use]
    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.limits = limits;
        self
    }

    /// A file of breached passwords.
    #[must_use]
    pub fn breached_file(mut self, file: PathBuf) -> Self {
        self.breached_file = Some(file);
        self
    }

    /// Readiness and metrics on a socket of their own, see [`TestApp::probe`].
    #[must_use]
    pub fn ops_apart(mut self) -> Self {
        self.probes = Probes::Alive;
        self
    }

    /// Starts the platform; both surfaces listen on free ports of the loopback.
    pub async fn start(self) -> TestApp {
        crate::logs::install();
        // Only the first call of the process installs it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let data = TestDatabase::make(self.engine).await.expect("the engine was looked for before the test");
        let mut options = Options::new(data.url());
        (options.max_connections, options.workers, options.synchronous) = (16, 4, Synchronous::Normal);
        options.acquire_timeout = Duration::from_secs(20);
        let database = Database::open(options).expect("the database opens");

        let (fapi, bapi) = (listener(), listener());
        let clock = Arc::new(TestClock::default());
        let inbox = Inbox::new();
        let http_client = Http::new(HttpSettings::development()).expect("the client can be made");
        let objects = Objects::in_memory();
        let stranger = Stranger::start().await.expect("the loopback has a free port");
        let breached = BreachedSettings { base_url: stranger.url(), file: self.breached_file };
        let passwords = HashPool::new(self.passwords).expect("the pool starts");
        let parts = Arc::new(Parts {
            clock: Arc::clone(&clock) as _,
            passwords: passwords.clone(),
            master: Arc::new(MasterKeys::generate()),
            mailer: Arc::new(inbox.clone()),
            sms: Arc::new(inbox.clone()),
            captcha: Captcha::new(http_client.clone(), Some(stranger.url())),
            breached: Breached::new(breached, http_client.clone()),
            http: http_client,
            objects: objects.clone(),
            settings: EngineSettings {
                public_url: format!("http://{}", address(&fapi)),
                mail_from: "Latchkey <no-reply@example.test>".to_owned(),
            },
        });
        let shared = Shared::new(Arc::clone(&parts));
        let engine = Engine::new(Arc::clone(&shared), database.handle());
        let bapi_url = format!("http://{}", address(&bapi));
        let env = bootstrap(&engine, self.kind).await;

        let limits = Arc::new(Limits::new(self.limits));
        let mut servers = Vec::new();
        for (surface, listener) in [(Surface::Fapi, fapi), (Surface::Bapi, bapi)] {
            let parts = AppParts {
                surface,
                trusted_proxies: Arc::from([]),
                limits: Arc::clone(&limits),
                metrics: Arc::new(String::new),
                probes: self.probes,
            };
            servers.push(serve(parts, &shared, &database, listener));
        }
        let mut ops_url = None;
        if self.probes == Probes::Alive {
            let listener = listener();
            ops_url = Some(format!("http://{}", address(&listener)));
            let (make, metrics) = (engines(&shared, &database), Arc::new(String::new));
            let server = web::server::serve_probes(make, metrics, listener, &ServerSettings::default());
            servers.push(started(server.expect("the listener is served")));
        }
        let app = TestApp {
            env,
            engine,
            clock,
            inbox,
            stranger,
            objects,
            passwords,
            http: http(),
            bapi_url,
            ops_url,
            parts,
            people: RefCell::default(),
            seen_events: Cell::default(),
            servers: RefCell::new(servers),
            database,
            data,
        };
        app.skip_events().await;
        app
    }
}

/// Serves a surface of another process on the same database, with everything but what a process remembers.
pub(crate) fn another_process(app: &TestApp, surface: Surface) -> (String, ServerHandle) {
    let shared = Shared::new(Arc::clone(&app.parts));
    let parts = AppParts {
        surface,
        trusted_proxies: Arc::from([]),
        limits: Arc::new(Limits::new(LimitSettings::default())),
        metrics: Arc::new(String::new),
        probes: Probes::All,
    };
    let listener = listener();
    let url = format!("http://{}", address(&listener));
    (url, serve(parts, &shared, &app.database, listener))
}

fn serve(parts: AppParts, shared: &Arc<Shared>, database: &Database, listener: TcpListener) -> ServerHandle {
    let is_backend = parts.surface == Surface::Bapi;
    let routes = if is_backend { bapi::routes } else { fapi::routes };
    let settings = ServerSettings { workers: if is_backend { 1 } else { 2 }, ..ServerSettings::default() };
    let server = web::server::serve(parts, engines(shared, database), routes, listener, &settings);
    started(server.expect("the listener is served"))
}

fn engines(shared: &Arc<Shared>, database: &Database) -> impl Fn() -> Engine + Send + Clone + 'static {
    let (shared, database) = (Arc::clone(shared), database.clone());
    move || Engine::new(Arc::clone(&shared), database.handle())
}

fn started(server: Server) -> ServerHandle {
    let handle = server.handle();
    actix_web::rt::spawn(server);
    handle
}

async fn bootstrap(engine: &Engine, kind: EnvironmentKind) -> TestEnvironment {
    let spec = BootstrapSpec {
        workspace: "Acme".to_owned(),
        project: "Shop".to_owned(),
        environment: "Main".to_owned(),
        kind,
        allowed_origins: vec![ORIGIN.to_owned()],
    };
    let made = engine::bootstrap::run(engine, spec).await.expect("an empty database can be bootstrapped");
    TestEnvironment::of(made)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port")
}

fn address(listener: &TcpListener) -> std::net::SocketAddr {
    listener.local_addr().expect("a bound listener has an address")
}

#[expect(clippy::disallowed_methods, reason = "this client is the callers, not the platform")]
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(60)).build().expect("a client can be built")
}
