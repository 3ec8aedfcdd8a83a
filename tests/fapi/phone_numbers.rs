//! A person's own phone numbers.

use super::steps::{
    PASSWORD, add_number, after_a_message, answer, challenge, given_number, other_than, proven_number, try_password,
    with_phones,
};
use serde_json::json;
use testkit::{Reply, SignedInUser, TestApp, both, minutes};

const NUMBER: &str = "+16502530000";
const OTHER: &str = "+16502530001";

/// What happened, but for the messages that went out.
async fn events(app: &TestApp) -> Vec<String> {
    app.events().await.into_iter().filter(|name| !name.starts_with("sms.")).collect()
}

async fn add(user: &SignedInUser, number: &str) -> Reply {
    user.post("/v1/me/phone-numbers", json!({ "phone_number": number })).await
}

both! {
    async fn a_number_is_added_unproven_and_proven_by_its_code(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;

        let added = add(&alice, " +1 (650) 253-0000 ").await;

        added.is(201, json!({
            "response": {
                "object": "phone_number", "phone_number": NUMBER, "verified": false, "is_primary": false, "current_challenge_id": null,
                "reserved_for_second_factor": false, "default_second_factor": false,
            },
            "client": { "sessions": [{ "id": alice.session }] },
        }));
        let path = format!("/v1/me/phone-numbers/{}", added.str("/response/id"));
        let open = challenge(&alice, &path, "phone_code").await;
        alice.get(&open).await.is(200, json!({
            "status": "pending", "step": "single", "strategy": "phone_code",
            "email_address_id": null, "sign_in_id": null, "sign_up_id": null,
        }));
        assert!(alice.get(&path).await.at("/current_challenge_id").is_string());
        let done = answer(&alice, &open, &app.last_sms_code(NUMBER).await).await;

        done.is(200, json!({ "response": { "status": "verified" } }));
        alice.get(&path).await.is(200, json!({ "verified": true, "is_primary": true, "current_challenge_id": null }));
        alice.get("/v1/me").await.is(200, json!({
            "primary_phone_number_id": added.str("/response/id"), "phone_numbers": [{ "phone_number": NUMBER, "is_primary": true }],
        }));
        alice.get("/v1/me/phone-numbers").await.is(200, json!([{ "phone_number": NUMBER }]));
        assert_eq!(events(&app).await, ["phoneNumber.created", "user.updated", "phoneNumber.verified", "user.updated"]);
    }

    async fn wrong_late_and_replaced_codes_prove_nothing(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, NUMBER).await;
        let first = challenge(&alice, &path, "phone_code").await;
        let first_code = app.last_sms_code(NUMBER).await;
        answer(&alice, &first, &other_than(&first_code)).await.is_refused(422, "form_code_incorrect");
        after_a_message(&app);
        let second = challenge(&alice, &path, "phone_code").await;
        let second_code = app.last_sms_code(NUMBER).await;
        answer(&alice, &first, &first_code).await.is_refused(422, "verification_expired");
        app.advance(minutes(10));
        answer(&alice, &second, &second_code).await.is_refused(422, "verification_expired");
        alice.get(&path).await.is(200, json!({ "verified": false }));
        let third = challenge(&alice, &path, "phone_code").await;
        let code = app.last_sms_code(NUMBER).await;
        answer(&alice, &third, &code).await.has_status(200);
        answer(&alice, &third, &code).await.is_refused(422, "verification_already_verified");
        let again = alice.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
        again.is_refused(422, "verification_already_verified");
    }

    async fn only_codes_prove_a_number_and_only_the_one_of_the_path(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, NUMBER).await;
        let other = add_number(&alice, OTHER).await;
        let ask = |body| alice.post(format!("{path}/challenges"), body);
        for strategy in ["password", "email_code", "totp", "x"] {
            ask(json!({ "strategy": strategy })).await.is_refused(422, "strategy_not_supported");
        }
        let id = other.rsplit('/').next().expect("a path has an end");
        ask(json!({ "strategy": "phone_code", "phone_number_id": id })).await.is_refused_for(422, "form_param_value_invalid", "phone_number_id");
        let id = path.rsplit('/').next().expect("a path has an end");
        let issued = ask(json!({ "strategy": "phone_code", "phone_number_id": id })).await;
        let open = format!("{path}/challenges/{}", issued.has_status(200).str("/response/id"));
        alice.post(format!("{open}/answer"), json!({})).await.is_refused_for(422, "form_param_nil", "code");
    }

    async fn what_is_taken_or_no_number_or_switched_off_is_not_added(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        add(&alice, NUMBER).await.is_refused_for(422, "form_param_unknown", "phone_number");
        with_phones(&app).await;
        given_number(&app, &bob.id, OTHER).await;

        add(&alice, OTHER).await.is_refused_for(422, "form_identifier_exists", "phone_number");
        add(&alice, NUMBER).await.has_status(201);
        add(&alice, NUMBER).await.is_refused_for(422, "form_identifier_exists", "phone_number");
        for bad in ["nothing", "+1", "6502530002", "+10000000000", "+1650253000200000000000000000000000"] {
            add(&alice, bad).await.is_refused_for(422, "form_param_format_invalid", "phone_number");
        }
        alice.post("/v1/me/phone-numbers", json!({})).await.is_refused_for(422, "form_param_nil", "phone_number");
    }

    async fn a_test_number_takes_the_fixed_code_and_hears_nothing(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, "+15555550100").await;
        let open = challenge(&alice, &path, "phone_code").await;
        // Nothing is sent, so that there is no limit either.
        challenge(&alice, &path, "phone_code").await;
        let again = challenge(&alice, &path, "phone_code").await;
        answer(&alice, &open, "424242").await.is_refused(422, "verification_expired");
        answer(&alice, &again, "424242").await.has_status(200);
        assert_eq!(app.smses().await.len(), 0);

        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Rejected)).await;
        add(&alice, "+15555550101").await.is_refused_for(422, "test_identifier_forbidden", "phone_number");
        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Disabled)).await;
        let path = add_number(&alice, "+15555550101").await;
        let open = challenge(&alice, &path, "phone_code").await;
        answer(&alice, &open, "424242").await.is_refused(422, "form_code_incorrect");
        assert_eq!(app.smses().await.len(), 0, "nothing is ever sent to a test number");
    }

    async fn a_real_number_takes_no_fixed_code(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, NUMBER).await;
        let open = challenge(&alice, &path, "phone_code").await;
        if app.last_sms_code(NUMBER).await != "424242" {
            answer(&alice, &open, "424242").await.is_refused(422, "form_code_incorrect");
        }
    }

    async fn a_change_of_flags_is_made_whole_or_not_at_all(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, NUMBER).await;
        let patch = |body| alice.patch(&path, body);
        for (flag, value) in [("is_primary", true), ("reserved_for_second_factor", true)] {
            patch(json!({ flag: value })).await.is_refused_for(422, "phone_not_verified", flag);
        }
        patch(json!({ "default_second_factor": true })).await.is_refused_for(422, "form_param_value_invalid", "default_second_factor");
        patch(json!({ "is_primary": "yes" })).await.is_refused_for(422, "form_param_format_invalid", "is_primary");
        patch(json!({ "verified": true })).await.is_refused_for(422, "form_param_unknown", "verified");
        let open = challenge(&alice, &path, "phone_code").await;
        answer(&alice, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        patch(json!({ "is_primary": false })).await.is_refused_for(422, "form_param_value_invalid", "is_primary");
        patch(json!({ "default_second_factor": true })).await.is_refused(422, "form_param_value_invalid");
        // One wrong flag, and none is made.
        let mixed = json!({ "reserved_for_second_factor": true, "is_primary": false });
        patch(mixed).await.is_refused(422, "form_param_value_invalid");
        alice.get("/v1/me").await.is(200, json!({ "two_factor_enabled": false, "mfa_enabled_at": null }));

        let both = json!({ "reserved_for_second_factor": true, "default_second_factor": true });
        patch(both).await.is(200, json!({ "response": { "reserved_for_second_factor": true, "default_second_factor": true } }));

        let me = alice.get("/v1/me").await;
        me.is(200, json!({ "two_factor_enabled": true, "phone_numbers": [{ "default_second_factor": true }] }));
        assert!(me.at("/mfa_enabled_at").is_i64());
        // Enrolling has proven it: the next change needs no other proof.
        let other = proven_number(&app, &alice, OTHER).await;
        let moved = json!({ "reserved_for_second_factor": true, "default_second_factor": true, "is_primary": true });
        alice.patch(&other, moved).await.is(200, json!({ "response": { "is_primary": true, "default_second_factor": true } }));
        alice.get(&path).await.is(200, json!({ "is_primary": false, "default_second_factor": false, "reserved_for_second_factor": true }));
        alice.patch(&other, json!({ "reserved_for_second_factor": false })).await
            .is(200, json!({ "response": { "reserved_for_second_factor": false, "default_second_factor": false, "is_primary": true } }));
        alice.patch(&other, json!({ "is_primary": false })).await.has_status(200);
        alice.get(&path).await.is(200, json!({ "is_primary": true }));
        alice.patch(&path, json!({ "reserved_for_second_factor": false })).await.has_status(200);
        let me = alice.get("/v1/me").await;
        me.is(200, json!({ "two_factor_enabled": false }));
        assert!(me.at("/mfa_disabled_at").is_i64());
        let told = app.mails_to(&alice.user.email).await;
        assert_eq!(told.last().map(|mail| mail.template_slug.as_str()), Some("mfa_disabled"));
    }

    async fn enrolling_needs_the_switch_and_what_is_enrolled_stays(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.multi_factor.phone_code.enabled = false).await;
        let alice = app.user("alice").signed_in().await;
        let path = proven_number(&app, &alice, NUMBER).await;
        let reserve = json!({ "reserved_for_second_factor": true });
        alice.patch(&path, reserve.clone()).await.is_refused_for(422, "mfa_not_enabled", "reserved_for_second_factor");
        app.settings(|s| s.multi_factor.phone_code.enabled = true).await;
        alice.patch(&path, reserve.clone()).await.has_status(200);
        app.settings(|s| s.multi_factor.phone_code.enabled = false).await;
        alice.patch(&path, reserve).await.has_status(200);
        let again = try_password(&app.anyone(), &alice.user.email, &alice.user.password).await;
        again.is(200, json!({ "response": { "status": "needs_second_factor", "supported_strategies": ["phone_code"] } }));
    }

    async fn a_number_that_serves_as_second_factor_stays_until_it_no_longer_does(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = proven_number(&app, &alice, NUMBER).await;
        alice.patch(&path, json!({ "reserved_for_second_factor": true })).await.has_status(200);
        alice.delete(&path).await.is_refused(409, "phone_reserved_for_second_factor");
        alice.patch(&path, json!({ "reserved_for_second_factor": false })).await.has_status(200);
        app.skip_events().await;

        alice.delete(&path).await.is(200, json!({ "response": { "phone_number": NUMBER, "is_primary": true } }));

        alice.get(&path).await.is_refused(404, "phone_not_found");
        alice.get("/v1/me").await.is(200, json!({ "primary_phone_number_id": null, "phone_numbers": [] }));
        assert_eq!(events(&app).await, ["phoneNumber.removed", "user.updated"]);
        let bob = app.user("bob").created().await;
        given_number(&app, &bob.id, NUMBER).await;
    }

    async fn the_last_identifier_stays_and_a_removed_number_takes_its_challenge_along(app: TestApp) {
        with_phones(&app).await;
        let body = json!({ "phone_number": [NUMBER], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        try_password(&browser, NUMBER, PASSWORD).await.is(200, json!({ "response": { "status": "complete" } }));
        let only = browser.get("/v1/me/phone-numbers").await.str("/0/id");
        browser.delete(format!("/v1/me/phone-numbers/{only}")).await.is_refused(422, "last_identifier_not_removable");

        let added = browser.post("/v1/me/phone-numbers", json!({ "phone_number": OTHER })).await;
        let path = format!("/v1/me/phone-numbers/{}", added.has_status(201).str("/response/id"));
        let open = challenge(&browser, &path, "phone_code").await;
        let code = app.last_sms_code(OTHER).await;
        browser.delete(&path).await.has_status(200);
        answer(&browser, &open, &code).await.is_refused(404, "phone_not_found");
    }

    async fn whoever_proves_a_number_first_has_it_and_squatters_lose_theirs(app: TestApp) {
        with_phones(&app).await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let squatted = add_number(&alice, NUMBER).await;
        let open = challenge(&alice, &squatted, "phone_code").await;
        let hers = app.last_sms_code(NUMBER).await;
        after_a_message(&app);
        app.skip_events().await;

        proven_number(&app, &bob, NUMBER).await;

        alice.get(&squatted).await.is_refused(404, "phone_not_found");
        answer(&alice, &open, &hers).await.is_refused(404, "phone_not_found");
        alice.get("/v1/me").await.is(200, json!({ "phone_numbers": [] }));
        assert_eq!(events(&app).await, [
            "phoneNumber.created", "user.updated", "phoneNumber.removed", "phoneNumber.verified", "user.updated",
        ]);
    }

    async fn anothers_number_is_not_there(app: TestApp) {
        with_phones(&app).await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        let path = format!("/v1/me/phone-numbers/{}", given_number(&app, &bob.id, NUMBER).await);
        alice.get(&path).await.is_refused(404, "phone_not_found");
        alice.patch(&path, json!({ "is_primary": true })).await.is_refused(404, "phone_not_found");
        alice.delete(&path).await.is_refused(404, "phone_not_found");
        alice.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.is_refused(404, "phone_not_found");
    }

    async fn a_person_adds_twenty_of_each_at_most(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        for i in 0..20 {
            add(&alice, &format!("+1650253{i:04}")).await.has_status(201);
        }
        add(&alice, "+16502530020").await.is_refused_for(422, "identifier_quota_exceeded", "phone_number");
        let mail = |i: usize| alice.post("/v1/me/email-addresses", json!({ "email_address": format!("alice{i}@example.com") }));
        for i in 0..19 {
            mail(i).await.has_status(200);
        }
        mail(19).await.is_refused_for(422, "identifier_quota_exceeded", "email_address");
        // A backend may know better.
        given_number(&app, alice.id(), "+16502530021").await;
    }
}
