//! A model of the sign-in beside the server: a thousand browsers do whatever comes, and none has a session before
//! it has shown every factor that its person has enrolled. The model knows only which secrets were sent, never what
//! the server made of them.

use serde_json::{Value, json};
use std::cell::RefCell;
use testkit::{AuthenticatorApp, Caller, TestApp, both};

const WALKS: u64 = 1000;
const STEPS: u64 = 9;

/// A walk is drawn from its number alone (SplitMix64), so that a bad one can be walked again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(n).unwrap_or(1)).unwrap_or(0)
    }
}

/// A person of the walks, and everything that opens the account.
struct Target {
    id: String,
    email: String,
    password: RefCell<String>,
    app: Option<AuthenticatorApp>,
    backup: RefCell<Vec<String>>,
}

impl Target {
    fn password(&self) -> String {
        self.password.borrow().clone()
    }

    fn wrong_password(&self) -> String {
        format!("{} not", self.password.borrow())
    }

    fn has_second_factor(&self) -> bool {
        self.app.is_some() || !self.backup.borrow().is_empty()
    }
}

async fn target(app: &TestApp, name: &str, totp: bool, backup: bool) -> Target {
    let person = app.user(name).signed_in().await;
    let scanned = match totp {
        true => Some(AuthenticatorApp::enrolled(app, &person).await),
        false => None,
    };
    let mut codes = Vec::new();
    if backup {
        let made = person.post_empty("/v1/me/backup-codes").await;
        made.has_status(200);
        let list = made.at("/response/codes").as_array().cloned().unwrap_or_default();
        codes = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        assert!(!codes.is_empty(), "backup codes were made");
    }
    Target {
        id: person.id().to_owned(),
        email: person.user.email.clone(),
        password: RefCell::new(person.user.password.clone()),
        app: scanned,
        backup: RefCell::new(codes),
    }
}

/// What the walker has shown for the attempt that is open, by the model alone.
#[derive(Default, Clone)]
struct Shown {
    first: bool,
    second: bool,
}

struct Walk<'a> {
    app: &'a TestApp,
    target: &'a Target,
    browser: Caller,
    dice: Dice,
    attempt: Option<String>,
    challenge: Option<(String, String)>,
    shown: Shown,
    /// Whether any attempt of this browser has shown everything.
    entitled: bool,
    log: Vec<String>,
}

const STRATEGIES: [&str; 10] = [
    "password",
    "email_code",
    "reset_password_email_code",
    "totp",
    "backup_code",
    "phone_code",
    "email_link",
    "passkey",
    "ticket",
    "oauth_google",
];

