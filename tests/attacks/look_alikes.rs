//! One mailbox is one address, however it is spelt; and what only looks like it is another or none.

use super::{sign_in_by_code, sign_up_by_code};
use serde_json::json;
use testkit::{TestApp, both};

const NO_ADDRESSES: [&str; 16] = [
    "\u{212A}elvin@example.com",
    "stra\u{df}e@example.com",
    "\u{430}lice@example.com",
    "alice\u{200b}@example.com",
    "alice@example.com.",
    "alice@example.com\u{0}.evil.example",
    "alice@example\u{2024}com",
    "alice@@example.com",
    "alice@example.com,mallory@example.com",
    "alice@example.com\r\nBcc: mallory@example.com",
    "\"alice\"@example.com",
    "<alice@example.com>",
    "alice@[127.0.0.1]",
    "alice@2130706433",
    "alice @example.com",
    "al\u{69}\u{307}ce@example.com",
];

both! {
    async fn look_alikes_and_broken_addresses_are_no_addresses(app: TestApp) {
        app.user("alice").created().await;
        for bad in NO_ADDRESSES {
            let sign_up = app.anyone().post("/v1/client/sign-ups", json!({ "email_address": bad })).await;
            // Some of them normalise to an address: then it is that address, and nothing else.
            if sign_up.status() == 200 {
                let kept = sign_up.str("/response/email_address");
                assert!(kept.is_ascii() && !kept.contains('\0'), "{bad:?} became {kept}");
                assert_ne!(bad, kept);
                continue;
            }
            assert!([400, 422].contains(&sign_up.status()), "{bad:?}: {}", sign_up.text());
            let created = app.bapi().post("/v1/users", json!({ "email_address": [bad], "password": "a passphrase of nobody" })).await;
            assert!([400, 422].contains(&created.status()), "{bad:?}: {}", created.text());
            let body = json!({ "identifier": bad, "strategy": "password", "password": "correct horse of alice" });
            let sign_in = app.anyone().post("/v1/client/sign-ins", body).await;
            assert!(sign_in.status() >= 400, "{bad:?}: {}", sign_in.text());
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        assert!(app.mails().await.is_empty(), "nothing is sent to what is no address");
    }

    async fn every_spelling_of_a_mailbox_is_the_same_person(app: TestApp) {
        app.settings(|s| {
            s.restrictions.ignore_dots_for_gmail_addresses = true;
            s.restrictions.block_email_subaddresses = true;
        })
        .await;
        let body = |email: &str| json!({ "email_address": [email], "password": "a passphrase of hers" });
        let stored = [
            ("ann.lee@gmail.com", vec!["ANN.LEE@GMAIL.COM", "annlee@gmail.com", "a.n.n.l.e.e@googlemail.com", "AnnLee+shop@Gmail.com"]),
            ("x@b\u{fc}cher.example", vec!["x@xn--bcher-kva.example", "X@B\u{dc}CHER.example", "x+1@b\u{fc}cher.example"]),
        ];
        for (first, spellings) in stored {
            let made = app.bapi().post("/v1/users", body(first)).await;
            let kept = made.has_status(201).str("/email_addresses/0/email_address");

            for spelling in spellings {
                app.bapi().post("/v1/users", body(spelling)).await.is_refused(409, "form_identifier_exists");
                // The mail goes to the address that was proven, never to the one that was typed.
                let before = app.mails_to(&kept).await.len();
                let browser = app.anyone();
                let attempt = sign_in_by_code(&browser, spelling).await;
                assert_eq!(app.mails_to(&kept).await.len(), before + 1, "{spelling} writes to {kept}");
                attempt.answer(&browser, &app.last_code(&kept).await).await.has_status(200);
                browser.get("/v1/me").await.is(200, json!({ "id": made.str("/id") }));
            }
            let all = app.mails().await;
            assert!(all.iter().all(|mail| stored_ones(&mail.to)), "nothing is sent elsewhere");
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 2 }));
    }

    async fn a_second_spelling_cannot_sign_up_again(app: TestApp) {
        app.settings(|s| s.restrictions.ignore_dots_for_gmail_addresses = true).await;
        let owner = app.anyone();
        let attempt = sign_up_by_code(&owner, "ann.lee@gmail.com").await;
        attempt.answer(&owner, &app.last_code("ann.lee@gmail.com").await).await.has_status(200);

        let second = app.anyone();
        let attempt = sign_up_by_code(&second, "a.n.n.lee@gmail.com").await;
        for code in ["000000", "424242", "123456"] {
            let reply = attempt.answer(&second, code).await;
            assert!(reply.status() >= 400, "{}", reply.text());
        }

        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        second.get("/v1/me").await.has_status(401);
    }

    async fn user_names_that_differ_in_case_only_are_one(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let body = |name: &str| json!({ "username": name, "password": "a passphrase of hers" });
        app.bapi().post("/v1/users", body("Annie")).await.has_status(201);
        for twin in ["annie", "ANNIE", "aNNie"] {
            app.bapi().post("/v1/users", body(twin)).await.is_refused(409, "form_identifier_exists");
        }
        for alike in ["ann\u{131}e", "\u{430}nnie", "annie\u{200d}", "annie\u{0}"] {
            let reply = app.bapi().post("/v1/users", body(alike)).await;
            assert_eq!(reply.status(), 422, "{alike:?}: {}", reply.text());
        }
    }
}

fn stored_ones(address: &str) -> bool {
    ["ann.lee@gmail.com", "x@xn--bcher-kva.example"].contains(&address)
}
