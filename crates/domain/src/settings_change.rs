//! A change of settings: groups are merged key by key, and the outcome is checked whole.

use crate::code;
use crate::environment::EnvironmentKind;
use crate::jwt_template::TemplateName;
use crate::key::LONGEST_TOKEN;
use crate::merge::{Null, merged};
use crate::origin::OriginPattern;
use crate::refusal::{Kind, Problem};
use crate::settings::{AttributeSetting, Settings, SignUpMode};
use crate::strategy::Strategy;
use serde_json::{Map, Value};

/// What a backend may set; the other groups have doors of their own.
const KEYS: [&str; 19] = [
    "application_name",
    "support_email",
    "enhanced_email_deliverability",
    "sign_up_modes",
    "test_mode",
    "paths",
    "attribute_settings",
    "restrictions",
    "attack_protection",
    "sessions",
    "signing_keys",
    "multi_factor",
    "authentication_strategies",
    "require_legal_accepted",
    "sms",
    "audit_log_retention_days",
    "audit_full_ip",
    "allowed_origins",
    "delete_self_enabled",
];

/// The group of the organization feature.
pub(crate) const ORGANIZATIONS: &str = "organizations";

/// The roles that there are before anybody made one.
const ROLES: [&str; 2] = ["org:admin", "org:member"];

impl Settings {
    /// The settings after a change: objects are merged, everything else is replaced. Every problem is told.
    pub fn changed(&self, change: Map<String, Value>, kind: EnvironmentKind) -> Result<Self, Vec<Problem>> {
        self.changed_in(&KEYS, change, kind)
    }

    /// The same for the organization feature, which has a door of its own. Problems name their keys with the group.
    pub fn with_organizations(&self, change: Map<String, Value>, kind: EnvironmentKind) -> Result<Self, Vec<Problem>> {
        let whole = Map::from_iter([(ORGANIZATIONS.to_owned(), Value::Object(change))]);
        self.changed_in(&[ORGANIZATIONS], whole, kind)
    }

