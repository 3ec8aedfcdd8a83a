//! Passkeys of people: enrolled by their owner, named, removed. What a sign-in or a step-up makes of one is
//! `passkeys::ceremony`.

pub(crate) mod ceremony;

use crate::challenges;
use crate::factors::{self, LastFactor};
use crate::mail::{self, Letter, To};
use crate::refusals::stored;
use crate::standing::{self, Unfit};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency, people, sessions};
use ceremony::Ceremony;
use domain::challenge::{Challenge, Parent, Step};
use domain::code::{self as codes, Code};
use domain::event::{Event, EventType};
use domain::page::{Page, PageRequest};
use domain::session::{Proof, Session, SessionStatus};
use domain::settings::Settings;
use domain::strategy::Strategy;
use domain::user::{PASSKEYS_MAX, Passkey, Person};
use domain::{ChallengeId, Context, Kind, PasskeyId, Refusal, UserId, Verdict};
use protocols::webauthn::{NewPasskey, Refused, Registrant};
use serde_json::Value;
use storage::Tx;
use storage::passkeys::{Filter, Key};

/// Why a passkey cannot be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// There is none, or it is another's.
    #[error("there is no such passkey")]
    NotFound,
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// Passkeys are switched off, or this environment's address cannot have any.
    #[error("passkeys are not used here")]
    Off,
    /// The challenge is not one of this person's registrations.
    #[error("there is no such challenge")]
    NoChallenge,
    /// The registration is over.
    #[error("the registration is over")]
    Consumed,
    /// The authenticator's answer is not believed.
    #[error("the authenticator's answer is not taken: {}", .0.name)]
    Answer(Code),
    /// The person has as many as people may have.
    #[error("the person has too many passkeys")]
    Full,
    /// Nothing would be left to sign in with.
    #[error("the last way to sign in cannot be removed")]
    Last,
    /// The person must keep a second factor.
    #[error(transparent)]
    LastFactor(#[from] LastFactor),
    /// The session waits for a second factor, and passkeys are none here.
    #[error("the session waits for a second factor, and passkeys are none here")]
    Pending,
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the passkey cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(PasskeyError);

impl Refusal for PasskeyError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::RESOURCE_NOT_FOUND),
            Self::NoUser => Kind::NotFound.code(codes::USER_NOT_FOUND),
            Self::Off => Kind::Invalid.code(codes::PASSKEY_NOT_SUPPORTED),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Consumed => Kind::Invalid.code(codes::CHALLENGE_ALREADY_CONSUMED),
            Self::Answer(code) => Kind::Invalid.code(*code).param("attestation"),
            Self::Full => Kind::Invalid.code(codes::PASSKEY_QUOTA_EXCEEDED),
            Self::Last => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE),
            Self::LastFactor(last) => last.verdict(),
            Self::Pending => Kind::Forbidden.code(codes::SESSION_PENDING),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// The passkeys of a person, newest first.
pub async fn of_user(engine: &Engine, cx: &Context, user: UserId) -> Result<Vec<Passkey>, StorageError> {
    storage::passkeys::of_user(&mut *engine.read().await?, cx.env, user).await
}

/// Finds a passkey of the environment.
pub async fn find(engine: &Engine, cx: &Context, id: PasskeyId) -> Result<Passkey, PasskeyError> {
    storage::passkeys::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(PasskeyError::NotFound)
}

/// One page of the environment's passkeys.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    filter: Filter,
    request: PageRequest<Key>,
) -> Result<Page<Passkey>, StorageError> {
    let (env, counted) = (cx.env, filter.clone());
    let total = engine.scan(async move |conn| storage::passkeys::count(conn, env, &counted).await).await?;
    let mut page = storage::passkeys::page(&mut *engine.read().await?, env, &filter, &request).await?;
    page.total = total;
    Ok(page)
}

/// Asks a person's authenticator for a new passkey. Until it answers, everything lives in the challenge.
pub async fn begin(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    nickname: Option<String>,
) -> Result<Challenge, PasskeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    if !tenant.env.settings.authentication_strategies.passkey.enabled {
        return Err(PasskeyError::Off);
    }
    let rp = ceremony::relying_party(&tenant.env).ok_or(PasskeyError::Off)?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PasskeyError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            has_room(&person)?;
            let handle = match person.user.passkey_handle {
                Some(handle) => handle,
                None => {
                    let handle = crypto::random::bytes();
                    person.user.passkey_handle = Some(handle);
                    // Nobody can see it: the person is not another one by it, and nothing is told.
                    storage::users::save(tx, cx.env, &person).await?;
                    handle
                }
            };
            let (name, display_name) = names(&person);
            let registrant = Registrant { handle, name: &name, display_name: &display_name };
            let begun = rp.begin_registration(registrant, &ceremony::known(&person.passkeys));
            let parent = Parent::User(user);
            storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
            let mut challenge = Challenge::issue(cx.id(), parent, Strategy::Passkey, Step::First, cx.now);
            challenge.nonce = Some(begun.challenge);
            challenge.options = Some(begun.options);
            challenge.state = Some(Ceremony { state: begun.state, nickname: nickname.clone() }.to_text());
            storage::challenges::insert(tx, cx.env, &challenge).await?;
            Ok(challenge)
        })
        .await
}

