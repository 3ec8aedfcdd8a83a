//! What was found, as tables for people and as JSON for machines.

use super::load::Measured;
use super::raw::Raw;
use super::{Arguments, scenario};
use crate::print;
use boot::Config;
use serde::Serialize;
use std::time::Duration;
use storage::EngineKind;

const MB: f64 = 1e6;

/// Everything that was measured.
pub(super) struct Findings {
    pub(super) starts: Vec<Duration>,
    pub(super) idle: u64,
    pub(super) used: u64,
    pub(super) measured: Vec<Measured>,
    pub(super) crypto: Raw,
}

/// The whole result.
#[derive(Serialize)]
pub(super) struct Report {
    conditions: Conditions,
    requests: Vec<Row>,
    raw: RawRows,
    memory: Memory,
    starts_ms: Vec<f64>,
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

#[derive(Serialize)]
struct RawRows {
    es256_us: f64,
    argon2id_one_thread_per_second: f64,
    argon2id_all_slots_per_second: f64,
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
    measured: f64,
    unit: &'static str,
    limit: f64,
    /// Whether the limit is the least that will do, or the most.
    at_least: bool,
    met: bool,
}

impl Target {
    fn at_most(name: &'static str, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self { name, measured, unit, limit, at_least: false, met: measured <= limit }
    }

    fn at_least(name: &'static str, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self { name, measured, unit, limit, at_least: true, met: measured >= limit }
    }
}

impl Report {
    pub(super) fn new(arguments: &Arguments, config: &Config, found: &Findings) -> Self {
        let is_postgres = matches!(EngineKind::of_url(config.database.url.expose()), Ok(EngineKind::Postgres));
        let slots = config.passwords.threads;
        let params = config.passwords.params;
        let row = |name: &str| found.measured.iter().find(|row| row.name == name);
        let number = |name: &str, of: fn(&Measured) -> f64| row(name).map_or(f64::NAN, of);
        let idle = found.idle as f64 / MB;
        let password_load = number(scenario::SIGN_IN, |row| row.rss_anon as f64 / MB);
        let es256 = found.crypto.signature_micros();
        let all_slots = found.crypto.hashes_per_second();
        let mint = number(scenario::MINT, Measured::cpu_each) / es256;
        let sign_in = number(scenario::SIGN_IN, Measured::per_second) / all_slots * 100.0;
        let memory_limit = idle + slots as f64 * f64::from(params.memory_kib) * 1024.0 / MB + 50.0;
        let mut starts: Vec<f64> = found.starts.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        starts.sort_by(f64::total_cmp);
        let median = starts.get(starts.len() / 2).copied().unwrap_or(f64::NAN);
        let targets = vec![
            Target::at_most("server CPU of a mint / ES256", mint, if is_postgres { 4.0 } else { 2.5 }, "x"),
            Target::at_least("sign-in / raw hash rate", sign_in, 90.0, "%"),
            Target::at_most("RssAnon idle", idle, 40.0, "MB"),
            Target::at_most("RssAnon under password load", password_load, memory_limit, "MB"),
            Target::at_most("ready to serve, median", median, 500.0, "ms"),
        ];
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
            },
            requests: found.measured.iter().map(Row::of).collect(),
            raw: RawRows {
                es256_us: es256,
                argon2id_one_thread_per_second: found.crypto.hashes_alone,
                argon2id_all_slots_per_second: all_slots,
            },
            memory: Memory { idle_mb: idle, password_load_mb: password_load, after_all_mb: found.used as f64 / MB },
            starts_ms: starts,
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
        if !c.optimized {
            println!("This is a debug build: the numbers say nothing about a release.\n");
        }
        let rows: Vec<_> = self.requests.iter().map(Row::cells).collect();
        print::table(["request", "req/s", "p50 ms", "p99 ms", "server CPU us", "RssAnon MB"], &rows)?;
        println!();
        let raw = [
            ["ES256 signature, CPU us".to_owned(), format!("{:.1}", self.raw.es256_us)],
            ["Argon2id/s, 1 thread".to_owned(), format!("{:.1}", self.raw.argon2id_one_thread_per_second)],
            [format!("Argon2id/s, {} threads", c.hash_slots), format!("{:.1}", self.raw.argon2id_all_slots_per_second)],
            ["RssAnon MB after all of it".to_owned(), format!("{:.1}", self.memory.after_all_mb)],
        ];
        print::table(["raw", ""], &raw)?;
        println!();
        let targets: Vec<_> = self.targets.iter().map(Target::cells).collect();
        Ok(print::table(["target", "measured", "wanted", "met"], &targets)?)
    }
}

impl Row {
    fn of(measured: &Measured) -> Self {
        Self {
            name: measured.name,
            requests_per_second: measured.per_second(),
            p50_ms: measured.p50.as_secs_f64() * 1e3,
            p99_ms: measured.p99.as_secs_f64() * 1e3,
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
        assert!(Target::at_most("a", 2.5, 2.5, "x").met && !Target::at_most("a", 2.51, 2.5, "x").met);
        assert!(Target::at_least("b", 90.0, 90.0, "%").met && !Target::at_least("b", 89.9, 90.0, "%").met);
        assert!(!Target::at_most("c", f64::NAN, 1.0, "x").met, "what was not measured is not met");
    }
}