    fn changed_in(
        &self,
        keys: &[&str],
        change: Map<String, Value>,
        kind: EnvironmentKind,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut change = change;
        change.retain(|key, _| {
            let known = keys.contains(&key.as_str());
            if !known {
                problems.push(Problem::of_param(Kind::Invalid, code::PARAM_UNKNOWN, key));
            }
            known
        });
        let modes_sent = change.contains_key("sign_up_modes");
        let switch_sent = change.get("restrictions").is_some_and(|group| group.get("allowlist_enabled").is_some());
        let sent = |key: &str| {
            let tracking = change.get("attack_protection").and_then(|group| group.get("device_tracking"));
            tracking.and_then(|group| group.get(key)).and_then(Value::as_bool)
        };
        let (tracking_sent, trust_sent) = (sent("enabled"), sent("require_device_trust"));
        let before = serde_json::to_value(self).expect("settings have a JSON form");
        let Some(mut settings) = merged::<Self>(&before, change, Null::Value, &mut problems) else {
            return Err(problems);
        };
        settings.issuer.clone_from(&self.issuer);
        if modes_sent {
            // One switch with two names.
            settings.restrictions.allowlist_enabled = settings.sign_up_modes.contains(&SignUpMode::Restricted);
        } else if switch_sent {
            settings.sign_up_modes.retain(|mode| *mode == SignUpMode::Waitlist);
            if settings.restrictions.allowlist_enabled {
                settings.sign_up_modes.push(SignUpMode::Restricted);
            } else if settings.sign_up_modes.is_empty() {
                settings.sign_up_modes.push(SignUpMode::Public);
            }
        }
        // Whoever asks for trust asks for devices to be told apart; whoever ends that ends the other.
        let tracking = &mut settings.attack_protection.device_tracking;
        match (tracking_sent, trust_sent) {
            (None, Some(true)) => tracking.enabled = true,
            (Some(false), None) => tracking.require_device_trust = false,
            _ => {}
        }
        let out_of_range = settings.out_of_range(kind);
        let told = |param: &str| problems.iter().any(|p| p.meta.get("param").and_then(Value::as_str) == Some(param));
        let fresh: Vec<Problem> = out_of_range
            .into_iter()
            .filter(|param| !told(param))
            .map(|param| Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, param))
            .collect();
        problems.extend(fresh);
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// The settings whose value is not possible, or promises what this release does not do.
    fn out_of_range(&self, kind: EnvironmentKind) -> Vec<&'static str> {
        let sessions = &self.sessions;
        let protection = &self.attack_protection;
        let longest_token = if kind == EnvironmentKind::Development { 86_400 } else { 3_600 };
        let attributes = &self.attribute_settings;
        let known = |setting: &AttributeSetting, ways: &[Strategy]| {
            setting.verifications.iter().all(|v| ways.iter().any(|way| way.as_str() == v))
        };
        let by_mail = known(&attributes.email_address, &[Strategy::EmailCode, Strategy::EmailLink]);
        let checks = [
            (!self.enhanced_email_deliverability, "enhanced_email_deliverability"),
            (self.support_email.as_deref().is_none_or(|e| crate::Email::parse(e).is_ok()), "support_email"),
            (!self.sign_up_modes.is_empty(), "sign_up_modes"),
            (sessions.lifetime_seconds >= 60, "sessions.lifetime_seconds"),
            (sessions.inactivity_timeout_seconds.is_none_or(|s| s >= 60), "sessions.inactivity_timeout_seconds"),
            (sessions.max_concurrent_sessions_per_client >= 1, "sessions.max_concurrent_sessions_per_client"),
            (
                (30..=longest_token).contains(&sessions.session_token_lifetime_seconds),
                "sessions.session_token_lifetime_seconds",
            ),
            (
                // Whether there is such a template is seen where templates are.
                sessions.session_token_template.as_ref().is_none_or(|name| name.parse::<TemplateName>().is_ok()),
                "sessions.session_token_template",
            ),
            (protection.brute_force.max_attempts >= 1, "attack_protection.brute_force.max_attempts"),
            (
                ["none", "hcaptcha", "turnstile", "recaptcha"].contains(&protection.captcha.provider.as_str()),
                "attack_protection.captcha.provider",
            ),
            (
                !protection.captcha.is_on() || protection.captcha.public_key.is_some(),
                "attack_protection.captcha.public_key",
            ),
            (
                protection.captcha.public_key.as_ref().is_none_or(|key| (1..=256).contains(&key.len())),
                "attack_protection.captcha.public_key",
            ),
            (
                !protection.captcha.is_on() || self.secrets.captcha_secret_key.is_some(),
                "attack_protection.captcha.secret_key",
            ),
            (
                ["smart", "invisible", "managed"].contains(&protection.captcha.widget_type.as_str()),
                "attack_protection.captcha.widget_type",
            ),
            (
                ["range_api", "local_file"].contains(&protection.breached_passwords.source.as_str()),
                "attack_protection.breached_passwords.source",
            ),
            (
                // Nobody could ever show that a device is theirs.
                !protection.device_tracking.require_device_trust
                    || (protection.device_tracking.enabled && !self.trust_proofs().is_empty()),
                "attack_protection.device_tracking.require_device_trust",
            ),
            (
                ["ES256", "RS256"].contains(&self.signing_keys.session_token_algorithm.as_str()),
                "signing_keys.session_token_algorithm",
            ),
            (self.signing_keys.rotation_cadence_days >= 1, "signing_keys.rotation_cadence_days"),
            (self.signing_keys.retire_window_seconds >= LONGEST_TOKEN.as_secs(), "signing_keys.retire_window_seconds"),
            (
                (4..=24).contains(&self.multi_factor.backup_codes.default_count),
                "multi_factor.backup_codes.default_count",
            ),
            // Nobody could ever get in who has none.
            (!self.multi_factor.required || self.enrols_second_factors(), "multi_factor.required"),
            (by_mail, "attribute_settings.email_address.verifications"),
            (known(&attributes.phone_number, &[Strategy::PhoneCode]), "attribute_settings.phone_number.verifications"),
            (self.sms.daily_budget <= 1_000_000, "sms.daily_budget"),
            (
                attributes.email_address.enabled || attributes.phone_number.enabled || attributes.username.enabled,
                "attribute_settings.email_address.enabled",
            ),
            ((1..=3650).contains(&self.audit_log_retention_days), "audit_log_retention_days"),
            (ROLES.contains(&self.organizations.creator_role.as_str()), "organizations.creator_role"),
            (ROLES.contains(&self.organizations.default_role.as_str()), "organizations.default_role"),
            (ROLES.contains(&self.organizations.domains_default_role.as_str()), "organizations.domains_default_role"),
            (self.organizations.domains_enrollment_modes.len() <= 3, "organizations.domains_enrollment_modes"),
            (
                self.allowed_origins.len() <= 100
                    && self.allowed_origins.iter().all(|o| OriginPattern::parse(o).is_ok()),
                "allowed_origins",
            ),
        ];
        let pages = self.paths.all().into_iter().filter(|(_, url)| url.is_some_and(|url| !is_page(url)));
        let refused = checks.into_iter().filter(|(fits, _)| !fits).map(|(_, param)| param);
        refused.chain(pages.map(|(param, _)| param)).collect()
    }
}

