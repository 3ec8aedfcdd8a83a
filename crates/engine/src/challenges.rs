//! Challenges: issued under a parent whose row is held, answered a few times at most, consumed once.

use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::people::TEST_CODE;
use crate::sms::{self, SmsLetter, SmsRefused, SmsTo};
use crate::tenancy::Tenant;
use crate::{Engine, StorageError};
use crypto::{Secret, TokenHash};
use domain::challenge::{Challenge, NotAnswerable, Parent, Step};
use domain::code::{self, CODE_INCORRECT, Code};
use domain::strategy::Strategy;
use domain::{Actor, ChallengeId, Context, Kind, Phone, PollId, SessionId, Timestamp, UserId, Verdict};
use serde::{Deserialize, Serialize};
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

/// What a challenge remembers of whoever asked for it. No answer shows it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    /// What a person would call the device.
    pub(crate) device: Option<String>,
    /// The signed-in person.
    pub(crate) user: Option<UserId>,
    /// The session it was asked for in.
    #[serde(default)]
    pub(crate) session: Option<SessionId>,
}

impl Note {
    fn of(cx: &Context) -> String {
        let (user, session) = match cx.actor {
            Actor::User { user, session } => (Some(user), Some(session)),
            _ => (None, None),
        };
        let note = Self { device: domain::session::device(cx.user_agent.as_deref()), user, session };
        serde_json::to_string(&note).expect("a note has a JSON form")
    }

    /// What a challenge remembers; nothing where it has other things to keep.
    pub(crate) fn read(challenge: &Challenge) -> Self {
        challenge.state.as_deref().and_then(|state| serde_json::from_str(state).ok()).unwrap_or_default()
    }
}

/// Issues a challenge by a code: the open ones of the parent give way, and the mail goes into the queue.
pub(crate) async fn issue_code(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    (parent, step, strategy): (Parent, Step, Strategy),
    target: CodeTarget<'_>,
) -> Result<Challenge, StorageError> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let mut challenge = Challenge::issue(cx.id(), parent, strategy, step, cx.now);
    challenge.target = Some(target.canonical.to_owned());
    challenge.state = Some(Note::of(cx));
    let code = if target.is_test { Secret::new(TEST_CODE.to_owned()) } else { crypto::random::code6() };
    // Made for everybody, kept only where an answer may be right.
    let mac = mac(tenant, challenge.id, code.expose());
    let answerable = target.letter != About::TakenAddress && (target.is_test || !matches!(target.to, To::Nobody));
    challenge.code_mac = answerable.then(|| mac.to_vec());
    let is_taken = target.letter == About::TakenAddress;
    let link = if is_taken { add_ticket(tenant, &mut challenge, is_taken) } else { None };
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    if !target.is_test {
        let ttl = domain::challenge::LIFETIME;
        let letter = match target.letter {
            About::Code => Letter::VerificationCode { code, ttl },
            About::NewPassword => Letter::ResetPasswordCode { code, ttl },
            About::TakenAddress => account_exists(tenant, link),
        };
        mail::enqueue(tx, cx, tenant, letter, target.to).await?;
    }
    Ok(challenge)
}

/// Issues a challenge by a link: the open ones of the parent give way, and the mail goes into the queue. The ticket is
/// in the mail alone; here its hash is kept.
pub(crate) async fn issue_link(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    (parent, step, strategy): (Parent, Step, Strategy),
    target: CodeTarget<'_>,
    redirect_url: Option<String>,
) -> Result<Challenge, StorageError> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let mut challenge = Challenge::issue(cx.id(), parent, strategy, step, cx.now);
    challenge.target = Some(target.canonical.to_owned());
    challenge.state = Some(Note::of(cx));
    challenge.nonce = Some(cx.id::<PollId>().to_string());
    challenge.redirect_url = redirect_url;
    let is_taken = target.letter == About::TakenAddress;
    let link = add_ticket(tenant, &mut challenge, is_taken);
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    if !target.is_test {
        let letter = match (is_taken, link) {
            (false, Some(action_url)) => Letter::MagicLink { action_url, ttl: domain::challenge::LIFETIME },
            (_, link) => account_exists(tenant, link),
        };
        mail::enqueue(tx, cx, tenant, letter, target.to).await?;
    }
    Ok(challenge)
}

/// Whose phone a code is for.
pub(crate) struct NumberTarget<'a> {
    /// The number: what the answer proves.
    pub(crate) number: &'a Phone,
    /// Whose it is, when it is a known person's.
    pub(crate) user: Option<UserId>,
    /// Whether an answer may be right: else nothing is sent, and the same work is done.
    pub(crate) answerable: bool,
    /// Whether it takes the fixed code of test numbers, to which nothing is sent.
    pub(crate) is_test: bool,
}

/// Issues a challenge by a code that is sent to a phone: the open ones of the parent give way.
pub(crate) async fn issue_texted(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    (parent, step): (Parent, Step),
    target: NumberTarget<'_>,
) -> Result<Challenge, SmsRefused> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let mut challenge = Challenge::issue(cx.id(), parent, Strategy::PhoneCode, step, cx.now);
    challenge.target = Some(target.number.as_str().to_owned());
    let code = if target.is_test { Secret::new(TEST_CODE.to_owned()) } else { crypto::random::code6() };
    // Made for everybody, kept only where an answer may be right.
    let mac = mac(tenant, challenge.id, code.expose());
    challenge.code_mac = target.answerable.then(|| mac.to_vec());
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    if !target.is_test {
        let to = match (target.answerable, step, target.user) {
            (true, Step::Second, Some(user)) => SmsTo::Owner { number: target.number, user },
            (true, Step::Single, user) => SmsTo::Claimed { number: target.number, user },
            (true, _, user) => SmsTo::Number { number: target.number, user },
            (false, ..) => SmsTo::Nobody { number: target.number },
        };
        let letter = SmsLetter::VerificationCode { code, ttl: domain::challenge::LIFETIME };
        sms::enqueue(tx, cx, tenant, letter, to).await?;
    }
    Ok(challenge)
}

