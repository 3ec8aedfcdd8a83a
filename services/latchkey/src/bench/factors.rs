//! Sign-ins of more than one request: the password with an authenticator app behind it, and a passkey alone. Whoever
//! signs in so is enrolled before, over the same surface.

use super::authenticator::{App, Passkey};
use super::client::{Connection, request};
use super::load::{Source, Walk};
use super::people::{ORIGIN, PASSWORD, address};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

/// The origin of the server's own pages, where passkeys are at home.
const HOME: &str = "http://localhost:4000";

/// Where the FAPI is.
#[derive(Clone)]
pub(super) struct Fapi {
    pub(super) address: SocketAddr,
    pub(super) label: String,
}

impl Fapi {
    fn post(&self, path: &str, cookies: &str, body: Option<&Value>) -> Vec<u8> {
        let line = format!("POST /{}{path}", self.label);
        match cookies {
            "" => request(&line, &[("Origin", ORIGIN)], body),
            cookies => request(&line, &[("Origin", ORIGIN), ("Cookie", cookies)], body),
        }
    }

    fn password(&self, number: u32) -> Vec<u8> {
        let body = json!({ "identifier": address(number), "strategy": "password", "password": PASSWORD });
        self.post("/v1/client/sign-ins", "", Some(&body))
    }
}

/// A person with an app.
struct Holder {
    number: u32,
    app: App,
}

/// People with something to prove with.
async fn enrol<T: 'static, F>(fapi: &Fapi, people: Vec<u32>, abreast: usize, one: F) -> anyhow::Result<Vec<T>>
where
    F: AsyncFn(&Fapi, &mut Connection, u32) -> anyhow::Result<T> + Clone + 'static,
{
    let waiting = Rc::new(RefCell::new(people));
    let mut enrolling = tokio::task::JoinSet::new();
    for _ in 0..abreast {
        let (fapi, waiting, one) = (fapi.clone(), Rc::clone(&waiting), one.clone());
        let mut connection = Connection::open(fapi.address).await?;
        enrolling.spawn_local(async move {
            let mut done = Vec::new();
            loop {
                let next = waiting.borrow_mut().pop();
                let Some(number) = next else { return anyhow::Ok(done) };
                done.push(one(&fapi, &mut connection, number).await?);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(done) = enrolling.join_next().await {
        all.extend(done.context("an enrolment was cut short")??);
    }
    Ok(all)
}

/// Signs in and gives the cookies.
async fn signed_in(fapi: &Fapi, connection: &mut Connection, number: u32) -> anyhow::Result<String> {
    let answer = connection.ask(&fapi.password(number)).await?;
    answer.expect(200, "a sign-in")?;
    Ok(answer.cookies())
}

/// Sign-ins with an app, of so many people; each has a code or two every thirty seconds.
pub(super) async fn with_apps(fapi: &Fapi, people: Vec<u32>, abreast: usize) -> anyhow::Result<Source> {
    let holders = enrol(fapi, people, abreast, async |fapi: &Fapi, connection: &mut Connection, number| {
        let cookies = signed_in(fapi, connection, number).await?;
        let begun = connection.ask(&fapi.post("/v1/me/totp", &cookies, None)).await?;
        begun.expect(200, "an enrolment")?;
        let mut app = App::read(begun.json()?["response"]["secret"].as_str().context("an app has a secret")?)?;
        let body = json!({ "code": app.code().context("a new app has codes")? });
        connection.ask(&fapi.post("/v1/me/totp/verify", &cookies, Some(&body))).await?.expect(200, "a first code")?;
        anyhow::Ok(Holder { number, app })
    });
    let holders = Rc::new(RefCell::new(VecDeque::from(holders.await?)));
    let fapi = fapi.clone();
    let walk: Walk = Rc::new(move |connection, _| {
        let (fapi, holders) = (fapi.clone(), Rc::clone(&holders));
        Box::pin(async move {
            // Whoever waited longest; nobody is two sign-ins at a time.
            let next = holders.borrow_mut().pop_front();
            let mut holder = next.context("everybody with an app is signing in")?;
            let code = holder.app.code();
            let Some(code) = code else { bail!("every code of every app is shown: measure fewer seconds") };
            let begun = connection.ask(&fapi.password(holder.number)).await?;
            begun.expect(200, "the first step")?;
            let (cookies, id) = (begun.cookies(), id_of(&begun.json()?)?);
            let body = json!({ "strategy": "totp", "code": code });
            let path = format!("/v1/client/sign-ins/{id}/challenges");
            connection.ask(&fapi.post(&path, &cookies, Some(&body))).await?.expect(200, "the second step")?;
            holders.borrow_mut().push_back(holder);
            Ok(())
        })
    });
    Ok(Source::Walked(walk))
}

/// Sign-ins with a passkey and without a name.
pub(super) async fn with_passkeys(fapi: &Fapi, people: Vec<u32>, abreast: usize) -> anyhow::Result<Source> {
    let passkeys = enrol(fapi, people, abreast, async |fapi: &Fapi, connection: &mut Connection, number| {
        let cookies = signed_in(fapi, connection, number).await?;
        let begin = fapi.post("/v1/me/passkeys/begin-registration", &cookies, Some(&json!({})));
        let begun = connection.ask(&begin).await?;
        begun.expect(201, "a registration")?;
        let begun = begun.json()?;
        let (passkey, attestation) = Passkey::create(HOME, &begun["creation_options"])?;
        let id = begun["id"].as_str().context("a registration has a challenge")?;
        let path = format!("/v1/me/passkeys/complete-registration/{id}");
        let body = json!({ "attestation": attestation });
        connection.ask(&fapi.post(&path, &cookies, Some(&body))).await?.expect(201, "a new passkey")?;
        anyhow::Ok(passkey)
    });
    let passkeys = Rc::new(passkeys.await?);
    let fapi = fapi.clone();
    let walk: Walk = Rc::new(move |connection, number| {
        let (fapi, passkeys) = (fapi.clone(), Rc::clone(&passkeys));
        Box::pin(async move {
            let passkey = passkeys.get(number as usize % passkeys.len().max(1)).context("nobody has a passkey")?;
            let begun = connection.ask(&fapi.post("/v1/client/sign-ins", "", Some(&json!({})))).await?;
            begun.expect(200, "a sign-in")?;
            let (cookies, id) = (begun.cookies(), id_of(&begun.json()?)?);
            let path = format!("/v1/client/sign-ins/{id}/challenges");
            let asked = connection.ask(&fapi.post(&path, &cookies, Some(&json!({ "strategy": "passkey" })))).await?;
            asked.expect(200, "a challenge")?;
            let asked = asked.json()?;
            let assertion = passkey.get(&asked["response"]["request_options"])?;
            let path = format!("{path}/{}/answer", id_of(&asked)?);
            let body = json!({ "assertion": assertion });
            let done = connection.ask(&fapi.post(&path, &cookies, Some(&body))).await?;
            done.expect(200, "a passkey")
        })
    });
    Ok(Source::Walked(walk))
}

fn id_of(body: &Value) -> anyhow::Result<String> {
    Ok(body["response"]["id"].as_str().context("what was made has an id")?.to_owned())
}
