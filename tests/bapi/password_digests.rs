//! Hashes from elsewhere.

use crate::fapi::steps::{PASSWORD, try_password};
use domain::Context;
use serde_json::json;
use testkit::{TestApp, both};

/// A digest of each hasher with the password it is of.
const DIGESTS: [(&str, &str, &str); 8] = [
    ("argon2id", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
    ("bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    ("bcrypt", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
    (
        "scrypt",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
        "password",
    ),
    (
        "pbkdf2_sha256",
        "$pbkdf2-sha256$i=1,l=64$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB06GXgw",
        "passwd",
    ),
    ("pbkdf2_sha256", "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=", "lètmein"),
    ("md5", "3cb4e732631f47e6eb961f34554b7cde", "correct horse"),
    ("sha256", "SHA256", "correct horse"),
];

fn digest(hasher: &str, digest: &str) -> String {
    if hasher == "sha256" { crypto::digest::sha256_hex(b"correct horse") } else { digest.to_owned() }
}

both! {
    async fn each_is_taken_over_and_hashed_anew_at_the_first_sign_in(app: TestApp) {
        for (i, (hasher, text, password)) in DIGESTS.into_iter().enumerate() {
            let email = format!("p{i}@example.com");
            let text = digest(hasher, text);
            let body = json!({ "email_address": [email], "password_digest": text, "password_hasher": hasher });
            let made = app.bapi().post("/v1/users", body).await;
            made.is(201, json!({ "password_enabled": true }));
            let stored = app.database_text().await;
            // what is not salted is never kept as it came
            assert_eq!(stored.contains(&text), !["md5", "sha256"].contains(&hasher), "{hasher}");

            try_password(&app.anyone(), &email, "wrong words").await.is_refused(422, "form_password_incorrect");
            try_password(&app.anyone(), &email, password).await.is(200, json!({ "response": { "status": "complete" } }));

            let cx = Context::operator(app.env.id, app.now());
            let person = engine::users::find(&app.engine, &cx, made.str("/id").parse().expect("an id")).await.expect("she is there");
            let kept = person.user.password_digest.expect("she has a password");
            assert!(kept.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hasher} is gone after the first sign-in");
            try_password(&app.anyone(), &email, password).await.has_status(200);
            let verify = format!("/v1/users/{}/verify-password", made.str("/id"));
            app.bapi().post(verify, json!({ "password": password })).await.is(200, json!({ "verified": true }));
        }
    }

    async fn what_is_no_digest_of_its_hasher_or_costs_too_much_is_refused(app: TestApp) {
        let bcrypt = DIGESTS[1].1;
        for (hasher, text) in [
            ("bcrypt", "nonsense"), ("bcrypt", ""), ("argon2id", bcrypt), ("bcrypt", &bcrypt.replace("$05$", "$31$")),
            ("bcrypt", &bcrypt[..50]), ("md5", "3CB4E732631F47E6EB961F34554B7CDE"), ("sha256", "3cb4e732631f47e6eb961f34554b7cde"),
            ("argon2id", "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            ("argon2id", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            ("pbkdf2_sha256", "pbkdf2_sha256$2000001$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY="),
            ("scrypt", "$scrypt$ln=31,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"),
        ] {
            let body = json!({ "email_address": ["ann@example.com"], "password_digest": text, "password_hasher": hasher });
            let reply = app.bapi().post("/v1/users", body).await;
            if text.is_empty() {
                reply.has_status(422);
            } else {
                reply.is_refused_for(422, "password_hash_invalid", "password_digest");
            }
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn a_digest_and_its_hasher_come_together_and_without_a_password(app: TestApp) {
        let make = |body| app.bapi().post("/v1/users", body);
        let (hasher, text, _) = DIGESTS[1];
        make(json!({ "external_id": "a", "password_digest": text })).await.is_refused_for(422, "form_param_nil", "password_hasher");
        make(json!({ "external_id": "a", "password_hasher": hasher })).await.is_refused_for(422, "form_param_nil", "password_digest");
        make(json!({ "external_id": "a", "password": PASSWORD, "password_digest": text, "password_hasher": hasher })).await
            .is_refused_for(422, "form_param_value_invalid", "password_digest");
        for unknown in ["md4", "BCRYPT", "phpass", "argon2i"] {
            make(json!({ "external_id": "a", "password_digest": text, "password_hasher": unknown })).await
                .is_refused_for(422, "form_param_value_invalid", "password_hasher");
        }
    }

    async fn a_digest_can_be_set_later_too(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (hasher, text, password) = DIGESTS[1];

        let body = json!({ "password_digest": text, "password_hasher": hasher });
        app.bapi().patch(format!("/v1/users/{}", alice.id), body).await.has_status(200);

        try_password(&app.anyone(), &alice.email, &alice.password).await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &alice.email, password).await.has_status(200);
    }
}
