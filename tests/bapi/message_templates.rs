//! The texts of mail and SMS, as an operator's backend reads and changes them.

use domain::phone::Phone;
use domain::time::{hours, minutes};
use domain::{Context, EventId};
use engine::sms::{SmsLetter, SmsTo};
use serde_json::{Value, json};
use testkit::{TestApp, both};

const NUMBER: &str = "+4915112345678";

/// Sends a code to a number.
async fn send_code(app: &TestApp, number: &'static str) {
    let tenant = engine::tenancy::tenant(&app.engine, app.env.id).await.expect("the environment is there");
    let cx = Context::system(app.env.id, app.now());
    let number = Phone::from_e164(number).expect("a number");
    let sent = app.engine.db().write(async move |tx: &mut storage::Tx<'_>| {
        let letter = SmsLetter::VerificationCode { code: crypto::Secret::new("135790".to_owned()), ttl: minutes(10) };
        let done = engine::sms::enqueue(tx, &cx, &tenant, letter, SmsTo::Number { number: &number, user: None }).await;
        Ok::<_, storage::Error>(done.is_ok())
    });
    assert!(sent.await.expect("the transaction commits"), "the message is within its budget");
}

/// Asks for a code to an address that nobody has.
async fn ask_for_code(app: &TestApp, email: &str) {
    let browser = app.anyone();
    let staged = json!({ "email_address": email, "password": "a fine long password" });
    let sign_up = browser.post("/v1/client/sign-ups", staged).await.has_status(200).str("/response/id");
    let path = format!("/v1/client/sign-ups/{sign_up}/challenges");
    browser.post(path, json!({ "strategy": "email_code" })).await.has_status(200);
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let mut value = value.clone();
    for key in keys {
        value.as_object_mut().expect("an object").shift_remove(*key);
    }
    value
}

