//! The worker's own `/healthz`, `/readyz` and `/metrics`, when it is a process of its own.
//!
//! It takes no other request, so the few lines of HTTP/1.1 (RFC 9112) that probes speak are enough.

use boot::Platform;
use engine::Engine;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_REQUEST: usize = 8 * 1024;

/// The listener of the worker's probes, on a thread of its own that ends with the process.
pub struct Health {
    /// The port that was taken.
    pub port: u16,
}

/// Answers probes.
pub fn serve_health(platform: &Platform) -> io::Result<Health> {
    let settings = &platform.config.worker;
    let listener = TcpListener::bind((settings.host.as_str(), settings.port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let platform = platform.clone();
    std::thread::Builder::new().name("health".to_owned()).spawn(move || {
        let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, accept(platform, listener))
        });
        if let Err(error) = served {
            tracing::error!(%error, "the worker's probes are not answered");
        }
    })?;
    Ok(Health { port })
}

async fn accept(platform: Platform, listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let platform = Rc::new(platform);
    let engine = Rc::new(platform.engine());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, most likely: they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (platform, engine) = (Rc::clone(&platform), Rc::clone(&engine));
        tokio::task::spawn_local(async move {
            // A prober that is too slow or gone hears nothing.
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &platform, &engine)).await;
        });
    }
}

async fn answer(mut stream: TcpStream, platform: &Platform, engine: &Engine) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > LONGEST_REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, kind, body) = match path(&request) {
        Some("/healthz") => ("200 OK", "application/json", r#"{"status":"ok"}"#.to_owned()),
        Some("/readyz") => match engine::health::ready(engine).await {
            Ok(()) => ("200 OK", "application/json", r#"{"status":"ok"}"#.to_owned()),
            Err(reason) => ("503 Service Unavailable", "text/plain; charset=utf-8", reason.to_string()),
        },
        Some("/metrics") => ("200 OK", "text/plain; version=0.0.4", (platform.render_metrics)()),
        Some(_) => ("404 Not Found", "text/plain; charset=utf-8", "not found".to_owned()),
        None => ("405 Method Not Allowed", "text/plain; charset=utf-8", "only GET".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The path of a GET request.
fn path(request: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(request.split(|byte| *byte == b'\r').next()?).ok()?;
    let (path, _) = line.strip_prefix("GET ")?.split_once(' ')?;
    path.split('?').next()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_probe_is_read_and_other_requests_are_not() {
        assert_eq!(path(b"GET /readyz?x=1 HTTP/1.1\r\nhost: x\r\n\r\n"), Some("/readyz"));
        for other in [&b"POST /readyz HTTP/1.1\r\n\r\n"[..], b"GET /readyz\r\n\r\n", b"\r\n\r\n", b"\xff\xff"] {
            assert_eq!(path(other), None);
        }
    }
}
