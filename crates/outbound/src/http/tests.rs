use super::*;
use crate::fake::{Reply, Stranger};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Instant;

/// Names whose addresses are said beforehand, another set at each look-up; the last one stays.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let read = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(read).collect()), ..Self::default() })
    }
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Names for Scripted {
    fn addresses(&self, name: &str) -> LookUp {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let found = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(Ok(found.unwrap_or_default())))
    }
}

/// One house of the loopback is the Internet, every other one is inside.
fn outside_is(ip: &str) -> HttpSettings {
    HttpSettings { allow_cidrs: vec![ip.parse::<IpAddr>().unwrap().into()], ..HttpSettings::development() }
}

fn client() -> Http {
    Http::new(HttpSettings::development()).unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_written() {
    let stranger = Stranger::start().await.unwrap();
    stranger.answers(|_| Reply::new(201, r#"{"ok":true}"#).header("x-some", "thing"));
    let request = Request::post(format!("{}/a?b=c", stranger.url()))
        .basic("user", &crypto::Secret::new("pass".to_owned()))
        .form(&[("to", "+49 1"), ("text", "ä&b")]);

    let answer = client().send(request).await.unwrap();

    assert_eq!((answer.status, answer.header("x-some")), (201, Some("thing")));
    assert_eq!(answer.json::<serde_json::Value>().unwrap()["ok"], true);
    let asked = &stranger.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/a?b=c"));
    assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.form()["text"], "ä&b");
    assert!(asked.header("user-agent").unwrap().starts_with("Latchkey/"));
}

#[tokio::test]
async fn an_inner_address_is_never_connected_to() {
    let inner = Stranger::start().await.unwrap();
    let strict = Http::new(HttpSettings { ports: None, allow_http: true, ..HttpSettings::default() }).unwrap();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let error = strict.send(Request::get(format!("http://{host}:{}/", inner.port()))).await.unwrap_err();
        assert!(matches!(error, HttpError::Target(BadTarget::Host)), "{host}: {error:?}");
    }
    // A name that somebody else points at us.
    for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"] {
        let names = Scripted::of(&[&[ip]]);
        let settings = HttpSettings { ports: None, allow_http: true, ..HttpSettings::default() };
        let strict = Http::with_names(settings, names.clone()).unwrap();
        let error = strict.send(Request::get(format!("http://evil.test:{}/", inner.port()))).await.unwrap_err();
        assert!(matches!(error, HttpError::NotPublic), "{ip}: {error:?}");
        assert_eq!(names.asked(), 1);
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn a_name_that_is_rebound_between_two_calls_leads_nowhere() {
    let outside = Stranger::on(Ipv4Addr::new(127, 0, 0, 2).into(), 0).await.unwrap();
    let inner = Stranger::on(Ipv4Addr::new(127, 0, 0, 3).into(), outside.port()).await.unwrap();
    // Good at the first look-up; then mixed; then bad.
    let names = Scripted::of(&[&["127.0.0.2"], &["127.0.0.3", "127.0.0.2"], &["127.0.0.3"]]);
    let http = Http::with_names(outside_is("127.0.0.2"), names.clone()).unwrap();
    let url = format!("http://rebind.test:{}/", outside.port());

    http.send(Request::get(&url)).await.unwrap();
    http.send(Request::get(&url)).await.unwrap();
    let error = http.send(Request::get(&url)).await.unwrap_err();

    assert!(matches!(error, HttpError::NotPublic), "{error:?}");
    assert_eq!(names.asked(), 3, "one look-up a connection: what was checked is what is used");
    assert_eq!((outside.connections(), inner.connections()), (2, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer_unless_it_is_asked_for() {
    let stranger = Stranger::start().await.unwrap();
    stranger.answers(|_| Reply::new(302, "").header("location", "/next"));

    let answer = client().send(Request::get(stranger.url())).await.unwrap();

    assert_eq!(answer.status, 302);
    assert_eq!(stranger.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_checked_like_the_first_url_and_takes_no_secret_along() {
    let outside = Stranger::on(Ipv4Addr::new(127, 0, 0, 2).into(), 0).await.unwrap();
    let other = Stranger::on(Ipv4Addr::new(127, 0, 0, 2).into(), 0).await.unwrap();
    let inner = Stranger::on(Ipv4Addr::new(127, 0, 0, 3).into(), 0).await.unwrap();
    let http = Http::new(outside_is("127.0.0.2")).unwrap();
    let call = |to: String| {
        outside.answers(move |_| Reply::new(302, "").header("location", &to));
        let request = Request::get(outside.url()).header("authorization", "Bearer secret").redirects(3);
        http.send(request)
    };

    let error = call(inner.url()).await.unwrap_err();
    assert!(matches!(error, HttpError::Target(BadTarget::Host)), "{error:?}");
    let error = call("file:///etc/passwd".to_owned()).await.unwrap_err();
    assert!(matches!(error, HttpError::Target(BadTarget::Scheme)), "{error:?}");
    let error = call("/again".to_owned()).await.unwrap_err();
    assert!(matches!(error, HttpError::Redirects), "{error:?}");
    assert_eq!(call(other.url()).await.unwrap().status, 200);

    assert_eq!(inner.connections(), 0);
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_long_answer_is_cut_off() {
    let stranger = Stranger::start().await.unwrap();
    stranger.answers(|_| Reply::new(200, vec![b'x'; 10_000_000]));

    let error = client().send(Request::get(stranger.url()).limit(1000)).await.unwrap_err();

    assert!(matches!(error, HttpError::TooLarge(1000)) && !error.may_retry(), "{error:?}");
}

#[tokio::test]
async fn the_beginning_of_a_long_answer_can_be_enough() {
    let stranger = Stranger::start().await.unwrap();
    stranger.answers(|_| Reply::new(503, vec![b'x'; 10_000_000]));

    let answer = client().send(Request::get(stranger.url()).cut_after(1000)).await.unwrap();

    assert_eq!((answer.status, answer.body), (503, vec![b'x'; 1000]));
}

#[tokio::test]
async fn who_is_slow_is_left_alone() {
    let stranger = Stranger::start().await.unwrap();
    stranger.answers(|_| Reply::new(200, "").after(Duration::from_secs(30)));
    let started = Instant::now();

    let request = Request::get(stranger.url()).timeout(Duration::from_millis(200));
    let error = client().send(request).await.unwrap_err();

    assert!(matches!(error, HttpError::Unreachable(_)) && error.may_retry(), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_secret_of_the_url_is_not_in_the_error() {
    // Nobody listens on port 1.
    let error = client().send(Request::get("http://127.0.0.1:1/?secret=hunter2")).await.unwrap_err();

    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(found) = cause {
        text.push_str(&format!("{found} {found:?}"));
        cause = found.source();
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_header_cannot_begin_another_one() {
    let stranger = Stranger::start().await.unwrap();

    let error = client().send(Request::get(stranger.url()).header("x-a", "b\r\nx-c: d")).await.unwrap_err();

    assert!(matches!(error, HttpError::Request(_)), "{error:?}");
    assert_eq!(stranger.connections(), 0);
}

#[test]
fn certificates_that_are_not_there_are_told_by_their_file() {
    let file = std::env::temp_dir().join("latchkey-no-such-file.pem");
    let settings = HttpSettings { ca_file: Some(file.clone()), ..HttpSettings::default() };

    let error = Http::new(settings).err().unwrap();

    assert!(error.to_string().contains("latchkey-no-such-file.pem"), "{error}");
}

/// A DNS server that knows one address for every name, and tells the names it was asked for.
async fn dns_server(address: Ipv4Addr) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (here, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut query = [0_u8; 512];
        while let Ok((_, peer)) = socket.recv_from(&mut query).await {
            let (mut name, mut at) = (Vec::new(), 12);
            while query[at] != 0 {
                let label = &query[at + 1..=at + usize::from(query[at])];
                name.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + label.len();
            }
            let question = query[12..at + 5].to_vec();
            let is_a = question.ends_with(&[0, 1, 0, 1]);
            names.lock().unwrap().push(name.join("."));
            // Our id, a recursive answer without error, one question, none or one answer.
            let mut reply = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0];
            reply.extend(question);
            if is_a {
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                reply.extend(address.octets());
            }
            socket.send_to(&reply, peer).await.unwrap();
        }
    });
    (here, asked)
}

#[tokio::test]
async fn names_are_asked_of_the_named_servers_and_their_answers_are_checked() {
    let stranger = Stranger::start().await.unwrap();
    let (server, asked) = dns_server(Ipv4Addr::LOCALHOST).await;
    let open = HttpSettings { dns_servers: vec![server], ..HttpSettings::development() };
    let url = format!("http://some.name.test:{}/", stranger.port());

    assert_eq!(Http::new(open.clone()).unwrap().send(Request::get(&url)).await.unwrap().status, 200);
    let strict = Http::new(HttpSettings { allow_cidrs: Vec::new(), ..open }).unwrap();
    let error = strict.send(Request::get(&url)).await.unwrap_err();

    assert!(matches!(error, HttpError::NotPublic), "{error:?}");
    assert_eq!(stranger.connections(), 1);
    assert!(asked.lock().unwrap().iter().all(|name| name == "some.name.test"), "no search list");
}
