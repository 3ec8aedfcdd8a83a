//! Challenges of a sign-in are issued here: for the first factor to whoever is named, known or not; for the second, and
//! for the trust in a new device, to the person who was pinned.

use super::{Moved, SignInError, new_password, passkey, person_of, phone, trust};
use crate::challenges::{self, About, CodeTarget};
use crate::mail::To;
use crate::restrictions::{self, Voucher, Wanted};
use crate::tenancy::{self, Tenant};
use crate::{Engine, factors, people, redirects};
use domain::challenge::{Challenge, Parent, Step};
use domain::sign_in::{SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{ClientId, Context, Email, EmailAddressId, SignInId};
use storage::Tx;

/// Which challenge is asked for.
#[derive(Debug, Clone, Default)]
pub struct Prepare {
    /// The way to prove, in the word of the wire.
    pub strategy: String,
    /// The address to send to; the identifier itself when absent.
    pub email_address_id: Option<String>,
    /// The number to send to; the identifier itself, or the default second factor, when absent.
    pub phone_number_id: Option<String>,
    /// Where the click of a link lands.
    pub redirect_url: Option<String>,
}

/// Issues a challenge on a sign-in.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    wanted: Prepare,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut sign_in = storage::sign_ins::lock(tx, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
            sign_in.open(cx.now)?;
            let strategy = Strategy::parse(&wanted.strategy).ok_or(SignInError::Strategy)?;
            let person = person_of(tx, &tenant.env, &sign_in).await?;
            let challenge = issue(tx, cx, &tenant, &mut sign_in, person.as_ref(), strategy, &wanted).await?;
            Ok(Moved { sign_in, person, challenge: Some(challenge), begun: None })
        })
        .await
}

/// Issues a challenge on a sign-in whose row is held.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &mut SignIn,
    person: Option<&Person>,
    strategy: Strategy,
    wanted: &Prepare,
) -> Result<Challenge, SignInError> {
    if sign_in.status_at(cx.now) == SignInStatus::NeedsNewPassword && strategy != Strategy::Password {
        return Err(SignInError::NeedsNewPassword);
    }
    let offered = sign_in.supported_strategies(cx.now, &tenant.env.settings, person).contains(&strategy);
    if !offered && !passkey::is_possible(sign_in, cx, strategy) {
        return Err(SignInError::Strategy);
    }
    let parent = Parent::SignIn(sign_in.id);
    let challenge = match sign_in.status_at(cx.now) {
        SignInStatus::NeedsSecondFactor => {
            let person = person.ok_or(SignInError::Strategy)?;
            let ask = factors::Ask {
                strategy,
                number: wanted.phone_number_id.as_deref(),
                first_number: sign_in.first_number(),
            };
            factors::issue(tx, cx, tenant, parent, person, ask).await?
        }
        SignInStatus::NeedsNewPassword => challenges::issue_plain(tx, cx, (parent, Step::First, strategy)).await?,
        SignInStatus::NeedsClientTrust => {
            let person = person.ok_or(SignInError::Strategy)?;
            trust::issue(tx, cx, tenant, sign_in, person, (strategy, wanted)).await?
        }
        _ if strategy == Strategy::Passkey => passkey::issue(tx, cx, tenant, sign_in, person).await?,
        _ => first(tx, cx, tenant, sign_in, strategy, wanted).await?,
    };
    sign_in.current_challenge_id = Some(challenge.id);
    sign_in.updated_at = cx.now;
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(challenge)
}

/// A challenge for the first factor.
async fn first(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &SignIn,
    strategy: Strategy,
    wanted: &Prepare,
) -> Result<Challenge, SignInError> {
    let about = (Parent::SignIn(sign_in.id), Step::First, strategy);
    match strategy {
        Strategy::Password | Strategy::Ticket => Ok(challenges::issue_plain(tx, cx, about).await?),
        Strategy::EmailCode | Strategy::EmailLink | Strategy::ResetPasswordEmailCode => {
            by_mail(tx, cx, tenant, sign_in, strategy, wanted).await
        }
        Strategy::PhoneCode => phone::issue(tx, cx, tenant, sign_in, wanted).await,
        _ => Err(SignInError::Strategy),
    }
}

async fn by_mail(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &SignIn,
    strategy: Strategy,
    wanted: &Prepare,
) -> Result<Challenge, SignInError> {
    let env = &tenant.env;
    let identifier = sign_in.identifier.clone().ok_or(SignInError::Missing("identifier"))?;
    let known = people::mailbox(tx, env, &identifier).await?;
    let target = known.as_ref().and_then(|k| k.address.as_ref());
    if let Some(wanted) = &wanted.email_address_id {
        // An address that is not this person's is nobody's.
        let wanted: Option<EmailAddressId> = wanted.parse().ok();
        if wanted.is_none() || wanted != target.map(|a| a.id) {
            return Err(SignInError::Unknown);
        }
    }
    if target.is_none() && !env.settings.attack_protection.enumeration_protection {
        return Err(SignInError::Unknown);
    }
    let about = (Parent::SignIn(sign_in.id), Step::First, strategy);
    // The form of the row, which may be older than today's rules.
    let canonical = target.map_or(&identifier.canonical, |address| &address.canonical);
    if strategy == Strategy::EmailLink {
        let redirect = match wanted.redirect_url.as_deref() {
            Some(text) => Some(redirects::check(tx, env, text).await?.ok_or(SignInError::Redirect)?),
            None => None,
        };
        // Whoever holds an unknown mailbox may sign up by the link, so it is sent all the same. Asked for everybody,
        // known or not: the work is the same.
        let stranger = match Email::parse(&identifier.shown) {
            Ok(email) => {
                let voucher = if sign_in.invitation_id.is_some() { Voucher::Invitation } else { Voucher::Nobody };
                let refused = restrictions::refused(tx, env, Wanted::email(&email), voucher).await?;
                Some(email).filter(|_| refused.is_none())
            }
            Err(_) => None,
        };
        let to = match (target, &stranger) {
            (Some(address), _) => To::Address(address),
            (None, Some(email)) => To::Email(email),
            (None, None) => To::Nobody,
        };
        let target = CodeTarget { canonical, to, letter: About::Code, is_test: sign_in.was_test };
        return Ok(challenges::issue_link(tx, cx, tenant, about, target, redirect).await?);
    }
    let to = target.map_or(To::Nobody, To::Address);
    // The fixed code opens an address that is itself a test address, and only where somebody has it.
    let is_test = sign_in.was_test && target.is_some_and(|a| a.email.is_test());
    let resets = strategy == Strategy::ResetPasswordEmailCode;
    let letter = if resets { About::NewPassword } else { About::Code };
    let target = CodeTarget { canonical, to, letter, is_test };
    let mut challenge = challenges::issue_code(tx, cx, tenant, about, target).await?;
    if resets {
        // Kept for everybody alike: a reset is over when the password is another one than now.
        let person = match &known {
            Some(known) => storage::users::find(tx, cx.env, known.user).await?,
            None => None,
        };
        challenge.state = Some(new_password::mark_of(tenant, person.and_then(|u| u.password_digest).as_ref()));
        storage::challenges::save(tx, cx.env, &challenge).await?;
    }
    Ok(challenge)
}
