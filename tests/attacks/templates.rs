//! What operators write and what people call themselves meet in a mail: neither may take the house down or become
//! what it is not. And short messages cost money.

use domain::phone::Phone;
use domain::time::{hours, minutes};
use domain::{Context, Timestamp, UserId};
use engine::sms::{SmsLetter, SmsRefused, SmsTo};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{TestApp, both, race};

/// Templates that would take more than they are given.
fn bombs() -> Vec<String> {
    vec![
        format!("{{{{ code }}}}{}", "{% if a %}".repeat(3000)),
        format!("{{{{ {}", "a[".repeat(20_000)),
        "{{ code }}{% for i in (1..100000000) %}{% endfor %}".to_owned(),
        format!("{{{{ code }}}}{{% assign x = 'xxxxxxxx' %}}{}", "{% assign x = x | append: x %}".repeat(1500)),
        format!(
            "{{{{ code }}}}{{% assign x = 'aaaa' %}}{}",
            "{% assign x = x | replace: 'a', 'aaaaaaaa' %}".repeat(50)
        ),
        format!(
            "{{{{ code }}}}{{% assign l = '{}' | split: ',' %}}{}x{}",
            "a,".repeat(900),
            "{% for i in l %}".repeat(6),
            "{% endfor %}".repeat(6)
        ),
        format!("{{{{ code }}}}{}", "{{ 'x' | truncate: 1".repeat(1000)),
        format!("{{{{ code }}}}{}{{%", " ".repeat(60_000)),
    ]
}

async fn mail_to(app: &TestApp, email: &str) -> outbound::InboxMessage {
    let browser = app.anyone();
    let sign_in =
        browser.post("/v1/client/sign-ins", json!({ "identifier": email })).await.has_status(200).str("/response/id");
    let path = format!("/v1/client/sign-ins/{sign_in}/challenges");
    browser.post(path, json!({ "strategy": "email_code" })).await.has_status(200);
    app.mails_to(email).await.pop().expect("a mail")
}

/// What comes of a message to a number, at a moment.
async fn send(app: &TestApp, number: String, known: bool, now: Timestamp) -> Result<(), i64> {
    let tenant = engine::tenancy::tenant(&app.engine, app.env.id).await.expect("the environment is there");
    let cx = Context::system(app.env.id, now);
    let number = Phone::from_e164(&number).expect("a number");
    let work = async move |tx: &mut storage::Tx<'_>| {
        let letter = SmsLetter::VerificationCode { code: crypto::Secret::new("135790".to_owned()), ttl: minutes(10) };
        let to = if known {
            SmsTo::Number { number: &number, user: None::<UserId> }
        } else {
            SmsTo::Nobody { number: &number }
        };
        engine::sms::enqueue(tx, &cx, &tenant, letter, to).await
    };
    match app.engine.db().write(work).await {
        Ok(()) => Ok(()),
        Err(SmsRefused::TooMany { retry_after_seconds }) => Err(retry_after_seconds),
        Err(error) => panic!("{error}"),
    }
}

fn number(n: usize) -> String {
    format!("+49151{n:08}")
}

