//! Whom a list of people means.

use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both};

/// Who matches, by first names in order of the alphabet; list and count agree.
async fn found(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.bapi().get(format!("/v1/users?{query}")).await;
    page.has_status(200);
    let count = app.bapi().get(format!("/v1/users/count?{query}")).await;
    assert_eq!(page.at("/total_count"), count.at("/total_count"), "{query}");
    let rows = page.at("/data").as_array().expect("a page has rows");
    assert_eq!(page.at("/total_count"), rows.len(), "{query}");
    let mut names: Vec<String> =
        rows.iter().map(|row| row["first_name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort_unstable();
    names
}

/// Ann, Bob and Cid, a second apart; their ids.
async fn three(app: &TestApp) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, last, username) in
        [("Ann", "O'Hara", "ann.oh"), ("Bob", "100% Sure", "bob_by"), ("Cid", "Ünlü", "cid-99")]
    {
        app.advance(Duration::from_secs(1));
        let low = name.to_lowercase();
        let body = json!({
            "first_name": name, "last_name": last, "username": username, "external_id": format!("crm-{low}"),
            "email_address": [format!("{low}@example.com"), format!("{low}@work.example.org")],
            "skip_password_requirement": true,
        });
        ids.push(app.bapi().post("/v1/users", body).await.has_status(201).str("/id"));
    }
    ids
}

