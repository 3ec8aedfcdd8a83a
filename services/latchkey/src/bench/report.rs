//! What was found, as tables for people and as JSON for machines.

use super::Arguments;
use super::load::Measured;
use super::machine::Others;
use super::outbox::{Compared, Outbox};
use super::pull::Pulled;
use super::scenario::{Outcome, Route};
use super::series::Series;
use super::writes::{Pushed, Written};
use crate::print;
use boot::Config;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use storage::EngineKind;

const MB: f64 = 1e6;

/// Everything that was measured.
pub(super) struct Findings {
    pub(super) starts: Vec<Duration>,
    pub(super) idle: u64,
    pub(super) used: u64,
    pub(super) others: Others,
    pub(super) outcome: Outcome,
    pub(super) written: Written,
    pub(super) outbox: Option<Outbox>,
}

/// The whole result.
#[derive(Serialize)]
pub(super) struct Report {
    conditions: Conditions,
    requests: Vec<Row>,
    deliveries: Vec<Deliveries>,
    pull: Option<Pull>,
    outbox: Vec<EventCost>,
    placing_an_event_us: Spread,
    raw: RawRows,
    beside: Beside,
    memory: Memory,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Conditions {
    version: &'static str,
    optimized: bool,
    database: &'static str,
    users: u32,
    seed: u64,
    seconds: u64,
    connections: u16,
    workers: usize,
    cores: usize,
    hash_slots: usize,
    hash_memory_kib: u32,
    hash_iterations: u32,
    rounds: u32,
    other_processors_busy: f64,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_cpu_us: f64,
    rss_anon_mb: f64,
}

/// What three webhook endpoints heard of a stretch of writes.
#[derive(Serialize)]
struct Deliveries {
    pace: &'static str,
    writes: usize,
    writes_per_second: f64,
    wanted: usize,
    delivered: usize,
    again: usize,
    deliveries_per_second: f64,
    lag_p50_ms: f64,
    lag_p99_ms: f64,
    left_when_writes_stopped: usize,
    /// Null when there were still some to come when nobody waited any longer.
    drained_s: Option<f64>,
    server_cpu_us_per_write: f64,
}

/// The event log, read by one reader.
#[derive(Serialize)]
struct Pull {
    events: u64,
    passes: u64,
    events_per_second: f64,
    server_cpu_us: f64,
}

/// A write with its event and without.
#[derive(Serialize)]
struct EventCost {
    writers: usize,
    without_us: Spread,
    with_us: Spread,
    difference_us: Spread,
    ratio: Spread,
    cpu_difference_us: Spread,
}

#[derive(Serialize)]
struct RawRows {
    es256_us: Spread,
    es256_verification_us: Spread,
    argon2id_per_second: Spread,
    argon2id_us: Spread,
}

/// Sign-ins beside the cryptography that bounds them.
#[derive(Serialize)]
struct Beside {
    totp_sign_ins_percent_of_hashes: Spread,
    passkey_sign_in_cpu_in_verifications: Spread,
}

/// What several timings gave.
#[derive(Serialize, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(series: &Series) -> Self {
        let (least, most) = series.range();
        Self { median: series.median(), least, most }
    }

    fn one(value: f64) -> Self {
        Self { median: value, least: value, most: value }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(2);
        write!(f, "{:.places$}", self.median)?;
        if self.least < self.most {
            write!(f, " ({:.places$} to {:.places$})", self.least, self.most)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Memory {
    idle_mb: f64,
    password_load_mb: f64,
    after_all_mb: f64,
}

/// Something that is promised, and how it stands.
#[derive(Serialize)]
struct Target {
    name: &'static str,
    measured: Spread,
    unit: &'static str,
    limit: f64,
    /// Whether the limit is the least that will do, or the most.
    at_least: bool,
    met: bool,
}

impl Target {
    fn at_most(name: &'static str, measured: Spread, limit: f64, unit: &'static str) -> Self {
        Self { name, measured, unit, limit, at_least: false, met: measured.median <= limit }
    }

    fn at_least(name: &'static str, measured: Spread, limit: f64, unit: &'static str) -> Self {
        Self { name, measured, unit, limit, at_least: true, met: measured.median >= limit }
    }
}

impl Report {
    pub(super) fn new(arguments: &Arguments, config: &Config, found: &Findings) -> Self {
        let is_postgres = matches!(EngineKind::of_url(config.database.url.expose()), Ok(EngineKind::Postgres));
        let slots = config.passwords.threads;
        let params = config.passwords.params;
        let outcome = &found.outcome;
        let row = |route: Route| outcome.rows.iter().find(|row| row.name == route.name());
        let idle = found.idle as f64 / MB;
        let password_load = row(Route::SignIn).map_or(f64::NAN, |row| row.rss_anon as f64 / MB);
        let memory_limit = idle + slots as f64 * f64::from(params.memory_kib) * 1024.0 / MB + 50.0;
        let starts: Series = found.starts.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        let starts = Spread::of(&starts);
        let most = if is_postgres { 4.0 } else { 2.5 };
        let mut targets = vec![
            Target::at_most("server CPU of a mint / ES256", Spread::of(&outcome.mint), most, "x"),
            Target::at_least("sign-in / raw hash rate", Spread::of(&outcome.sign_in), 90.0, "%"),
            Target::at_most("RssAnon idle", Spread::one(idle), 40.0, "MB"),
            Target::at_most("RssAnon under password load", Spread::one(password_load), memory_limit, "MB"),
            Target::at_most("ready to serve", starts, 500.0, "ms"),
        ];
        // What was left out was asked to be.
        targets.retain(|target| arguments.only.is_empty() || target.measured.median.is_finite());
        let writers = arguments.connections.into();
        let costs = |outbox: &Outbox| vec![EventCost::of(1, &outbox.alone), EventCost::of(writers, &outbox.together)];
        Self {
            conditions: Conditions {
                version: env!("CARGO_PKG_VERSION"),
                optimized: !cfg!(debug_assertions),
                database: if is_postgres { "postgres" } else { "sqlite" },
                users: arguments.users,
                seed: arguments.seed,
                seconds: arguments.seconds,
                connections: arguments.connections,
                workers: config.http.worker_count(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                hash_slots: slots,
                hash_memory_kib: params.memory_kib,
                hash_iterations: params.iterations,
                rounds: arguments.rounds,
                other_processors_busy: found.others.average(),
            },
            requests: outcome.rows.iter().chain(&found.written.rows).map(Row::of).collect(),
            deliveries: found.written.pushed.iter().map(Deliveries::of).collect(),
            pull: outcome.pulled.as_ref().map(Pull::of),
            outbox: found.outbox.as_ref().map(costs).unwrap_or_default(),
            placing_an_event_us: found.outbox.as_ref().map_or(Spread::one(f64::NAN), |o| Spread::of(&o.placing)),
            raw: RawRows {
                es256_us: Spread::of(&outcome.raw.signature),
                es256_verification_us: Spread::of(&outcome.raw.verification),
                argon2id_per_second: Spread::of(&outcome.raw.hashes),
                argon2id_us: Spread::of(&outcome.raw.hash_cpu),
            },
            beside: Beside {
                totp_sign_ins_percent_of_hashes: Spread::of(&outcome.sign_in_totp),
                passkey_sign_in_cpu_in_verifications: Spread::of(&outcome.sign_in_passkey),
            },
            memory: Memory { idle_mb: idle, password_load_mb: password_load, after_all_mb: found.used as f64 / MB },
            targets,
        }
    }

    /// Prints it for people.
    pub(super) fn show(&self) -> anyhow::Result<()> {
        let c = &self.conditions;
        println!(
            "latchkey {} on {}: {} users, seed {}, {} s each, {} connections, {} workers, {} cores, {} hash slots\n",
            c.version, c.database, c.users, c.seed, c.seconds, c.connections, c.workers, c.cores, c.hash_slots
        );
        println!(
            "What is compared with something in {} rounds; other processes kept {:.1} cores busy.\n",
            c.rounds, c.other_processors_busy
        );
        if !c.optimized {
            println!("This is a debug build: the numbers say nothing about a release.\n");
        }
        let rows: Vec<_> = self.requests.iter().map(Row::cells).collect();
        print::table(["request", "req/s", "p50 ms", "p99 ms", "server CPU us", "RssAnon MB"], &rows)?;
        println!();
        self.show_events()?;
        let raw = [
            [format!("ES256 signature on {} threads, CPU us", c.workers), format!("{:.1}", self.raw.es256_us)],
            [format!("Argon2id/s on {} threads", c.hash_slots), format!("{:.1}", self.raw.argon2id_per_second)],
            ["Argon2id, CPU us".to_owned(), format!("{:.0}", self.raw.argon2id_us)],
            [
                format!("ES256 verification on {} threads, CPU us", c.workers),
                format!("{:.1}", self.raw.es256_verification_us),
            ],
            [
                "sign-ins with TOTP, % of the raw hash rate".to_owned(),
                format!("{:.1}", self.beside.totp_sign_ins_percent_of_hashes),
            ],
            [
                "server CPU of a sign-in by passkey, in ES256 verifications".to_owned(),
                format!("{:.2}", self.beside.passkey_sign_in_cpu_in_verifications),
            ],
            ["RssAnon MB after all of it".to_owned(), format!("{:.1}", self.memory.after_all_mb)],
        ];
        print::table(["raw", ""], &raw)?;
        println!();
        let targets: Vec<_> = self.targets.iter().map(Target::cells).collect();
        Ok(print::table(["target", "measured", "wanted", "met"], &targets)?)
    }
}

impl Report {
    /// What has to do with events, as far as it was measured.
    fn show_events(&self) -> anyhow::Result<()> {
        if !self.deliveries.is_empty() {
            let heading = [
                "3 webhooks",
                "writes/s",
                "delivered",
                "deliveries/s",
                "lag p50 ms",
                "lag p99 ms",
                "left at the end",
                "drained s",
                "again",
                "server CPU us/write",
            ];
            let rows: Vec<_> = self.deliveries.iter().map(Deliveries::cells).collect();
            print::table(heading, &rows)?;
            println!();
        }
        if !self.outbox.is_empty() {
            let rows: Vec<_> = self.outbox.iter().map(EventCost::cells).collect();
            print::table(["write", "without us", "with its event us", "more us", "ratio", "more CPU us"], &rows)?;
            println!();
        }
        let mut rows = Vec::new();
        if self.placing_an_event_us.median.is_finite() {
            rows.push(["an event's place in the log, us".to_owned(), format!("{:.1}", self.placing_an_event_us)]);
        }
        if let Some(pull) = &self.pull {
            rows.push(["events in the log".to_owned(), pull.events.to_string()]);
            rows.push([
                "events pulled in a second, by one reader".to_owned(),
                format!("{:.0}", pull.events_per_second),
            ]);
            rows.push(["server CPU of one of them, us".to_owned(), format!("{:.1}", pull.server_cpu_us)]);
        }
        if !rows.is_empty() {
            print::table(["event log", ""], &rows)?;
            println!();
        }
        Ok(())
    }
}

impl Deliveries {
    fn of(pushed: &Pushed) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Self {
            pace: pushed.pace,
            writes: pushed.writes,
            writes_per_second: pushed.writes_per_second,
            wanted: pushed.wanted(),
            delivered: pushed.delivered,
            again: pushed.again,
            deliveries_per_second: pushed.deliveries_per_second(),
            lag_p50_ms: ms(pushed.lag(50)),
            lag_p99_ms: ms(pushed.lag(99)),
            left_when_writes_stopped: pushed.left,
            drained_s: pushed.drained.map(|took| took.as_secs_f64()),
            server_cpu_us_per_write: pushed.cpu_each(),
        }
    }

    fn cells(&self) -> [String; 10] {
        [
            self.pace.to_owned(),
            format!("{:.0}", self.writes_per_second),
            format!("{} of {}", self.delivered, self.wanted),
            format!("{:.0}", self.deliveries_per_second),
            format!("{:.2}", self.lag_p50_ms),
            format!("{:.2}", self.lag_p99_ms),
            self.left_when_writes_stopped.to_string(),
            self.drained_s.map_or("NOT".to_owned(), |took| format!("{took:.2}")),
            self.again.to_string(),
            format!("{:.0}", self.server_cpu_us_per_write),
        ]
    }
}

impl Pull {
    fn of(pulled: &Pulled) -> Self {
        Self {
            events: pulled.events,
            passes: pulled.passes,
            events_per_second: pulled.per_second(),
            server_cpu_us: pulled.cpu_each(),
        }
    }
}

impl EventCost {
    fn of(writers: usize, compared: &Compared) -> Self {
        Self {
            writers,
            without_us: Spread::of(&compared.without),
            with_us: Spread::of(&compared.with),
            difference_us: Spread::of(&compared.difference),
            ratio: Spread::of(&compared.ratio),
            cpu_difference_us: Spread::of(&compared.cpu_difference),
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            if self.writers == 1 { "one after the other".to_owned() } else { format!("{} at a time", self.writers) },
            format!("{:.1}", self.without_us),
            format!("{:.1}", self.with_us),
            format!("{:.1}", self.difference_us),
            format!("{:.2}", self.ratio),
            format!("{:.1}", self.cpu_difference_us),
        ]
    }
}

impl Row {
    fn of(measured: &Measured) -> Self {
        Self {
            name: measured.name,
            requests_per_second: measured.per_second(),
            p50_ms: measured.percentile(50).as_secs_f64() * 1e3,
            p99_ms: measured.percentile(99).as_secs_f64() * 1e3,
            server_cpu_us: measured.cpu_each(),
            rss_anon_mb: measured.rss_anon as f64 / MB,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.name.to_owned(),
            format!("{:.0}", self.requests_per_second),
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.p99_ms),
            format!("{:.0}", self.server_cpu_us),
            format!("{:.1}", self.rss_anon_mb),
        ]
    }
}

impl Target {
    fn cells(&self) -> [String; 4] {
        let Self { name, measured, unit, limit, at_least, met } = self;
        let word = if *at_least { ">=" } else { "<=" };
        let verdict = if *met { "yes" } else { "NO" };
        [(*name).to_owned(), format!("{measured:.2} {unit}"), format!("{word} {limit:.1} {unit}"), verdict.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_on_its_own_side_of_the_limit() {
        let one = Spread::one;
        assert!(Target::at_most("a", one(2.5), 2.5, "x").met && !Target::at_most("a", one(2.51), 2.5, "x").met);
        assert!(Target::at_least("b", one(90.0), 90.0, "%").met && !Target::at_least("b", one(89.9), 90.0, "%").met);
        assert!(!Target::at_most("c", one(f64::NAN), 1.0, "x").met, "what was not measured is not met");
    }

    #[test]
    fn several_timings_are_shown_with_their_range() {
        assert_eq!(format!("{:.1}", Spread::of(&[3.0, 1.0, 2.04].into_iter().collect())), "2.0 (1.0 to 3.0)");
        assert_eq!(Spread::one(2.0).to_string(), "2.00");
    }
}