/// Whether browsers may be sent to an address of the operator's: no script, and nothing that names somebody.
fn is_page(text: &str) -> bool {
    let url = url::Url::parse(text).ok().filter(|_| text.len() <= 2048);
    url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(value: Value) -> Result<Settings, Vec<Problem>> {
        Settings::default().changed(value.as_object().unwrap().clone(), EnvironmentKind::Production)
    }

    fn told(value: Value) -> Vec<(&'static str, String)> {
        let problems = change(value).unwrap_err();
        problems.iter().map(|p| (p.code.name, p.meta["param"].as_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_group_is_merged_key_by_key() {
        let settings =
            change(json!({"sessions": {"multi_session": false}, "allowed_origins": ["https://a.example"]})).unwrap();
        assert!(!settings.sessions.multi_session);
        assert_eq!(settings.sessions.lifetime_seconds, 604_800);
        assert_eq!(settings.allowed_origins, ["https://a.example"]);
    }

    #[test]
    fn all_problems_of_a_change_are_told_together() {
        let mut problems = told(json!({
            "nothing": 1,
            "sessions": {"lifetime_seconds": "long", "colour": "red", "session_token_lifetime_seconds": 9000},
            "test_mode": "maybe",
            "allowed_origins": ["https://a.example/path"],
        }));
        problems.sort();
        let expected = [
            ("form_param_format_invalid", "sessions.lifetime_seconds"),
            ("form_param_unknown", "nothing"),
            ("form_param_unknown", "sessions.colour"),
            ("form_param_value_invalid", "allowed_origins"),
            ("form_param_value_invalid", "sessions.session_token_lifetime_seconds"),
            ("form_param_value_invalid", "test_mode"),
        ];
        assert_eq!(problems, expected.map(|(code, param)| (code, param.to_owned())));
    }

    #[test]
    fn a_captcha_is_switched_on_with_both_its_keys() {
        let captcha = json!({"attack_protection": {"captcha": {"provider": "turnstile", "public_key": "site"}}});
        let lacking = [("form_param_value_invalid", "attack_protection.captcha.secret_key".to_owned())];
        assert_eq!(told(captcha.clone()), lacking);

        let mut sealed = Settings::default();
        sealed.secrets.captcha_secret_key = Some("sealed".to_owned());
        let change = captcha.as_object().unwrap().clone();
        let settings = sealed.changed(change, EnvironmentKind::Production).unwrap();
        assert_eq!(settings.attack_protection.captcha.provider, "turnstile");

        let lacking = ["attack_protection.captcha.public_key", "attack_protection.captcha.secret_key"];
        let found = told(json!({"attack_protection": {"captcha": {"provider": "hcaptcha"}}}));
        assert_eq!(found, lacking.map(|param| ("form_param_value_invalid", param.to_owned())));
        let found = told(json!({"attack_protection": {"captcha": {"provider": "friendly"}}}));
        assert!(found.contains(&("form_param_value_invalid", "attack_protection.captcha.provider".to_owned())));
    }

    #[test]
    fn a_second_factor_is_required_only_where_one_can_be_enrolled() {
        let required = change(json!({"multi_factor": {"required": true}})).unwrap();
        let off = json!({"multi_factor": {"totp": {"enabled": false}}}).as_object().unwrap().clone();
        let refused = required.changed(off, EnvironmentKind::Production).unwrap_err();
        assert_eq!(refused[0].meta["param"], "multi_factor.required");

        let no_app = |other: Value| {
            let mut whole = json!({"multi_factor": {"required": true, "totp": {"enabled": false}}});
            whole["multi_factor"].as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            whole
        };
        let refused = [("form_param_value_invalid", "multi_factor.required".to_owned())];
        assert_eq!(told(no_app(json!({}))), refused);
        assert_eq!(told(no_app(json!({"phone_code": {"enabled": true}}))), refused, "nobody can add a number");
        assert!(change(no_app(json!({"passkey_counts_as_mfa": true}))).is_ok());
        let mut with_numbers = no_app(json!({"phone_code": {"enabled": true}}));
        with_numbers["attribute_settings"] = json!({"phone_number": {"enabled": true}});
        assert!(change(with_numbers).is_ok());
    }

    #[test]
    fn trust_in_devices_is_asked_for_only_where_it_can_be_shown() {
        let tracking = |value: Value| json!({"attack_protection": {"device_tracking": value}});
        let on = change(tracking(json!({"require_device_trust": true}))).unwrap();
        assert!(on.attack_protection.device_tracking.is_required(), "one switch is enough");
        let off = tracking(json!({"enabled": false})).as_object().unwrap().clone();
        let off = on.changed(off, EnvironmentKind::Production).unwrap();
        assert!(!off.attack_protection.device_tracking.require_device_trust);

        let refused =
            [("form_param_value_invalid", "attack_protection.device_tracking.require_device_trust".to_owned())];
        assert_eq!(told(tracking(json!({"enabled": false, "require_device_trust": true}))), refused);
        let mut nothing_sent = tracking(json!({"require_device_trust": true}));
        nothing_sent["attribute_settings"] = json!({"email_address": {"verifications": []}});
        assert_eq!(told(nothing_sent), refused);
    }

    #[test]
    fn nobody_writes_a_sealed_value() {
        let change = json!({"secrets": {"captcha_secret_key": "mine"}});
        assert_eq!(told(change), [("form_param_unknown", "secrets".to_owned())]);
    }

    #[test]
    fn the_allow_list_and_the_restricted_mode_are_one_switch() {
        let on = change(json!({"restrictions": {"allowlist_enabled": true}})).unwrap();
        assert_eq!(on.sign_up_mode(), SignUpMode::Restricted);
        let off = json!({"restrictions": {"allowlist_enabled": false}}).as_object().unwrap().clone();
        let off = on.changed(off, EnvironmentKind::Production).unwrap();
        assert_eq!((off.sign_up_modes, off.restrictions.allowlist_enabled), (vec![SignUpMode::Public], false));
        let mode = change(json!({"sign_up_modes": ["restricted"]})).unwrap();
        assert!(mode.restrictions.allowlist_enabled);
    }

    #[test]
    fn a_key_verifies_at_least_as_long_as_its_longest_token_lives() {
        let window = |seconds: u64| json!({"signing_keys": {"retire_window_seconds": seconds}});
        assert_eq!(change(window(86_400)).unwrap().signing_keys.retire_window_seconds, 86_400);
        let refused = [("form_param_value_invalid", "signing_keys.retire_window_seconds".to_owned())];
        assert_eq!([told(window(86_399)), told(window(0))], [refused.clone(), refused]);
    }
}
