//! The wiring: settings in, a running platform out.

use crate::config::{self, Config, Sms};
use crate::master_key::{self, LoadError, Missing};
use crate::metrics::{self, MetricsError, Render};
use crate::private_file;
use crypto::password::{HashPool, PoolStartError};
use domain::Clock;
use engine::{Engine, EngineSettings, Parts, Shared};
use outbound::{
    BadTarget, Breached, Captcha, Http, HttpStartError, Inbox, Mailer, NoSms, ObjectError, Objects, SmsCarrier,
    SmtpMailer, Twilio, Vonage,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Database, Options};

/// What the surroundings decide, and not the settings.
pub struct Wiring {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where mail and short messages go.
    pub mail: Mail,
    /// What to do when there is no master key file yet.
    pub missing_master_key: Missing,
    /// How many threads will ask for an engine: the connections are divided among them.
    pub threads: usize,
}

/// Where mail and short messages go.
pub enum Mail {
    /// Out, as the settings say, which must name a mail server.
    Smtp,
    /// Into an inbox in memory.
    Inbox(Inbox),
    /// Nowhere: for commands that send none and run no jobs.
    Unused,
}

/// Everything that a process shares.
#[derive(Clone)]
pub struct Platform {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub database: Database,
    /// What the engines of all threads share.
    pub shared: Arc<Shared>,
    /// The inbox, in development.
    pub inbox: Option<Inbox>,
    /// Writes the metrics.
    pub render_metrics: Render,
}

