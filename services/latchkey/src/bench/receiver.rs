//! The receiver of three webhook endpoints, in this process: it takes everything at once and notes when it came.
//!
//! As little HTTP/1.1 as the server under test needs to push: what the receiver costs, the server does not get.

use anyhow::{Context as _, bail};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many endpoints hear of everything.
pub(super) const ENDPOINTS: usize = 3;

/// What every write puts into the metadata of a person, with a number that comes once.
pub(super) const MARK: &str = "bench_write";

/// What was written, and what arrived of it.
#[derive(Default)]
pub(super) struct Log {
    /// When each write was acknowledged, by its number.
    acknowledged: Vec<Option<Instant>>,
    /// What each endpoint has heard of, by the event's id: the number of the write, and when it came first.
    heard: [HashMap<String, (usize, Instant)>; ENDPOINTS],
    /// How often something came that was there already.
    again: usize,
    /// What was pushed that no write of ours has made, if there was such a thing.
    stranger: Option<String>,
    /// The last arrival of something new.
    last: Option<Instant>,
}

impl Log {
    /// A number for a write that is about to be made.
    pub(super) fn next(&mut self) -> usize {
        self.acknowledged.push(None);
        self.acknowledged.len() - 1
    }

    /// The number of the next write.
    pub(super) fn end(&self) -> usize {
        self.acknowledged.len()
    }

    /// A write was answered.
    pub(super) fn acknowledge(&mut self, number: usize) {
        if let Some(at) = self.acknowledged.get_mut(number) {
            *at = Some(Instant::now());
        }
    }

    fn arrived(&mut self, endpoint: usize, head: &str, body: &str) {
        let now = Instant::now();
        match (header(head, "webhook-id"), number(body), self.heard.get_mut(endpoint)) {
            (Some(id), Some(number), Some(heard)) if number < self.acknowledged.len() => {
                if heard.contains_key(id) {
                    self.again += 1;
                } else {
                    heard.insert(id.to_owned(), (number, now));
                    self.last = Some(now);
                }
            }
            _ => self.stranger = Some(body.chars().take(200).collect()),
        }
    }

    /// How many deliveries are still to come.
    pub(super) fn outstanding(&self) -> usize {
        let heard: usize = self.heard.iter().map(HashMap::len).sum();
        (self.end() * ENDPOINTS).saturating_sub(heard)
    }

    /// Deliveries so far that were of no use, because the event had come before.
    pub(super) fn again(&self) -> usize {
        self.again
    }

    /// When the last one arrived.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// How long each delivery of these writes took after the write was acknowledged, shortest first.
    pub(super) fn lags(&self, writes: &Range<usize>) -> Vec<Duration> {
        let arrivals = self.heard.iter().flat_map(HashMap::values).filter(|(number, _)| writes.contains(number));
        let lags = arrivals.filter_map(|(number, at)| {
            // One that overtakes the answer of its write has no lag at all.
            Some(at.saturating_duration_since((*self.acknowledged.get(*number)?)?))
        });
        let mut lags: Vec<Duration> = lags.collect();
        lags.sort_unstable();
        lags
    }

    /// Once everything has arrived: each write made one event, and each endpoint has heard of all of them.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(stranger) = &self.stranger {
            bail!("something was pushed that nobody has written: {stranger}");
        }
        let [first, others @ ..] = &self.heard;
        let mut numbers: Vec<usize> = first.values().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        if !numbers.into_iter().eq(0..self.end()) {
            bail!("the events that were pushed are not one for each write");
        }
        let same = |other: &HashMap<String, (usize, Instant)>| {
            other.len() == first.len()
                && other.iter().all(|(id, (number, _))| first.get(id).map(|f| f.0) == Some(*number))
        };
        if others.iter().all(same) { Ok(()) } else { bail!("the endpoints have heard of different events") }
    }
}

