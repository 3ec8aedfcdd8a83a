//! A sign-in attempt.

use crate::open::OpenObject;
use crate::user::image_url;
use crate::words::{self, words};
use domain::settings::Settings;
use domain::sign_in::SignInStatus;
use domain::user::Person;
use domain::{ChallengeId, SessionId, SignInId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

words! {
    /// The type tag of a sign-in.
    SignInTag ["sign_in_attempt"];
    /// Where a sign-in stands.
    SignInStatusWord [
        "needs_identifier", "needs_first_factor", "needs_second_factor", "needs_new_password", "needs_client_trust",
        "transferable", "complete", "abandoned"
    ];
    /// The other flow of an attempt that is handed over.
    FlowWord ["sign_in", "sign_up"];
    /// The kinds of identifier that are taken.
    IdentifierWord ["email_address", "phone_number", "username"];
}

/// A sign-in attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// The type tag.
    #[schema(schema_with = words::one::<SignInTag>)]
    pub object: SignInTag,
    /// Where it stands.
    #[schema(schema_with = words::one::<SignInStatusWord>)]
    pub status: SignInStatusWord,
    /// The kinds of identifier that are taken.
    #[schema(schema_with = words::many::<IdentifierWord>)]
    pub supported_identifiers: Vec<IdentifierWord>,
    /// The strategies that are possible now.
    pub supported_strategies: Vec<&'static str>,
    /// The one enterprise connection it is routed to.
    pub enterprise_connection_id: Option<String>,
    /// Whether it may go on as a sign-up.
    pub transferable_to_signup: bool,
    /// The flow it may go on in.
    #[schema(schema_with = words::one_or_null::<FlowWord>, required)]
    pub target_flow: Option<FlowWord>,
    /// The challenge that is open.
    #[schema(required)]
    pub current_challenge_id: Option<ChallengeId>,
    /// Who it is said to be.
    #[schema(required)]
    pub identifier: Option<String>,
    /// A glimpse of the person; empty where it would tell who exists.
    pub user_data: OpenObject,
    /// The session that came of it.
    #[schema(required)]
    pub created_session_id: Option<SessionId>,
    /// When it is given up.
    pub abandon_at: Timestamp,
}

impl SignIn {
    /// The attempt at this time; the person shows only where enumeration protection is off.
    pub fn new(
        attempt: &domain::sign_in::SignIn,
        person: Option<&Person>,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let status = attempt.status_at(now);
        let transferable = status == SignInStatus::Transferable;
        let shown = person.filter(|_| !settings.attack_protection.enumeration_protection);
        Self {
            id: attempt.id,
            object: SignInTag("sign_in_attempt"),
            status: SignInStatusWord(status.as_str()),
            supported_identifiers: settings
                .supported_identifiers()
                .into_iter()
                .map(|k| IdentifierWord(k.as_str()))
                .collect(),
            supported_strategies: attempt
                .supported_strategies(now, settings, person)
                .into_iter()
                .map(|s| s.as_str())
                .collect(),
            enterprise_connection_id: None,
            transferable_to_signup: transferable,
            target_flow: transferable.then_some(FlowWord("sign_up")),
            current_challenge_id: attempt.current_challenge(now),
            identifier: attempt.identifier.as_ref().map(|i| i.shown.clone()),
            user_data: shown.map(|person| glimpse(person, settings)).unwrap_or_default(),
            created_session_id: attempt.created_session_id,
            abandon_at: attempt.abandon_at,
        }
    }
}

fn glimpse(person: &Person, settings: &Settings) -> OpenObject {
    let user = &person.user;
    OpenObject(Map::from_iter([
        ("first_name".to_owned(), Value::from(user.first_name.clone())),
        ("last_name".to_owned(), Value::from(user.last_name.clone())),
        ("image_url".to_owned(), Value::from(image_url(user, settings))),
        ("has_image".to_owned(), Value::from(user.image_key.is_some())),
    ]))
}
