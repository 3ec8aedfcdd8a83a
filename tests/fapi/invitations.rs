//! Following an invitation: to a sign-up, to a sign-in, and what each of the two tickets proves.

use super::links::{last_link, switch_on};
use super::steps::{PASSWORD, answer, challenge, open_sign_in};
use domain::settings::SignUpMode;
use domain::time::{hours, minutes};
use serde_json::{Value, json};
use testkit::{AuthenticatorApp, Caller, ORIGIN, Reply, TestApp, both};

/// Invites an address; what the backend reads.
pub(crate) async fn invite(app: &TestApp, body: Value) -> Reply {
    let reply = app.bapi().post("/v1/invitations", body).await;
    reply.has_status(201);
    reply
}

/// The ticket inside a link.
pub(crate) fn ticket(link: &str) -> String {
    let rest = link.split("__authn_ticket=").nth(1).unwrap_or_else(|| panic!("no ticket in {link}"));
    rest.split('&').next().unwrap_or_default().to_owned()
}

/// Invites an address; the ticket that was mailed, and the one that the backend may hand over.
pub(crate) async fn tickets(app: &TestApp, email: &str) -> (String, String) {
    let made = invite(app, json!({ "email_address": email, "ignore_existing": true })).await;
    (ticket(&last_link(app, email).await), ticket(&made.str("/url")))
}

/// Signs up with a ticket and everything else that is needed.
pub(crate) async fn sign_up(browser: &Caller, ticket: &str) -> Reply {
    browser.post("/v1/client/sign-ups", json!({ "ticket": ticket, "password": PASSWORD })).await
}

/// Signs in with a ticket.
pub(crate) async fn sign_in(browser: &Caller, ticket: &str) -> Reply {
    browser.post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await
}

async fn status(app: &TestApp) -> Value {
    app.bapi().get("/v1/invitations").await.at("/data/0/status").clone()
}

