//! Whether a session bears a change of what is its person's own: looked at when the handler begins, and again inside
//! the transaction of the change. Between the two lie a body that may take half a minute, hashes and queues; whoever
//! was thrown out meanwhile changes nothing any more.

use crate::{Engine, StorageError, factors, tenancy};
use domain::session::{Session, SessionStatus};
use domain::settings::Settings;
use domain::strategy::Strategy;
use domain::user::{Person, User};
use domain::{Actor, Context, Kind, Refusal, Timestamp, Verdict, code};
use storage::Tx;

/// Why a session does not bear a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is over.
    #[error("the session is over")]
    Over,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// An operator has locked the person.
    #[error("the user is locked")]
    Locked {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// An operator acts in the person's place.
    #[error("an impersonation session may not do this")]
    Impersonated,
    /// A factor must be proven anew.
    #[error("a factor must be proven again")]
    Reverify {
        /// The ways the person has.
        strategies: Vec<&'static str>,
    },
}

impl Refusal for Unfit {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Over => Kind::Unauthenticated.code(code::SESSION_REVOKED),
            Self::Banned => Kind::Unauthenticated.code(code::USER_BANNED),
            Self::Locked { until } => {
                Kind::Unauthenticated.code(code::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::Impersonated => Kind::Forbidden.code(code::ACTOR_SESSION_FORBIDDEN),
            Self::Reverify { strategies } => Kind::Forbidden
                .code(code::REVERIFICATION_REQUIRED)
                .with("max_age_seconds", domain::session::STEP_UP_WINDOW.as_secs())
                .with("strategies", strategies.clone()),
        }
    }
}

/// Refuses a change to an operator who acts in the person's place.
pub fn require_owner(session: &Session) -> Result<(), Unfit> {
    if session.actor.is_some() { Err(Unfit::Impersonated) } else { Ok(()) }
}

/// Refuses a sensitive change unless the person themselves proved a factor within the last ten minutes: the second
/// one where they have any, else the first. The time is this moment's: the body may have taken its own.
///
/// A session that waits for its second factor bears nothing but the enrolment of one, and not even that of somebody who
/// has one by now.
pub async fn require_fresh(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    user: &User,
) -> Result<Result<(), Unfit>, StorageError> {
    if let Err(unfit) = require_owner(session) {
        return Ok(Err(unfit));
    }
    if session.status == SessionStatus::Pending {
        let env = tenancy::environment(engine, cx.env).await?;
        let person = storage::users::whole(&mut *engine.read().await?, cx.env, user.clone()).await?;
        let may = may_enrol(&env.settings, session, &person)?;
        return Ok(may.and_then(|()| match session.is_fresh(false, engine.now()) {
            true => Ok(()),
            false => Err(Unfit::Reverify { strategies: ways(session, &person) }),
        }));
    }
    if session.is_fresh(user.factors.two_factor(), engine.now()) {
        return Ok(Ok(()));
    }
    let person = storage::users::whole(&mut *engine.read().await?, cx.env, user.clone()).await?;
    Ok(Err(Unfit::Reverify { strategies: ways(session, &person) }))
}

/// Lets a session that waits for its second factor enrol one, unless the person has one by now: that one is proven
/// instead, or whoever knows the password alone would put their own beside it.
fn may_enrol(settings: &Settings, session: &Session, person: &Person) -> Result<Result<(), Unfit>, StorageError> {
    if !factors::has_second(settings, person)? {
        return Ok(Ok(()));
    }
    let mut strategies = ways(session, person);
    if person.second_factors_after(None).is_empty() {
        // No first factor helps: the passkey is the second one.
        strategies = vec![Strategy::Passkey.as_str()];
    } else if settings.multi_factor.passkey_counts_as_mfa
        && !person.passkeys.is_empty()
        && !strategies.contains(&Strategy::Passkey.as_str())
    {
        strategies.push(Strategy::Passkey.as_str());
    }
    Ok(Err(Unfit::Reverify { strategies }))
}

/// By what a person gets on: the second factors that this session has left; where the only one is the number that the
/// session began with, the first factors that are no number, after which that number is a second one again.
fn ways(session: &Session, person: &Person) -> Vec<&'static str> {
    let seconds = person.second_factors_after(session.factors.first_number);
    if !seconds.is_empty() {
        return seconds.into_iter().map(Strategy::as_str).collect();
    }
    let mut firsts = Vec::new();
    if person.user.password_digest.is_some() {
        firsts.push(Strategy::Password);
    }
    if person.primary_email().is_some_and(|address| address.verified) {
        firsts.push(Strategy::EmailCode);
    }
    if person.phone_numbers.iter().any(|n| n.verified) && person.second_factors_after(None).is_empty() {
        firsts.push(Strategy::PhoneCode);
    }
    if !person.passkeys.is_empty() {
        firsts.push(Strategy::Passkey);
    }
    firsts.into_iter().map(Strategy::as_str).collect()
}

/// Refuses a person's own change whose session has ended, or whose person was shut out, since the request began. The
/// person's row is held: whoever ends their sessions holds it as well. A backend's change has no session to look at.
pub(crate) async fn still_live(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    person: &Person,
) -> Result<Result<(), Unfit>, StorageError> {
    Ok(session(tx, cx, settings, person).await?.map(|_| ()))
}

/// The same for a sensitive change, and refuses it as well unless the session still has the factor that it asks for.
pub(crate) async fn still_fresh(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    person: &Person,
) -> Result<Result<(), Unfit>, StorageError> {
    Ok(match session(tx, cx, settings, person).await? {
        // Whoever has one by now was refused before.
        Ok(Some(session)) => {
            let two = session.status != SessionStatus::Pending && person.factor_summary().two_factor();
            let is_fresh = session.is_fresh(two, cx.now);
            if is_fresh { Ok(()) } else { Err(Unfit::Reverify { strategies: ways(&session, person) }) }
        }
        Ok(None) => Ok(()),
        Err(unfit) => Err(unfit),
    })
}

async fn session(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    person: &Person,
) -> Result<Result<Option<Session>, Unfit>, StorageError> {
    let user = &person.user;
    let Actor::User { session, .. } = cx.actor else { return Ok(Ok(None)) };
    // Read and not held: counters come before sessions in the order every operation takes them.
    let session = storage::sessions::find(tx, cx.env, session).await?;
    let live = session.filter(|s| s.user_id == user.id && s.status_at(cx.now, &settings.sessions).is_live());
    let Some(session) = live else { return Ok(Err(Unfit::Over)) };
    if user.banned {
        return Ok(Err(Unfit::Banned));
    }
    if let Some(lock) = user.operator_lock(cx.now) {
        return Ok(Err(Unfit::Locked { until: lock.until }));
    }
    if session.status == SessionStatus::Pending
        && let Err(unfit) = may_enrol(settings, &session, person)?
    {
        return Ok(Err(unfit));
    }
    Ok(require_owner(&session).map(|()| Some(session)))
}