both! {
    async fn a_template_bomb_is_refused_when_it_is_written(app: TestApp) {
        for bomb in bombs() {
            let started = Instant::now();
            for field in ["body_html", "body_text"] {
                for path in ["/v1/email-templates/verification_code/preview", "/v1/email-templates/verification_code"] {
                    let body = json!({ field: bomb });
                    let call = if path.ends_with("preview") { app.bapi().post(path, body) } else { app.bapi().patch(path, body) };
                    let refused = call.await;
                    assert_eq!(refused.status(), 422, "{}: {}", &bomb[..60], refused.text());
                    assert!(refused.text().len() < 2000, "a refusal does not echo the bomb");
                }
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{}", &bomb[..60]);
        }
        app.bapi().get("/v1/email-templates/verification_code").await.is(200, json!({ "is_default": true }));
    }

    async fn values_make_no_bomb_of_a_template(app: TestApp) {
        let list: Vec<Value> = (0..1000).map(|n| json!(n)).collect();
        let body = json!({
            "body_text": "{{ code }}{% for a in list %}{% for b in list %}{% for c in list %}{{ big }}{% endfor %}{% endfor %}{% endfor %}",
            "variables": { "list": list, "big": "x".repeat(500_000) },
        });
        let started = Instant::now();
        let refused = app.bapi().post("/v1/email-templates/verification_code/preview", body).await;
        refused.is_refused_for(422, "form_param_invalid", "body_text");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    async fn the_house_goes_on_while_bombs_are_looked_at(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let bomb = &bombs()[5];

        let (app, alice) = (&app, &alice);
        let replies = race(20, |i| async move {
            if i % 2 == 0 {
                let asked = json!({ "body_text": bomb });
                return app.bapi().post("/v1/email-templates/verification_code/preview", asked).await.status();
            }
            let started = Instant::now();
            let status = alice.get("/v1/me").await.status();
            assert!(started.elapsed() < Duration::from_secs(10));
            status
        }).await;

        assert!(replies.iter().enumerate().all(|(i, status)| *status == if i % 2 == 0 { 422 } else { 200 }), "{replies:?}");
    }

    async fn a_template_that_fails_at_its_hour_gives_way_to_ours(app: TestApp) {
        // With made-up values it ends at once; with the name the application gets later it does not.
        let body = "{{ code }}{% assign l = app.name | split: '' %}{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}.{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
        app.bapi().patch("/v1/email-templates/verification_code", json!({ "body_text": body })).await.has_status(200);
        app.settings(|s| s.application_name = Some("A long name of an application, fifty characters and more".into())).await;
        let alice = app.user("alice").created().await;

        let mail = mail_to(&app, &alice.email).await;

        let code = mail.code.expect("a code");
        assert!(mail.text.contains(&code) && mail.text.contains("works for 10 minutes"), "{}", mail.text);
    }

    async fn names_with_markup_stay_text_in_mails(app: TestApp) {
        let evil = "<img src=x onerror=alert(1)>\"'&";
        app.settings(|s| s.application_name = Some("<script>alert(1)</script>".into())).await;
        let body = "<p title=\"{{ user.first_name }}\">{{ user.first_name }} {{ user.last_name | upcase }}</p>{{ app.name }}{{ code }}";
        let made = json!({ "email_address": ["evil@example.com"], "skip_password_requirement": true, "first_name": evil, "last_name": "<i>" });
        app.bapi().post("/v1/users", made).await.has_status(201);

        let ours = mail_to(&app, "evil@example.com").await;
        app.bapi().patch("/v1/email-templates/verification_code", json!({ "body_html": body, "subject": "{{ user.first_name }}" })).await.has_status(200);
        app.tick().await;
        app.advance(minutes(11));
        let theirs = mail_to(&app, "evil@example.com").await;

        assert!(!ours.html.expect("an HTML part").contains("<script"));
        let html = theirs.html.expect("an HTML part");
        assert!(html.starts_with("<p title=\"&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\">"), "{html}");
        assert_eq!(html.matches('<').count(), 2, "only the operator's own tags: {html}");
        assert!(html.contains("&lt;I&gt;") && html.contains("&lt;script&gt;"));
        assert!(!theirs.subject.expect("a subject").contains('<'));
    }

    async fn no_value_begins_a_header_of_a_mail(app: TestApp) {
        let change = json!({ "subject": "{{ app.name }}\r\nBcc: victim@example.com" });
        app.bapi().patch("/v1/email-templates/verification_code", change).await.has_status(200);
        app.settings(|s| s.application_name = Some("Acme\r\nX-Evil: 1".into())).await;
        let alice = app.user("alice").created().await;

        let mail = mail_to(&app, &alice.email).await;

        assert_eq!(mail.subject.as_deref(), Some("Acme X-Evil: 1 Bcc: victim@example.com"));
        assert!(!mail.from.contains(['\r', '\n']), "{}", mail.from);
    }

    async fn short_messages_at_once_never_pass_the_budget_of_the_day(app: TestApp) {
        app.settings(|s| s.sms.daily_budget = 10).await;
        let now = app.now();

        let sent = race(50, |i| send(&app, number(i), true, now)).await;

        assert_eq!(sent.iter().filter(|sent| sent.is_ok()).count(), 10);
        assert!(sent.iter().all(|sent| sent.is_ok() || *sent == Err(86_400)), "{sent:?}");
        assert_eq!(app.smses().await.len(), 10);
        assert_eq!(send(&app, number(60), true, now + hours(23)).await, Err(3600));
        assert_eq!(send(&app, number(60), true, now + hours(24)).await, Ok(()));
    }

    async fn one_number_gets_one_message_in_half_a_minute_and_five_an_hour(app: TestApp) {
        let begin = app.now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);

        let at_once = race(20, |_| send(&app, number(1), true, at(0))).await;

        assert_eq!(at_once.iter().filter(|sent| sent.is_ok()).count(), 1, "{at_once:?}");
        assert_eq!(send(&app, number(1), true, at(29)).await, Err(1));
        assert_eq!(send(&app, number(2), true, at(29)).await, Ok(()), "another number does not wait");
        for n in 1..5 {
            assert_eq!(send(&app, number(1), true, at(n * 30)).await, Ok(()));
        }
        assert_eq!(send(&app, number(1), true, at(600)).await, Err(3000));
        assert_eq!(send(&app, number(1), true, at(3600)).await, Ok(()));
        // Each is due at the time it was asked for.
        app.advance(Duration::from_secs(3601));
        assert_eq!(app.smses().await.len(), 7);
    }

    async fn a_number_that_nobody_has_is_refused_like_one_that_somebody_has(app: TestApp) {
        app.settings(|s| s.sms.daily_budget = 2).await;
        let now = app.now();

        assert_eq!(send(&app, number(1), false, now).await, Ok(()));
        assert_eq!(send(&app, number(1), false, now + Duration::from_secs(10)).await, Err(20));
        assert_eq!(send(&app, number(2), true, now).await, Ok(()), "what is not sent costs nothing");
        assert_eq!(send(&app, number(3), true, now).await, Ok(()));
        assert_eq!(send(&app, number(4), false, now).await, send(&app, number(5), true, now).await);
        assert_eq!(app.smses().await.len(), 2);
    }

    async fn a_message_that_rolls_back_was_not_spent(app: TestApp) {
        app.settings(|s| s.sms.daily_budget = 1).await;
        let tenant = engine::tenancy::tenant(&app.engine, app.env.id).await.expect("the environment is there");
        let cx = Context::system(app.env.id, app.now());
        let rolled_back = app.engine.db().write(async move |tx: &mut storage::Tx<'_>| {
            let letter = SmsLetter::Invitation { action_url: crypto::Secret::new("https://acme.example/i".to_owned()) };
            let number = Phone::from_e164("+4915100000001").expect("a number");
            engine::sms::enqueue(tx, &cx, &tenant, letter, SmsTo::Number { number: &number, user: None }).await?;
            Err::<(), _>(SmsRefused::TooMany { retry_after_seconds: 7 })
        }).await;
        assert!(rolled_back.is_err());
        assert_eq!(send(&app, number(1), true, app.now()).await, Ok(()));
    }

    async fn nothing_is_ever_sent_to_the_numbers_of_tests(app: TestApp) {
        app.settings(|s| s.sms.daily_budget = 1).await;
        for n in [100, 142, 199] {
            assert_eq!(send(&app, format!("+15555550{n}"), true, app.now()).await, Ok(()));
        }
        assert!(app.smses().await.is_empty() && app.events().await.is_empty());
        assert_eq!(send(&app, "+15555550200".to_owned(), true, app.now()).await, Ok(()), "and they cost nothing");
        assert_eq!(app.smses().await.len(), 1);
    }
}