/// Every passkey goes along with each registration and sign-in of the person, so there are not many.
fn has_room(person: &Person) -> Result<(), PasskeyError> {
    if person.passkeys.len() >= PASSKEYS_MAX { Err(PasskeyError::Full) } else { Ok(()) }
}

/// What an authenticator shows beside the passkey: what the person signs in with, and the person's name.
fn names(person: &Person) -> (String, String) {
    let user = &person.user;
    let address = person.primary_email().map(|address| address.email.as_str().to_owned());
    let number = || person.primary_phone().map(|phone| phone.number.as_str().to_owned());
    let username = || user.username.as_ref().map(|name| name.as_str().to_owned());
    let name = address.or_else(username).or_else(number).unwrap_or_else(|| user.id.to_string());
    let full = [user.first_name.as_deref(), user.last_name.as_deref()];
    let full = full.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let display_name = if full.is_empty() { name.clone() } else { full };
    (name, display_name)
}

/// Refuses to enrol a passkey in a session that waits for its second factor, where passkeys are none.
pub fn may_enrol(session: &Session, settings: &Settings) -> Result<(), PasskeyError> {
    let waits = session.status == SessionStatus::Pending;
    if waits && !settings.multi_factor.passkey_counts_as_mfa { Err(PasskeyError::Pending) } else { Ok(()) }
}

/// Takes the answer of the authenticator; it counts as a factor that was proven. A pending session is active by a passkey
/// that verified its person, where such a one counts as both factors.
pub async fn complete(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: ChallengeId,
    attestation: &Value,
    nickname: Option<String>,
) -> Result<Passkey, PasskeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let parent = Parent::User(session.user_id);
    let open = challenges::find(engine, cx, parent, challenge).await?.ok_or(PasskeyError::NoChallenge)?;
    let ceremony = ceremony::of(&open)?;
    if !tenant.env.settings.authentication_strategies.passkey.enabled {
        return Err(PasskeyError::Off);
    }
    let rp = ceremony::relying_party(&tenant.env).ok_or(PasskeyError::Off)?;
    // Looked at before the transaction: only who comes first is decided inside it.
    let answer = rp.finish_registration(&ceremony.state, attestation);
    let nickname = nickname.or(ceremony.nickname);
    let outcome = match answer {
        Ok(new) => enrol(engine, cx, session, challenge, new, nickname).await,
        Err(refused) => Err(PasskeyError::Answer(refused_as(refused)?)),
    };
    if let Err(PasskeyError::Answer(code)) = outcome {
        fail(engine, cx, parent, challenge, code).await?;
    }
    outcome
}

fn refused_as(refused: Refused) -> Result<Code, StorageError> {
    match refused {
        Refused::OriginMismatch => Ok(codes::PASSKEY_ORIGIN_MISMATCH),
        Refused::UserHandleMismatch => Ok(codes::PASSKEY_USER_HANDLE_MISMATCH),
        Refused::Replayed => Ok(codes::PASSKEY_REPLAYED),
        Refused::Invalid => Ok(codes::PASSKEY_ATTESTATION_INVALID),
        Refused::Damaged => Err(tenancy::fault("a registration that was begun cannot be read")),
    }
}

