//! Authenticator apps of people: enrolled, confirmed, removed by their owner; asked about by backends.

use crate::factors::{self, LastFactor};
use crate::guesses::{self, Purpose};
use crate::mail::Letter;
use crate::refusals::stored;
use crate::standing::{self, Unfit};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, people, sessions};
use crypto::Secret;
use domain::code as codes;
use domain::session::{Proof, Session};
use domain::strategy::Strategy;
use domain::user::{Person, TotpSecret};
use domain::{Context, Kind, Refusal, Timestamp, TotpSecretId, UserId, Verdict};
use storage::{Conn, Tx};

/// Why an authenticator app is not enrolled, removed or asked.
#[derive(Debug, thiserror::Error)]
pub enum TotpError {
    /// The environment has switched them off.
    #[error("authenticator apps are switched off")]
    Off,
    /// One is enrolled.
    #[error("an authenticator app is enrolled already")]
    AlreadyVerified,
    /// None is enrolled, or no enrolment is open.
    #[error("no authenticator app is enrolled")]
    NotFound,
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The session has ended meanwhile.
    #[error("the session is over")]
    NotLive,
    /// The code is wrong, or was taken before.
    #[error("the code is wrong")]
    Incorrect,
    /// Too many wrong codes.
    #[error("too many wrong codes")]
    Locked {
        /// Until when.
        until: Timestamp,
    },
    /// Too many wrong codes were asked about.
    #[error("too many wrong codes were asked about")]
    TooMany {
        /// When one is looked at again, in seconds.
        retry_after: i64,
    },
    /// A number that would be the only second factor is the only way to sign in.
    #[error("the person would have no way to sign in")]
    LastMethod,
    /// The person must keep a second factor.
    #[error(transparent)]
    LastFactor(#[from] LastFactor),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the authenticator app cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(TotpError);

impl Refusal for TotpError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Off => Kind::Invalid.code(codes::MFA_NOT_ENABLED),
            Self::AlreadyVerified => Kind::Conflict.code(codes::MFA_ALREADY_VERIFIED),
            Self::NotFound => Kind::NotFound.code(codes::TOTP_NOT_FOUND),
            Self::LastMethod => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE),
            Self::NoUser => Kind::NotFound.code(codes::USER_NOT_FOUND),
            Self::NotLive => Kind::Unauthenticated.code(codes::SESSION_REVOKED),
            Self::Incorrect => Kind::Invalid.code(codes::INCORRECT_CODE).param("code"),
            Self::Locked { until } => {
                Kind::Forbidden.code(codes::USER_LOCKED).with("lockout_expires_at", until.millis())
            }
            Self::TooMany { retry_after } => Kind::TooMany
                .code(codes::RATE_LIMIT_EXCEEDED)
                .with("limit", 10)
                .with("retry_after_seconds", *retry_after),
            Self::LastFactor(last) => last.verdict(),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// An enrolment that was begun just now: the one time that the secret is shown.
pub struct Enrolment {
    /// The row.
    pub secret: TotpSecret,
    /// The secret as a person types it into an app.
    pub base32: Secret<String>,
    /// The address that an app reads from a QR code.
    pub uri: Secret<String>,
    /// The QR code, as the source of a picture.
    pub qr_code: Secret<String>,
}

/// Begins an enrolment, in place of one that nobody confirmed.
pub async fn start(engine: &Engine, cx: &Context, user: UserId) -> Result<Enrolment, TotpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    if !tenant.env.settings.multi_factor.totp.enabled {
        return Err(TotpError::Off);
    }
    let plain = crypto::totp::secret();
    let (sealing, held) = (tenant.clone(), plain.clone());
    let (secret, account) = engine
        .write(cx, async move |tx, cx| {
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(TotpError::NotFound)?;
            standing::still_fresh(tx, cx, &sealing.env.settings, &person).await??;
            if enrolled(tx, cx, user).await?.is_some() {
                return Err(TotpError::AlreadyVerified);
            }
            let id: TotpSecretId = cx.id();
            let secret = TotpSecret {
                id,
                user_id: user,
                sealed_secret: sealing.keys.seal("totp_secrets", "sealed_secret", &id.to_string(), held.expose()),
                verified_at: None,
                last_step: 0,
                created_at: cx.now,
                updated_at: cx.now,
            };
            storage::totp::put(tx, cx.env, &secret).await?;
            Ok((secret, account(&person)))
        })
        .await?;
    let uri = crypto::totp::uri(&tenant.env.host(), &account, plain.expose());
    let qr_code = protocols::qr::svg_data_url(uri.expose()).map_err(storage::fault_from)?;
    Ok(Enrolment { secret, base32: crypto::totp::base32(plain.expose()), uri, qr_code: Secret::new(qr_code) })
}

/// What an app calls the account.
fn account(person: &Person) -> String {
    person.primary_email().map_or_else(|| person.user.id.to_string(), |address| address.email.as_str().to_owned())
}

/// Shows what a person has: an app, or an enrolment that is open.
pub async fn find(engine: &Engine, cx: &Context, user: UserId) -> Result<TotpSecret, TotpError> {
    let secret = storage::totp::find(&mut *engine.read().await?, cx.env, user).await?;
    secret.filter(|secret| secret.stands(cx.now)).ok_or(TotpError::NotFound)
}

