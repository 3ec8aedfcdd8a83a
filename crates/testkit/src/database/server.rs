//! The PostgreSQL server of the tests: found once, and kept clean of what dead runs left behind.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::mpsc as answers;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Config, NoTls};

/// A server on which databases may be made.
#[derive(Debug)]
pub struct PostgresServer {
    /// Everything of a database's URL before its name, and after it.
    url: (String, String),
    /// Names this run, so that several may share a server.
    run: u32,
    commands: mpsc::UnboundedSender<Command>,
}

#[derive(Debug)]
struct Command {
    sql: String,
    done: answers::Sender<Result<(), String>>,
}

/// Databases are called `latchkey_test_<run in hex>_<what>`.
const PREFIX: &str = "latchkey_test_";

static SERVER: LazyLock<Option<PostgresServer>> = LazyLock::new(|| {
    let found = PostgresServer::start();
    if found.is_none() {
        let why = "no PostgreSQL: set LATCHKEY_TEST_POSTGRES, or start a server on the local socket or 127.0.0.1:5432";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        crate::loud::say(&format!("\n==== SQLITE ONLY: {why} ====\n"));
    }
    found
});

impl PostgresServer {
    /// The server of this process; `None`, said loudly, when there is none. With `CI` set that is a failure.
    pub fn find() -> Option<&'static Self> {
        SERVER.as_ref()
    }

    fn start() -> Option<Self> {
        let (found, answer) = answers::channel();
        let (commands, queue) = mpsc::unbounded_channel();
        // A thread of its own: the connection outlives every test's runtime, and so does the lock it holds.
        let thread = std::thread::Builder::new().name("test-databases".to_owned());
        let spawned = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(serve(found, queue));
        });
        spawned.expect("a thread can be started");
        let (url, run) = answer.recv().ok()??;
        Some(Self { url, run, commands })
    }

    /// The name of a database of this run.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{PREFIX}{:08x}_{what}", self.run)
    }

    /// The URL of a database on the server.
    pub fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.url.0, self.url.1)
    }

    fn send(&self, sql: &str) -> answers::Receiver<Result<(), String>> {
        let (done, answer) = answers::channel();
        self.commands.send(Command { sql: sql.to_owned(), done }).expect("the thread lives as long as the process");
        answer
    }

    /// Runs one statement of administration.
    pub(super) async fn run(&self, sql: &str) {
        let answer = self.send(sql);
        let answer = tokio::task::spawn_blocking(move || answer.recv()).await.expect("waiting does not panic");
        answer.expect("the thread answers").unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The same from where nothing can be awaited; a failure is left to the next run's cleaning.
    pub(super) fn run_blocking(&self, sql: &str) {
        if let Ok(Err(error)) = self.send(sql).recv() {
            eprintln!("{sql}: {error}");
        }
    }
}

type Found = Option<((String, String), u32)>;

async fn serve(found: answers::Sender<Found>, mut queue: mpsc::UnboundedReceiver<Command>) {
    let Some((client, url)) = connect().await else {
        // Nobody waits when the process is already ending.
        found.send(None).ok();
        return;
    };
    let run = take_a_number(&client).await;
    clean(&client, run).await;
    found.send(Some((url, run))).ok();
    while let Some(command) = queue.recv().await {
        let done = client.batch_execute(&command.sql).await;
        command.done.send(done.map_err(|error| describe(&error))).ok();
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

#[expect(clippy::disallowed_methods, reason = "tests are told of their server by the environment")]
async fn connect() -> Option<(Client, (String, String))> {
    let mut candidates = Vec::new();
    if let Ok(url) = std::env::var("LATCHKEY_TEST_POSTGRES") {
        candidates.push(parts(&url));
    } else {
        let me = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        for user in [me.as_str(), "root", "postgres"] {
            candidates.push((format!("postgres://{user}@%2Fvar%2Frun%2Fpostgresql/"), String::new()));
            candidates.push((format!("postgres://{user}@127.0.0.1:5432/"), String::new()));
        }
    }
    for (before, after) in candidates {
        let Ok(mut config) = format!("{before}postgres{after}").parse::<Config>() else { continue };
        config.connect_timeout(std::time::Duration::from_secs(3));
        if let Ok((client, connection)) = config.connect(NoTls).await {
            tokio::spawn(connection);
            return Some((client, (before, after)));
        }
    }
    None
}

/// Cuts the name of the database out of a URL.
fn parts(url: &str) -> (String, String) {
    let (path, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let authority = path.find("://").map_or(0, |at| at + 3);
    let before = path[authority..].find('/').map_or(path, |at| &path[..authority + at]);
    (format!("{before}/"), query.to_owned())
}

/// Takes a run number that nobody holds: the server frees the lock when the process is gone.
async fn take_a_number(client: &Client) -> u32 {
    loop {
        let run = u32::from_be_bytes(crypto::random::bytes());
        if lock(client, run).await {
            return run;
        }
    }
}

async fn lock(client: &Client, run: u32) -> bool {
    let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&key(run)]).await;
    row.is_ok_and(|row| row.get(0))
}

fn key(run: u32) -> i64 {
    // Away from the numbers that others would choose.
    0x6c6b_7465_0000_0000 | i64::from(run)
}

/// Drops the databases of runs that are over: those whose number can be had.
async fn clean(client: &Client, own: u32) {
    let all = "SELECT datname FROM pg_database WHERE starts_with(datname, 'latchkey_test_')";
    let rows = client.query(all, &[]).await.unwrap_or_default();
    let mut runs: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in rows {
        let name: String = row.get(0);
        let run = name.strip_prefix(PREFIX).and_then(|rest| u32::from_str_radix(rest.get(..8)?, 16).ok());
        if let Some(run) = run.filter(|run| *run != own) {
            runs.entry(run).or_default().push(name);
        }
    }
    for (run, names) in runs {
        if !lock(client, run).await {
            continue;
        }
        for name in names {
            if let Err(error) = client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await
            {
                eprintln!("{name} of a dead run stays: {}", describe(&error));
            }
        }
        // The connection ends with the process, and the lock with it, should this fail.
        client.execute("SELECT pg_advisory_unlock($1)", &[&key(run)]).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn the_name_of_the_database_is_cut_out_of_a_url() {
        let cut = |url: &str| parts(url);
        assert_eq!(
            cut("postgres://u:p@h:1/db?sslmode=disable"),
            ("postgres://u:p@h:1/".into(), "?sslmode=disable".into())
        );
        assert_eq!(cut("postgres://u@h"), ("postgres://u@h/".into(), String::new()));
    }
}
