//! For whom passkeys are made, and on whose pages they may be used.

use std::time::Duration;

use url::Url;
use webauthn_rs_core::WebauthnCore;

use super::origin::OriginRule;
use super::{Refused, TIMEOUT_MS};

/// Why a relying party cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not a lower-case domain name, or one under which strangers register theirs.
    #[error("`{0}` cannot be the id of a relying party")]
    Id(String),
    /// Not `scheme://host[:port]`, nor that with any port.
    #[error("`{0}` is not an origin")]
    Origin(String),
}

/// The side that asks for passkeys: an id, a name to show, and the origins whose pages may ask.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    pub(super) id: String,
    pub(super) name: String,
    origins: Vec<OriginRule>,
}

impl RelyingParty {
    /// Takes a domain name as id, a name to show, and the origins that count; `http://localhost:*` stands for any port.
    ///
    /// A public suffix such as `com` or `co.uk` is no id: every site below it could ask for the credentials.
    pub fn new(id: &str, name: &str, origins: &[String]) -> Result<Self, Unfit> {
        if !is_fit(id) {
            return Err(Unfit::Id(id.to_owned()));
        }
        let read = |text: &String| OriginRule::parse(text).ok_or_else(|| Unfit::Origin(text.clone()));
        let origins = origins.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { id: id.to_owned(), name: name.to_owned(), origins })
    }

    /// Finds the origin that a browser names among those that count.
    pub(super) fn admit(&self, origin: &str) -> Result<Url, Refused> {
        self.origins.iter().find_map(|rule| rule.admit(origin)).ok_or(Refused::OriginMismatch)
    }

    /// The library, told of one origin: its own comparison is a second one, not the first.
    pub(super) fn core(&self, origins: Vec<Url>) -> WebauthnCore {
        let timeout = Duration::from_millis(u64::from(TIMEOUT_MS));
        WebauthnCore::new_unsafe_experts_only(&self.name, &self.id, origins, timeout, Some(false), Some(false))
    }
}

/// Whether credentials may be bound to this name.
fn is_fit(id: &str) -> bool {
    let Ok(host) = url::Host::parse(id) else { return false };
    let canonical = matches!(&host, url::Host::Domain(domain) if domain == id && !domain.ends_with('.'));
    let suffix = psl::suffix(id.as_bytes());
    canonical && !suffix.is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == id.as_bytes())
}
