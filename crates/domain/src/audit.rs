//! The audit log: who did what, or was refused, as rows that are chained by their hashes.

use crate::event::{EventType, UnknownEvent};
use crate::id::EnvironmentId;
use crate::time::Timestamp;
use crypto::MacKey;
use crypto::canonical_json::canonical;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The hash before the first row's.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $says:literal])+ $word:ident $text:literal;)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $says])+ $word,)+ }

        impl $name {
            /// Every word there is.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word of the wire and of the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }

            /// Reads a word.
            pub fn of(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    };
}

/// What proves that the log of an environment ends with an entry: without the environment's keys nobody can cut off what
/// comes after it and say that it was always so.
pub fn head_tag(key: &MacKey, env: EnvironmentId, sequence: i64, hash: &str) -> String {
    let (env, sequence) = (env.to_string(), sequence.to_string());
    crypto::base64url::encode(&key.tag(&[env.as_bytes(), sequence.as_bytes(), hash.as_bytes()]))
}

/// Whether such a proof is ours.
pub fn is_head(key: &MacKey, env: EnvironmentId, sequence: i64, hash: &str, tag: &str) -> bool {
    let (env, sequence) = (env.to_string(), sequence.to_string());
    let tag = crypto::base64url::decode(tag);
    tag.is_ok_and(|tag| key.verify(&[env.as_bytes(), sequence.as_bytes(), hash.as_bytes()], &tag))
}

words! {
    /// On whose behalf something was done.
    ActorKind {
        /// A person, known or not.
        User "user";
        /// A backend.
        ApiKey "api_key";
        /// An operator.
        Operator "operator";
        /// A directory.
        ScimToken "scim_token";
        /// An application of somebody else.
        OauthApplication "oauth_application";
        /// The platform itself.
        System "system";
    }
}

words! {
    /// What came of it.
    Outcome {
        /// It was done.
        Success "success";
        /// It was refused.
        Denied "denied";
    }
}

words! {
    /// What was refused. No event has such a name: nothing was changed.
    Denial {
        /// A secret that was wrong, or that was not looked at any more, at a sign-in.
        SignInFailed "signIn.failed";
        /// The same where a signed-in person proves to be that person.
        StepUpFailed "stepUp.failed";
        /// The same for a code that proves an address or a number.
        VerificationFailed "verification.failed";
        /// The same where a backend asks whether a secret is somebody's.
        SecretCheckFailed "secretCheck.failed";
        /// Somebody known who may not do what was asked.
        RequestForbidden "request.forbidden";
        /// A change that an operator asked for and that was not made: what it was about is not there, or something stands
        /// in its way.
        OperatorRefused "operator.refused";
        /// A secret key of the environment that opens nothing any more.
        ApiKeyRefused "apiKey.refused";
    }
}

/// What is tried in a request and counts as refused until it succeeds. Copies share it, so that it outlives a
/// transaction that is undone.
#[derive(Debug, Clone, Default)]
pub struct Attempts(Arc<Mutex<Vec<(Denial, String)>>>);

impl Attempts {
    fn held(&self) -> MutexGuard<'_, Vec<(Denial, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is tried, on this identity: `user:`, `api_key:` or another kind with an id. Once is enough: a
    /// transaction may run again.
    pub fn begin(&self, denial: Denial, identity: &str) {
        let mut held = self.held();
        if !held.iter().any(|(known, of)| *known == denial && of == identity) {
            held.push((denial, identity.to_owned()));
        }
    }

    /// It was right, or was not looked at.
    pub fn end(&self, denial: Denial, identity: &str) {
        self.held().retain(|(known, of)| *known != denial || of != identity);
    }

    /// What is left of it.
    pub fn take(&self) -> Vec<(Denial, String)> {
        std::mem::take(&mut *self.held())
    }
}

/// The names that a pattern means, of events and of refusals; none means all.
///
/// Patterns are those of [`crate::event_pattern::EventPattern`]: a name, `*`, or what stands before the first dot.
pub fn names(pattern: &str) -> Result<Option<Vec<&'static str>>, UnknownEvent> {
    if pattern == "*" {
        return Ok(None);
    }
    let all = EventType::ALL.iter().map(|e| e.as_str()).chain(Denial::ALL.iter().map(|d| d.as_str()));
    let found: Vec<&'static str> = match pattern.strip_suffix(".*") {
        Some(resource) => all.filter(|name| name.split('.').next() == Some(resource)).collect(),
        None => all.filter(|name| *name == pattern).collect(),
    };
    if found.is_empty() { Err(UnknownEvent) } else { Ok(Some(found)) }
}

