//! A stopwatch over sign-in, reset and passkey options tells nobody who has an account, or a passkey.
//!
//! Every round takes one sample of each request of each person, in an order that turns, so that whatever else the
//! machine does meets all of them. Compared are lower quartiles: load only ever adds. What counts as told apart is
//! half of what one hash costs, and that is measured in the same rounds, by a request that hashes and one that does
//! not: a path that hashed for known people only would be off by twice as much.

use crypto::password::{Params, PoolOptions};
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::{TestApp, both};

/// Samples of each kind.
const ROUNDS: usize = 16;

/// What is asked of the server, to the end of what a stranger can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Begins a sign-in: no hash.
    Bare,
    /// Tries a password: one hash.
    Password,
    /// Asks for a code to set a new password, and answers it wrongly.
    Reset,
    /// Asks for the options of a passkey.
    PasskeyOptions,
}

const ASKS: [Ask; 4] = [Ask::Bare, Ask::Password, Ask::Reset, Ask::PasskeyOptions];

async fn sample(app: &TestApp, ask: Ask, who: &str) -> Duration {
    let browser = app.browser().await;
    let started = Instant::now();
    match ask {
        Ask::Bare => {
            browser.post("/v1/client/sign-ins", json!({ "identifier": who })).await.has_status(200);
        }
        Ask::Password => {
            let body = json!({ "identifier": who, "strategy": "password", "password": "not the password" });
            browser.post("/v1/client/sign-ins", body).await.has_status(422);
        }
        Ask::Reset => {
            let body = json!({ "identifier": who, "strategy": "reset_password_email_code" });
            let begun = browser.post("/v1/client/sign-ins", body).await;
            let (id, challenge) = (begun.str("/response/id"), begun.str("/response/current_challenge_id"));
            let path = format!("/v1/client/sign-ins/{id}/challenges/{challenge}/answer");
            browser.post(path, json!({ "code": "135790" })).await.has_status(422);
        }
        Ask::PasskeyOptions => {
            browser.asks_for_passkey(Some(who)).await;
        }
    }
    started.elapsed()
}

fn lower_quartile(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 4]
}

/// One measurement: the cost of a hash, and for each request the widest gap between two people.
async fn measure(app: &TestApp, people: &[&str]) -> (Duration, Vec<(Ask, Duration)>) {
    let mut times = vec![vec![Vec::new(); people.len()]; ASKS.len()];
    for round in 0..ROUNDS {
        for (a, ask) in ASKS.into_iter().enumerate() {
            for turn in 0..people.len() {
                let who = (turn + round) % people.len();
                times[a][who].push(sample(app, ask, people[who]).await);
            }
        }
    }
    let typical: Vec<Vec<Duration>> =
        times.iter().map(|of_ask| of_ask.iter().map(|of_person| lower_quartile(of_person)).collect()).collect();
    let least = |of_ask: &[Duration]| of_ask.iter().min().copied().unwrap_or_default();
    let most = |of_ask: &[Duration]| of_ask.iter().max().copied().unwrap_or_default();
    let hash = least(&typical[1]).saturating_sub(most(&typical[0]));
    let gaps = ASKS.into_iter().zip(&typical).map(|(ask, of_ask)| (ask, most(of_ask) - least(of_ask)));
    (hash, gaps.collect())
}

both! {
    on |engine| testkit::Setup::on(engine).passwords(PoolOptions {
        params: Params { memory_kib: 19_456, iterations: 2, parallelism: 1 },
        threads: 2,
        waiting_per_thread: 64,
    });

    async fn a_stopwatch_over_sign_in_reset_and_passkey_options_tells_nobody_apart(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 10_000).await;
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        alice.enrols(&mut device).await;
        let bob = app.user("bob").created().await;
        let people = [alice.user.email.as_str(), &bob.email, "nobody@example.com"];

        // Up to three times: what is really there shows every time, a burst of load does not.
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (hash, gaps) = measure(&app, &people).await;
            let is_alike = hash > Duration::from_millis(4) && gaps.iter().all(|(_, gap)| *gap < hash / 2);
            seen.push((hash, gaps));
            if is_alike {
                return;
            }
        }
        panic!("a hash costs, and people differ by: {seen:?}");
    }

    async fn the_stopwatch_sees_a_path_that_hashes_for_some(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 10_000).await;
        let alice = app.user("alice").created().await;
        // What a platform would look like that hashed for known people only.
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut times = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                times[0].push(sample(&app, Ask::Password, &alice.email).await);
                times[1].push(sample(&app, Ask::Password, "nobody@example.com").await);
                times[2].push(sample(&app, Ask::Bare, "nobody@example.com").await);
            }
            let [known, unknown, bare] = times.map(|of_kind| lower_quartile(&of_kind));
            let (hash, gap) = (unknown.saturating_sub(bare), known.saturating_sub(bare));
            if gap >= hash / 2 && hash > Duration::from_millis(4) {
                return;
            }
            seen.push((hash, gap));
        }
        panic!("the stopwatch sees nothing: {seen:?}");
    }
}