/// Why the platform does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("the database cannot be opened")]
    Database(#[from] storage::Error),
    /// There is no master key to work with.
    #[error("the master key cannot be used")]
    MasterKey(#[from] LoadError),
    /// The data folder cannot be made or written.
    #[error("the data folder {} cannot be used", .0.display())]
    DataDir(PathBuf, #[source] std::io::Error),
    /// The data was sealed with another master key.
    #[error("there are environments in the database, but no master key file at {}: put the one back that they were made with", .0.display())]
    LostMasterKey(PathBuf),
    /// The pool of hash threads does not start.
    #[error("the password pool cannot be started")]
    Passwords(#[from] PoolStartError),
    /// Nobody to give mail to.
    #[error("smtp.host is not set: mail cannot be sent")]
    NoMailServer,
    /// Short messages go to an inbox that only `dev` has.
    #[error("sms.driver is `inbox`, which only `latchkey dev` has")]
    NoInbox,
    /// The client for strangers cannot be made.
    #[error("strangers cannot be called")]
    Http(#[from] HttpStartError),
    /// A service of the settings may not be called.
    #[error("{0} names a URL that may not be called")]
    Target(&'static str, #[source] BadTarget),
    /// The store of pictures is not set up right.
    #[error("objects cannot be kept")]
    Objects(#[from] ObjectError),
    /// The metrics cannot be gathered.
    #[error("metrics cannot be gathered")]
    Metrics(#[from] MetricsError),
}

/// Starts the platform; the database is opened, but need not be up to date yet.
pub async fn start(config: Config, wiring: Wiring) -> Result<Platform, StartError> {
    let http = Http::new(config.outbound.clone())?;
    let range_api = http.check(&config.breached.base_url);
    range_api.map_err(|error| StartError::Target("breached_passwords.range_api", error))?;
    let (mailer, sms, inbox): (Arc<dyn Mailer>, Arc<dyn SmsCarrier>, _) = match wiring.mail {
        Mail::Smtp => {
            let settings = config.smtp.clone().ok_or(StartError::NoMailServer)?;
            (Arc::new(SmtpMailer::new(settings)), carrier(&config.sms, &http)?, None)
        }
        Mail::Inbox(inbox) => (Arc::new(inbox.clone()), Arc::new(inbox.clone()), Some(inbox)),
        Mail::Unused => (Arc::new(Inbox::new()), Arc::new(NoSms), None),
    };
    let render_metrics = metrics::install()?;
    // Before the key: a database that cannot be opened leaves no key behind.
    let database = Database::open(options(&config, wiring.threads))?;
    let master = master_key::load(&config.master_key, wiring.missing_master_key)?;
    let shared = Shared::new(Parts {
        clock: wiring.clock,
        passwords: HashPool::new(config.passwords)?,
        master: Arc::new(master.keys),
        mailer,
        sms,
        captcha: Captcha::new(http.clone(), None),
        breached: Breached::new(config.breached.clone(), http.clone()),
        http,
        objects: Objects::new(config.objects.clone())?,
        settings: EngineSettings { public_url: config.public_url.clone(), mail_from: config.mail_from.clone() },
    });
    let platform = Platform { config: Arc::new(config), database, shared, inbox, render_metrics };
    if let Some(file) = master.created {
        refuse_new_key_for_old_data(&platform, file).await?;
    }
    Ok(platform)
}

/// Who carries short messages; what the settings name is looked at now, not at the first message.
fn carrier(settings: &Sms, http: &Http) -> Result<Arc<dyn SmsCarrier>, StartError> {
    let check = |url: &str| http.check(url).map_err(|error| StartError::Target("sms.base_url", error));
    Ok(match settings {
        Sms::None => Arc::new(NoSms),
        Sms::Inbox => return Err(StartError::NoInbox),
        Sms::Twilio(settings) => {
            check(&settings.base_url)?;
            Arc::new(Twilio::new(settings.clone(), http.clone()))
        }
        Sms::Vonage(settings) => {
            check(&settings.base_url)?;
            Arc::new(Vonage::new(settings.clone(), http.clone()))
        }
    })
}

/// A fresh key cannot open what is there: better to say so at once than at the first sign-in.
async fn refuse_new_key_for_old_data(platform: &Platform, file: PathBuf) -> Result<(), StartError> {
    let answer = match storage::pending(platform.config.database.url.expose()).await {
        Ok(pending) if pending.is_empty() => engine::bootstrap::list_environments(&platform.engine()).await,
        Ok(_) => return Ok(()),
        Err(error) => Err(error),
    };
    let refusal = match answer {
        Ok(environments) if environments.is_empty() => return Ok(()),
        Ok(_) => StartError::LostMasterKey(file.clone()),
        Err(error) => error.into(),
    };
    if let Err(error) = std::fs::remove_file(&file) {
        tracing::warn!(%error, "the unused master key file stays behind");
    }
    Err(refusal)
}

fn options(config: &Config, threads: usize) -> Options {
    let mut options = Options::new(config.database.url.expose().clone());
    options.max_connections = config.database.max_connections;
    options.workers = u32::try_from(threads).unwrap_or(u32::MAX);
    options.synchronous = match config.database.synchronous {
        config::Synchronous::Full => storage::Synchronous::Full,
        config::Synchronous::Normal => storage::Synchronous::Normal,
    };
    options
}

impl Platform {
    /// An engine for the calling thread, with connections of its own.
    pub fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.shared), self.database.handle())
    }

    /// Writes what was gathered and leaves the database in order; the last thing a process does.
    pub async fn finish(&self) {
        if let Err(error) = engine::activity::flush(&self.engine()).await {
            tracing::warn!(error = crate::process::chain(&error), "the last times of use are lost");
        }
        self.database.shutdown().await;
    }
}

/// Brings the tables of the configured database to this version's form, makes the data folder for them, and tells
/// what was done.
pub async fn migrate(config: &Config) -> Result<Vec<String>, StartError> {
    if config.database.is_in_data_dir {
        data_dir(&config.data_dir).map_err(|error| StartError::DataDir(config.data_dir.clone(), error))?;
    }
    let url = config.database.url.expose();
    let pending = storage::pending(url).await?;
    storage::migrate(url).await?;
    Ok(pending)
}

/// SQLite gives its log the mode of the database: the first file decides who may read the data.
fn data_dir(folder: &Path) -> std::io::Result<()> {
    private_file::folder(folder)?;
    match private_file::create(&folder.join(config::DATABASE_FILE), "") {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}
