//! A stranger for tests: listens on the loopback, answers as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The fields of a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    after: Duration,
}

impl Reply {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), after: Duration::ZERO }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// So late.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [text.into_bytes(), self.body.clone()].concat()
    }
}

type Answer = Box<dyn Fn(&Asked) -> Reply + Send>;

struct State {
    asked: Vec<Asked>,
    connections: usize,
    answer: Answer,
}

/// A stranger; every clone is the same one. It lives as long as the runtime that it was started on.
#[derive(Clone)]
pub struct Stranger {
    port: u16,
    address: IpAddr,
    state: Arc<Mutex<State>>,
}

impl Stranger {
    /// A stranger on a free port of 127.0.0.1 that answers 200 with nothing.
    pub async fn start() -> io::Result<Self> {
        Self::on(Ipv4Addr::LOCALHOST.into(), 0).await
    }

    /// A stranger at an address of the loopback and a port; 0 takes a free one.
    pub async fn on(address: IpAddr, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((address, port)).await?;
        let state = State { asked: Vec::new(), connections: 0, answer: Box::new(|_| Reply::new(200, "")) };
        let stranger = Self { port: listener.local_addr()?.port(), address, state: Arc::new(Mutex::new(state)) };
        let host = stranger.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                host.state().connections += 1;
                let host = host.clone();
                // Who hangs up early has heard enough.
                tokio::spawn(async move { host.serve(socket).await.ok() });
            }
        });
        Ok(stranger)
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.address, self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it answers like this.
    pub fn answers(&self, answer: impl Fn(&Asked) -> Reply + Send + 'static) {
        self.state().answer = Box::new(answer);
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How often somebody connected, whether they said something or not.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut socket: TcpStream) -> io::Result<()> {
        let Some(asked) = read(&mut socket).await? else { return Ok(()) };
        let reply = {
            let mut state = self.state();
            let reply = (state.answer)(&asked);
            state.asked.push(asked);
            reply
        };
        tokio::time::sleep(reply.after).await;
        socket.write_all(&reply.bytes()).await?;
        socket.shutdown().await
    }
}

async fn read(socket: &mut TcpStream) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        if socket.read_buf(&mut body).await? == 0 {
            break;
        }
    }
    Ok(Some(Asked { method, path, headers, body }))
}