both! {
    async fn the_mailed_ticket_proves_the_address(app: TestApp) {
        let made = invite(&app, json!({ "email_address": "ann@example.com", "public_metadata": { "plan": "pro" } })).await;
        let mailed = ticket(&last_link(&app, "ann@example.com").await);
        app.skip_events().await;
        let browser = app.anyone();

        let reply = sign_up(&browser, &mailed).await;

        reply.is(200, json!({ "response": { "status": "complete", "email_address": "ann@example.com" } }));
        let me = browser.get("/v1/me").await;
        me.is(200, json!({ "public_metadata": { "plan": "pro" } }));
        assert_eq!(me.at("/email_addresses/0/verified"), true);
        assert_eq!(app.events().await, ["user.created", "invitation.accepted", "session.created"]);
        let row = app.bapi().get("/v1/invitations").await;
        row.is(200, json!({ "data": [{ "id": made.str("/id"), "status": "accepted", "revoked": false }] }));
        app.bapi().post_empty(format!("/v1/invitations/{}/revoke", made.str("/id"))).await.is_refused(409, "invitation_already_accepted");
    }

    async fn the_ticket_of_the_url_asks_for_a_code_first(app: TestApp) {
        let (_, handed_over) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();

        let begun = sign_up(&browser, &handed_over).await;

        begun.is(200, json!({ "response": { "status": "missing_requirements", "email_address": "ann@example.com", "unverified_fields": ["email_address"], "missing_fields": [] } }));
        assert_eq!(status(&app).await, "pending", "a beginning spends nothing");
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn an_invited_address_is_proven_even_where_others_need_not(app: TestApp) {
        app.settings(|s| {
            s.attack_protection.enumeration_protection = false;
            s.attribute_settings.email_address.verify_at_sign_up = false;
        }).await;
        let (_, handed_over) = tickets(&app, "ann@example.com").await;

        sign_up(&app.anyone(), &handed_over).await
            .is(200, json!({ "response": { "status": "missing_requirements", "unverified_fields": ["email_address"] } }));
    }

    async fn what_is_missing_is_asked_for_and_the_end_spends_the_invitation(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": mailed, "first_name": "Ann" })).await;
        begun.is(200, json!({ "response": { "status": "missing_requirements", "missing_fields": ["password"], "unverified_fields": [] } }));
        assert_eq!(status(&app).await, "pending");

        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let done = browser.patch(&path, json!({ "password": PASSWORD })).await;

        done.is(200, json!({ "response": { "status": "complete" } }));
        browser.get("/v1/me").await.is(200, json!({ "first_name": "Ann" }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn an_invitation_opens_closed_doors_to_its_own_address_alone(app: TestApp) {
        for mode in [SignUpMode::Restricted, SignUpMode::Waitlist] {
            app.settings(move |s| s.sign_up_modes = vec![mode]).await;
            let email = format!("ann.{mode:?}@example.com").to_lowercase();
            let made = invite(&app, json!({ "email_address": email })).await;
            let mailed = ticket(&last_link(&app, &email).await);

            app.anyone().post("/v1/client/sign-ups", json!({ "email_address": email, "password": PASSWORD })).await
                .is_refused(422, "form_identifier_not_allowed");
            let browser = app.anyone();
            let other = json!({ "ticket": mailed, "email_address": "other@example.com", "password": PASSWORD });
            browser.post("/v1/client/sign-ups", other).await.is_refused_for(422, "form_param_value_invalid", "email_address");
            let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": ticket(&made.str("/url")) })).await;
            let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
            let changed = json!({ "email_address": "other@example.com", "password": PASSWORD });
            browser.patch(&path, changed).await.is_refused(422, "form_identifier_not_allowed");
            browser.patch(&path, json!({ "first_name": "Ann" })).await.has_status(200);
            sign_up(&browser, &mailed).await.is(200, json!({ "response": { "status": "complete" } }));
        }
    }

    async fn an_invitation_is_worth_nothing_against_the_block_list(app: TestApp) {
        app.settings(|s| s.sign_up_modes = vec![SignUpMode::Restricted]).await;
        let (mailed, _) = tickets(&app, "ann@blocked.example").await;
        let staged = app.anyone();
        let begun = staged.post("/v1/client/sign-ups", json!({ "ticket": mailed })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        app.bapi().post("/v1/blocklist-identifiers", json!({ "identifier": "*@blocked.example" })).await.has_status(201);

        sign_up(&app.anyone(), &mailed).await.is_refused_for(422, "form_identifier_not_allowed", "email_address");
        staged.patch(&path, json!({ "password": PASSWORD })).await.is_refused_for(422, "form_identifier_not_allowed", "email_address");

        assert_eq!(status(&app).await, "pending");
        app.settings(|s| {
            s.restrictions.blocklist_enabled = false;
            s.restrictions.block_disposable_email_domains = true;
        }).await;
        let (throw_away, _) = tickets(&app, "ann@mailinator.com").await;
        sign_up(&app.anyone(), &throw_away).await.is_refused_for(422, "form_identifier_disposable", "email_address");
        sign_up(&app.anyone(), &mailed).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn another_address_leaves_the_invitation_behind(app: TestApp) {
        let made = invite(&app, json!({ "email_address": "ann@example.com", "public_metadata": { "plan": "pro" } })).await;
        let mailed = ticket(&last_link(&app, "ann@example.com").await);
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": mailed })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));

        let changed = browser.patch(&path, json!({ "email_address": "bob@example.com", "password": PASSWORD })).await;

        changed.is(200, json!({ "response": { "status": "missing_requirements", "unverified_fields": ["email_address"] } }));
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("bob@example.com").await).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "public_metadata": {} }));
        assert_eq!((status(&app).await, made.status()), (json!("pending"), 201));
    }

    async fn a_dead_ticket_says_why_as_far_as_it_may(app: TestApp) {
        let (revoked, _) = tickets(&app, "revoked@example.com").await;
        let id = app.bapi().get("/v1/invitations").await.str("/data/0/id");
        app.bapi().post_empty(format!("/v1/invitations/{id}/revoke")).await.has_status(200);
        let (used, handed_over) = tickets(&app, "used@example.com").await;
        sign_up(&app.anyone(), &used).await.is(200, json!({ "response": { "status": "complete" } }));
        let (late, late_too) = tickets(&app, "late@example.com").await;
        let (staged, _) = tickets(&app, "staged@example.com").await;
        let browser = app.anyone();
        app.advance(hours(29 * 24));
        let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": staged })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        app.advance(hours(23));
        browser.patch(&path, json!({ "first_name": "Ann" })).await.has_status(200);
        app.advance(hours(1));

        for dead in [&revoked, &used, &handed_over, "tkt_none", "x"] {
            sign_up(&app.anyone(), dead).await.is_refused_for(422, "ticket_invalid", "ticket");
            sign_in(&app.anyone(), dead).await.is_refused_for(422, "ticket_invalid", "ticket");
        }
        for _ in 0..2 {
            for dead in [&late, &late_too] {
                sign_up(&app.anyone(), dead).await.is_refused_for(422, "ticket_expired", "ticket");
                sign_in(&app.anyone(), dead).await.is_refused_for(422, "ticket_expired", "ticket");
            }
            app.tick().await;
        }
        // One that was begun in time is not late: the attempt itself runs out after a day.
        browser.patch(&path, json!({ "password": PASSWORD })).await.is_refused(422, "sign_up_abandoned");
    }

    async fn an_invitation_that_is_taken_back_ends_what_was_begun_with_it(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "ticket": mailed })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let id = app.bapi().get("/v1/invitations").await.str("/data/0/id");
        app.bapi().post_empty(format!("/v1/invitations/{id}/revoke")).await.has_status(200);

        browser.patch(&path, json!({ "password": PASSWORD })).await.is_refused_for(422, "ticket_invalid", "ticket");

        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
        browser.get("/v1/me").await.has_status(401);
    }

    async fn the_mailed_ticket_signs_an_existing_person_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), json!({ "public_metadata": { "plan": "free", "seat": 7 } })).await.has_status(200);
        invite(&app, json!({ "email_address": alice.email, "ignore_existing": true, "public_metadata": { "plan": "pro" } })).await;
        let mailed = ticket(&last_link(&app, &alice.email).await);
        app.skip_events().await;
        let browser = app.anyone();

        let reply = sign_in(&browser, &mailed).await;

        reply.is(200, json!({ "response": { "status": "complete" } }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id, "public_metadata": { "plan": "pro", "seat": 7 } }));
        assert_eq!(app.events().await, ["invitation.accepted", "user.updated", "session.created"]);
        sign_in(&app.anyone(), &mailed).await.is_refused_for(422, "ticket_invalid", "ticket");
    }

    async fn a_mailed_ticket_is_one_factor_of_two(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let (mailed, _) = tickets(&app, &alice.user.email).await;
        let browser = app.anyone();

        let reply = sign_in(&browser, &mailed).await;

        reply.is(200, json!({ "response": { "status": "needs_second_factor", "created_session_id": null } }));
        browser.get("/v1/me").await.has_status(401);
        sign_in(&app.anyone(), &mailed).await.is_refused_for(422, "ticket_invalid", "ticket");
        let path = format!("/v1/client/sign-ins/{}", reply.str("/response/id"));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "totp", "code": phone.code(&app, 0) })).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
    }

    async fn the_ticket_of_the_url_leaves_the_first_factor_to_be_asked_for(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = invite(&app, json!({ "email_address": alice.email, "ignore_existing": true, "public_metadata": { "plan": "pro" } })).await;
        let handed_over = ticket(&made.str("/url"));
        let browser = app.anyone();

        let begun = sign_in(&browser, &handed_over).await;

        begun.is(200, json!({ "response": { "status": "needs_first_factor", "identifier": alice.email, "user_data": {} } }));
        browser.get("/v1/me").await.has_status(401);
        assert_eq!(status(&app).await, "pending");
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "password", "password": alice.password })).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id, "public_metadata": { "plan": "pro" } }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn a_ticket_for_a_sign_in_of_nobody_goes_on_as_a_sign_up(app: TestApp) {
        app.settings(|s| s.sign_up_modes = vec![SignUpMode::Restricted]).await;
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();

        sign_in(&browser, &mailed).await.is(200, json!({ "response": { "status": "transferable", "identifier": "ann@example.com" } }));

        let begun = browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await;
        begun.is(200, json!({ "response": { "status": "missing_requirements", "missing_fields": ["password"], "unverified_fields": [] } }));
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        browser.patch(&path, json!({ "password": PASSWORD })).await.is(200, json!({ "response": { "status": "complete" } }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn a_ticket_for_a_sign_up_of_somebody_goes_on_as_a_sign_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (mailed, _) = tickets(&app, &alice.email).await;
        let browser = app.anyone();

        sign_up(&browser, &mailed).await.is(200, json!({ "response": { "status": "transferable" } }));

        assert_eq!(status(&app).await, "pending");
        browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is(200, json!({ "response": { "status": "complete" } }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn a_ticket_answers_a_challenge_of_its_owner(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (mailed, handed_over) = tickets(&app, &alice.email).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;

        let ask = |ticket: &str| browser.post(format!("{path}/challenges"), json!({ "strategy": "ticket", "ticket": ticket }));
        ask(&handed_over).await.is_refused_for(422, "ticket_invalid", "ticket");
        ask(&mailed).await.is(200, json!({ "response": { "status": "verified", "strategy": "ticket" } }));

        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn the_link_leads_to_the_application_and_spends_nothing(app: TestApp) {
        app.settings(|s| s.paths.sign_up_url = Some(format!("{ORIGIN}/join"))).await;
        let made = invite(&app, json!({ "email_address": "ann@example.com" })).await;
        let landing = invite(&app, json!({ "email_address": "bob@example.com", "redirect_url": format!("{ORIGIN}/welcome?a=b") })).await;
        let path = |reply: &Reply| reply.str("/url").replace(&app.env.issuer, "");

        for (link, target) in [(path(&made), "/join?"), (path(&landing), "/welcome?a=b&")] {
            for _ in 0..3 {
                let sent_on = app.anyone().get(&link).header("accept", "text/html").await;
                sent_on.has_status(303);
                let location = sent_on.header("location").unwrap_or_default().to_owned();
                let expected = format!("{ORIGIN}{target}__authn_ticket={}&__authn_status=sign_up", ticket(&link));
                assert_eq!(location, expected);
            }
        }

        assert_eq!(app.bapi().get("/v1/invitations?status=pending").await.at("/total_count"), 2);
    }

    async fn a_test_person_is_invited_without_a_mail(app: TestApp) {
        let made = invite(&app, json!({ "email_address": "ann+authn_test@example.com" })).await;
        let browser = app.anyone();
        let begun = sign_up(&browser, &ticket(&made.str("/url"))).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, "424242").await.has_status(200);

        browser.get("/v1/me").await.has_status(200);
        assert!(app.mails().await.is_empty());
        // All but the making of the backend's own key.
        let logged = app.logged_events(&app.env).await.into_iter().filter(|event| event.subject_type != "api_key");
        let others: Vec<String> = logged.filter(|event| !event.was_test).map(|event| event.event_type).collect();
        assert_eq!(others, Vec::<String>::new(), "each event says whose it is");
    }

    async fn a_link_to_the_mailbox_completes_an_invited_sign_up(app: TestApp) {
        switch_on(&app).await;
        let (_, handed_over) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();
        let begun = sign_up(&browser, &handed_over).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        crate::fapi::links::ask(&browser, &path).await;
        let link = crate::fapi::links::last_ticket(&app, "ann@example.com").await;

        crate::fapi::links::confirm(&app, &app.anyone(), &link, "yes").await.has_status(200);

        assert_eq!(status(&app).await, "pending", "another browser proves, and makes nobody");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [{ "status": "active" }] }));
        assert_eq!(status(&app).await, "accepted");
    }

    async fn the_terms_are_accepted_by_the_invited_as_well(app: TestApp) {
        app.settings(|s| s.require_legal_accepted = true).await;
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();

        sign_up(&browser, &mailed).await.is_refused(422, "legal_accepted_required");
        let body = json!({ "ticket": mailed, "password": PASSWORD, "legal_accepted": true });

        browser.post("/v1/client/sign-ups", body).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn what_a_deleted_person_accepted_goes_with_them(app: TestApp) {
        let (mailed, _) = tickets(&app, "ann@example.com").await;
        let browser = app.anyone();
        sign_up(&browser, &mailed).await.has_status(200);
        let id = browser.get("/v1/me").await.str("/id");

        app.bapi().delete(format!("/v1/users/{id}")).await.has_status(204);

        assert_eq!(app.bapi().get("/v1/invitations").await.at("/total_count"), 0);
        app.advance(minutes(1));
        invite(&app, json!({ "email_address": "ann@example.com" })).await;
    }
}
