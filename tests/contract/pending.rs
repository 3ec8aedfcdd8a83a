//! What a session may do that waits for its second factor is a short list: every other operation refuses it, so that a
//! new one does as well.

use super::catalogue::objects;
use domain::Surface;
use testkit::{Operation, TestApp, both, document};

/// What leads to a second factor.
const ENROLLING: [(&str, &str); 13] = [
    ("get", "/v1/me"),
    ("get", "/v1/me/totp"),
    ("post", "/v1/me/totp"),
    ("post", "/v1/me/totp/verify"),
    ("get", "/v1/me/phone-numbers"),
    ("post", "/v1/me/phone-numbers"),
    ("get", "/v1/me/phone-numbers/{phone_number_id}"),
    ("patch", "/v1/me/phone-numbers/{phone_number_id}"),
    ("post", "/v1/me/phone-numbers/{phone_number_id}/challenges"),
    ("get", "/v1/me/phone-numbers/{phone_number_id}/challenges/{challenge_id}"),
    ("post", "/v1/me/phone-numbers/{phone_number_id}/challenges/{challenge_id}/answer"),
    ("get", "/v1/me/passkeys"),
    ("post", "/v1/me/passkeys/begin-registration"),
];

/// The same, answered only with a passkey that is fit for it.
const COMPLETING: (&str, &str) = ("post", "/v1/me/passkeys/complete-registration/{challenge_id}");

fn asks_for_a_session(operation: &Operation<'_>) -> bool {
    let schemes = operation.value()["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    schemes.iter().any(|scheme| scheme.get("session").is_some())
}

fn leads_to_a_factor(operation: &Operation<'_>) -> bool {
    let key = (operation.method, operation.template);
    ENROLLING.contains(&key) || key == COMPLETING
}

#[test]
fn the_list_of_what_leads_to_a_second_factor_names_operations_that_exist() {
    for (method, template) in ENROLLING.into_iter().chain([COMPLETING]) {
        assert!(document(Surface::Fapi).operation(method, template).is_some(), "{method} {template}");
    }
}

both! {
    async fn every_operation_refuses_a_session_that_waits_for_its_second_factor(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        app.settings(|s| {
            s.multi_factor.phone_code.enabled = true;
            s.multi_factor.passkey_counts_as_mfa = true;
            s.multi_factor.required = true;
        })
        .await;
        let made = app.tamper("UPDATE sessions SET status = 'pending'").await;
        assert!(made > 0);
        let bearer = objects.person.bearer().await;
        let all = document(Surface::Fapi).operations();
        assert!(all.iter().filter(|one| asks_for_a_session(one)).count() > 25);

        for operation in all.into_iter().filter(asks_for_a_session) {
            for caller in [&objects.person.browser, &bearer] {
                let reply = objects.call(&operation, caller).await;
                let refused = reply.status() == 403 && reply.codes() == ["session_pending"];
                let name = format!("{} {}", operation.method, operation.template);
                assert_eq!(refused, !leads_to_a_factor(&operation), "{name}: {}", reply.text());
            }
        }
        let session = format!("/v1/sessions/{}", objects.person.session);
        assert_eq!(app.bapi().get(session).await.str("/status"), "pending");
    }
}