/// Adds a passkey. One transaction decides who consumed the challenge.
async fn enrol(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: ChallengeId,
    new: NewPasskey,
    nickname: Option<String>,
) -> Result<Passkey, PasskeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (user, session) = (session.user_id, session.id);
    let added = engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PasskeyError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let parent = Parent::User(user);
            let held = storage::challenges::lock(tx, cx.env, &parent, challenge).await?;
            let mut challenge = held.ok_or(PasskeyError::NoChallenge)?;
            challenge.reservable(cx.now).map_err(|_| PasskeyError::Consumed)?;
            has_room(&person)?;
            if storage::passkeys::by_credential(tx, cx.env, &new.credential_id).await?.is_some() {
                return Err(PasskeyError::Answer(codes::PASSKEY_REPLAYED));
            }
            challenge.count_attempt(cx.now);
            challenge.verify(cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            let key = Passkey {
                id: cx.id(),
                user_id: user,
                credential_id: new.credential_id.clone(),
                credential: new.credential.clone(),
                nickname: nickname.clone().unwrap_or_else(|| generated(cx)),
                aaguid: new.aaguid.clone(),
                transports: new.transports.clone(),
                last_used_at: None,
                removed_at: None,
                created_at: cx.now,
                updated_at: cx.now,
            };
            storage::passkeys::insert(tx, cx.env, &key).await?;
            person.passkeys.insert(0, key.clone());
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            tell(tx, cx, &tenant, EventType::PasskeyAdded, &person, &key).await?;
            let held = storage::sessions::lock(tx, cx.env, session).await?;
            let Some(mut session) = held.filter(|s| s.status.is_live()) else { return Ok(key) };
            let settings = &tenant.env.settings;
            let proof = Proof::First { number: session.factors.first_number };
            sessions::prove(tx, cx, settings, &mut session, proof).await?;
            if session.status == SessionStatus::Pending {
                if !new.user_verified || !settings.multi_factor.passkey_counts_as_mfa {
                    // Whoever has stolen a password must not leave a way of their own to sign in.
                    return Err(PasskeyError::Answer(codes::PASSKEY_ATTESTATION_INVALID));
                }
                sessions::prove(tx, cx, settings, &mut session, Proof::Second(Strategy::Passkey)).await?;
            }
            Ok(key)
        })
        .await;
    match added {
        // Enrolled twice at once.
        Err(PasskeyError::Storage(error)) if storage::passkeys::is_known(&error) => {
            Err(PasskeyError::Answer(codes::PASSKEY_REPLAYED))
        }
        other => other,
    }
}

/// The browser that made it, as a person would call it.
fn generated(cx: &Context) -> String {
    let device = domain::session::device(cx.user_agent.as_deref());
    device.filter(|device| device.chars().count() <= 100).unwrap_or_else(|| "Passkey".to_owned())
}

/// Notes that a registration has failed; nothing happens to one that is over.
async fn fail(
    engine: &Engine,
    cx: &Context,
    parent: Parent,
    challenge: ChallengeId,
    why: Code,
) -> Result<(), PasskeyError> {
    engine
        .write(cx, async move |tx, cx| {
            let held = storage::challenges::lock(tx, cx.env, &parent, challenge).await?;
            let mut challenge = held.ok_or(PasskeyError::NoChallenge)?;
            challenge.reservable(cx.now).map_err(|_| PasskeyError::Consumed)?;
            challenge.count_attempt(cx.now);
            challenge.refuse(why, cx.now);
            Ok::<_, PasskeyError>(storage::challenges::save(tx, cx.env, &challenge).await?)
        })
        .await
}

/// Tells of a passkey that came or went: the webhooks, and the person.
async fn tell(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    what: EventType,
    person: &Person,
    key: &Passkey,
) -> Result<(), StorageError> {
    let body = events::body(&api::Passkey::from(key));
    events::push(tx, cx, Event::new(what, "passkey", key.id, body)).await?;
    let letter = if what == EventType::PasskeyAdded { Letter::PasskeyAdded } else { Letter::PasskeyRemoved };
    match person.primary_email().filter(|address| address.verified) {
        Some(address) => mail::enqueue(tx, cx, tenant, letter, To::Address(address)).await,
        None => Ok(()),
    }
}

/// Names a passkey anew.
pub async fn rename(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PasskeyId,
    nickname: String,
) -> Result<Passkey, PasskeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PasskeyError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let key = person.passkeys.iter_mut().find(|key| key.id == id).ok_or(PasskeyError::NotFound)?;
            let changed = key.nickname != nickname;
            if changed {
                key.nickname = nickname.clone();
                key.updated_at = cx.now;
                storage::passkeys::save(tx, cx.env, key).await?;
            }
            let key = key.clone();
            if changed {
                people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            }
            idempotency::keep(tx, cx, 200, &api::Passkey::from(&key), Some(key.id.to_string())).await?;
            Ok(key)
        })
        .await
}

/// Who removes a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remover {
    /// Its owner, who keeps a way to sign in.
    Owner,
    /// A backend.
    Backend,
}

/// Removes a passkey; its credential id stays taken.
pub async fn remove(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PasskeyId,
    by: Remover,
) -> Result<(), PasskeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PasskeyError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let place = person.passkeys.iter().position(|key| key.id == id).ok_or(PasskeyError::NotFound)?;
            let held = factors::held(&tenant.env.settings, &person)?;
            let mut key = person.passkeys.remove(place);
            if by == Remover::Owner && person.sign_in_methods(&tenant.env.settings) == 0 {
                return Err(PasskeyError::Last);
            }
            factors::keeps_one(cx, &tenant.env.settings, held, &person)??;
            key.removed_at = Some(cx.now);
            key.updated_at = cx.now;
            storage::passkeys::save(tx, cx.env, &key).await?;
            idempotency::forget(tx, cx, &key.id.to_string()).await?;
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            Ok(tell(tx, cx, &tenant, EventType::PasskeyRemoved, &person, &key).await?)
        })
        .await
}
