//! The proof of a sign-up's address.

use super::{Moved, SignUpError, complete, phone};
use crate::challenges::{self, About, CodeTarget, Wrong};
use crate::guesses::{self, Purpose};
use crate::mail::To;
use crate::tenancy::{self, Tenant};
use crate::{Engine, people, redirects};
use domain::challenge::{Challenge, ChallengeStatus, NotAnswerable, Parent, Step};
use domain::client::Client;
use domain::sign_up::SignUp;
use domain::strategy::Strategy;
use domain::{ChallengeId, ClientId, Context, SignUpId};
use storage::Tx;

/// Issues a challenge on a sign-up.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
    strategy: &str,
    redirect_url: Option<String>,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = strategy.to_owned();
    engine
        .write(cx, async move |tx, cx| {
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client, id).await?.ok_or(SignUpError::NotFound)?;
            sign_up.open(cx.now)?;
            let strategy = Strategy::parse(&strategy).ok_or(SignUpError::Strategy)?;
            if strategy == Strategy::PhoneCode {
                return phone::prepare(tx, cx, &tenant, sign_up).await;
            }
            let Some(email) = sign_up.email_address.clone() else {
                return Err(if strategy.is_mailed() {
                    SignUpError::Missing("email_address")
                } else {
                    SignUpError::Strategy
                });
            };
            if !matches!(strategy, Strategy::EmailCode | Strategy::EmailLink)
                || !sign_up.supported_strategies(cx.now, &tenant.env.settings).contains(&strategy)
            {
                return Err(SignUpError::Strategy);
            }
            // An address with an account gets a mail that says so; from outside nothing differs.
            let holder = people::holder(tx, &tenant.env, &email).await?;
            let taken = holder.is_some();
            let letter = if taken { About::TakenAddress } else { About::Code };
            let canonical = tenant.env.settings.canonical(&email);
            let target = CodeTarget {
                canonical: &canonical,
                // To the owner as stored: another spelling of it may be another mailbox.
                to: holder.as_ref().map_or(To::Email(&email), To::Address),
                letter,
                is_test: sign_up.was_test && email.is_test() && !taken,
            };
            let about = (Parent::SignUp(sign_up.id), Step::Single, strategy);
            let challenge = if strategy == Strategy::EmailLink {
                let redirect = match redirect_url.as_deref() {
                    Some(text) => Some(redirects::check(tx, &tenant.env, text).await?.ok_or(SignUpError::Redirect)?),
                    None => None,
                };
                let target = CodeTarget { is_test: sign_up.was_test, ..target };
                challenges::issue_link(tx, cx, &tenant, about, target, redirect).await?
            } else {
                challenges::issue_code(tx, cx, &tenant, about, target).await?
            };
            sign_up.current_challenge_id = Some(challenge.id);
            sign_up.updated_at = cx.now;
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
            Ok(Moved { sign_up, challenge: Some(challenge), begun: None })
        })
        .await
}

/// Takes a code. One transaction decides who consumed it, and completes the sign-up when nothing else is missing.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
    challenge: ChallengeId,
    code: Option<String>,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client.id, id).await?.ok_or(SignUpError::NotFound)?;
            let parent = Parent::SignUp(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignUpError::NoChallenge)?;
            if challenge.strategy == Strategy::EmailLink {
                return by_link(tx, cx, &tenant, &mut client, sign_up, challenge).await.map(Ok);
            }
            let code = code.as_deref().ok_or(SignUpError::Missing("code"))?;
            if let Err(over) = challenge.answerable(cx.now) {
                return Ok(Err(SignUpError::Wrong(over.into())));
            }
            sign_up.open(cx.now)?;
            let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
            if challenge.strategy == Strategy::PhoneCode {
                return phone::answer(tx, cx, &tenant, &mut client, sign_up, challenge, code).await;
            }
            let email = sign_up.email_address.clone().ok_or(SignUpError::Missing("email_address"))?;
            let canonical = tenant.env.settings.canonical(&email);
            let identity = guesses::identity(None, &canonical);
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::AddressCode, code).await?;
            if let Err(wrong) = looked {
                if sign_up.let_go(&challenge, cx.now) {
                    storage::sign_ups::save(tx, cx.env, &sign_up).await?;
                }
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            if challenge.target.as_deref() != Some(canonical.as_str()) {
                // The address was changed after the code was sent: the proof is of another one.
                return Err(SignUpError::Strategy);
            }
            sign_up.email_verified = true;
            // Proofs that are carried over together are as old as the older one.
            sign_up.proven_at = sign_up.proven_at.filter(|_| sign_up.phone_verified).or(Some(cx.now));
            sign_up.current_challenge_id = None;
            sign_up.updated_at = cx.now;
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
            let begun = complete::if_ready(tx, cx, &tenant, &mut client, &mut sign_up).await?;
            Ok::<_, SignUpError>(Ok(Moved { sign_up, challenge: Some(challenge), begun }))
        })
        .await?
}

/// Answers for the client that asked for a link: pending until it is confirmed, then the person and the session.
async fn by_link(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    mut sign_up: SignUp,
    challenge: Challenge,
) -> Result<Moved, SignUpError> {
    let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
    let begun = match challenge.status_at(cx.now) {
        ChallengeStatus::Verified if sign_up.waits_for_its_client(cx.now, &tenant.env.settings) => {
            complete::if_ready(tx, cx, tenant, client, &mut sign_up).await?
        }
        ChallengeStatus::Verified | ChallengeStatus::Pending | ChallengeStatus::Transferable => None,
        ChallengeStatus::Expired => return Err(Wrong::Over(NotAnswerable::Expired).into()),
        ChallengeStatus::Failed => return Err(Wrong::Over(NotAnswerable::Failed).into()),
    };
    Ok(Moved { sign_up, challenge: Some(challenge), begun })
}
