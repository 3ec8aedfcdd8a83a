//! Writes that make an event each: with nobody who hears of them, and with three webhook endpoints that hear of all.

use super::client::{Connection, request};
use super::load::{Load, Measured, Source, Subject, Walk, drive};
use super::people::{Dice, Place};
use super::receiver::{ENDPOINTS, Log, MARK, Receiver};
use super::scenario::{Route, Wanted};
use super::server::Server;
use anyhow::Context as _;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long deliveries may go on after the last write.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether all of them are there.
const LOOK: Duration = Duration::from_millis(5);

/// The mark of writes that nobody hears of. Another than that of the others: a number that is there already would change
/// nothing, and a write that changes nothing makes no event.
const UNHEARD: &str = "bench_unheard";

/// The steady pace: so many connections, each of which rests so long after an answer. Somewhat less than a hundred
/// writes in a second.
const STEADY_CONNECTIONS: usize = 4;
const STEADY_REST: Duration = Duration::from_millis(40);

pub(super) struct Writes<'a> {
    pub(super) place: &'a Place,
    pub(super) server: &'a Server,
    pub(super) connections: usize,
    pub(super) length: Duration,
    pub(super) wanted: Wanted<'a>,
    pub(super) seed: u64,
}

/// What was pushed of one stretch of writes.
pub(super) struct Pushed {
    /// How fast was written.
    pub(super) pace: &'static str,
    /// Writes in a second, while they were counted.
    pub(super) writes_per_second: f64,
    /// Writes altogether.
    pub(super) writes: usize,
    /// Deliveries of theirs that arrived, each event at each endpoint counted once.
    pub(super) delivered: usize,
    /// How many came again.
    pub(super) again: usize,
    /// How long after the acknowledgement of its write each of them arrived, shortest first.
    lags: Vec<Duration>,
    /// How many were still to come when the writes stopped.
    pub(super) left: usize,
    /// How long it took until those had come; none when somebody gave up waiting.
    pub(super) drained: Option<Duration>,
    /// From the first write to the last arrival.
    elapsed: Duration,
    /// Of the server, for the writes and the deliveries.
    cpu: Duration,
}

impl Pushed {
    /// The time within which so many of a hundred deliveries arrived.
    pub(super) fn lag(&self, part: usize) -> Duration {
        let last = self.lags.len().saturating_sub(1);
        self.lags.get((self.lags.len() * part / 100).min(last)).copied().unwrap_or_default()
    }

    /// How many deliveries were to be made.
    pub(super) fn wanted(&self) -> usize {
        self.writes * ENDPOINTS
    }

    pub(super) fn deliveries_per_second(&self) -> f64 {
        self.delivered as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of the server's processors for one write and its deliveries.
    pub(super) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.writes.max(1) as f64
    }
}

/// What was measured.
#[derive(Default)]
pub(super) struct Written {
    pub(super) rows: Vec<Measured>,
    pub(super) pushed: Vec<Pushed>,
}

impl Writes<'_> {
    pub(super) async fn run(&self, tell: impl Fn(&str)) -> anyhow::Result<Written> {
        let mut written = Written::default();
        if self.wanted.has(Route::Write) {
            tell(Route::Write.name());
            let unheard = Rc::default();
            let full = Load::full(self.connections, self.length);
            written.rows.push(self.drive(Route::Write, (UNHEARD, &unheard), full).await?);
        }
        if self.wanted.has(Route::Webhooks) {
            let receiver = Receiver::open().await?;
            // What was written before has its place in the log by then, and is pushed to nobody.
            self.server.settle().await?;
            self.subscribe(&receiver).await?;
            let steady =
                Load { connections: STEADY_CONNECTIONS.min(self.connections), length: self.length, rest: STEADY_REST };
            tell("BAPI write, 3 webhooks, at a steady pace");
            let (_, pushed) = self.push("steady", &receiver.log, steady).await?;
            written.pushed.push(pushed);
            tell(Route::Webhooks.name());
            let full = Load::full(self.connections, self.length);
            let (measured, pushed) = self.push("full load", &receiver.log, full).await?;
            written.rows.push(measured);
            if pushed.drained.is_none() {
                tell("deliveries were still under way after two minutes; they are not waited for any longer");
            }
            written.pushed.push(pushed);
        }
        Ok(written)
    }

    /// Makes an endpoint for every event at each URL of the receiver.
    async fn subscribe(&self, receiver: &Receiver) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.server.bapi()).await?;
        for url in &receiver.urls {
            let body = json!({ "url": url, "enabled_event_types": ["*"] });
            let line = "POST /v1/webhooks/endpoints";
            let asked = request(line, &[("Authorization", &self.place.bearer())], Some(&body));
            connection.ask(&asked).await?.expect(201, "a webhook endpoint")?;
        }
        Ok(())
    }

    /// Writes, and waits for what is pushed of it.
    async fn push(&self, pace: &'static str, log: &Rc<RefCell<Log>>, load: Load) -> anyhow::Result<(Measured, Pushed)> {
        let (began, cpu) = (Instant::now(), self.server.cpu()?);
        let (first, again) = (log.borrow().end(), log.borrow().again());
        let measured = self.drive(Route::Webhooks, (MARK, log), load).await?;
        let stopped = Instant::now();
        let left = log.borrow().outstanding();
        while log.borrow().outstanding() > 0 && stopped.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        let cpu = self.server.cpu()? - cpu;
        let log = log.borrow();
        let is_drained = log.outstanding() == 0;
        if is_drained {
            log.check()?;
        }
        let writes = first..log.end();
        let lags = log.lags(&writes);
        let last = log.last().unwrap_or(stopped);
        let pushed = Pushed {
            pace,
            writes_per_second: measured.per_second(),
            writes: writes.len(),
            delivered: lags.len(),
            again: log.again() - again,
            lags,
            left,
            drained: is_drained.then(|| last.saturating_duration_since(stopped)),
            elapsed: last.saturating_duration_since(began),
            cpu,
        };
        Ok((measured, pushed))
    }

    async fn drive(
        &self,
        route: Route,
        (mark, log): (&'static str, &Rc<RefCell<Log>>),
        load: Load,
    ) -> anyhow::Result<Measured> {
        let subject = Subject { name: route.name(), address: self.server.bapi(), source: self.writes(mark, log) };
        drive(self.server, subject, load).await
    }

    /// Changes of people who are drawn, each with a number of its own under the mark.
    fn writes(&self, mark: &'static str, log: &Rc<RefCell<Log>>) -> Source {
        let (people, bearer) = (self.place.people.clone(), self.place.bearer());
        let (log, dice) = (Rc::clone(log), RefCell::new(Dice(self.seed)));
        let walk: Walk = Rc::new(move |connection, _| {
            let number = log.borrow_mut().next();
            let drawn = dice.borrow_mut().roll(u32::try_from(people.len()).unwrap_or(u32::MAX));
            let asked = people.get(drawn as usize).map(|person| {
                let body = json!({ "public_metadata": { mark: number } });
                request(&format!("PATCH /v1/users/{person}/metadata"), &[("Authorization", &bearer)], Some(&body))
            });
            let log = Rc::clone(&log);
            Box::pin(async move {
                let asked = asked.context("there is nobody to change")?;
                connection.ask(&asked).await?.expect(200, "a change of a person")?;
                log.borrow_mut().acknowledge(number);
                Ok(())
            })
        });
        Source::Walked(walk)
    }
}
