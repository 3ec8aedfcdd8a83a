#![no_main]

use domain::jwt_template::{CLAIMS_MAX, check_claims, is_reserved, mistyped_claims, reserved_claims};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use templates::claims::{Claims, MAX_RENDERED};

static PEOPLE: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let values = json!({
        "user": {
            "id": "user_1", "first_name": "Ann", "created_at": 1_700_000_000_123_i64,
            "primary_email_address": { "email_address": "ann@example.com", "verified": true },
            "public_metadata": { "plan": "pro", "seats": 3, "tags": ["a", "b"] },
            "unsafe_metadata": { "evil": "{{ user.id }}{% raw %}", "big": "x".repeat(8000) },
        },
        "session": { "id": "sess_1" }, "env": { "id": "env_1" }, "org_memberships": [],
    });
    values.as_object().cloned().unwrap_or_default()
});

fuzz_target!(|data: &[u8]| {
    let Ok(Value::Object(claims)) = serde_json::from_slice(data) else { return };
    let bounded = check_claims(&claims).is_ok();
    let refused = reserved_claims(&claims).count() + mistyped_claims(&claims).count();
    assert!(refused > 0 || !claims.keys().any(|name| is_reserved(name)));
    let Ok(read) = Claims::parse(&claims) else { return };
    assert!(!read.paths().any(|path| path.starts_with("user.private_metadata")));
    if let Ok(made) = read.render(&PEOPLE) {
        assert!(made.keys().eq(claims.keys()), "no value makes a claim");
        let length = Value::Object(made).to_string().len();
        // A character of a text takes six bytes of JSON at most.
        assert!(!bounded || length <= CLAIMS_MAX + 6 * MAX_RENDERED);
    }
});
