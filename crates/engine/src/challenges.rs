//! Challenges: issued under a parent whose row is held, answered a few times at most, consumed once.

use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::people::TEST_CODE;
use crate::tenancy::Tenant;
use crate::{Engine, StorageError};
use crypto::Secret;
use domain::challenge::{Challenge, NotAnswerable, Parent, Step};
use domain::code::{self, Code};
use domain::strategy::Strategy;
use domain::{ChallengeId, Context, Kind, Timestamp, Verdict};
use storage::Tx;

/// Whose mailbox a code is for.
pub(crate) struct CodeTarget<'a> {
    /// The address in its canonical form: what the answer proves.
    pub(crate) canonical: &'a str,
    /// Whom the mail goes to.
    pub(crate) to: To<'a>,
    /// What the mail is about.
    pub(crate) letter: About,
    /// Whether it is a test address: the fixed code, and nothing is sent.
    pub(crate) is_test: bool,
}

/// What the mail of a challenge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The code that answers it.
    Code,
    /// The code that answers it, to set a new password.
    NewPassword,
    /// The account that has the address already: no answer is right, and the mail shows no code.
    TakenAddress,
}

/// Issues a challenge by a code: the open ones of the parent give way, and the mail goes into the queue.
pub(crate) async fn issue_code(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    parent: Parent,
    step: Step,
    target: CodeTarget<'_>,
) -> Result<Challenge, StorageError> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let mut challenge = Challenge::issue(cx.id(), parent, Strategy::EmailCode, step, cx.now);
    challenge.target = Some(target.canonical.to_owned());
    let code = if target.is_test { Secret::new(TEST_CODE.to_owned()) } else { crypto::random::code6() };
    // Made for everybody, kept only where an answer may be right.
    let mac = mac(tenant, challenge.id, code.expose());
    let answerable = target.letter != About::TakenAddress && (target.is_test || !matches!(target.to, To::Nobody));
    challenge.code_mac = answerable.then(|| mac.to_vec());
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    if !target.is_test {
        let ttl = domain::challenge::LIFETIME;
        let letter = match target.letter {
            About::Code => Letter::VerificationCode { code, ttl },
            About::NewPassword => Letter::ResetPasswordCode { code, ttl },
            About::TakenAddress => Letter::AccountExists { action_url: tenant.env.sign_in_url() },
        };
        mail::enqueue(tx, cx, tenant, letter, target.to).await?;
    }
    Ok(challenge)
}

/// Issues a challenge by the password: nothing is sent.
pub(crate) async fn issue_password(
    tx: &mut Tx<'_>,
    cx: &Context,
    parent: Parent,
    step: Step,
) -> Result<Challenge, StorageError> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let challenge = Challenge::issue(cx.id(), parent, Strategy::Password, step, cx.now);
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    Ok(challenge)
}

fn mac(tenant: &Tenant, challenge: ChallengeId, code: &str) -> [u8; 32] {
    tenant.keys.code.tag(&[challenge.to_string().as_bytes(), code.as_bytes()])
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The challenge is over.
    #[error("the challenge cannot be answered")]
    Over(#[from] NotAnswerable),
    /// The answer is wrong.
    #[error("the answer is wrong")]
    Answer(Code),
    /// Too many wrong answers by this identity.
    #[error("too many wrong answers")]
    Locked(Timestamp),
}

impl Wrong {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Over(over) => Kind::Invalid.code(over.code()),
            Self::Answer(code) => Kind::Invalid.code(*code),
            Self::Locked(until) => Kind::Forbidden.code(code::USER_LOCKED).with("lockout_expires_at", until.millis()),
        }
    }
}

/// Looks at a code for a challenge whose row is held. Whatever comes of it is written: the caller commits.
pub(crate) async fn answer_code(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    challenge: &mut Challenge,
    identity: &str,
    purpose: Purpose,
    code: &str,
) -> Result<Result<(), Wrong>, StorageError> {
    if let Err(over) = challenge.answerable(cx.now) {
        return Ok(Err(over.into()));
    }
    let is_test = challenge.code_mac.as_deref() == Some(mac(tenant, challenge.id, TEST_CODE).as_slice()) && cx.was_test;
    if !is_test && let Some(until) = guesses::reserve(tx, cx, &tenant.env.settings, identity, purpose).await? {
        return Ok(Err(Wrong::Locked(until)));
    }
    challenge.count_attempt(cx.now);
    let id = challenge.id.to_string();
    // The work is the same when no answer would be right.
    let kept = challenge.code_mac.as_deref().unwrap_or(&[0; 32]);
    let matches = tenant.keys.code.verify(&[id.as_bytes(), code.trim().as_bytes()], kept);
    let right = matches && challenge.code_mac.is_some();
    if !right {
        let wrong = challenge.refuse(code::CODE_INCORRECT, cx.now);
        storage::challenges::save(tx, cx.env, challenge).await?;
        return Ok(Err(Wrong::Answer(wrong)));
    }
    if !is_test {
        guesses::succeed(tx, cx, identity, purpose).await?;
    }
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, challenge).await?;
    Ok(Ok(()))
}

/// Finds a challenge under its parent.
pub async fn find(
    engine: &Engine,
    cx: &Context,
    parent: Parent,
    id: ChallengeId,
) -> Result<Option<Challenge>, StorageError> {
    storage::challenges::find(&mut *engine.read().await?, cx.env, &parent, id).await
}
