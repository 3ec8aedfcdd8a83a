//! One kind of request, asked for again and again over many connections.

use super::client::Connection;
use super::server::Server;
use anyhow::Context as _;
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is asked for.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) source: Source,
}

/// How much is asked for at a time, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// Connections that ask at the same time.
    pub(super) connections: usize,
    /// How long is measured.
    pub(super) length: Duration,
    /// How long each connection rests after an answer.
    pub(super) rest: Duration,
}

impl Load {
    /// As much as so many connections take.
    pub(super) fn full(connections: usize, length: Duration) -> Self {
        Self { connections, length, rest: Duration::ZERO }
    }
}

/// Where requests come from.
#[derive(Clone)]
pub(super) enum Source {
    /// Each connection asks for its share of these in turn.
    Ready(Rc<Vec<Vec<u8>>>),
    /// Made for each number, which comes once.
    Made(Rc<dyn Fn(u32) -> Vec<u8>>),
    /// Several requests in a row, where the next is made of the answer before; they count as one.
    Walked(Walk),
}

/// Takes a whole way over a connection, for a number that comes once.
pub(super) type Walk = Rc<dyn for<'c> Fn(&'c mut Connection, u32) -> Way<'c>>;

type Way<'c> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'c>>;

/// What came of it.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) elapsed: Duration,
    /// How long each request took, shortest first.
    times: Vec<Duration>,
    /// Of the server, for all requests together.
    pub(super) cpu: Duration,
    /// The most bytes of anonymous memory that were seen.
    pub(super) rss_anon: u64,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of the server's processors for one request.
    pub(super) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.times.len().max(1) as f64
    }

    /// The time in which so many of a hundred requests were answered.
    pub(super) fn percentile(&self, part: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get((self.times.len() * part / 100).min(last)).copied().unwrap_or_default()
    }

    /// Adds another stretch of the same.
    pub(super) fn add(&mut self, other: Self) {
        self.elapsed += other.elapsed;
        self.cpu += other.cpu;
        self.rss_anon = self.rss_anon.max(other.rss_anon);
        self.times.extend(other.times);
        self.times.sort_unstable();
    }
}

/// The stretch of time that counts.
struct Window {
    from: Instant,
    until: Cell<Option<Instant>>,
    /// How long each connection rests after an answer.
    rest: Duration,
}

/// Asks for the length of the load, after a warm-up that is not counted.
pub(super) async fn drive(server: &Server, subject: Subject, load: Load) -> anyhow::Result<Measured> {
    let Load { connections, length, rest } = load;
    let warm_up = (length / 4).min(Duration::from_secs(1));
    let window = Rc::new(Window { from: Instant::now() + warm_up, until: Cell::default(), rest });
    let counter = Rc::new(Cell::new(0));
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..connections {
        let (window, counter, source) = (Rc::clone(&window), Rc::clone(&counter), subject.source.clone());
        let connection = Connection::open(subject.address).await?;
        asking.spawn_local(ask(connection, subject.name, source, (number, connections), counter, window));
    }
    tokio::time::sleep_until(window.from.into()).await;
    let (began, cpu) = (Instant::now(), server.cpu()?);
    let mut rss_anon = server.rss_anon()?;
    while began.elapsed() < length && asking.len() == connections {
        tokio::time::sleep(LOOK).await;
        rss_anon = rss_anon.max(server.rss_anon()?);
    }
    let cpu = server.cpu()? - cpu;
    let ended = Instant::now();
    window.until.set(Some(ended));
    let mut times: Vec<Duration> = Vec::new();
    while let Some(done) = asking.join_next().await {
        times.extend(done.context("a connection of the benchmark was cut short")??);
    }
    times.sort_unstable();
    Ok(Measured { name: subject.name, elapsed: ended - began, times, cpu, rss_anon })
}

async fn ask(
    mut connection: Connection,
    name: &'static str,
    source: Source,
    (number, of): (usize, usize),
    counter: Rc<Cell<u32>>,
    window: Rc<Window>,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut next = number;
    loop {
        let made;
        let asked = Instant::now();
        let request = match &source {
            Source::Ready(requests) => {
                let request = requests.get(next % requests.len().max(1)).context("there is nothing to ask for")?;
                next += of;
                Some(request)
            }
            Source::Made(make) => {
                counter.set(counter.get() + 1);
                made = make(counter.get());
                Some(&made)
            }
            Source::Walked(walk) => {
                counter.set(counter.get() + 1);
                walk(&mut connection, counter.get()).await.with_context(|| name.to_owned())?;
                None
            }
        };
        if let Some(request) = request {
            connection.ask(request).await.with_context(|| name.to_owned())?.expect(200, name)?;
        }
        let answered = Instant::now();
        match window.until.get() {
            Some(_) => return Ok(times),
            None if answered >= window.from => times.push(answered - asked),
            None => {}
        }
        if !window.rest.is_zero() {
            tokio::time::sleep(window.rest).await;
        }
    }
}