both! {
    async fn short_messages_are_a_bare_list_in_the_order_of_their_slugs(app: TestApp) {
        let list = app.bapi().get("/v1/sms-templates").await;

        let slugs: Vec<&str> = list.json().as_array().expect("a bare list").iter().map(|t| t["slug"].as_str().expect("the shape of the answer")).collect();
        assert_eq!(slugs, ["invitation", "reset_password_code", "verification_code"]);
        let one = app.bapi().get("/v1/sms-templates/verification_code").await;
        one.is(200, json!({
            "object": "sms_template", "slug": "verification_code", "delivered_by_us": true, "from_number_override": null,
            "body": "{{ otp_code }} is your {{ app.name }} code. It works for {{ ttl_minutes }} minutes. Never tell it to anybody.",
            "created_at": app.env.made.created_at.millis(), "updated_at": app.env.made.created_at.millis(),
        }));
        assert_eq!(&list.json()[2], one.json());
        let other = app.second_environment().await;
        let theirs = app.bapi_of(&other).get("/v1/sms-templates/verification_code").await;
        assert_ne!(theirs.str("/id"), one.str("/id"), "each environment has its own");
    }

    async fn a_changed_short_message_is_what_is_sent(app: TestApp) {
        let before = app.bapi().get("/v1/sms-templates/verification_code").await;
        send_code(&app, NUMBER).await;
        // A text is made when it leaves.
        app.run_jobs().await;
        app.advance(minutes(1));

        let change = json!({ "body": "{{otp_code}} - {{app.name}} ({{ttl_minutes}} min){{nobody.knows}}", "from_number_override": "+15550001111" });
        let changed = app.bapi().patch("/v1/sms-templates/verification_code", change).await;

        changed.is(200, json!({ "body": "{{otp_code}} - {{app.name}} ({{ttl_minutes}} min){{nobody.knows}}", "from_number_override": "+15550001111" }));
        assert_eq!(changed.at("/id"), before.at("/id"));
        assert_eq!(changed.at("/created_at"), before.at("/created_at"));
        assert!(changed.at("/updated_at").as_i64() > before.at("/updated_at").as_i64());
        app.settings(|s| s.application_name = Some("Acme".into())).await;
        send_code(&app, NUMBER).await;
        let mut sent = app.smses().await;
        sent.sort_by_key(|message| message.text.contains("Acme"));
        assert_eq!(sent[0].text, format!("135790 is your {} code. It works for 10 minutes. Never tell it to anybody.", app.env.made.name));
        assert_eq!((sent[1].text.as_str(), sent[1].from.as_str()), ("135790 - Acme (10 min)", "+15550001111"));
        assert_eq!((sent[1].to.as_str(), sent[1].code.as_deref()), (NUMBER, Some("135790")));
        assert_eq!(app.events().await, ["sms.delivered", "sms.delivered"]);
    }

    async fn reverting_takes_back_every_change_and_keeps_who_it_is(app: TestApp) {
        let path = "/v1/sms-templates/invitation";
        let before = app.bapi().get(path).await;
        let change = json!({ "body": "Hi", "delivered_by_us": false, "from_number_override": "+15550001111" });
        app.bapi().patch(path, change).await.is(200, json!({ "body": "Hi", "delivered_by_us": false }));
        app.advance(minutes(1));

        let reverted = app.bapi().post_empty(format!("{path}/revert")).await;

        reverted.has_status(200);
        assert_eq!(without(reverted.json(), &["updated_at"]), without(before.json(), &["updated_at"]));
        assert!(reverted.at("/updated_at").as_i64() > before.at("/updated_at").as_i64());
        assert_eq!(app.bapi().get(path).await.json(), reverted.json());
        let again = app.bapi().patch(path, json!({ "from_number_override": "+15550002222" })).await;
        again.is(200, json!({ "id": before.str("/id"), "from_number_override": "+15550002222" }));
        app.bapi().patch(path, json!({ "from_number_override": null })).await.is(200, json!({ "from_number_override": null }));
    }

    async fn a_short_message_that_cannot_work_is_refused_with_its_reason(app: TestApp) {
        let backend = app.bapi();
        let change = |body: Value| backend.patch("/v1/sms-templates/verification_code", body);

        let lacking = change(json!({ "body": "Your code is on its way." })).await;
        lacking.is_refused_for(422, "form_param_invalid", "body");
        assert_eq!(lacking.json()["errors"][0]["meta"]["reason"], "variable_missing");
        let broken = change(json!({ "body": "{{otp_code}}\n{{ otp_code | uppercase }}" })).await;
        broken.is_refused_for(422, "form_param_invalid", "body");
        let meta = &broken.json()["errors"][0]["meta"];
        assert_eq!((&meta["line"], &meta["reason"]), (&json!(2), &json!("unknown_filter")));
        change(json!({ "body": "x".repeat(1601) })).await.is_refused_for(422, "form_param_format_invalid", "body");
        for bad in [json!(""), json!(null), json!(7)] {
            change(json!({ "body": bad })).await.is_refused_for(422, "form_param_format_invalid", "body");
        }
        for bad in ["15550001111", "+0155500011", "+1 555 000", "+1234567890123456", "Acme"] {
            let refused = change(json!({ "from_number_override": bad })).await;
            refused.is_refused_for(422, "form_param_format_invalid", "from_number_override");
        }
        change(json!({ "slug": "invitation" })).await.is_refused_for(422, "form_param_unknown", "slug");
        change(json!({ "delivered_by_us": null })).await.is_refused_for(422, "form_param_format_invalid", "delivered_by_us");
        change(json!({})).await.is(200, json!({ "delivered_by_us": true, "from_number_override": null }));
        backend.patch("/v1/sms-templates/invitation", json!({ "body": "Join us" })).await.has_status(200);
        for call in [
            backend.get("/v1/sms-templates/magic_link"),
            backend.patch("/v1/sms-templates/magic_link", json!({})),
            backend.post_empty("/v1/sms-templates/magic_link/revert"),
        ] {
            call.await.is_refused(404, "sms_template_not_found");
        }
    }

    async fn mails_are_pages_in_the_order_of_their_slugs(app: TestApp) {
        let mut slugs = Vec::new();
        let mut path = "/v1/email-templates?limit=7".to_owned();
        loop {
            let page = app.bapi().get(&path).await;
            assert_eq!(page.at("/total_count"), &json!(16));
            slugs.extend(page.json()["data"].as_array().expect("the shape of the answer").iter().map(|t| t["slug"].as_str().expect("the shape of the answer").to_owned()));
            match page.json().pointer("/meta/next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = format!("/v1/email-templates?limit=7&cursor={cursor}"),
                None => break,
            }
        }
        assert!(slugs.is_sorted() && slugs.len() == 16, "{slugs:?}");
        let first = app.bapi().get("/v1/email-templates").await;
        assert_eq!(first.json()["data"].as_array().expect("the shape of the answer").len(), 10);
        app.bapi().get("/v1/email-templates?limit=1").await.is(200, json!({ "data": [{ "object": "email_template", "slug": "account_exists", "is_default": true, "delivered_by_us": true,
            "from_email_name": null, "reply_to_email_name": null }] }));
        app.bapi().get("/v1/email-templates?offset=15").await.is(200, json!({ "data": [{ "slug": "verification_code" }] }));
        app.bapi().get("/v1/email-templates?cursor=x").await.is_refused_for(422, "form_param_format_invalid", "cursor");
        app.bapi().get("/v1/email-templates?order_by=subject").await.is_refused_for(422, "form_param_value_invalid", "order_by");
    }

    async fn a_changed_mail_is_what_is_sent(app: TestApp) {
        app.settings(|s| {
            s.application_name = Some("Acme & Co".into());
            s.support_email = Some("help@acme.example".into());
        }).await;
        let change = json!({
            "subject": "{{ app.name }}: {{ code }}", "body_html": "<p>{{ app.name }}</p><b>{{ code }}</b>", "body_text": "{{ app.name }} {{ code }}",
            "from_email_name": "Acme, Inc.", "reply_to_email_name": "Acme Help",
        });

        let changed = app.bapi().patch("/v1/email-templates/verification_code", change.clone()).await;

        changed.is(200, change).is(200, json!({ "is_default": false }));
        ask_for_code(&app, "new@example.com").await;
        let mail = app.mails_to("new@example.com").await.remove(0);
        let code = mail.code.clone().expect("a code");
        assert_eq!(mail.subject.as_deref(), Some(format!("Acme &amp; Co: {code}").as_str()));
        assert_eq!(mail.html.as_deref(), Some(format!("<p>Acme &amp; Co</p><b>{code}</b>").as_str()));
        assert_eq!(mail.text, format!("Acme & Co {code}"));
        assert_eq!(mail.from, "\"Acme, Inc.\" <no-reply@example.test>");

        app.bapi().post_empty("/v1/email-templates/verification_code/revert").await.is(200, json!({ "is_default": true }));
        ask_for_code(&app, "other@example.com").await;
        let mail = app.mails_to("other@example.com").await.remove(0);
        assert!(mail.from.contains("Acme & Co") && mail.from.ends_with("<no-reply@example.test>"), "{}", mail.from);
        assert!(mail.html.expect("an HTML part").starts_with("<!doctype html>"));
    }

    async fn another_process_sends_the_changed_mail_within_a_second(app: TestApp) {
        // The test's engine keeps what it read, like another process.
        ask_for_code(&app, "first@example.com").await;
        app.mails().await;
        let body = json!({ "body_text": "changed {{ code }}" });
        app.bapi().patch("/v1/email-templates/verification_code", body).await.has_status(200);

        app.tick().await;
        ask_for_code(&app, "second@example.com").await;

        assert!(app.mails_to("second@example.com").await[0].text.starts_with("changed "));
    }

    async fn a_text_that_says_what_ours_says_is_no_change(app: TestApp) {
        let path = "/v1/email-templates/passkey_added";
        let ours = app.bapi().get(path).await;
        let same = json!({ "subject": ours.at("/subject"), "body_html": ours.at("/body_html"), "body_text": ours.at("/body_text") });
        app.bapi().patch(path, same).await.is(200, json!({ "is_default": true }));
        app.bapi().patch(path, json!({ "from_email_name": "Acme" })).await.is(200, json!({ "is_default": false }));
        app.bapi().patch(path, json!({ "from_email_name": null })).await.is(200, json!({ "is_default": true, "id": ours.str("/id") }));
    }

    async fn every_problem_of_a_mail_is_told_with_its_field_and_line(app: TestApp) {
        let backend = app.bapi();
        let refused = backend.patch("/v1/email-templates/reset_password_code", json!({
            "subject": "{{ code", "body_html": "<p>\n{% include 'x' %}", "body_text": "no code here",
        })).await;
        refused.has_status(422);
        assert_eq!(refused.codes(), ["form_param_invalid"; 3]);
        assert_eq!(refused.params(), ["subject", "body_html", "body_text"]);
        let reasons: Vec<&Value> = refused.json()["errors"].as_array().expect("the shape of the answer").iter().map(|e| &e["meta"]["reason"]).collect();
        assert_eq!(reasons, ["unclosed", "unknown_tag", "variable_missing"]);
        assert_eq!(refused.json()["errors"][1]["meta"]["line"], 2);
        for (slug, needs) in [("magic_link", "action_url"), ("invitation", "action_url"), ("organization_invitation", "action_url"), ("verification_code", "code")] {
            let path = format!("/v1/email-templates/{slug}");
            backend.patch(&path, json!({ "body_html": "{{ other }}" })).await.is_refused_for(422, "form_param_invalid", "body_html");
            backend.patch(&path, json!({ "body_html": format!("{{{{ {needs} }}}}") })).await.has_status(200);
        }
        let path = "/v1/email-templates/passkey_added";
        backend.patch(path, json!({ "body_text": "A passkey!" })).await.has_status(200);
        for (field, bad) in [("subject", json!("x".repeat(257))), ("subject", json!(null)), ("body_html", json!("")), ("body_text", json!("x".repeat(65_537))),
            ("from_email_name", json!("x".repeat(65))), ("from_email_name", json!("Evil\r\nBcc: x@y.example")), ("delivered_by_us", json!("no"))] {
            backend.patch(path, json!({ field: bad })).await.is_refused_for(422, "form_param_format_invalid", field);
        }
        // As many bytes as characters only in ASCII.
        backend.patch(path, json!({ "body_text": "ü".repeat(40_000) })).await.is_refused_for(422, "form_param_invalid", "body_text");
        for call in [
            backend.get("/v1/email-templates/newsletter"),
            backend.patch("/v1/email-templates/newsletter", json!({})),
            backend.post_empty("/v1/email-templates/newsletter/revert"),
            backend.post("/v1/email-templates/newsletter/preview", json!({})),
        ] {
            call.await.is_refused(404, "email_template_not_found");
        }
    }

    async fn a_preview_shows_and_changes_nothing(app: TestApp) {
        let path = "/v1/email-templates/organization_invitation";
        let before = app.bapi().get(path).await;

        let preview = app.bapi().post(format!("{path}/preview"), json!({
            "subject": "{{ organization.name }} {{ role.name }}", "body_html": "<a href=\"{{ action_url }}\">{{ inviter.name }}</a>",
            "variables": { "organization": { "name": "<Ltd>" }, "inviter": { "name": "\"Bob\"" } },
        })).await;

        preview.is(200, json!({ "object": "email_preview", "subject": "&lt;Ltd&gt; Member",
            "html": "<a href=\"https://acme.example/verify?ticket=sample\">&quot;Bob&quot;</a>" }));
        assert!(preview.str("/text").contains("\"Bob\" invites you to join <Ltd>"), "{}", preview.str("/text"));
        assert_eq!(app.bapi().get(path).await.json(), before.json());
        assert!(app.mails().await.is_empty() && app.events().await.is_empty());
        app.bapi().post(format!("{path}/preview"), json!({})).await.has_status(200);
        let broken = app.bapi().post(format!("{path}/preview"), json!({ "body_text": "{{ action_url | no }}" })).await;
        broken.is_refused_for(422, "form_param_invalid", "body_text");
        let wrong = app.bapi().post(format!("{path}/preview"), json!({ "variables": "x" })).await;
        wrong.is_refused_for(422, "form_param_format_invalid", "variables");
    }

    async fn a_change_with_a_key_happens_once(app: TestApp) {
        let change = || app.bapi().patch("/v1/email-templates/magic_link", json!({ "subject": "One" })).idempotency_key("k");
        let first = change().await;
        app.advance(minutes(1));
        app.bapi().patch("/v1/email-templates/magic_link", json!({ "subject": "Two" })).await.has_status(200);

        let again = change().await;

        assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
        app.bapi().get("/v1/email-templates/magic_link").await.is(200, json!({ "subject": "Two" }));
        let revert = || app.bapi().post_empty("/v1/sms-templates/invitation/revert").idempotency_key("r");
        let first = revert().await;
        app.advance(minutes(1));
        assert_eq!(revert().await.json(), first.json());
    }

    async fn what_the_environment_delivers_itself_is_not_sent_but_told(app: TestApp) {
        app.bapi().patch("/v1/email-templates/verification_code", json!({ "delivered_by_us": false })).await.has_status(200);
        app.bapi().patch("/v1/sms-templates/verification_code", json!({ "delivered_by_us": false })).await.has_status(200);
        app.tick().await;

        ask_for_code(&app, "new@example.com").await;
        send_code(&app, NUMBER).await;

        assert!(app.mails().await.is_empty() && app.smses().await.is_empty());
        let told = app.logged_events(&app.env).await;
        let find = |name: &str| told.iter().filter(|e| e.event_type == name).collect::<Vec<_>>();
        let (email, sms) = (find("email.created"), find("sms.queued"));
        assert_eq!((email.len(), sms.len()), (1, 1), "each is told once");
        let data = email[0].data.as_ref().expect("a payload");
        assert_eq!((&data["delivered_by_us"], &data["subject"], &data["body"], &data["body_plain"]), (&json!(false), &json!(null), &json!(null), &json!(null)));
        assert_eq!((&data["to_email_address"], &data["slug"]), (&json!("new@example.com"), &json!("verification_code")));
        let data = sms[0].data.as_ref().expect("a payload");
        assert_eq!((&data["to"], &data["body"], &data["template_slug"], &data["metadata"]), (&json!(NUMBER), &json!(null), &json!("verification_code"), &json!({})));
        let text = async |id: EventId| engine::messages::text_of(&app.engine, app.env.id, id).await.expect("it can be read");
        let mail = text(email[0].id).await.expect("a text");
        assert!(mail["subject"].as_str().expect("the shape of the answer").contains("is your") && mail["body"].as_str().expect("the shape of the answer").starts_with("<!doctype") && mail["body_plain"].is_string());
        assert!(text(sms[0].id).await.expect("a text")["body"].as_str().expect("the shape of the answer").starts_with("135790 is your"));
        let kept = app.database_text().await;
        assert!(!kept.contains("135790"), "the code stands nowhere in clear");

        app.advance(hours(25));
        app.tick().await;

        assert_eq!((text(email[0].id).await, text(sms[0].id).await), (None, None));
    }

    async fn the_budget_of_short_messages_is_a_setting(app: TestApp) {
        app.bapi().get("/v1/instance").await.is(200, json!({ "sms": { "daily_budget": 500 } }));
        app.bapi().patch("/v1/instance", json!({ "sms": { "daily_budget": 3 } })).await.is(200, json!({ "sms": { "daily_budget": 3 } }));
        let too_many = app.bapi().patch("/v1/instance", json!({ "sms": { "daily_budget": 1_000_001 } })).await;
        too_many.is_refused_for(422, "form_param_value_invalid", "sms.daily_budget");
    }
}
