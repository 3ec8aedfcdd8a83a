//! The event log, read by one reader from its beginning to its end, again and again.

use super::client::{Connection, request};
use super::people::Place;
use super::server::Server;
use anyhow::{Context as _, bail};
use std::time::{Duration, Instant};

/// What came of it.
pub(super) struct Pulled {
    /// How many events the log has.
    pub(super) events: u64,
    /// How often it was read to its end.
    pub(super) passes: u64,
    /// How long that took.
    elapsed: Duration,
    /// Of the server.
    cpu: Duration,
}

impl Pulled {
    pub(super) fn per_second(&self) -> f64 {
        (self.events * self.passes) as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of the server's processors for one event.
    pub(super) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.events * self.passes).max(1) as f64
    }
}

/// Reads the whole log in the largest pages there are, until so much time has gone.
pub(super) async fn to_the_end(server: &Server, place: &Place, length: Duration) -> anyhow::Result<Pulled> {
    let bearer = place.bearer();
    let mut connection = Connection::open(server.bapi()).await?;
    // Not counted: what is read for the first time comes from elsewhere.
    let events = one_pass(&mut connection, &bearer).await?;
    let (began, cpu) = (Instant::now(), server.cpu()?);
    let mut passes = 0;
    while passes == 0 || began.elapsed() < length {
        let read = one_pass(&mut connection, &bearer).await?;
        if read != events {
            bail!("the log had {events} events, and {read} when it was read again");
        }
        passes += 1;
    }
    Ok(Pulled { events, passes, elapsed: began.elapsed(), cpu: server.cpu()? - cpu })
}

/// Reads the log once, and tells how many events it has: all of them, or the measurement is worth nothing.
async fn one_pass(connection: &mut Connection, bearer: &str) -> anyhow::Result<u64> {
    let mut path = "GET /v1/events?limit=500".to_owned();
    let mut read = 0;
    loop {
        let answer = connection.ask(&request(&path, &[("Authorization", bearer)], None)).await?;
        answer.expect(200, "a pull")?;
        // Of half a megabyte no tree is made: the reader must not be what is measured.
        let text = std::str::from_utf8(answer.body).context("a page of events is no text")?;
        read += u64::try_from(text.matches(r#""object":"event""#).count())?;
        let meta = text.rfind(r#""meta":{"cursor""#).and_then(|at| text.get(at..)).context("a page has no end")?;
        let end: serde_json::Value = serde_json::from_str(&format!("{{{meta}")).context("a page has another end")?;
        match end["meta"]["next_cursor"].as_str() {
            Some(next) => path = format!("GET /v1/events?limit=500&after={next}"),
            None if end["meta"]["latest_sequence"].as_u64() == Some(read) => return Ok(read),
            None => bail!("{read} events were read of a log that says {}", end["meta"]["latest_sequence"]),
        }
    }
}
