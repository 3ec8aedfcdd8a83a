//! What belongs to another environment, another person or another browser does not exist.

use super::catalogue::{is_operators, method, objects};
use domain::Surface;
use serde_json::json;
use testkit::{TestApp, both, document};

both! {
    async fn a_key_sees_nothing_of_another_environment(app: TestApp) {
        let other = app.second_environment().await;
        let theirs = objects(&app, &other, "bob").await;

        for operation in document(Surface::Bapi).operations() {
            let reply = theirs.call(&operation, &app.bapi()).await;

            // Names out of a fixed list are those of the caller's own environment.
            let is_ours = operation.parameters().iter().all(|name| ["sms_template_slug", "slug"].contains(name));
            if is_ours {
                // A body that names an object of theirs is no way to it either.
                let names_theirs = operation.body().is_some_and(|body| body["properties"].get("user_id").is_some());
                assert!(!names_theirs || reply.status() >= 400, "{}: {}", operation.template, reply.text());
                for id in theirs.ids() {
                    // A refusal may repeat what was asked; an answer may not know it.
                    assert!(reply.status() >= 400 || !reply.text().contains(&id), "{} shows {id}", operation.template);
                }
            } else {
                reply.has_status(404);
            }
        }
        let still = app.bapi_of(&other).get(format!("/v1/users/{}", theirs.person.id())).await;
        still.is(200, json!({ "banned": false, "locked": false }));
        theirs.person.get("/v1/me").await.has_status(200);
    }

    async fn what_operators_do_does_not_exist_for_a_key_of_an_environment(app: TestApp) {
        let ours = objects(&app, &app.env, "alice").await;

        for operation in document(Surface::Bapi).operations().iter().filter(|operation| is_operators(operation)) {
            ours.call(operation, &app.bapi()).await.is_refused(404, "resource_not_found");
            let served = ours.call(operation, ours.backend(operation)).await;
            assert!(![401, 403, 404].contains(&served.status()), "{}: {}", operation.template, served.text());
        }
    }

    async fn an_operators_key_opens_nothing_else_of_a_tenant(app: TestApp) {
        let theirs = objects(&app, &app.env, "alice").await;
        let operator = app.bapi_of(&app.operators().await);

        for operation in document(Surface::Bapi).operations().iter().filter(|operation| !is_operators(operation)) {
            let reply = theirs.call(operation, &operator).await;

            let is_own = operation.parameters().iter().all(|name| ["sms_template_slug", "slug"].contains(name));
            if !is_own {
                reply.has_status(404);
            }
            for id in theirs.ids() {
                assert!(reply.status() >= 400 || !reply.text().contains(&id), "{} shows {id}", operation.template);
            }
        }
    }

    async fn lists_filtered_by_another_environments_objects_are_empty(app: TestApp) {
        let other = app.second_environment().await;
        let theirs = objects(&app, &other, "bob").await;
        let (user, email) = (theirs.person.id(), &theirs.person.user.email);

        for query in [format!("user_id={user}"), format!("email_address={email}"), "query=bob".to_owned()] {
            let reply = app.bapi().get(format!("/v1/users?{query}")).await;
            reply.is(200, json!({ "data": [], "total_count": 0 }));
        }
        let reply = app.bapi().get(format!("/v1/sessions?user_id={user}")).await;
        reply.is(200, json!({ "data": [], "total_count": 0 }));
    }

    async fn a_person_sees_nothing_of_another_environment(app: TestApp) {
        let other = app.second_environment().await;
        let ours = objects(&app, &app.env, "alice").await;
        let theirs = objects(&app, &other, "bob").await;

        for operation in document(Surface::Fapi).operations() {
            if !operation.parameters().is_empty() {
                theirs.call(&operation, ours.owner(&operation)).await.has_status(404);
            }
        }
    }

    async fn a_person_sees_nothing_of_another_person(app: TestApp) {
        let ours = objects(&app, &app.env, "alice").await;
        let theirs = objects(&app, &app.env, "bob").await;

        for operation in document(Surface::Fapi).operations() {
            if !operation.parameters().is_empty() {
                theirs.call(&operation, ours.owner(&operation)).await.has_status(404);
            }
        }
    }

    async fn credentials_of_another_environment_are_worth_nothing(app: TestApp) {
        let other = app.second_environment().await;
        let ours = objects(&app, &app.env, "alice").await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        let token = bob.token().await;

        for operation in document(Surface::Fapi).operations() {
            let cookies = app.anyone();
            for name in ["__client", "__session"] {
                cookies.jar().set(name, &bob.jar().get(name).expect("a signed-in browser has both cookies"));
            }
            let bearer = app.anyone().with_authorization(&format!("Bearer {token}"));
            for stranger in [cookies, bearer] {
                let reply = ours.call(&operation, &stranger).await;
                let public = !operation.is_guarded();
                assert!(public || reply.status() == 401, "{} {}: {}", operation.method, operation.template, reply.text());
                assert!(!reply.text().contains(bob.id()) && !reply.text().contains(ours.person.id()), "{}", operation.template);
            }
        }
    }

    async fn a_challenge_belongs_to_its_own_attempt(app: TestApp) {
        let ours = objects(&app, &app.env, "alice").await;
        let theirs = objects(&app, &app.env, "bob").await;

        for operation in document(Surface::Fapi).operations() {
            if !operation.parameters().contains(&"challenge_id") {
                continue;
            }
            // Our own attempt, with the challenge of somebody else's.
            let (own, foreign) = (ours.path(&operation), theirs.path(&operation));
            let foreign: Vec<&str> = foreign.split('/').collect();
            let at = operation.template.split('/').position(|segment| segment == "{challenge_id}");
            let path: Vec<&str> =
                own.split('/').enumerate().map(|(i, segment)| if Some(i) == at { foreign[i] } else { segment }).collect();
            let call = ours.owner(&operation).call(method(&operation), path.join("/"));

            let body = match operation.template.contains("/complete-registration/") {
                true => json!({ "attestation": {} }),
                false => json!({ "code": "000000" }),
            };
            let reply = if operation.body().is_some() { call.json(body).await } else { call.await };

            reply.is_refused(404, "challenge_not_found");
        }
    }
}
