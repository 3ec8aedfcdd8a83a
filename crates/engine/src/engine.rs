//! The engine: what one worker thread needs to run operations.

use crate::activity::Activity;
use crate::images::Turns;
use crate::pull::Waiting;
use crate::tenancy::Tenants;
use crypto::password::HashPool;
use crypto::seal::MasterKeys;
use domain::{Clock, Context, Timestamp};
use outbound::{Breached, Captcha, Http, Mailer, Objects, SmsCarrier};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use storage::{Conn, Error, Handle, Retry, Tx};

/// What an operator sets for the whole installation.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The one origin of links, without a trailing slash.
    pub public_url: String,
    /// Whom mail is from: `Name <a@b>`.
    pub mail_from: String,
}

/// What a process gives its engines.
pub struct Parts {
    /// The one source of time.
    pub clock: Arc<dyn Clock>,
    /// Where passwords are hashed.
    pub passwords: HashPool,
    /// What wraps the environments' data keys.
    pub master: Arc<MasterKeys>,
    /// Who carries mail.
    pub mailer: Arc<dyn Mailer>,
    /// Who carries short messages.
    pub sms: Arc<dyn SmsCarrier>,
    /// Calls strangers.
    pub http: Http,
    /// Asks captcha providers.
    pub captcha: Captcha,
    /// Knows breached passwords.
    pub breached: Breached,
    /// Keeps files.
    pub objects: Objects,
    /// What the operator set.
    pub settings: EngineSettings,
}

/// What all engines of a process share.
pub struct Shared {
    parts: Arc<Parts>,
    name: String,
    upkept_at: AtomicI64,
    pub(crate) tenants: Tenants,
    pub(crate) activity: Activity,
    pub(crate) image_turns: Turns,
    pub(crate) wake: tokio::sync::Notify,
    /// Told to whoever waits for events when this process has put some in order.
    pub(crate) sequenced: tokio::sync::Notify,
    pub(crate) waiting: Waiting,
}

impl Shared {
    /// Shares the parts.
    pub fn new(parts: impl Into<Arc<Parts>>) -> Arc<Self> {
        Arc::new(Self {
            parts: parts.into(),
            name: crypto::random::jti(),
            upkept_at: AtomicI64::new(0),
            tenants: Tenants::default(),
            activity: Activity::default(),
            image_turns: Turns::default(),
            wake: tokio::sync::Notify::new(),
            sequenced: tokio::sync::Notify::new(),
            waiting: Waiting::default(),
        })
    }
    /// What tells this process from the others; in containers every process has the same number.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
    /// Whether this process has not looked after the environments for a minute; notes that it does now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let last = self.upkept_at.load(Ordering::Relaxed);
        let due = now.millis().abs_diff(last) >= 60_000;
        due && self.upkept_at.compare_exchange(last, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }
    /// The password pool.
    pub fn passwords(&self) -> &HashPool {
        &self.parts.passwords
    }
    /// The master keys.
    pub fn master(&self) -> &MasterKeys {
        &self.parts.master
    }
    /// Who carries mail.
    pub fn mailer(&self) -> &dyn Mailer {
        self.parts.mailer.as_ref()
    }
    /// Who carries short messages.
    pub fn sms(&self) -> &dyn SmsCarrier {
        self.parts.sms.as_ref()
    }
    /// Calls strangers.
    pub fn http(&self) -> &Http {
        &self.parts.http
    }
    /// Asks captcha providers.
    pub fn captcha(&self) -> &Captcha {
        &self.parts.captcha
    }
    /// Knows breached passwords.
    pub fn breached(&self) -> &Breached {
        &self.parts.breached
    }
    /// Keeps files.
    pub fn objects(&self) -> &Objects {
        &self.parts.objects
    }
    /// What the operator set.
    pub fn settings(&self) -> &EngineSettings {
        &self.parts.settings
    }
    /// Waits until this process has put something into the queue or the event log.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// How long a count or a search may take.
pub(crate) const SCAN_DEADLINE: Duration = Duration::from_secs(5);

/// Runs operations for one worker thread; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    db: Handle,
}

impl Engine {
    /// An engine of the calling thread.
    pub fn new(shared: Arc<Shared>, db: Handle) -> Self {
        Self { shared, db }
    }
    /// What the process shares.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
    /// The time of this moment.
    pub fn now(&self) -> Timestamp {
        self.shared.clock().now()
    }
    /// The database handle, for commands that stand beside the operations.
    pub fn db(&self) -> &Handle {
        &self.db
    }

    /// A connection for a point read or a page by an index.
    pub(crate) async fn read(&self) -> Result<storage::Reader, Error> {
        self.db.read().await
    }

    /// The one door to a write transaction. The work is run again when it collides with another, so it
    /// holds nothing but its connection; hashes, strangers and other transactions come before or after.
    pub(crate) async fn write<T, E, F>(&self, cx: &Context, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx<'_>, &Context) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Retry + Send + 'static,
    {
        let cx = cx.clone();
        let done = self.db.write(async move |tx: &mut Tx<'_>| work(tx, &cx).await).await;
        self.shared.wake.notify_one();
        done
    }

    /// A read that may take long: counts, substring search, filters without an index.
    pub(crate) async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: AsyncFn(&mut Conn) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.db.scan(SCAN_DEADLINE, work).await
    }
}
