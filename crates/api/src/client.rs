//! A browser or device.

use crate::session::Session;
use crate::sign_in::SignIn;
use crate::sign_up::SignUp;
use crate::words::{self, words};
use domain::settings::Settings;
use domain::user::Person;
use domain::{ClientId, SessionId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a client.
    ClientTag ["client"];
}

/// A browser or device: its sessions and the attempts in progress.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The type tag.
    #[schema(schema_with = words::one::<ClientTag>)]
    pub object: ClientTag,
    /// The live sessions, used last first, and those that ended a moment ago.
    pub sessions: Vec<Session>,
    /// The sign-in in progress.
    #[schema(required)]
    pub sign_in: Option<SignIn>,
    /// The sign-up in progress.
    #[schema(required)]
    pub sign_up: Option<SignUp>,
    /// The session that counts when none is named.
    #[schema(required)]
    pub last_active_session_id: Option<SessionId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The attempts in progress on a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempts<'a> {
    /// The sign-in, with the person it is about once that is known.
    pub sign_in: Option<(&'a domain::sign_in::SignIn, Option<&'a Person>)>,
    /// The sign-up.
    pub sign_up: Option<&'a domain::sign_up::SignUp>,
}

impl Client {
    /// The client with the sessions and attempts given, in the order given; attempts that are over are left out.
    pub fn new(
        client: &domain::client::Client,
        sessions: &[(domain::session::Session, Person)],
        attempts: Attempts<'_>,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let sign_in = attempts.sign_in.filter(|(attempt, _)| !attempt.status_at(now).is_terminal());
        let sign_up = attempts.sign_up.filter(|attempt| !attempt.status_at(now).is_terminal());
        Self {
            id: client.id,
            object: ClientTag("client"),
            sessions: sessions
                .iter()
                .map(|(session, person)| Session::with_user(session, person, settings, now))
                .collect(),
            sign_in: sign_in.map(|(attempt, person)| SignIn::new(attempt, person, settings, now)),
            sign_up: sign_up.map(|attempt| SignUp::new(attempt, settings, now)),
            last_active_session_id: client.last_active_session_id,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}
