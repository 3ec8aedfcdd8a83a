//! Requests that no HTTP library would send.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a server may stay silent before it counts as hung up.
const PATIENCE: Duration = Duration::from_secs(15);

/// A request whose head is with the server, and of whose body one byte is.
#[must_use = "a request that is not finished is not answered"]
pub struct Held {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Held {
    /// Sends the rest of the body, and gives the whole answer.
    pub async fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).await.ok();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut answer)).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Sends a head and the first byte of the body.
pub(crate) async fn hold(url: &str, head: &str, body: &[u8]) -> Held {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or(rest);
    let mut stream = TcpStream::connect(authority).await.expect("the server listens");
    let (first, rest) = body.split_at(1.min(body.len()));
    let sent = [head.as_bytes(), first].concat();
    stream.write_all(&sent).await.expect("the server reads");
    Held { stream, rest: rest.to_vec() }
}

pub(crate) async fn send(url: &str, bytes: &[u8]) -> String {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or(rest);
    let mut stream = TcpStream::connect(authority).await.expect("the server listens");
    // A server that refuses early closes while we still write.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}
