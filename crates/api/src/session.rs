//! A signed-in person on a client.

use crate::open::OpenObject;
use crate::user::User;
use crate::words::{self, words};
use domain::session::Activity;
use domain::settings::Settings;
use domain::user::Person;
use domain::{ClientId, SessionActivityId, SessionId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a session.
    SessionTag ["session"];
    /// Where a session stands.
    SessionStatusWord ["pending", "active", "expired", "ended", "removed", "replaced", "revoked", "abandoned"];
    /// The type tag of a session activity.
    SessionActivityTag ["session_activity"];
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The type tag.
    #[schema(schema_with = words::one::<SessionTag>)]
    pub object: SessionTag,
    /// The client it lives on.
    pub client_id: ClientId,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it stands.
    #[schema(schema_with = words::one::<SessionStatusWord>)]
    pub status: SessionStatusWord,
    /// When it was last used.
    pub last_active_at: Timestamp,
    /// The organization chosen last.
    pub last_active_organization_id: Option<String>,
    /// The organization it acts for.
    pub organization: Option<ActiveOrganization>,
    /// The absolute end.
    pub expire_at: Timestamp,
    /// When a pending one is given up; else the absolute end.
    pub abandon_at: Timestamp,
    /// Who acts in the person's place.
    pub actor: Option<OpenObject>,
    /// What was last seen of the device.
    pub latest_activity: SessionActivity,
    /// The person; only inside a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<User>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The organization a session acts for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveOrganization {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// The person's role in it.
    pub role: String,
    /// What the role allows, sorted.
    pub permissions: Vec<String>,
}

/// What was last seen of a session's device.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionActivity {
    /// Its id.
    pub id: SessionActivityId,
    /// The type tag.
    #[schema(schema_with = words::one::<SessionActivityTag>)]
    pub object: SessionActivityTag,
    /// The kind of device: `desktop`, `mobile`, `tablet`, `smart_tv` or `bot`.
    pub device_type: Option<String>,
    /// A phone or tablet.
    #[schema(required = false)]
    pub is_mobile: bool,
    /// The browser's name.
    pub browser_name: Option<String>,
    /// The browser's version.
    pub browser_version: Option<String>,
    /// The network it came from, cut to /24 or /48.
    pub ip_address: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The country, two letters (ISO 3166-1).
    pub country: Option<String>,
}

impl Session {
    /// The session alone.
    pub fn new(session: &domain::session::Session, settings: &Settings, now: Timestamp) -> Self {
        Self {
            id: session.id,
            object: SessionTag("session"),
            client_id: session.client_id,
            user_id: session.user_id,
            status: SessionStatusWord(session.status_at(now, &settings.sessions).as_str()),
            last_active_at: session.last_active_at,
            last_active_organization_id: None,
            organization: None,
            expire_at: session.expire_at,
            abandon_at: session.abandon_at,
            actor: session.actor.clone().map(OpenObject),
            latest_activity: SessionActivity::from(&session.activity),
            user: None,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }

    /// The session with its person, as a client holds it.
    pub fn with_user(session: &domain::session::Session, person: &Person, settings: &Settings, now: Timestamp) -> Self {
        Self { user: Some(Box::new(User::for_fapi(person, settings, now))), ..Self::new(session, settings, now) }
    }
}

impl From<&Activity> for SessionActivity {
    fn from(activity: &Activity) -> Self {
        Self {
            id: activity.id,
            object: SessionActivityTag("session_activity"),
            device_type: activity.device_type.clone(),
            is_mobile: activity.is_mobile,
            browser_name: activity.browser_name.clone(),
            browser_version: activity.browser_version.clone(),
            ip_address: activity.ip_address.clone(),
            city: None,
            country: None,
        }
    }
}
