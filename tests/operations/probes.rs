//! What machines ask a process, and where.

use domain::Surface;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use testkit::{EngineKind, Setup, TestApp, TestDatabase, Turn, both};

const SURFACES: [Surface; 2] = [Surface::Fapi, Surface::Bapi];

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

both! {
    async fn the_apis_answer_machines_when_nothing_else_is_said(app: TestApp) {
        for surface in SURFACES {
            for path in ["/healthz", "/readyz", "/metrics"] {
                assert_eq!(status(&app.probe(Some(surface), path).await), "200", "{surface:?} {path}");
            }
        }
    }
}

both! {
    on |engine| Setup::on(engine).ops_apart();

    async fn readiness_and_metrics_are_on_their_own_socket_alone(app: TestApp) {
        for surface in SURFACES {
            assert_eq!(status(&app.probe(Some(surface), "/healthz").await), "200", "{surface:?}");
            for path in ["/readyz", "/metrics", "/metrics/"] {
                let answer = app.probe(Some(surface), path).await;
                assert_eq!(status(&answer), "404", "{surface:?} {path}");
                assert!(answer.contains("resource_not_found"), "{answer}");
            }
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(status(&app.probe(None, path).await), "200", "{path}");
        }
        for path in ["/", "/v1/client", "/v1/users", "/v1/environment"] {
            assert_eq!(status(&app.probe(None, path).await), "404", "no API is there: {path}");
        }
    }
}

/// A process of ours; it is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn ask(authority: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(authority).expect("somebody listens");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers text");
    answer
}

/// The whole command, with the setting as an operator makes it.
fn the_setting_moves_them(database: Option<&str>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let ops = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("there is a free port");
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.args(["dev", "--json", "--fapi-port", "0", "--bapi-port", "0", "--data-dir"]).arg(folder.path());
    command.env_remove("DATABASE_URL").env("LATCHKEY_HTTP__OPS_LISTEN", ops.to_string());
    command.envs(database.map(|url| ("DATABASE_URL", url)));
    let mut process = Process(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says something");
    let ready: Value = serde_json::from_str(&line).expect("the line is JSON");

    for api in ["fapi_url", "bapi_url"] {
        let authority = ready[api].as_str().and_then(|url| url.split('/').nth(2)).expect("a URL");
        let port = authority.replace("localhost", "127.0.0.1");
        assert_eq!(
            ["/healthz", "/readyz", "/metrics"].map(|path| status(&ask(&port, path)).to_owned()),
            ["200", "404", "404"]
        );
    }
    let metrics = ask(&ops.to_string(), "/metrics");
    assert!(status(&metrics) == "200" && metrics.contains("worker_round_seconds"), "{metrics}");
    assert_eq!(status(&ask(&ops.to_string(), "/readyz")), "200");
}

mod the_setting_gives_readiness_and_metrics_a_socket_of_their_own {
    use super::*;

    #[test]
    fn sqlite() {
        the_setting_moves_them(None);
    }

    #[test]
    fn postgres() {
        let Some(_turn) = Turn::take() else { return };
        let database = actix_web::rt::System::new().block_on(TestDatabase::make(EngineKind::Postgres));
        the_setting_moves_them(Some(database.expect("there is a server").url()));
    }
}