impl Walk<'_> {
    async fn step(&mut self) {
        match self.dice.below(12) {
            0 | 1 => self.begin().await,
            2..=4 => self.prepare().await,
            5..=9 => self.answer().await,
            10 => self.wander().await,
            _ => self.sign_up().await,
        }
        self.check().await;
    }

    async fn begin(&mut self) {
        let body = match self.dice.below(6) {
            0 => json!({}),
            1 => {
                json!({ "identifier": self.target.email, "strategy": "password", "password": self.target.wrong_password() })
            }
            2 => json!({ "identifier": self.target.email, "strategy": "password", "password": self.target.password() }),
            3 => json!({ "identifier": "nobody@example.com" }),
            4 => json!({ "transfer": true }),
            _ => json!({ "identifier": self.target.email }),
        };
        let shows = body.get("password").is_some_and(|p| *p == self.target.password().as_str());
        let reply = self.browser.post("/v1/client/sign-ins", body.clone()).await;
        self.log.push(format!("begin {body} -> {}", reply.status()));
        // Also where the answer was refused an attempt may stand.
        let client = self.browser.get("/v1/client").await;
        let open = client.json().pointer("/sign_in/id").or_else(|| reply.json().pointer("/response/id"));
        let path = open.and_then(Value::as_str).map(|id| format!("/v1/client/sign-ins/{id}"));
        if path != self.attempt {
            self.attempt = path;
            self.challenge = None;
            self.shown = Shown::default();
        }
        if shows && reply.status() == 200 {
            self.shown.first = true;
        }
    }

    async fn prepare(&mut self) {
        let Some(path) = self.attempt.clone() else { return };
        let strategy = STRATEGIES[self.dice.below(STRATEGIES.len())];
        let reply = self.browser.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
        self.log.push(format!("prepare {strategy} -> {}", reply.status()));
        if reply.status() == 200 {
            let id = reply.str("/response/id");
            self.challenge = Some((format!("{path}/challenges/{id}"), strategy.to_owned()));
        }
    }

    async fn answer(&mut self) {
        let Some((path, strategy)) = self.challenge.clone() else { return };
        let right = self.dice.below(3) > 0;
        let (body, first, second) = match strategy.as_str() {
            "password" if right => (json!({ "password": self.target.password() }), true, false),
            "password" => (json!({ "password": self.target.wrong_password() }), false, false),
            "email_code" | "reset_password_email_code" if right => {
                // The newest code, whichever challenge it was for; none where nothing was sent to the person.
                let mails = self.app.mails_to(&self.target.email).await;
                let code = mails.into_iter().rev().find_map(|mail| mail.code).unwrap_or_default();
                (json!({ "code": code }), true, false)
            }
            "totp" if right && self.target.app.is_some() => {
                // Each code is good once: the next one comes with the next half minute.
                self.app.advance(std::time::Duration::from_secs(30));
                let code = self.target.app.as_ref().map(|app| app.code(self.app, 0)).unwrap_or_default();
                (json!({ "code": code }), false, true)
            }
            "backup_code" if right && self.target.backup.borrow().len() > 1 => {
                let code = self.target.backup.borrow().last().cloned().unwrap_or_default();
                (json!({ "code": code }), false, true)
            }
            "ticket" => (json!({ "ticket": "tkt_nothing" }), false, false),
            _ => (json!({ "code": "000000" }), false, false),
        };
        let reply = self.browser.post(format!("{path}/answer"), body).await;
        self.log.push(format!("answer {strategy} right={right} -> {}", reply.status()));
        if strategy == "backup_code" && second && reply.status() == 200 {
            self.target.backup.borrow_mut().pop();
        }
        if strategy == "password" && !right && reply.status() == 200 {
            // Where a new password is due, any other than the old one becomes the password.
            assert!(self.shown.first, "a wrong password was taken:\n{}", self.log.join("\n"));
            let new = self.target.wrong_password();
            *self.target.password.borrow_mut() = new;
        }
        if reply.status() == 200 {
            self.shown.first |= first;
            // A second factor counts after the first one, in the same attempt.
            self.shown.second |= second && self.shown.first;
        }
    }

    /// Whatever else a browser may try.
    async fn wander(&mut self) {
        let path = self.attempt.clone().unwrap_or_else(|| "/v1/client/sign-ins/sia_01ARZ3NDEKTSV4RRFFQ69G5FAV".into());
        let reply = match self.dice.below(6) {
            0 => self.browser.post_empty("/v1/me/totp").await,
            1 => self.browser.post_empty("/v1/me/backup-codes").await,
            2 => self.browser.patch("/v1/me", json!({ "first_name": "Mallory" })).await,
            3 => self.browser.put_empty("/v1/client").await,
            4 => self.browser.get(path).await,
            _ => self.browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await,
        };
        self.log.push(format!("wander -> {}", reply.status()));
        if reply.status() == 200
            && self.browser.get("/v1/client").await.json().pointer("/sign_in").is_none_or(Value::is_null)
        {
            self.attempt = None;
            self.challenge = None;
            self.shown = Shown::default();
        }
    }

    async fn sign_up(&mut self) {
        let body = json!({ "email_address": self.target.email, "password": "a quiet harbour at dusk" });
        let reply = self.browser.post("/v1/client/sign-ups", body).await;
        self.log.push(format!("sign up as the person -> {}", reply.status()));
    }

    /// The promise: a session of the person stands on this browser only after every factor was shown.
    async fn check(&mut self) {
        self.entitled |= self.shown.first && (self.shown.second || !self.target.has_second_factor());
        let client = self.browser.get("/v1/client").await;
        let sessions = client.json().pointer("/sessions").and_then(Value::as_array).cloned().unwrap_or_default();
        let inside = sessions.iter().any(|session| session["user_id"] == self.target.id.as_str());
        assert!(!inside || self.entitled, "a session without every factor:\n{}", self.log.join("\n"));
        let me = self.browser.get("/v1/me").await;
        assert!(me.status() != 200 || self.entitled, "/v1/me without every factor:\n{}", self.log.join("\n"));
    }
}

both! {
    async fn no_walk_reaches_a_session_without_every_factor(app: TestApp) {
        let targets = [
            target(&app, "plain", false, false).await,
            target(&app, "app", true, false).await,
            target(&app, "paper", false, true).await,
            target(&app, "both", true, true).await,
        ];
        let mut reached = 0;
        for number in 0..WALKS {
            // The counters of wrong guesses are not what is walked into here.
            app.advance(domain::time::minutes(4));
            let mut dice = Dice(number);
            let target = &targets[dice.below(targets.len())];
            let mut walk = Walk {
                app: &app,
                target,
                browser: app.anyone(),
                dice,
                attempt: None,
                challenge: None,
                shown: Shown::default(),
                entitled: false,
                log: vec![format!("walk {number}, {}", target.email)],
            };
            walk.begin().await;
            for _ in 0..STEPS {
                walk.step().await;
            }
            reached += u64::from(walk.entitled);
        }
        // The walks are worth something: many of them do get in.
        assert!(reached > WALKS / 20, "only {reached} of {WALKS} walks got in");
    }
}
