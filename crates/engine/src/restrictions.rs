//! Who may sign up, and which identifiers may become somebody's: throw-away domains, the block list, the allow list,
//! in this order. What a backend does is past all of it.

use crate::StorageError;
use crate::people;
use domain::environment::Environment;
use domain::listed::{List, NotAPattern, Pattern, keys_of_email};
use domain::settings::SignUpMode;
use domain::sign_up::SignUp;
use domain::{Email, Kind, Phone, Verdict, code};
use storage::Conn;

/// Reads what stands on a list: an address, a number in any spelling with the country code, or a pattern of addresses.
pub fn read(text: &str) -> Result<Pattern, NotAPattern> {
    match people::read_number(text).filter(|_| !text.contains('@')) {
        Some(number) => Ok(Pattern::Phone(number)),
        None => text.parse(),
    }
}

/// What somebody wants to be known by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) email: Option<&'a Email>,
    pub(crate) phone: Option<&'a Phone>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn email(email: &'a Email) -> Self {
        Self { email: Some(email), phone: None }
    }
    pub(crate) fn phone(phone: &'a Phone) -> Self {
        Self { email: None, phone: Some(phone) }
    }
    pub(crate) fn of(sign_up: &'a SignUp) -> Self {
        Self { email: sign_up.email_address.as_ref(), phone: sign_up.phone_number.as_ref() }
    }
}

/// Who speaks for somebody who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voucher {
    /// Nobody: a stranger signs up.
    Nobody,
    /// An invitation, whose ticket was shown: it opens closed doors, and is worth nothing against the block list.
    Invitation,
    /// The account that they are in already, to which they add something.
    Account,
}

impl Voucher {
    /// Who speaks for whoever signs up.
    pub(crate) fn of(sign_up: &SignUp) -> Self {
        if sign_up.invitation_id.is_some() { Self::Invitation } else { Self::Nobody }
    }
}

/// Why an identifier may not become somebody's; each names the parameter that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its domain is for throwing away.
    #[error("the domain of the address is disposable")]
    Disposable,
    /// It is on the block list, or not on the allow list where that counts, or sign-up is closed.
    #[error("the identifier may not be used here")]
    NotAllowed(&'static str),
}

impl Refused {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Disposable => Kind::Invalid.code(code::IDENTIFIER_DISPOSABLE).param("email_address"),
            Self::NotAllowed(param) => Kind::Invalid.code(code::IDENTIFIER_NOT_ALLOWED).param(param),
        }
    }
}

/// Says why identifiers may not become somebody's; `None` when they may. The one door for everything that somebody
/// adds to themselves: each sign-up asks when it is told of an identifier and again when it ends, because the lists may
/// have changed between.
///
/// Where sign-up is restricted, one identifier on the allow list is enough for a sign-up: nobody lists the numbers of a
/// company together with its domain. What is added to an account later has to be listed itself, if it is an address.
pub(crate) async fn refused(
    conn: &mut Conn,
    env: &Environment,
    wanted: Wanted<'_>,
    voucher: Voucher,
) -> Result<Option<Refused>, StorageError> {
    let settings = &env.settings;
    if wanted.email.is_some_and(|email| !settings.takes_address(email)) {
        return Ok(Some(Refused::Disposable));
    }
    if settings.restrictions.blocklist_enabled {
        if let Some(email) = wanted.email
            && !listed(conn, env, List::Block, keys_of_email(email)).await?.is_empty()
        {
            return Ok(Some(Refused::NotAllowed("email_address")));
        }
        if let Some(phone) = wanted.phone
            && !listed(conn, env, List::Block, vec![phone.to_string()]).await?.is_empty()
        {
            return Ok(Some(Refused::NotAllowed("phone_number")));
        }
    }
    let is_let_in = match (settings.sign_up_mode(), voucher) {
        (SignUpMode::Public, _) | (_, Voucher::Invitation) | (SignUpMode::Waitlist, Voucher::Account) => true,
        (SignUpMode::Waitlist, Voucher::Nobody) => false,
        (SignUpMode::Restricted, Voucher::Account) if wanted.email.is_none() => true,
        (SignUpMode::Restricted, _) => is_allowed(conn, env, wanted).await?,
    };
    let param = if wanted.email.is_none() && wanted.phone.is_some() { "phone_number" } else { "email_address" };
    Ok((!is_let_in).then_some(Refused::NotAllowed(param)))
}

async fn is_allowed(conn: &mut Conn, env: &Environment, wanted: Wanted<'_>) -> Result<bool, StorageError> {
    if let Some(email) = wanted.email {
        let rules = env.settings.email_rules();
        let found = listed(conn, env, List::Allow, keys_of_email(email)).await?;
        if found.iter().any(|pattern| pattern.lets_in(email, rules)) {
            return Ok(true);
        }
    }
    match wanted.phone {
        Some(phone) => Ok(!listed(conn, env, List::Allow, vec![phone.to_string()]).await?.is_empty()),
        None => Ok(false),
    }
}

async fn listed(
    conn: &mut Conn,
    env: &Environment,
    list: List,
    keys: Vec<String>,
) -> Result<Vec<Pattern>, StorageError> {
    storage::listed_identifiers::by_keys(conn, env.id, list, keys).await
}