/// The number of the write that an event tells of.
fn number(body: &str) -> Option<usize> {
    let (_, rest) = body.split_once(MARK)?;
    let digits = rest.strip_prefix("\":")?;
    digits.get(..digits.find(|letter: char| !letter.is_ascii_digit())?)?.parse().ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The receiver; it listens as long as it lives.
pub(super) struct Receiver {
    pub(super) log: Rc<RefCell<Log>>,
    /// The URL of each endpoint: ports of their own, as the houses of strangers are.
    pub(super) urls: Vec<String>,
    _listening: JoinSet<()>,
}

impl Receiver {
    /// Begins to listen.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let log = Rc::new(RefCell::new(Log::default()));
        let mut listening = JoinSet::new();
        let mut urls = Vec::new();
        for endpoint in 0..ENDPOINTS {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the loopback has no free port")?;
            urls.push(format!("http://{}/", listener.local_addr()?));
            listening.spawn_local(accept(listener, endpoint, Rc::clone(&log)));
        }
        Ok(Self { log, urls, _listening: listening })
    }
}

async fn accept(listener: TcpListener, endpoint: usize, log: Rc<RefCell<Log>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // One that breaks off is the server's to report: it pushes again.
        let log = Rc::clone(&log);
        connections.spawn_local(async move { take(stream, endpoint, &log).await.ok() });
        while connections.try_join_next().is_some() {}
    }
}

/// Takes one push after the other.
async fn take(mut stream: TcpStream, endpoint: usize, log: &RefCell<Log>) -> anyhow::Result<()> {
    const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = std::str::from_utf8(&buffer[..head])?;
        let length: usize = header(text, "content-length").context("a push has no length")?.parse()?;
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let (head, body) = (std::str::from_utf8(&buffer[..head])?, std::str::from_utf8(&buffer[head..head + length])?);
        log.borrow_mut().arrived(endpoint, head, body);
        let taken = head.len() + body.len();
        stream.write_all(TAKEN).await?;
        buffer.drain(..taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: usize) -> String {
        format!(r#"{{"id":"evt","data":{{"public_metadata":{{"{MARK}":{number}}},"z":1}}}}"#)
    }

    fn hear(log: &mut Log, endpoint: usize, id: &str, number: usize) {
        log.arrived(endpoint, &format!("POST / HTTP/1.1\r\nWebhook-ID: {id}\r\n\r\n"), &body(number));
    }

    #[test]
    fn every_endpoint_is_to_hear_of_every_write_once() {
        let mut log = Log::default();
        for _ in 0..2 {
            let number = log.next();
            log.acknowledge(number);
        }
        assert_eq!((log.outstanding(), log.lags(&(0..2)).len()), (6, 0));

        for endpoint in 0..ENDPOINTS {
            hear(&mut log, endpoint, "a", 0);
            assert!(log.check().is_err());
            hear(&mut log, endpoint, "b", 1);
        }

        assert_eq!((log.outstanding(), log.again(), log.lags(&(0..2)).len(), log.lags(&(1..2)).len()), (0, 0, 6, 3));
        log.check().unwrap();
        hear(&mut log, 2, "b", 1);
        assert_eq!((log.outstanding(), log.again()), (0, 1));
        log.check().unwrap();
        log.next();
        for (endpoint, id) in ["c", "c", "d"].into_iter().enumerate() {
            hear(&mut log, endpoint, id, 2);
        }
        assert!(log.check().unwrap_err().to_string().contains("different events"));
    }

    #[test]
    fn what_nobody_has_written_is_noticed() {
        let mut log = Log::default();
        hear(&mut log, 0, "a", 0);
        assert_eq!(log.outstanding(), 0);
        assert!(log.check().unwrap_err().to_string().contains("nobody has written"));
    }

    #[tokio::test]
    async fn pushes_that_come_in_pieces_and_one_after_the_other_are_taken() {
        let tasks = tokio::task::LocalSet::new();
        let receiver = tasks.run_until(Receiver::open()).await.unwrap();
        let address = receiver.urls[1].trim_start_matches("http://").trim_end_matches('/').to_owned();
        let first = receiver.log.borrow_mut().next();
        let second = receiver.log.borrow_mut().next();

        tasks
            .run_until(async {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for (id, number) in [("a", first), ("b", second)] {
                    let body = body(number);
                    let push =
                        format!("POST / HTTP/1.1\r\nwebhook-id: {id}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    for piece in [&push[..30], &push[30..push.len() - 5], &push[push.len() - 5..]] {
                        stream.write_all(piece.as_bytes()).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    let mut answer = [0; 38];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"\r\n\r\n"));
                }
            })
            .await;

        assert_eq!(receiver.log.borrow().outstanding(), 4);
    }
}