/// The address as the audit log keeps it: whole, or the network it is in, `/24` of IPv4 and `/48` of IPv6.
pub fn kept_ip(ip: IpAddr, whole: bool) -> String {
    match ip.to_canonical() {
        ip if whole => ip.to_string(),
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// A row of the audit log that has its place in the chain.
///
/// Texts are as they are stored, whether they make sense or not: a row that somebody has changed must still be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The environment whose chain it is in.
    pub environment_id: EnvironmentId,
    /// The id of the event that the row is, or would be.
    pub id: String,
    /// Its place in the chain: 1, 2, 3 and so on, without gaps.
    pub sequence: i64,
    /// Whether it is an event; what was refused is none.
    pub is_event: bool,
    /// The event's place in the environment's events.
    pub position: Option<i64>,
    /// The name on the wire.
    pub event_type: String,
    /// The version of the payload's form.
    pub version: i32,
    /// Done or refused.
    pub outcome: String,
    /// The kind of actor.
    pub actor_type: String,
    /// Who did it, when that is somebody with an id.
    pub actor_id: Option<String>,
    /// Who acted in the actor's place.
    pub impersonator: Option<String>,
    /// The door it came through.
    pub surface: String,
    /// The kind of thing it is about.
    pub subject_type: String,
    /// The id of the thing it is about.
    pub subject_id: String,
    /// The organization it happened in.
    pub organization_id: Option<String>,
    /// The names of what was changed.
    pub changed_fields: Vec<String>,
    /// From where.
    pub origin_ip: Option<String>,
    /// By what program.
    pub user_agent: Option<String>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// How many alike refusals before this one have no row.
    pub omitted: i64,
    /// The request that caused it.
    pub request_id: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// SHA-256 of the payload's text, in hexadecimal.
    pub data_sha256: String,
    /// The hash of the row before.
    pub prev_hash: String,
}

impl AuditRecord {
    /// The id of the entry: the row's ULID under the entry's own prefix.
    pub fn entry_id(&self) -> String {
        let ulid = self.id.split_once('_').map_or(self.id.as_str(), |(_, ulid)| ulid);
        format!("{}_{ulid}", crate::AuditEntryId::PREFIX)
    }

    /// The kind of somebody who acted in another's place: a user of the environment, or an operator of the application.
    /// It is hashed: what was told of an id once must be told of it for ever.
    pub fn impersonator_kind(id: &str) -> ActorKind {
        if id.parse::<crate::UserId>().is_ok() { ActorKind::User } else { ActorKind::Operator }
    }

    /// The entry as it is shown, all but its hash. This is what is hashed: a key that is ever added here must be left
    /// out of entries that were chained before, or their hashes are wrong.
    pub fn shown(&self) -> Value {
        let impersonator =
            self.impersonator.as_deref().map(|id| json!({ "type": Self::impersonator_kind(id).as_str(), "id": id }));
        json!({
            "id": self.entry_id(),
            "object": "audit_entry",
            "instance_id": self.environment_id,
            "sequence": self.sequence,
            "event_id": self.is_event.then_some(&self.id),
            "event_sequence": self.position,
            "type": self.event_type,
            "data_version": self.version,
            "outcome": self.outcome,
            "actor": { "type": self.actor_type, "id": self.actor_id, "impersonator": impersonator },
            "surface": self.surface,
            "subject": { "type": self.subject_type, "id": self.subject_id },
            "organization_id": self.organization_id,
            "changed_fields": self.changed_fields,
            "origin_ip": self.origin_ip,
            "user_agent": self.user_agent,
            "reason": self.reason,
            "omitted": self.omitted,
            "request_id": self.request_id,
            "created_at": self.created_at,
            "was_test": self.was_test,
            "data_sha256": self.data_sha256,
            "prev_hash": self.prev_hash,
        })
    }

    /// The hash that chains the next row to this one.
    pub fn hash(&self) -> String {
        crypto::digest::sha256_hex(format!("{}{}", self.prev_hash, canonical(&self.shown())).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_to_its_network_unless_the_environment_keeps_it_whole() {
        for (ip, cut) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(kept_ip(ip.parse().unwrap(), false), cut);
        }
        assert_eq!(kept_ip("192.0.2.77".parse().unwrap(), true), "192.0.2.77");
    }

    #[test]
    fn a_pattern_means_names_of_events_and_of_refusals() {
        assert_eq!(names("*"), Ok(None));
        assert_eq!(names("signIn.*"), Ok(Some(vec!["signIn.failed"])));
        assert_eq!(names("user.created"), Ok(Some(vec!["user.created"])));
        assert!(names("apiKey.*").unwrap().unwrap().contains(&"apiKey.refused"));
        for text in ["", "nobody.*", "signIn", "user.made"] {
            assert_eq!(names(text), Err(UnknownEvent), "{text}");
        }
    }

    #[test]
    fn no_refusal_has_the_name_of_an_event() {
        for denial in Denial::ALL {
            assert!(denial.as_str().parse::<EventType>().is_err());
            assert_eq!(Denial::of(denial.as_str()), Some(*denial));
        }
    }
}
