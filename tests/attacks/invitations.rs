//! What somebody would try with an invitation that is not theirs, or not any more.

use crate::fapi::invitations::{invite, sign_in, sign_up, ticket, tickets};
use crate::fapi::links::last_link;
use crate::fapi::steps::{PASSWORD, answer, challenge};
use domain::Surface;
use serde_json::{Value, json};
use testkit::{Caller, Reply, TestApp, both, race};

fn completed(replies: &[Reply]) -> usize {
    assert!(replies.iter().all(|reply| reply.status() < 500), "a race is no fault");
    replies.iter().filter(|reply| reply.status() == 200 && reply.json()["response"]["status"] == "complete").count()
}

/// An answer without what differs from request to request.
fn shape(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json().clone();
    for part in [
        "/response/id",
        "/response/created_at",
        "/response/updated_at",
        "/response/abandon_at",
        "/response/identifier",
        "/response/email_address",
    ] {
        if let Some(value) = body.pointer_mut(part) {
            *value = Value::Null;
        }
    }
    if let Some(client) = body.get_mut("client") {
        *client = Value::Null;
    }
    (reply.status(), body)
}

both! {
    async fn one_invitation_makes_one_person_however_often_it_is_followed(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browsers: Vec<Caller> = (0..50).map(|_| app.anyone()).collect();

        let replies = race(50, |i| sign_up(&browsers[i], &mailed)).await;

        assert_eq!(completed(&replies), 1);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await.iter().filter(|name| *name == "invitation.accepted").count(), 1);
    }

    async fn of_fifty_who_were_let_in_by_one_invitation_one_comes_to_the_end(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let mut open = Vec::new();
        for _ in 0..50 {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": mailed })).await;
            let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
            open.push((browser, path));
        }

        let replies = race(50, |i| {
            let (browser, path) = &open[i];
            browser.patch(path, json!({ "password": PASSWORD })).into_future()
        }).await;

        assert_eq!(completed(&replies), 1);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await.iter().filter(|name| *name == "invitation.accepted").count(), 1);
    }

    async fn one_invitation_signs_somebody_in_once(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (mailed, _) = tickets(&app, &alice.email).await;
        let browsers: Vec<Caller> = (0..50).map(|_| app.anyone()).collect();

        let replies = race(50, |i| sign_in(&browsers[i], &mailed)).await;

        assert_eq!(completed(&replies), 1);
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await.iter().filter(|name| *name == "invitation.accepted").count(), 1);
    }

    async fn one_invitation_carried_from_a_sign_up_signs_somebody_in_once(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (mailed, _) = tickets(&app, &alice.email).await;
        let mut browsers = Vec::new();
        for _ in 0..50 {
            let browser = app.anyone();
            sign_up(&browser, &mailed).await.is(200, json!({ "response": { "status": "transferable" } }));
            browsers.push(browser);
        }

        let replies = race(50, |i| browsers[i].post("/v1/client/sign-ins", json!({ "transfer": true })).into_future()).await;

        assert_eq!(completed(&replies), 1);
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await.iter().filter(|name| *name == "invitation.accepted").count(), 1);
    }

    async fn an_invitation_that_is_taken_back_is_carried_nowhere(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = invite(&app, json!({ "email_address": alice.email, "ignore_existing": true })).await;
        let mailed = ticket(&last_link(&app, &alice.email).await);
        let browser = app.anyone();
        sign_up(&browser, &mailed).await.is(200, json!({ "response": { "status": "transferable" } }));
        app.bapi().post_empty(format!("/v1/invitations/{}/revoke", made.str("/id"))).await.has_status(200);

        let carried = browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await;

        carried.is_refused(422, "ticket_invalid");
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 0 }));
    }

    async fn an_invitation_that_is_taken_back_while_it_is_followed_is_one_or_the_other(app: TestApp) {
        for round in 0..8 {
            let email = format!("ann{round}@example.com");
            let made = invite(&app, json!({ "email_address": email })).await;
            let mailed = ticket(&last_link(&app, &email).await);
            let (browser, backend) = (app.anyone(), app.bapi());
            let path = format!("/v1/invitations/{}/revoke", made.str("/id"));

            let (followed, revoked) = tokio::join!(sign_up(&browser, &mailed), backend.post_empty(&path).into_future());

            let row = app.bapi().get(format!("/v1/invitations?query={email}")).await.str("/data/0/status");
            match (followed.status(), revoked.status()) {
                (200, 409) => assert_eq!(row, "accepted"),
                (422, 200) => assert_eq!(row, "revoked"),
                other => panic!("{other:?}: {} {}", followed.text(), revoked.text()),
            }
        }
    }

    async fn the_link_of_a_backend_lets_nobody_in_without_the_mailbox(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = invite(&app, json!({ "email_address": alice.email, "ignore_existing": true })).await;
        let leaked = ticket(&made.str("/url"));
        let thief = app.anyone();

        // Neither as a sign-in nor as a sign-up, nor carried from one to the other.
        sign_in(&thief, &leaked).await.is(200, json!({ "response": { "status": "needs_first_factor" }, "client": { "sessions": [] } }));
        let begun = sign_up(&thief, &leaked).await;
        begun.is(200, json!({ "response": { "status": "missing_requirements" }, "client": { "sessions": [] } }));
        thief.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is_refused(422, "transfer_not_supported");
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let open = challenge(&thief, &path, "email_code").await;
        answer(&thief, &open, "000000").await.has_status(422);
        thief.get("/v1/me").await.has_status(401);
        // The mailbox hears that somebody tried.
        assert_eq!(app.mails_to(&alice.email).await.last().map(|mail| mail.template_slug.clone()).as_deref(), Some("account_exists"));
    }

    async fn a_backends_link_does_not_tell_who_has_an_account(app: TestApp) {
        let alice = app.user("alice").created().await;
        let known = invite(&app, json!({ "email_address": alice.email, "ignore_existing": true, "notify": false })).await;
        let unknown = invite(&app, json!({ "email_address": "nobody@example.com", "notify": false })).await;
        let (known, unknown) = (ticket(&known.str("/url")), ticket(&unknown.str("/url")));

        for strangers in [
            (sign_in(&app.anyone(), &known).await, sign_in(&app.anyone(), &unknown).await),
            (sign_up(&app.anyone(), &known).await, sign_up(&app.anyone(), &unknown).await),
        ] {
            assert_eq!(shape(&strangers.0), shape(&strangers.1));
        }
    }

    async fn a_ticket_is_nothing_but_a_ticket(app: TestApp) {
        let (mailed, handed_over) = tickets(&app, "ann@example.com").await;
        for ticket in [&mailed, &handed_over] {
            let thief = app.anyone();
            thief.get("/v1/me").bearer(ticket).await.has_status(401);
            app.bapi_stranger().with_authorization(&format!("Bearer {ticket}")).get("/v1/users").await.has_status(401);
            thief.jar().set("__session", ticket);
            thief.jar().set("__client", ticket);
            thief.get("/v1/me").await.has_status(401);
            // The page of mailed links does not take it either: it is spent elsewhere.
            app.anyone().get(format!("/v1/client/handshake?__authn_ticket={ticket}")).await.is_refused(422, "magic_link_expired");
            crate::fapi::links::confirm(&app, &app.anyone(), ticket, "yes").await.is_refused(422, "magic_link_expired");
        }
        assert_eq!(app.bapi().get("/v1/invitations").await.at("/data/0/status"), "pending");
    }

    async fn a_changed_ticket_or_one_of_elsewhere_opens_nothing(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let mut wrong = vec![mailed[..mailed.len() - 1].to_owned(), format!("{mailed}A"), mailed.to_uppercase(), mailed.replace("tkt_", ""), String::from("tkt_")];
        for at in 4..mailed.len() {
            let mut text: Vec<u8> = mailed.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            wrong.push(String::from_utf8(text).expect("ASCII"));
        }
        for ticket in wrong {
            sign_up(&app.anyone(), &ticket).await.is_refused(422, "ticket_invalid");
        }
        let other = app.second_environment().await;
        sign_up(&app.anyone_of(&other), &mailed).await.is_refused(422, "ticket_invalid");
        sign_in(&app.anyone_of(&other), &mailed).await.is_refused(422, "ticket_invalid");
        sign_up(&app.anyone(), &mailed).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn what_was_mailed_before_a_new_password_opens_nothing_after_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let made = invite(&app, json!({ "email_address": alice.user.email, "ignore_existing": true })).await;
        let mailed = ticket(&last_link(&app, &alice.user.email).await);
        let body = json!({ "current_password": alice.user.password, "new_password": "another fine passphrase" });
        alice.post("/v1/me/change-password", body).await.has_status(200);

        sign_in(&app.anyone(), &mailed).await.is_refused(422, "ticket_invalid");
        sign_up(&app.anyone(), &mailed).await.is_refused(422, "ticket_invalid");

        // The invitation waits on, behind a first factor.
        sign_in(&app.anyone(), &ticket(&made.str("/url"))).await.is(200, json!({ "response": { "status": "needs_first_factor" } }));
    }

    async fn a_ticket_proves_the_spelling_it_was_mailed_to_and_no_other(app: TestApp) {
        app.settings(|s| s.restrictions.block_email_subaddresses = true).await;
        // Invited under a tag before somebody had the plain address: perhaps another's mailbox.
        let (mailed, _) = tickets(&app, "alice+x@example.com").await;
        let alice = app.user("alice").created().await;
        assert_eq!(alice.email, "alice@example.com");
        let thief = app.anyone();

        sign_in(&thief, &mailed).await.is(200, json!({ "response": { "status": "needs_first_factor" }, "client": { "sessions": [] } }));
        sign_up(&thief, &mailed).await.is(200, json!({ "response": { "status": "transferable" }, "client": { "sessions": [] } }));
        thief.post("/v1/client/sign-ins", json!({ "transfer": true })).await
            .is(200, json!({ "response": { "status": "needs_first_factor" }, "client": { "sessions": [] } }));
        thief.get("/v1/me").await.has_status(401);
        // And where the owner is known, the mail goes to the address as the owner has it.
        let id = app.bapi().get("/v1/invitations").await.str("/data/0/id");
        app.bapi().post_empty(format!("/v1/invitations/{id}/revoke")).await.has_status(200);
        invite(&app, json!({ "email_address": "alice+y@example.com", "ignore_existing": true })).await;
        assert!(app.mails_to("alice+y@example.com").await.is_empty());
        assert!(!app.mails_to(&alice.email).await.is_empty());
    }

    async fn an_owner_takes_an_unproven_account_with_its_squatter_out_of_it(app: TestApp) {
        app.settings(|s| {
            s.attack_protection.enumeration_protection = false;
            s.attribute_settings.email_address.verify_at_sign_up = false;
        }).await;
        let squatter = app.anyone();
        let body = json!({ "email_address": "victim@example.com", "password": "the squatter's passphrase" });
        squatter.post("/v1/client/sign-ups", body).await.is(200, json!({ "response": { "status": "complete" } }));
        let (mailed, _) = tickets(&app, "victim@example.com").await;
        let victim = app.anyone();

        sign_in(&victim, &mailed).await.is(200, json!({ "response": { "status": "complete" } }));

        squatter.get("/v1/me").await.has_status(401);
        let body = json!({ "identifier": "victim@example.com", "strategy": "password", "password": "the squatter's passphrase" });
        app.anyone().post("/v1/client/sign-ins", body).await.has_status(422);
        victim.get("/v1/me").await.is(200, json!({ "password_enabled": false }));
    }

    async fn a_banned_person_is_kept_out_and_the_invitation_is_not_spent(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (mailed, _) = tickets(&app, &alice.email).await;
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id)).await.has_status(200);

        sign_in(&app.anyone(), &mailed).await.is_refused(403, "user_banned");
        let browser = app.anyone();
        sign_up(&browser, &mailed).await.is(200, json!({ "response": { "status": "transferable" } }));
        browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is_refused(403, "user_banned");

        assert_eq!(app.bapi().get("/v1/invitations").await.at("/data/0/status"), "pending");
    }

    async fn an_invitation_gives_nothing_that_its_follower_asks_for(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        for extra in ["public_metadata", "private_metadata", "role", "verified", "user_id", "invitation_id"] {
            let mut body = json!({ "ticket": mailed, "password": PASSWORD });
            body[extra] = json!({ "admin": true });
            app.anyone().post("/v1/client/sign-ups", body).await.is_refused_for(422, "form_param_unknown", extra);
        }
    }

    async fn a_backend_of_elsewhere_cannot_take_an_invitation_back(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let id = app.bapi().get("/v1/invitations").await.str("/data/0/id");
        let other = app.second_environment().await;

        app.bapi_of(&other).post_empty(format!("/v1/invitations/{id}/revoke")).await.is_refused(404, "invitation_not_found");
        app.bapi_of(&other).get("/v1/invitations").await.is(200, json!({ "data": [], "total_count": 0 }));

        sign_up(&app.anyone(), &mailed).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn no_host_that_a_backend_claims_is_in_an_invitation(app: TestApp) {
        let key = app.env.secret_key.clone();
        for (i, poison) in ["Host: evil.example", "Host: {host}\nX-Forwarded-Host: evil.example", "Host: {host}\nForwarded: host=evil.example"].iter().enumerate() {
            let head = format!("POST {{prefix}}/v1/invitations HTTP/1.1\n{poison}\nAuthorization: Bearer {key}\nContent-Type: application/json");
            let body = json!({ "email_address": format!("ann{i}@example.com") }).to_string();
            let (status, answer) = crate::attacks::raw(&app, Surface::Bapi, &head, &body).await;
            assert!(status < 500 && !answer.contains("evil"), "{poison}: {answer}");
        }
        let mails = app.mails().await;
        assert!(!mails.is_empty());
        for mail in mails {
            assert!(mail.link.as_deref().unwrap_or_default().starts_with(&app.env.issuer), "{:?}", mail.link);
            assert!(!format!("{:?} {:?}", mail.text, mail.html).contains("evil"));
        }
    }

    async fn no_ticket_is_at_rest_or_in_a_log(app: TestApp) {
        let made = app.bapi().post("/v1/invitations", json!({ "email_address": "ann@example.com" })).idempotency_key("canary").await;
        // Looked at while the mail is still in the queue, too.
        let queued = app.database_text().await;
        let (mailed, handed_over) = (ticket(&last_link(&app, "ann@example.com").await), ticket(&made.str("/url")));
        sign_up(&app.anyone(), &handed_over).await.has_status(200);
        app.anyone().get(format!("/v1/client/handshake?__authn_ticket={mailed}&__authn_status=sign_up")).header("accept", "text/html").await.has_status(303);
        sign_up(&app.anyone(), &mailed).await.has_status(200);
        sign_up(&app.anyone(), &mailed).await.has_status(422);
        app.tick().await;

        let (database, logs) = (app.database_text().await, testkit::logs());
        for ticket in [&mailed, &handed_over] {
            assert!(![&queued, &database, &logs].iter().any(|text| text.contains(ticket.as_str())), "a ticket is kept in clear");
        }
    }
}