/// Gives a challenge a ticket, and the link that carries it. Somebody who adds an address to an account that exists
/// cannot go on from another account with it: then there is none.
fn add_ticket(tenant: &Tenant, challenge: &mut Challenge, is_taken: bool) -> Option<Secret<String>> {
    if is_taken && !matches!(challenge.parent, Parent::SignUp(_)) {
        return None;
    }
    let ticket = Secret::new(format!("tkt_{}", crypto::random::token().expose()));
    challenge.ticket_hash = Some(TokenHash::of_str(ticket.expose()).as_bytes().to_vec());
    let (base, ticket) = (&tenant.env.issuer, ticket.expose());
    let link = format!("{base}/v1/client/handshake?__authn_ticket={ticket}&__authn_status=complete");
    Some(Secret::new(link))
}

/// The mail to an address that has an account: by its link the sign-up goes on as a sign-in.
fn account_exists(tenant: &Tenant, link: Option<Secret<String>>) -> Letter {
    match link {
        Some(action_url) => Letter::AccountExistsLink { action_url },
        None => Letter::AccountExists { action_url: tenant.env.sign_in_url() },
    }
}

/// Issues a challenge for what the person has or knows: nothing is sent.
pub(crate) async fn issue_plain(
    tx: &mut Tx<'_>,
    cx: &Context,
    (parent, step, strategy): (Parent, Step, Strategy),
) -> Result<Challenge, StorageError> {
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let challenge = Challenge::issue(cx.id(), parent, strategy, step, cx.now);
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    Ok(challenge)
}

/// The keyed hash of a code of a challenge.
pub(crate) fn mac(tenant: &Tenant, challenge: ChallengeId, code: &str) -> [u8; 32] {
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

/// Whose tries are counted, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tries<'a> {
    /// Whose secret is guessed.
    pub(crate) identity: &'a str,
    /// What is guessed.
    pub(crate) purpose: Purpose,
    /// Test people are not counted.
    pub(crate) free: bool,
}

/// Counts a try on a challenge whose row is held, before the proof is looked at. The caller writes the challenge.
pub(crate) async fn begin_try(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    challenge: &mut Challenge,
    tries: Tries<'_>,
) -> Result<Result<(), Wrong>, StorageError> {
    if let Err(over) = challenge.reservable(cx.now) {
        return Ok(Err(over.into()));
    }
    if !tries.free
        && let Some(until) = guesses::reserve(tx, cx, &tenant.env.settings, tries.identity, tries.purpose).await?
    {
        // Strangers fill this counter with answers to codes of their own. The owner, who reads the mailbox, is right at
        // once: of a code that anybody may ask for, the first answer is looked at behind the lock as well.
        let first = challenge.is_for_anybody() && challenge.attempts == 0;
        if !first || guesses::is_spent_behind_lock(tx, cx, tries.identity, tries.purpose).await? {
            return Ok(Err(Wrong::Locked(until)));
        }
    }
    challenge.count_attempt(cx.now);
    Ok(Ok(()))
}

/// Writes what became of a counted try: a right one consumes the challenge and clears the counter.
pub(crate) async fn end_try(
    tx: &mut Tx<'_>,
    cx: &Context,
    challenge: &mut Challenge,
    tries: Tries<'_>,
    outcome: Result<(), Code>,
) -> Result<Result<(), Wrong>, StorageError> {
    let outcome = match outcome {
        Ok(()) => {
            if !tries.free {
                guesses::succeed(tx, cx, tries.identity, tries.purpose).await?;
            }
            challenge.verify(cx.now);
            Ok(())
        }
        Err(wrong) => Err(Wrong::Answer(challenge.refuse(wrong, cx.now))),
    };
    storage::challenges::save(tx, cx.env, challenge).await?;
    Ok(outcome)
}

/// Takes a counted try back: there was no room to look at it.
pub(crate) async fn give_back(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    challenge: &mut Challenge,
    tries: Tries<'_>,
) -> Result<(), StorageError> {
    if !tries.free {
        guesses::give_back(tx, cx, &tenant.env.settings, tries.identity, tries.purpose).await?;
    }
    if challenge.answerable(cx.now).is_ok() {
        challenge.uncount_attempt(cx.now);
        storage::challenges::save(tx, cx.env, challenge).await?;
    }
    Ok(())
}

/// Whether a code is the one of a challenge; costs the same when no code would be right.
pub(crate) fn is_code(tenant: &Tenant, challenge: &Challenge, code: &str) -> bool {
    let id = challenge.id.to_string();
    let kept = challenge.code_mac.as_deref().unwrap_or(&[0; 32]);
    let matches = tenant.keys.code.verify(&[id.as_bytes(), code.trim().as_bytes()], kept);
    matches && challenge.code_mac.is_some()
}

/// Whether the code of a challenge is the fixed one of test people.
pub(crate) fn takes_test_code(tenant: &Tenant, cx: &Context, challenge: &Challenge) -> bool {
    cx.was_test && challenge.code_mac.as_deref() == Some(mac(tenant, challenge.id, TEST_CODE).as_slice())
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
    let tries = Tries { identity, purpose, free: takes_test_code(tenant, cx, challenge) };
    if let Err(wrong) = begin_try(tx, cx, tenant, challenge, tries).await? {
        return Ok(Err(wrong));
    }
    let outcome = if is_code(tenant, challenge, code) { Ok(()) } else { Err(CODE_INCORRECT) };
    end_try(tx, cx, challenge, tries, outcome).await
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
