//! A sign-up attempt.

use crate::open::Metadata;
use crate::sign_in::FlowWord;
use crate::words::{self, words};
use domain::settings::Settings;
use domain::sign_up::{SignUpStatus, optional_fields, required_fields};
use domain::{ChallengeId, SessionId, SignUpId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a sign-up.
    SignUpTag ["sign_up_attempt"];
    /// Where a sign-up stands.
    SignUpStatusWord ["missing_requirements", "complete", "transferable", "abandoned"];
}

/// A sign-up attempt with what is staged.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// Its id.
    pub id: SignUpId,
    /// The type tag.
    #[schema(schema_with = words::one::<SignUpTag>)]
    pub object: SignUpTag,
    /// Where it stands.
    #[schema(schema_with = words::one::<SignUpStatusWord>)]
    pub status: SignUpStatusWord,
    /// What must be supplied.
    pub required_fields: Vec<&'static str>,
    /// What may be supplied.
    pub optional_fields: Vec<&'static str>,
    /// What must be supplied and was not.
    pub missing_fields: Vec<&'static str>,
    /// What was supplied and must be proven.
    pub unverified_fields: Vec<&'static str>,
    /// The strategies that are possible now.
    pub supported_strategies: Vec<&'static str>,
    /// The challenge that is open.
    #[schema(required)]
    pub current_challenge_id: Option<ChallengeId>,
    /// Whether it may go on as a sign-in.
    pub transferable_to_signin: bool,
    /// The flow it may go on in.
    #[schema(schema_with = words::one_or_null::<FlowWord>, required)]
    pub target_flow: Option<FlowWord>,
    /// The user name, as staged.
    pub username: Option<String>,
    /// The e-mail address, as staged.
    #[schema(format = "email")]
    pub email_address: Option<String>,
    /// The phone number, as staged.
    pub phone_number: Option<String>,
    /// The given name, as staged.
    pub first_name: Option<String>,
    /// The family name, as staged.
    pub last_name: Option<String>,
    /// Whether a password is staged.
    pub password_enabled: bool,
    /// The person's own data.
    pub unsafe_metadata: Metadata,
    /// Readable everywhere, written by backends.
    pub public_metadata: Metadata,
    /// The session that came of it.
    #[schema(required)]
    pub created_session_id: Option<SessionId>,
    /// The person that came of it.
    #[schema(required)]
    pub created_user_id: Option<UserId>,
    /// When it is given up.
    pub abandon_at: Timestamp,
}

impl SignUp {
    /// The attempt at this time.
    pub fn new(attempt: &domain::sign_up::SignUp, settings: &Settings, now: Timestamp) -> Self {
        let status = attempt.status_at(now);
        let transferable = status == SignUpStatus::Transferable;
        // A finished attempt has nothing left to ask for.
        let open = !status.is_terminal();
        Self {
            id: attempt.id,
            object: SignUpTag("sign_up_attempt"),
            status: SignUpStatusWord(status.as_str()),
            required_fields: required_fields(settings),
            optional_fields: optional_fields(settings),
            missing_fields: if open { attempt.missing_fields(settings) } else { Vec::new() },
            unverified_fields: if open { attempt.unverified_fields(settings) } else { Vec::new() },
            supported_strategies: attempt.supported_strategies(now, settings).into_iter().map(|s| s.as_str()).collect(),
            current_challenge_id: attempt.current_challenge(now),
            transferable_to_signin: transferable,
            target_flow: transferable.then_some(FlowWord("sign_in")),
            username: attempt.username.as_ref().map(|name| name.as_str().to_owned()),
            email_address: attempt.email_address.as_ref().map(|email| email.as_str().to_owned()),
            phone_number: attempt.phone_number.as_ref().map(|number| number.as_str().to_owned()),
            first_name: attempt.first_name.clone(),
            last_name: attempt.last_name.clone(),
            password_enabled: attempt.password_digest.is_some(),
            unsafe_metadata: attempt.unsafe_metadata.clone().into(),
            public_metadata: Metadata::default(),
            created_session_id: attempt.created_session_id,
            created_user_id: attempt.created_user_id,
            abandon_at: attempt.abandon_at,
        }
    }
}
