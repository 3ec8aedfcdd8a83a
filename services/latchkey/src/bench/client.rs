//! As little HTTP/1.1 as asking our own server takes: what the client needs, the server does not get.

use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is used again and again.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// An answer; it lives until the next question.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    head: &'a str,
    pub(super) body: &'a [u8],
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the server takes no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0 })
    }

    /// Sends a whole request and reads the whole answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await.context("the server closed the connection")?;
        self.filled = 0;
        let head = loop {
            if let Some(end) = self.buffer[..self.filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let (status, length) = read_head(&self.buffer[..head])?;
        while self.filled < head + length {
            self.read().await?;
        }
        let head_text = std::str::from_utf8(&self.buffer[..head]).context("the head of an answer is no text")?;
        Ok(Answer { status, head: head_text, body: &self.buffer[head..head + length] })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => bail!("the server closed the connection in the middle of an answer"),
            count => self.filled += count,
        }
        Ok(())
    }
}

/// The status of an answer and the length of its body.
fn read_head(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let text = std::str::from_utf8(head).context("the head of an answer is no text")?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).context("an answer has no status")?;
    let length = header_lines(text, "content-length").next().and_then(|value| value.parse().ok());
    match length {
        Some(length) => Ok((status, length)),
        None if status == 204 || status == 304 => Ok((status, 0)),
        None => bail!("an answer with status {status} has no length"),
    }
}

fn header_lines<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.split("\r\n").skip(1).filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Answer<'_> {
    /// The `Cookie` header that a browser would send from now on.
    pub(super) fn cookies(&self) -> String {
        let pairs = header_lines(self.head, "set-cookie").filter_map(|cookie| cookie.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(self.body).context("the body of an answer is no JSON")
    }

    /// Refuses every answer but a good one, and quotes what was said instead.
    pub(super) fn expect(&self, status: u16, what: &str) -> anyhow::Result<()> {
        if self.status == status {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&self.body[..self.body.len().min(400)]);
        bail!("{what} was answered with {} and not with {status}: {said}", self.status)
    }
}

/// The text of a request.
pub(super) fn request(line: &str, headers: &[(&str, &str)], body: Option<&serde_json::Value>) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost:4000\r\nUser-Agent: latchkey-bench\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    match body {
        Some(body) => {
            let body = body.to_string();
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
        None if line.starts_with("POST") => text.push_str("Content-Length: 0\r\n\r\n"),
        None => text.push_str("\r\n"),
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn an_answer_that_comes_in_pieces_is_read_whole_and_the_connection_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            for body in ["{\"a\":1}", ""] {
                assert!(stream.read(&mut asked).unwrap() > 0);
                let head =
                    format!("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\ncontent-LENGTH: {}\r\n\r\n", body.len());
                for piece in [&head[..20], &head[20..], body] {
                    stream.write_all(piece.as_bytes()).unwrap();
                    stream.flush().unwrap();
                }
            }
        });
        let mut connection = Connection::open(address).await.unwrap();

        let first = connection.ask(&request("GET /", &[], None)).await.unwrap();
        assert_eq!((first.json().unwrap()["a"].as_i64(), first.cookies().as_str()), (Some(1), "a=b"));
        assert!(first.expect(201, "a question").unwrap_err().to_string().contains("200 and not with 201: {\"a\":1}"));
        let second = connection.ask(&request("POST /", &[("X", "y")], None)).await.unwrap();

        assert_eq!((second.status, second.body.len()), (200, 0));
        server.join().unwrap();
    }
}