/// Confirms an enrolment by a code of it, which counts as proving a second factor: a pending session is active by it.
/// Wrong codes are counted with those of the person's step-ups.
pub async fn confirm(
    engine: &Engine,
    cx: &Context,
    me: &Session,
    code: String,
) -> Result<(TotpSecret, Session), TotpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (user, session) = (me.user_id, me.id);
    let identity = guesses::signed_in(me);
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(TotpError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let secret = storage::totp::find(tx, cx.env, user).await?.filter(|secret| secret.stands(cx.now));
            let mut secret = secret.ok_or(TotpError::NotFound)?;
            if secret.verified_at.is_some() {
                return Err(TotpError::AlreadyVerified);
            }
            if let Some(until) = guesses::reserve(tx, cx, &tenant.env.settings, &identity, Purpose::Totp).await? {
                return Err(TotpError::Locked { until });
            }
            let Some(step) = step_of(&tenant, &secret, &code, cx.now)? else {
                // A failed try is kept: the transaction commits.
                return Ok(Err(TotpError::Incorrect));
            };
            guesses::succeed(tx, cx, &identity, Purpose::Totp).await?;
            secret.confirm(step, cx.now);
            storage::totp::save(tx, cx.env, &secret).await?;
            person.second.totp = true;
            people::save_second_factors(tx, cx, &tenant, &mut person).await?;
            people::tell(tx, cx, &tenant, &person, Letter::TotpEnabled).await?;
            let mut session = storage::sessions::lock(tx, cx.env, session).await?.ok_or(TotpError::NotLive)?;
            if !session.status_at(cx.now, &tenant.env.settings.sessions).is_live() {
                return Err(TotpError::NotLive);
            }
            let proof = Proof::Second(Strategy::Totp);
            sessions::prove(tx, cx, &tenant.env.settings, &mut session, proof).await?;
            Ok::<_, TotpError>(Ok((secret, session)))
        })
        .await?
}

/// Removes the app of a person; shows what it was.
pub async fn remove(engine: &Engine, cx: &Context, user: UserId) -> Result<TotpSecret, TotpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(TotpError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let secret = enrolled(tx, cx, user).await?.ok_or(TotpError::NotFound)?;
            let held = factors::held(&tenant.env.settings, &person)?;
            let before = person.clone();
            person.second.totp = false;
            if person.is_locked_out_since(&before, &tenant.env.settings) {
                return Err(TotpError::LastMethod);
            }
            factors::keeps_one(cx, &tenant.env.settings, held, &person)??;
            storage::totp::delete(tx, cx.env, user).await?;
            people::save_second_factors(tx, cx, &tenant, &mut person).await?;
            Ok(secret)
        })
        .await
}

/// Says for a backend whether a code is a person's; a right one is taken as at a sign-in. Wrong ones are counted per
/// person: one key serves a whole backend.
pub async fn verify(engine: &Engine, cx: &Context, user: UserId, code: String) -> Result<bool, TotpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let identity = guesses::identity(Some(user), "");
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            storage::users::lock(tx, cx.env, user).await?.ok_or(TotpError::NoUser)?;
            if !settings.multi_factor.totp.enabled {
                return Err(TotpError::Off);
            }
            let secret = enrolled(tx, cx, user).await?.ok_or(TotpError::NotFound)?;
            if let Some(until) = guesses::reserve(tx, cx, settings, &identity, Purpose::BackendTotp).await? {
                return Err(TotpError::TooMany { retry_after: until.seconds_since(cx.now).max(1) });
            }
            let right = take(tx, cx, &tenant, &secret, &code).await?;
            if right {
                guesses::succeed(tx, cx, &identity, Purpose::BackendTotp).await?;
            }
            Ok(right)
        })
        .await
}

/// The confirmed secret of a person.
pub(crate) async fn enrolled(conn: &mut Conn, cx: &Context, user: UserId) -> Result<Option<TotpSecret>, StorageError> {
    Ok(storage::totp::find(conn, cx.env, user).await?.filter(|secret| secret.verified_at.is_some()))
}

/// Takes a code of a confirmed secret, if it is right and was not taken before.
pub(crate) async fn take(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    secret: &TotpSecret,
    code: &str,
) -> Result<bool, StorageError> {
    match step_of(tenant, secret, code, cx.now)? {
        Some(step) => storage::totp::take_step(tx, cx.env, secret.user_id, step, cx.now).await,
        None => Ok(false),
    }
}

/// The step whose code this is: now, just before or just after.
fn step_of(tenant: &Tenant, secret: &TotpSecret, code: &str, now: Timestamp) -> Result<Option<i64>, StorageError> {
    let Some(code) = domain::user::totp_code(code) else { return Ok(None) };
    let id = secret.id.to_string();
    let plain = tenant.keys.open("totp_secrets", "sealed_secret", &id, &secret.sealed_secret);
    let plain = plain.map_err(storage::fault_from)?;
    Ok(crypto::totp::check(plain.expose(), &code, now.seconds()))
}
