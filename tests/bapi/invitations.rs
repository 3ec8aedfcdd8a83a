//! Invitations as a backend makes, lists and takes them back, and the lists of a person that are empty for now.

use crate::fapi::links::last_link;
use domain::time::{hours, minutes};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{ORIGIN, Reply, TestApp, both, race};

const DAY: Duration = hours(24);

async fn invite(app: &TestApp, body: Value) -> Reply {
    app.bapi().post("/v1/invitations", body).await
}

/// The addresses of a page, in its order.
fn addresses(page: &Reply) -> Vec<String> {
    let rows = page.has_status(200).at("/data").as_array().expect("rows");
    rows.iter().map(|row| row["email_address"].as_str().unwrap_or_default().to_owned()).collect()
}

fn ticket(url: &str) -> &str {
    url.split("__authn_ticket=").nth(1).and_then(|rest| rest.split('&').next()).expect("a ticket")
}

/// How many days an invitation may be followed.
fn days(made: &Reply) -> i64 {
    let at = |name: &str| made.at(name).as_i64().expect("a time");
    (at("/expires_at") - at("/created_at")) / 86_400_000
}

both! {
    async fn somebody_is_invited_by_mail(app: TestApp) {
        let landing = format!("{ORIGIN}/welcome");
        let body = json!({ "email_address": "  Ann@Example.com", "redirect_url": landing, "public_metadata": { "plan": "pro" } });

        let made = invite(&app, body).await;

        made.is(201, json!({
            "object": "invitation", "email_address": "ann@example.com", "redirect_url": landing, "public_metadata": { "plan": "pro" },
            "status": "pending", "revoked": false,
        }));
        assert_eq!(days(&made), 30);
        let url = made.str("/url");
        assert!(url.starts_with(&format!("{}/v1/client/handshake?__authn_ticket=tkt_", app.env.issuer)), "{url}");
        assert!(url.ends_with("&__authn_status=sign_up&redirect_url=https%3A%2F%2Fapp.example.test%2Fwelcome"), "{url}");
        let mails = app.mails_to("ann@example.com").await;
        assert_eq!(mails.iter().map(|mail| mail.template_slug.as_str()).collect::<Vec<_>>(), ["invitation"]);
        let mailed = last_link(&app, "ann@example.com").await;
        assert_ne!(ticket(&mailed), ticket(&url), "what is mailed and what is handed over are two tickets");
        assert_eq!(mailed.replace(ticket(&mailed), ticket(&url)), url);
        assert_eq!(app.events().await, ["invitation.created", "email.created"]);
    }

    async fn the_link_is_the_same_at_every_reading_and_in_no_event(app: TestApp) {
        let made = invite(&app, json!({ "email_address": "ann@example.com" })).await;

        let page = app.bapi().get("/v1/invitations").await;

        page.is(200, json!({ "total_count": 1 }));
        assert_eq!(page.at("/data/0"), made.json());
        let (url, mailed) = (made.str("/url"), last_link(&app, "ann@example.com").await);
        for event in app.logged_events(&app.env).await {
            let data = event.data.expect("a payload");
            assert!(!data.to_string().contains("tkt_"), "{data}");
            if event.event_type == "invitation.created" {
                assert_eq!(data["url"], format!("{}/v1/client/handshake?__authn_status=sign_up", app.env.issuer));
            }
        }
        let stored = app.database_text().await;
        assert!(!stored.contains(ticket(&url)) && !stored.contains(ticket(&mailed)), "a ticket lies in the database");
    }

    async fn an_invitation_ends_when_it_was_said_to(app: TestApp) {
        let short = invite(&app, json!({ "email_address": "short@example.com", "expires_in_days": 1 })).await;
        assert_eq!(days(&short), 1);
        let usual = invite(&app, json!({ "email_address": "usual@example.com" })).await;
        let forever = invite(&app, json!({ "email_address": "forever@example.com", "expires_in_days": null })).await;
        forever.is(201, json!({ "expires_at": null }));
        for wrong in [json!(0), json!(366), json!(-1)] {
            invite(&app, json!({ "email_address": "x@example.com", "expires_in_days": wrong })).await
                .is_refused_for(422, "form_param_value_invalid", "expires_in_days");
        }

        app.advance(DAY);

        let of = async |status: &str| addresses(&app.bapi().get(format!("/v1/invitations?{status}")).await);
        assert_eq!(of("status=expired").await, ["short@example.com"]);
        assert_eq!(of("status=pending&order_by=created_at").await.len(), 2);
        assert_eq!(of("status=pending&status=expired").await.len(), 3);
        // Written down by the upkeep, and read alike before and after.
        let before = app.bapi().get("/v1/invitations?status=expired").await;
        app.advance(minutes(2));
        app.tick().await;
        let after = app.bapi().get("/v1/invitations?status=expired").await;
        assert_eq!(before.at("/data/0/id"), after.at("/data/0/id"));
        assert_eq!(after.at("/data/0/url"), &short.json()["url"], "the link of a dead one stays");
        assert!(before.at("/data/0/updated_at").as_i64() < after.at("/data/0/updated_at").as_i64(), "it is written down");
        app.advance(DAY * 30);
        assert_eq!(of("status=pending").await, ["forever@example.com"]);
        assert_eq!(app.bapi().get("/v1/invitations").await.at("/total_count"), 3);
        usual.has_status(201);
        assert_eq!(app.events().await.iter().filter(|name| name.starts_with("invitation.")).count(), 3, "an end is no event");
    }

    async fn of_one_address_one_invitation_waits(app: TestApp) {
        let first = invite(&app, json!({ "email_address": "a.nn@gmail.com", "expires_in_days": 1 })).await.str("/id");

        for spelling in ["a.nn@gmail.com", "ANN@gmail.com", "an.n@googlemail.com"] {
            invite(&app, json!({ "email_address": spelling })).await.is_refused_for(409, "form_identifier_exists", "email_address");
        }
        invite(&app, json!({ "email_address": "ann@example.com" })).await.has_status(201);
        // Once it is taken back or late, another may follow.
        app.bapi().post_empty(format!("/v1/invitations/{first}/revoke")).await.has_status(200);
        invite(&app, json!({ "email_address": "ann@gmail.com", "expires_in_days": 1 })).await.has_status(201);
        app.advance(DAY);
        invite(&app, json!({ "email_address": "ann@gmail.com" })).await.has_status(201);
        let other = app.second_environment().await;
        app.bapi_of(&other).post("/v1/invitations", json!({ "email_address": "ann@gmail.com" })).await.has_status(201);
    }

    async fn whoever_has_an_account_is_not_invited_unless_that_is_meant(app: TestApp) {
        let alice = app.user("alice").created().await;

        invite(&app, json!({ "email_address": alice.email })).await
            .is_refused_for(422, "invitation_for_existing_user", "email_address");
        let made = invite(&app, json!({ "email_address": alice.email, "ignore_existing": true })).await;

        assert!(made.has_status(201).str("/url").ends_with("&__authn_status=sign_in"), "{}", made.text());
    }

    async fn bad_invitations_are_refused_and_every_problem_is_told(app: TestApp) {
        let refused = invite(&app, json!({ "email_address": "nobody", "public_metadata": { "a": "x".repeat(9000) }, "notify": 1, "more": 1 })).await;
        refused.has_status(422);
        assert_eq!(refused.params(), ["email_address", "public_metadata", "notify", "more"]);
        invite(&app, json!({})).await.is_refused_for(422, "form_param_nil", "email_address");
        for target in ["https://evil.example/", "javascript:alert(1)", "https://app.example.test@evil.example/", "/in"] {
            invite(&app, json!({ "email_address": "ann@example.com", "redirect_url": target })).await
                .is_refused_for(422, "redirect_url_not_allowed", "redirect_url");
        }
        app.bapi().post("/v1/redirect-urls", json!({ "url": "https://listed.example/in" })).await.has_status(201);
        invite(&app, json!({ "email_address": "listed@example.com", "redirect_url": "https://listed.example/in/here" })).await.has_status(201);
        invite(&app, json!({ "email_address": "ann@example.com", "redirect_url": "https://listed.example/inn" })).await
            .is_refused_for(422, "redirect_url_not_allowed", "redirect_url");
        invite(&app, json!({ "email_address": "ann@example.com", "template_slug": "magic_link" })).await
            .is_refused_for(422, "form_param_value_invalid", "template_slug");
        invite(&app, json!({ "email_address": "ann@example.com", "template_slug": "invitation" })).await.has_status(201);
        assert_eq!(app.bapi().get("/v1/invitations").await.at("/total_count"), 2);
    }

    async fn nothing_is_mailed_to_test_addresses_or_when_that_is_not_wanted(app: TestApp) {
        invite(&app, json!({ "email_address": "ann@example.com", "notify": false })).await.has_status(201);
        invite(&app, json!({ "email_address": "ann+authn_test@example.com" })).await.has_status(201);

        assert!(app.mails().await.is_empty());
        assert_eq!(app.events().await, ["invitation.created", "invitation.created"]);
        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Rejected)).await;
        invite(&app, json!({ "email_address": "bob+authn_test@example.com" })).await
            .is_refused_for(422, "test_identifier_forbidden", "email_address");
    }

    async fn an_environment_that_sends_its_own_mails_gets_the_text(app: TestApp) {
        app.bapi().patch("/v1/email-templates/invitation", json!({ "delivered_by_us": false })).await.has_status(200);

        invite(&app, json!({ "email_address": "ann@example.com" })).await.has_status(201);

        assert!(app.mails().await.is_empty());
        assert_eq!(app.events().await, ["invitation.created", "email.created"]);
        assert!(!app.database_text().await.contains("tkt_"), "the text is sealed");
    }

    async fn a_revoked_invitation_stays_so(app: TestApp) {
        let made = invite(&app, json!({ "email_address": "ann@example.com" })).await;
        let path = format!("/v1/invitations/{}/revoke", made.str("/id"));
        app.skip_events().await;

        let revoked = app.bapi().post_empty(&path).await;

        revoked.is(200, json!({ "status": "revoked", "revoked": true, "url": made.str("/url") }));
        app.advance(minutes(1));
        assert_eq!(app.bapi().post_empty(&path).await.json(), revoked.json());
        assert_eq!(app.events().await, ["invitation.revoked"]);
        for nobody in ["inv_01ARZ3NDEKTSV4RRFFQ69G5FAV", "inv_x", "x"] {
            app.bapi().post_empty(format!("/v1/invitations/{nobody}/revoke")).await.is_refused(404, "invitation_not_found");
        }
    }

    async fn many_are_invited_at_once_in_their_order(app: TestApp) {
        let rows: Vec<Value> = (0..500).map(|i| json!({ "email_address": format!("p{}@example.com", (i * 7919) % 500), "notify": false })).collect();

        let made = app.bapi().post("/v1/invitations/bulk", json!({ "invitations": rows })).await;

        made.is(201, json!({ "total_count": 500 }));
        let asked: Vec<&str> = rows.iter().filter_map(|row| row["email_address"].as_str()).collect();
        let answered: Vec<&str> = made.at("/data").as_array().expect("rows").iter().filter_map(|row| row["email_address"].as_str()).collect();
        assert_eq!(answered, asked);
        let page = app.bapi().get("/v1/invitations?limit=500").await;
        assert_eq!((page.at("/total_count"), addresses(&page).as_slice()), (&json!(500), asked.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>().as_slice()));
        assert_eq!(app.events().await.iter().filter(|name| *name == "invitation.created").count(), 500);
    }

    async fn of_a_batch_all_are_invited_or_none(app: TestApp) {
        let alice = app.user("alice").created().await;
        invite(&app, json!({ "email_address": "waits@example.com" })).await.has_status(201);
        app.skip_events().await;
        let bulk = async |rows: Value| app.bapi().post("/v1/invitations/bulk", json!({ "invitations": rows })).await;
        let row = |email: &str| json!({ "email_address": email });

        for (rows, status, code, index) in [
            (json!([row("a@example.com"), row(&alice.email)]), 422, "invitation_for_existing_user", 1),
            (json!([row("a@example.com"), row("b@example.com"), row("waits@example.com")]), 409, "form_identifier_exists", 2),
            (json!([row("a@example.com"), row("b@example.com"), row("A@example.com")]), 409, "form_identifier_exists", 2),
            (json!([row("a@example.com"), row("nobody")]), 422, "form_param_format_invalid", 1),
            (json!([json!({}), row("a@example.com")]), 422, "form_param_nil", 0),
            (json!([row("a@example.com"), 7]), 422, "form_param_format_invalid", 1),
            (json!([row("a@example.com"), { "email_address": "b@example.com", "more": 1 }]), 422, "form_param_unknown", 1),
            (json!([row("a@example.com"), { "email_address": "b@example.com", "redirect_url": "https://evil.example" }]), 422, "redirect_url_not_allowed", 1),
        ] {
            let refused = bulk(rows).await;
            refused.is_refused(status, code);
            assert_eq!(refused.at("/errors/0/meta/index"), index, "{}", refused.text());
        }
        for (rows, code) in [
            (json!([]), "bulk_invitation_failed"),
            (json!((0..501).map(|i| row(&format!("p{i}@example.com"))).collect::<Vec<_>>()), "bulk_invitation_failed"),
            (json!({}), "form_param_format_invalid"),
            (json!(null), "form_param_nil"),
        ] {
            bulk(rows).await.is_refused_for(422, code, "invitations");
        }
        bulk(json!([{ "email_address": "x" }, { "email_address": "a@example.com", "expires_in_days": 0 }])).await.has_status(422);

        assert_eq!(app.bapi().get("/v1/invitations").await.at("/total_count"), 1);
        assert_eq!(app.events().await, Vec::<String>::new());
        bulk(json!([row("a@example.com"), { "email_address": alice.email, "ignore_existing": true }])).await.is(201, json!({ "total_count": 2 }));
    }

    async fn the_same_request_invites_once(app: TestApp) {
        let one = || app.bapi().post("/v1/invitations", json!({ "email_address": "ann@example.com" })).idempotency_key("k-1");
        let many = || app.bapi().post("/v1/invitations/bulk", json!({ "invitations": [{ "email_address": "bob@example.com" }] })).idempotency_key("k-1");
        let (first, batch) = (one().await, many().await);
        first.has_status(201);
        batch.has_status(201);

        let (second, again) = (one().await, many().await);

        assert_eq!((second.text(), second.header("idempotent-replayed")), (first.text(), Some("true")));
        assert_eq!((again.text(), again.header("idempotent-replayed")), (batch.text(), Some("true")));
        assert_eq!(app.mails().await.len(), 2);
        assert!(!app.database_text().await.contains("tkt_"), "the kept answer is sealed");
        // Taken back, and asked for anew: the key makes another one.
        app.bapi().post_empty(format!("/v1/invitations/{}/revoke", first.str("/id"))).await.has_status(200);
        assert_ne!(one().await.str("/id"), first.str("/id"));
    }

    async fn of_many_who_invite_one_address_at_once_one_does(app: TestApp) {
        let backend = app.bapi();
        let single = |i: usize| backend.post("/v1/invitations", json!({ "email_address": "ann@example.com", "public_metadata": { "i": i } }));
        let batch = |i: usize| {
            // In two orders, so that they would wait for each other in a circle.
            let mut rows = vec![json!({ "email_address": "ann@example.com" }), json!({ "email_address": "bob@example.com" })];
            if i.is_multiple_of(2) {
                rows.reverse();
            }
            backend.post("/v1/invitations/bulk", json!({ "invitations": rows }))
        };

        let singles = race(20, |i| single(i).into_future()).await;

        assert_eq!(singles.iter().filter(|reply| reply.status() == 201).count(), 1);
        singles.iter().filter(|reply| reply.status() != 201).for_each(|reply| { reply.is_refused(409, "form_identifier_exists"); });
        let page = app.bapi().get("/v1/invitations").await;
        page.is(200, json!({ "total_count": 1 }));
        app.bapi().post_empty(format!("/v1/invitations/{}/revoke", page.str("/data/0/id"))).await.has_status(200);
        let batches = race(20, |i| batch(i).into_future()).await;
        assert_eq!(batches.iter().filter(|reply| reply.status() == 201).count(), 1);
        batches.iter().filter(|reply| reply.status() != 201).for_each(|reply| { reply.is_refused(409, "form_identifier_exists"); });
        assert_eq!(app.bapi().get("/v1/invitations?status=pending").await.at("/total_count"), 2);
    }

    async fn invitations_are_searched_ordered_and_paged(app: TestApp) {
        for name in ["ann", "bob", "Anna_x", "cid"] {
            app.advance(Duration::from_secs(1));
            invite(&app, json!({ "email_address": format!("{name}@example.com"), "notify": false })).await.has_status(201);
        }
        let list = async |query: &str| app.bapi().get(format!("/v1/invitations?{query}")).await;
        let found = async |query: &str| addresses(&list(query).await);

        assert_eq!(found("query=ANN").await, ["anna_x@example.com", "ann@example.com"]);
        assert_eq!(found("query=a_x").await, ["anna_x@example.com"]);
        assert_eq!(found("query=%25").await.len(), 0);
        assert_eq!(found("order_by=created_at&limit=2").await, ["ann@example.com", "bob@example.com"]);
        assert_eq!(found("limit=1&offset=1").await, ["anna_x@example.com"]);
        let first = list("limit=3").await;
        first.is(200, json!({ "total_count": 4 }));
        let cursor = first.str("/meta/next_cursor");
        let rest = list(&format!("limit=3&cursor={cursor}")).await;
        assert_eq!((addresses(&rest).as_slice(), rest.at("/meta")), (["ann@example.com".to_owned()].as_slice(), &json!({})));
        app.bapi().post_empty(format!("/v1/invitations/{}/revoke", rest.str("/data/0/id"))).await.has_status(200);
        assert_eq!(found("order_by=-updated_at&limit=1").await, ["ann@example.com"]);
        assert_eq!(found("status=revoked").await, ["ann@example.com"]);
        list(&format!("status=pending&cursor={cursor}")).await.is_refused_for(422, "form_param_format_invalid", "cursor");
        list("status=open").await.is_refused_for(422, "form_param_value_invalid", "status");
        list("order_by=email_address").await.is_refused_for(422, "form_param_value_invalid", "order_by");
    }

    async fn a_person_is_in_no_organization_and_their_tokens_elsewhere_stay_here(app: TestApp) {
        let alice = app.user("alice").created().await;
        for list in ["organization-memberships", "organization-invitations"] {
            let path = format!("/v1/users/{}/{list}", alice.id);
            let page = app.bapi().get(format!("{path}?limit=5&offset=0")).await;
            assert_eq!((page.status(), page.json()), (200, &json!({ "data": [], "total_count": 0, "meta": {} })));
            app.bapi().get(format!("{path}?order_by=name")).await.is_refused_for(422, "form_param_value_invalid", "order_by");
            app.bapi().get(format!("{path}?cursor=forged")).await.is_refused_for(422, "form_param_format_invalid", "cursor");
            app.bapi().get(format!("/v1/users/user_01ARZ3NDEKTSV4RRFFQ69G5FAV/{list}")).await.is_refused(404, "user_not_found");
        }
        app.bapi().get(format!("/v1/users/{}/oauth-access-tokens/google", alice.id)).await.is_refused(404, "resource_not_found");
        app.bapi().get("/v1/users/user_01ARZ3NDEKTSV4RRFFQ69G5FAV/oauth-access-tokens/google").await.is_refused(404, "user_not_found");
    }
}
