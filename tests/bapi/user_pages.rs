//! Pages of people: cursors, offsets, orders, limits.

use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Caller, Reply, TestApp, both};

/// Makes people one after the other; their ids, oldest first.
async fn people(app: &TestApp, n: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for i in 0..n {
        app.advance(Duration::from_secs(1));
        let body = json!({ "email_address": [format!("p{i}@example.com")], "skip_password_requirement": true });
        ids.push(app.bapi().post("/v1/users", body).await.has_status(201).str("/id"));
    }
    ids
}

fn ids(page: &Reply) -> Vec<String> {
    let rows = page.at("/data").as_array().expect("a page has rows");
    rows.iter().map(|row| row["id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn next(page: &Reply) -> Option<String> {
    page.json().pointer("/meta/next_cursor").and_then(Value::as_str).map(str::to_owned)
}

/// Every page of a list by its cursors.
async fn walk(backend: &Caller, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut reply = backend.get(path.to_owned()).await;
    loop {
        reply.has_status(200);
        pages.push(ids(&reply));
        let Some(cursor) = next(&reply) else { return pages };
        reply = backend.get(format!("{path}&cursor={cursor}")).await;
    }
}

both! {
    async fn an_empty_list_is_a_page(app: TestApp) {
        let page = app.bapi().get("/v1/users").await;
        assert_eq!(page.json(), &json!({ "data": [], "total_count": 0, "meta": {} }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "object": "total_count", "total_count": 0 }));
    }

    async fn people_are_listed_newest_first_ten_at_a_time(app: TestApp) {
        let mut made = people(&app, 12).await;
        made.reverse();

        let page = app.bapi().get("/v1/users").await;

        assert_eq!(ids(&page), made[..10]);
        assert_eq!(page.at("/total_count"), 12);
        let rest = app.bapi().get(format!("/v1/users?cursor={}", next(&page).expect("there is more"))).await;
        assert_eq!(ids(&rest), made[10..]);
        assert_eq!((rest.at("/total_count"), rest.at("/meta")), (&json!(12), &json!({})));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }

    async fn cursors_go_through_everybody_in_every_order(app: TestApp) {
        let made = people(&app, 7).await;
        let mut newest = made.clone();
        newest.reverse();
        let backend = app.bapi();

        for (order, wanted) in [("-created_at", &newest), ("%2Bcreated_at", &made), ("+created_at", &made), ("created_at", &made)] {
            let pages = walk(&backend, &format!("/v1/users?limit=3&order_by={order}")).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1], "{order}");
            assert_eq!(&pages.concat(), wanted, "{order}");
        }
        for key in ["updated_at", "last_active_at", "last_sign_in_at"] {
            for sign in ["-", "%2B"] {
                let mut seen = walk(&backend, &format!("/v1/users?limit=2&order_by={sign}{key}")).await.concat();
                seen.sort_unstable();
                assert_eq!(seen, made, "{sign}{key} shows everybody once");
            }
        }
    }

    async fn orders_go_by_what_they_name(app: TestApp) {
        let made = people(&app, 3).await;
        app.advance(Duration::from_secs(5));
        app.bapi().patch(format!("/v1/users/{}", made[0]), json!({ "first_name": "Zoe" })).await.has_status(200);
        app.advance(Duration::from_secs(5));
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(5));
        let bob = app.user("bob").signed_in().await;
        let first = async |order: &str| ids(&app.bapi().get(format!("/v1/users?order_by={order}")).await);

        assert_eq!(first("-last_sign_in_at").await[..2], [bob.id().to_owned(), alice.id().to_owned()]);
        let ascending = first("%2Blast_sign_in_at").await;
        assert_eq!(ascending[3..], [alice.id().to_owned(), bob.id().to_owned()], "those who never did come first");
        assert_eq!(first("-last_active_at").await[0], bob.id());
        assert_eq!(first("-updated_at").await.iter().position(|id| *id == made[0]), Some(2));
    }

    async fn people_of_one_moment_are_neither_skipped_nor_repeated(app: TestApp) {
        let mut made = Vec::new();
        for i in 0..5 {
            let body = json!({ "external_id": format!("x{i}"), "skip_password_requirement": true, "created_at": 1_600_000_000_000_i64 });
            made.push(app.bapi().post("/v1/users", body).await.has_status(201).str("/id"));
        }
        made.sort_unstable();
        let up = walk(&app.bapi(), "/v1/users?limit=2&order_by=%2Bcreated_at").await.concat();
        assert_eq!(up, made);
        made.reverse();
        assert_eq!(walk(&app.bapi(), "/v1/users?limit=2&order_by=-created_at").await.concat(), made);
    }

    async fn somebody_new_moves_no_page(app: TestApp) {
        let made = people(&app, 4).await;
        let page = app.bapi().get("/v1/users?limit=2").await;
        let cursor = next(&page).expect("there is more");

        people_named(&app, "late").await;

        let rest = app.bapi().get(format!("/v1/users?limit=2&cursor={cursor}")).await;
        assert_eq!(ids(&rest), [made[1].clone(), made[0].clone()]);
        assert_eq!(rest.at("/total_count"), 5);
        // a page of another size is fine, and so is one that is asked for again
        let again = app.bapi().get(format!("/v1/users?limit=1&cursor={cursor}")).await;
        assert_eq!(ids(&again), [made[1].clone()]);
    }

    async fn offsets_are_served_beside_cursors(app: TestApp) {
        let mut made = people(&app, 5).await;
        made.reverse();
        let page = app.bapi().get("/v1/users?limit=2&offset=1").await;
        assert_eq!(ids(&page), made[1..3]);
        assert_eq!(page.at("/total_count"), 5);
        assert!(page.at("/meta").is_object());
        assert_eq!(ids(&app.bapi().get("/v1/users?offset=0").await), made);
        for far in ["5", "100", "99999999999999999999"] {
            let page = app.bapi().get(format!("/v1/users?offset={far}")).await;
            assert_eq!((ids(&page).len(), page.at("/meta"), page.at("/total_count")), (0, &json!({}), &json!(5)));
        }
        assert_eq!(ids(&app.bapi().get("/v1/users?offset=-1").await), made, "brought into the range");
    }

    async fn a_limit_outside_the_range_is_brought_into_it(app: TestApp) {
        let made = people(&app, 3).await;
        for (limit, rows) in [("0", 1), ("-5", 1), ("1", 1), ("501", 3), ("99999999999999999999", 3), ("", 3)] {
            let page = app.bapi().get(format!("/v1/users?limit={limit}")).await;
            assert_eq!(ids(&page).len(), rows, "limit={limit}");
        }
        for bad in ["x", "1.5", "1e3", "0x10", "two", "1%20000"] {
            app.bapi().get(format!("/v1/users?limit={bad}")).await.is_refused_for(422, "form_param_format_invalid", "limit");
        }
        for bad in ["x", "1.5"] {
            app.bapi().get(format!("/v1/users?offset={bad}")).await.is_refused_for(422, "form_param_format_invalid", "offset");
        }
        assert_eq!(made.len(), 3);
    }

    async fn a_cursor_is_worth_something_only_where_it_was_given(app: TestApp) {
        people(&app, 3).await;
        let backend = app.bapi();
        let cursor = next(&backend.get("/v1/users?limit=1").await).expect("there is more");
        let refuse = async |path: String| {
            backend.get(path).await.is_refused_for(422, "form_param_format_invalid", "cursor");
        };

        refuse(format!("/v1/users?limit=1&order_by=%2Bcreated_at&cursor={cursor}")).await;
        refuse(format!("/v1/users?limit=1&order_by=-updated_at&cursor={cursor}")).await;
        refuse(format!("/v1/users?limit=1&query=p&cursor={cursor}")).await;
        refuse(format!("/v1/users?limit=1&offset=0&cursor={cursor}")).await;
        refuse(format!("/v1/sessions?cursor={cursor}")).await;
        let other = if cursor.starts_with('A') { 'B' } else { 'A' };
        refuse(format!("/v1/users?limit=1&cursor={other}{}", &cursor[1..])).await;
        for forged in ["x", "AAAA", "e30", "%00", &"x".repeat(3000), "eyJ2IjoxfQ.AAAA"] {
            refuse(format!("/v1/users?cursor={forged}")).await;
        }
        let other = app.second_environment().await;
        app.bapi_of(&other).get(format!("/v1/users?limit=1&cursor={cursor}")).await
            .is_refused_for(422, "form_param_format_invalid", "cursor");
        assert!(!cursor.contains("user_"), "it tells nothing");
    }

    async fn a_cursor_survives_its_filters_in_another_order(app: TestApp) {
        people(&app, 3).await;
        let page = app.bapi().get("/v1/users?limit=1&query=example&created_at_after=5").await;
        let cursor = next(&page).expect("there is more");
        app.bapi().get(format!("/v1/users?created_at_after=5&cursor={cursor}&query=example&limit=2")).await.has_status(200);
    }

    async fn an_unknown_order_is_refused(app: TestApp) {
        for bad in ["name", "-id", "password_digest", "-created_at,id", "--created_at", "created_at;", "CREATED_AT"] {
            app.bapi().get(format!("/v1/users?order_by={bad}")).await
                .is_refused_for(422, "form_param_value_invalid", "order_by");
        }
        let both = app.bapi().get("/v1/users?order_by=bad&limit=x").await;
        assert_eq!(both.codes().len(), 2, "all problems together: {}", both.text());
    }
}

async fn people_named(app: &TestApp, name: &str) {
    app.advance(Duration::from_secs(1));
    app.user(name).created().await;
}