both! {
    async fn people_are_found_by_what_identifies_them(app: TestApp) {
        let ids = three(&app).await;
        for (query, names) in [
            ("email_address=ann@example.com".to_owned(), vec!["Ann"]),
            ("email_address=ANN%40EXAMPLE.com".to_owned(), vec!["Ann"]),
            ("email_address=bob@work.example.org".to_owned(), vec!["Bob"]),
            ("email_address=ann@example.com&email_address=cid@example.com".to_owned(), vec!["Ann", "Cid"]),
            ("email_address[]=ann@example.com&email_address[]=bob@example.com".to_owned(), vec!["Ann", "Bob"]),
            ("email_address=nobody@example.com".to_owned(), vec![]),
            ("username=ANN.OH".to_owned(), vec!["Ann"]),
            ("username=ann.oh&username=cid-99".to_owned(), vec!["Ann", "Cid"]),
            ("external_id=crm-bob".to_owned(), vec!["Bob"]),
            ("external_id=CRM-BOB".to_owned(), vec![]),
            (format!("user_id={}", ids[2]), vec!["Cid"]),
            (format!("user_id={}&user_id={}&user_id=user_nothing", ids[0], ids[1]), vec!["Ann", "Bob"]),
            ("phone_number=%2B15550001111".to_owned(), vec![]),
            // OR inside one name, AND across names
            (format!("user_id={}&user_id={}&username=bob_by", ids[0], ids[1]), vec!["Bob"]),
            ("external_id=crm-ann&username=bob_by".to_owned(), vec![]),
        ] {
            assert_eq!(found(&app, &query).await, names, "{query}");
        }
    }

    async fn a_search_finds_parts_of_names_and_addresses_whatever_the_case(app: TestApp) {
        three(&app).await;
        for (text, names) in [
            ("ann", vec!["Ann"]), ("ANN", vec!["Ann"]), ("o'hara", vec!["Ann"]), ("work.example", vec!["Ann", "Bob", "Cid"]),
            ("bob_by", vec!["Bob"]), ("ob", vec!["Bob"]), ("cid-99", vec!["Cid"]), ("%C3%BCnl%C3%BC", vec!["Cid"]), ("%C3%9CNL%C3%9C", vec!["Cid"]),
            ("zzz", vec![]), ("", vec!["Ann", "Bob", "Cid"]), ("%20%20ann%20", vec!["Ann"]),
            // what a database takes for a pattern is only text
            ("100%25", vec!["Bob"]), ("%25", vec!["Bob"]), ("a_n", vec![]), ("_", vec!["Bob"]), ("%5C", vec![]), ("'%20or%201=1", vec![]),
        ] {
            assert_eq!(found(&app, &format!("query={text}")).await, names, "query={text}");
        }
    }

    async fn times_bound_a_list(app: TestApp) {
        let ids = three(&app).await;
        let made = app.bapi().get(format!("/v1/users/{}", ids[1])).await.at("/created_at").as_i64().expect("a number");
        for (query, names) in [
            (format!("created_at_after={made}"), vec!["Cid"]),
            (format!("created_at_after={}", made - 1), vec!["Bob", "Cid"]),
            (format!("created_at_before={made}"), vec!["Ann"]),
            (format!("created_at_before={}", made + 1), vec!["Ann", "Bob"]),
            (format!("created_at_after={}&created_at_before={}", made - 1, made + 1), vec!["Bob"]),
            ("last_active_at_since=0".to_owned(), vec![]),
        ] {
            assert_eq!(found(&app, &query).await, names, "{query}");
        }
    }

    async fn who_was_active_is_found_inclusively(app: TestApp) {
        three(&app).await;
        let alice = app.user("alice").signed_in().await;
        let at = app.bapi().get(format!("/v1/users/{}", alice.id())).await.at("/last_active_at").as_i64().expect("a number");

        for (since, n) in [(at, 1), (at + 1, 0), (at - 1, 1)] {
            let page = app.bapi().get(format!("/v1/users?last_active_at_since={since}")).await;
            assert_eq!(page.at("/total_count"), n, "{since}");
        }
    }

    async fn an_empty_value_is_no_filter(app: TestApp) {
        three(&app).await;
        for query in ["email_address=", "username=", "user_id=", "external_id=&query=", "created_at_after=", "phone_number="] {
            assert_eq!(found(&app, query).await.len(), 3, "{query}");
        }
        assert_eq!(found(&app, "some_unknown=1").await.len(), 3);
    }

    async fn values_that_cannot_be_are_refused(app: TestApp) {
        for (query, name) in [
            ("email_address=nothing", "email_address"), ("created_at_after=yesterday", "created_at_after"),
            ("last_active_at_since=1.5", "last_active_at_since"), ("query=a%00b", "query"), ("user_id=%00", "user_id"),
            ("query=a&query=b", "query"),
        ] {
            for path in ["/v1/users", "/v1/users/count"] {
                app.bapi().get(format!("{path}?{query}")).await.is_refused_for(422, "form_param_format_invalid", name);
            }
        }
        let long = "x".repeat(257);
        app.bapi().get(format!("/v1/users?query={long}")).await.is_refused_for(422, "form_param_format_invalid", "query");
        app.bapi().get(format!("/v1/users?query={}", "x".repeat(256))).await.has_status(200);
        let many = "user_id=x&".repeat(101);
        app.bapi().get(format!("/v1/users?{many}")).await.is_refused_for(422, "form_param_value_invalid", "user_id");
    }

    async fn a_list_never_shows_another_environment(app: TestApp) {
        let ids = three(&app).await;
        let other = app.second_environment().await;
        let theirs = app.bapi_of(&other).get(format!("/v1/users?user_id={}", ids[0])).await;
        assert_eq!(theirs.at("/total_count"), 0);
        assert_eq!(app.bapi_of(&other).get("/v1/users/count").await.at("/total_count"), 0);
        app.bapi_of(&other).get(format!("/v1/users/{}", ids[0])).await.is_refused(404, "user_not_found");
    }

    async fn the_count_follows_what_is_made_and_deleted(app: TestApp) {
        let ids = three(&app).await;
        let count = async || app.bapi().get("/v1/users/count").await.at("/total_count").clone();
        assert_eq!(count().await, 3);
        app.bapi().delete(format!("/v1/users/{}", ids[0])).await.has_status(204);
        assert_eq!(count().await, 2);
        app.tick().await;
        assert_eq!(count().await, 2, "whether it was folded or not");
        assert_eq!(found(&app, "query=example").await, ["Bob", "Cid"]);
    }
}
