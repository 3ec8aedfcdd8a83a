use super::*;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use domain::{EnvironmentId, MessageId, NewId, Timestamp};
use outbound::InboxMessage;
use serde_json::Value;

fn message(to: &str) -> InboxMessage {
    let now = Timestamp::from_millis(1_700_000_000_000);
    InboxMessage {
        id: MessageId::new(now, crypto::random::bytes()),
        object: "inbox_message",
        environment_id: EnvironmentId::new(now, [1; 10]),
        channel: Channel::Email,
        to: to.to_owned(),
        from: "Latchkey <no-reply@localhost>".to_owned(),
        subject: Some("<script>alert(1)</script>".to_owned()),
        text: "Your code is 123456.".to_owned(),
        html: Some("<p onclick=\"x\">\"Your\" code</p><script>alert(2)</script>".to_owned()),
        code: Some("123456".to_owned()),
        link: Some("javascript:alert(3)".to_owned()),
        template_slug: "verification_code".to_owned(),
        created_at: now,
    }
}

async fn ask(inbox: &Inbox, request: TestRequest) -> ServiceResponse<impl MessageBody + use<>> {
    let app = init_service(app(Data::new(inbox.clone()))).await;
    call_service(&app, request.to_request()).await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header((header::HOST, "localhost:4025"))
}

#[actix_web::test]
async fn a_page_of_messages_has_the_form_of_every_list() {
    let inbox = Inbox::new();
    for to in ["a@x.test", "b@x.test", "a@x.test"] {
        inbox.keep(message(to));
    }

    let page: Value = read_body_json(ask(&inbox, get("/messages?to=a@x.test&limit=1")).await).await;

    assert_eq!(page["total_count"], 2);
    assert_eq!(page["data"][0]["object"], "inbox_message");
    let cursor = page["meta"]["next_cursor"].as_str().unwrap();
    let next: Value =
        read_body_json(ask(&inbox, get(&format!("/messages?to=a@x.test&limit=1&cursor={cursor}"))).await).await;
    assert_eq!(next["meta"], json!({}));
    assert_ne!(next["data"][0]["id"], page["data"][0]["id"]);
}

#[actix_web::test]
async fn a_short_message_has_neither_subject_nor_html() {
    let inbox = Inbox::new();
    inbox.keep(message("a@x.test"));
    inbox.keep(InboxMessage { channel: Channel::Sms, subject: None, html: None, ..message("+4915112345678") });

    // Whoever does not escape the plus means the number all the same.
    for query in ["to=+4915112345678", "to=%2B4915112345678", "channel=sms"] {
        let page: Value = read_body_json(ask(&inbox, get(&format!("/messages?{query}"))).await).await;
        assert_eq!(page["total_count"], 1, "{query}");
        let sms = &page["data"][0];
        assert_eq!((&sms["channel"], &sms["to"]), (&json!("sms"), &json!("+4915112345678")));
        assert!(sms["subject"].is_null() && sms["html"].is_null());
    }
    let page = String::from_utf8(read_body(ask(&inbox, get("/")).await).await.to_vec()).unwrap();
    assert!(page.contains("Short message") && page.contains("+4915112345678") && page.contains("a@x.test"));
}

#[actix_web::test]
async fn one_message_is_found_by_its_id() {
    let inbox = Inbox::new();
    let message = message("a@x.test");
    inbox.keep(message.clone());

    let found: Value = read_body_json(ask(&inbox, get(&format!("/messages/{}", message.id))).await).await;

    assert_eq!((&found["code"], &found["created_at"]), (&json!("123456"), &json!(1_700_000_000_000_i64)));
    assert_eq!(ask(&inbox, get("/messages/msg_nothing")).await.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn wrong_filters_are_named() {
    for (query, param) in [("limit=x", "limit"), ("channel=post", "channel"), ("cursor=x", "cursor")] {
        let answer = ask(&Inbox::new(), get(&format!("/messages?{query}"))).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let body: Value = read_body_json(answer).await;
        assert_eq!(body["errors"][0]["meta"]["param"], param);
    }
}

#[actix_web::test]
async fn the_inbox_can_be_emptied() {
    let inbox = Inbox::new();
    inbox.keep(message("a@x.test"));

    let request = TestRequest::delete().uri("/messages").insert_header((header::HOST, "127.0.0.1:4025"));

    assert_eq!(ask(&inbox, request).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(inbox.list(&InboxQuery::default()).unwrap().total_count, 0);
}

#[actix_web::test]
async fn a_name_that_was_rebound_to_this_machine_is_refused() {
    let inbox = Inbox::new();
    inbox.keep(message("a@x.test"));
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:4025", "", "[::2]", "127.0.0.1.evil.example"] {
        for path in ["/", "/messages", "/nothing"] {
            let answer = ask(&inbox, TestRequest::get().uri(path).insert_header((header::HOST, host))).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{host} {path}");
        }
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:4025"] {
        assert!(is_loopback_name(host), "{host}");
    }
    let twice = get("/messages").append_header((header::HOST, "localhost"));
    assert_eq!(ask(&inbox, twice).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        ask(&inbox, TestRequest::get().uri("/messages")).await.status(),
        StatusCode::FORBIDDEN,
        "no host at all"
    );
}

#[actix_web::test]
async fn nothing_in_a_mail_runs_on_the_page() {
    let inbox = Inbox::new();
    inbox.keep(message("a@x.test"));

    let answer = ask(&inbox, get("/")).await;

    let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    let page = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert_eq!(page.matches("<script").count(), 1, "only our own");
    assert!(page.contains("<iframe sandbox title") && !page.contains("onclick=\"x\""));
    assert!(!page.contains("javascript:"), "only web links are links");
    assert!(page.contains("<output>123456</output>"));
}
