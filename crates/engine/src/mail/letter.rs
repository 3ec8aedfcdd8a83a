//! What a mail is about, and the data that its text may show.

use crypto::Secret;
use domain::{Context, Timestamp};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What a mail is about, with what only this mail knows. Everything else its text may show (the application,
/// the person, the request) is added when it is put into the queue and when it is sent.
pub enum Letter {
    /// A code to sign in, sign up or prove an address.
    VerificationCode {
        /// The code.
        code: Secret<String>,
        /// How long it works.
        ttl: Duration,
    },
    /// A code to set a new password.
    ResetPasswordCode {
        /// The code.
        code: Secret<String>,
        /// How long it works.
        ttl: Duration,
    },
    /// A link to sign in, sign up or prove an address.
    MagicLink {
        /// Where the link leads; it holds a ticket.
        action_url: Secret<String>,
        /// How long it works.
        ttl: Duration,
    },
    /// Somebody tried to sign up with an address that has an account, or to add it to another one.
    AccountExists {
        /// Where people sign in.
        action_url: String,
    },
    /// Somebody tried to sign up with an address that has an account; the link lets them sign in instead.
    AccountExistsLink {
        /// Where the link leads; it holds a ticket.
        action_url: Secret<String>,
    },
    /// The password was changed.
    PasswordChanged,
    /// The password was removed.
    PasswordRemoved,
    /// The primary address was changed; goes to the old one.
    PrimaryEmailAddressChanged,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// An authenticator app was enrolled.
    TotpEnabled,
    /// The last second factor is gone.
    MfaDisabled,
    /// New backup codes were made.
    BackupCodesGenerated,
    /// Too many failures, or an operator, locked the account.
    AccountLocked,
    /// An invitation to the application.
    Invitation(Invite),
    /// An invitation to an organization.
    OrganizationInvitation(Invite),
    /// Somebody followed an invitation to an organization; goes to whoever sent it.
    OrganizationInvitationAccepted {
        /// The organization's name.
        organization: String,
        /// The address of the new member.
        email: String,
        /// The new member's given name.
        first_name: Option<String>,
        /// The new member's family name.
        last_name: Option<String>,
    },
}

/// What an invitation shows.
pub struct Invite {
    /// Where the link leads; it holds a ticket.
    pub action_url: Secret<String>,
    /// Who invites, if a person does.
    pub inviter: Option<Inviter>,
    /// The organization's name, in an invitation to one.
    pub organization: Option<String>,
    /// The name of the role that waits, in an invitation to an organization.
    pub role: Option<String>,
    /// Until when it can be followed; none is for ever.
    pub expires_at: Option<Timestamp>,
}

/// Who invites.
pub struct Inviter {
    /// The name, if one is known.
    pub name: Option<String>,
    /// The address.
    pub email: String,
}

/// What of a mail is a credential: the development inbox shows it beside the text.
pub(super) struct Shown {
    pub(super) code: Option<String>,
    pub(super) link: Option<String>,
}

impl Letter {
    /// The name of its template.
    pub(crate) const fn slug(&self) -> &'static str {
        match self {
            Self::VerificationCode { .. } => "verification_code",
            Self::ResetPasswordCode { .. } => "reset_password_code",
            Self::MagicLink { .. } => "magic_link",
            Self::AccountExists { .. } | Self::AccountExistsLink { .. } => "account_exists",
            Self::PasswordChanged => "password_changed",
            Self::PasswordRemoved => "password_removed",
            Self::PrimaryEmailAddressChanged => "primary_email_address_changed",
            Self::PasskeyAdded => "passkey_added",
            Self::PasskeyRemoved => "passkey_removed",
            Self::TotpEnabled => "totp_enabled",
            Self::MfaDisabled => "mfa_disabled",
            Self::BackupCodesGenerated => "backup_codes_generated",
            Self::AccountLocked => "account_locked",
            Self::Invitation(_) => "invitation",
            Self::OrganizationInvitation(_) => "organization_invitation",
            Self::OrganizationInvitationAccepted { .. } => "organization_invitation_accepted",
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let nothing = Shown { code: None, link: None };
        match self {
            Self::VerificationCode { code, .. } | Self::ResetPasswordCode { code, .. } => {
                Shown { code: Some(code.expose().clone()), ..nothing }
            }
            Self::MagicLink { action_url, .. } | Self::AccountExistsLink { action_url } => {
                Shown { link: Some(action_url.expose().clone()), ..nothing }
            }
            Self::Invitation(invite) | Self::OrganizationInvitation(invite) => {
                Shown { link: Some(invite.action_url.expose().clone()), ..nothing }
            }
            _ => nothing,
        }
    }

    /// The values that its text may show, as they are put into the queue.
    pub(super) fn variables(&self, cx: &Context) -> Map<String, Value> {
        let Value::Object(mut all) = self.own() else { return Map::new() };
        all.insert(
            "request".to_owned(),
            json!({
                "device": domain::session::device(cx.user_agent.as_deref()).unwrap_or_else(|| "an unknown device".into()),
                // Nothing here knows places.
                "city": "",
                "time": cx.now.spoken(),
            }),
        );
        all
    }

    fn own(&self) -> Value {
        match self {
            Self::VerificationCode { code, ttl } | Self::ResetPasswordCode { code, ttl } => {
                json!({ "code": code.expose(), "ttl_minutes": minutes(*ttl) })
            }
            Self::MagicLink { action_url, ttl } => {
                json!({ "action_url": action_url.expose(), "ttl_minutes": minutes(*ttl) })
            }
            Self::AccountExists { action_url } => json!({ "action_url": action_url }),
            Self::AccountExistsLink { action_url } => json!({ "action_url": action_url.expose() }),
            Self::Invitation(invite) | Self::OrganizationInvitation(invite) => invite.variables(),
            Self::OrganizationInvitationAccepted { organization, email, first_name, last_name } => json!({
                "organization": { "name": organization },
                "user": { "email": email, "first_name": first_name, "last_name": last_name },
            }),
            _ => json!({}),
        }
    }
}

impl Invite {
    fn variables(&self) -> Value {
        json!({
            "action_url": self.action_url.expose(),
            "inviter": self.inviter.as_ref().map(|by| json!({ "name": by.name, "email": by.email })),
            "organization": { "name": self.organization },
            "role": { "name": self.role },
            "expires_at_human": self.expires_at.map(Timestamp::spoken),
        })
    }
}

/// Whole minutes, never none of them.
fn minutes(ttl: Duration) -> u64 {
    (ttl.as_secs() / 60).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Forms;
    use domain::EnvironmentId;
    use domain::id::NewId;

    fn letters() -> Vec<Letter> {
        let secret = |text: &str| Secret::new(text.to_owned());
        let ttl = Duration::from_secs(600);
        let invite = |inviter| Invite {
            action_url: secret("https://acme.example/?ticket=t1"),
            inviter,
            organization: Some("Example Ltd".into()),
            role: None,
            expires_at: None,
        };
        vec![
            Letter::VerificationCode { code: secret("135790"), ttl },
            Letter::ResetPasswordCode { code: secret("135790"), ttl },
            Letter::MagicLink { action_url: secret("https://acme.example/?ticket=t1"), ttl },
            Letter::AccountExists { action_url: "https://acme.example/sign-in".into() },
            Letter::PasswordChanged,
            Letter::PasswordRemoved,
            Letter::PrimaryEmailAddressChanged,
            Letter::PasskeyAdded,
            Letter::PasskeyRemoved,
            Letter::TotpEnabled,
            Letter::MfaDisabled,
            Letter::BackupCodesGenerated,
            Letter::AccountLocked,
            Letter::Invitation(invite(None)),
            Letter::OrganizationInvitation(invite(Some(Inviter { name: None, email: "bob@example.com".into() }))),
            Letter::OrganizationInvitationAccepted {
                organization: "Example Ltd".into(),
                email: "ann@example.com".into(),
                first_name: None,
                last_name: None,
            },
        ]
    }

    #[test]
    fn every_letter_becomes_a_mail_that_shows_what_it_is_for() {
        let now = Timestamp::from_millis(1_795_338_300_000);
        let cx = Context {
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into()),
            ..Context::system(EnvironmentId::new(now, [1; 10]), now)
        };
        let letters = letters();
        assert_eq!(letters.len(), domain::message::EmailSlug::ALL.len());
        for letter in &letters {
            let slug = letter.slug().parse().expect("a letter has a slug");
            let mut values = letter.variables(&cx);
            values.insert("app".into(), json!({ "name": "Acme", "support_email": null }));
            let parts = Forms::default().email(slug, &values).expect("our own texts can be made");
            for text in [&parts.html, &parts.text] {
                let shown = letter.shown();
                for secret in shown.code.iter().chain(&shown.link) {
                    assert!(text.contains(secret.as_str()), "{slug} does not show {secret}: {text}");
                }
                let is_notice = values.len() == 2;
                assert!(!is_notice || text.contains("Acme"), "{slug}: {text}");
            }
            let holes = ["  ", " .", " ,"].iter().any(|hole| parts.text.contains(hole));
            assert!(!holes, "{slug} has a hole: {}", parts.text);
        }
        let link = letters[2].variables(&cx);
        assert_eq!(
            link["request"],
            json!({ "device": "Firefox on Linux", "city": "", "time": "22 November 2026, 09:05 UTC" })
        );
    }
}
