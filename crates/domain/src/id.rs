//! Ids: a prefix that says what it names, and a ULID. Never a secret: neighbours can be guessed.

use crate::Timestamp;
use std::fmt;
use std::str::FromStr;
use ulid::Ulid;

/// The text is no id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

/// An id that can be made anew.
pub trait NewId: Sized {
    /// Makes an id from the time and ten random bytes.
    fn new(now: Timestamp, chance: [u8; 10]) -> Self;
}

fn ulid(now: Timestamp, chance: [u8; 10]) -> Ulid {
    let mut wide = [0_u8; 16];
    wide[6..].copy_from_slice(&chance);
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    Ulid::from_parts(millis, u128::from_be_bytes(wide))
}

fn parse(prefix: &str, text: &str) -> Result<Ulid, NotAnId> {
    let rest = text.strip_prefix(prefix).and_then(|r| r.strip_prefix('_')).ok_or(NotAnId)?;
    // No more than 128 bits, and upper case only: one id has one spelling.
    if rest.len() != ulid::ULID_LEN || rest.as_bytes()[0] > b'7' {
        return Err(NotAnId);
    }
    let mut bits = 0_u128;
    for byte in rest.bytes() {
        let value = VALUES[usize::from(byte)];
        if value == NONE {
            return Err(NotAnId);
        }
        bits = (bits << 5) | u128::from(value);
    }
    Ok(Ulid(bits))
}

const NONE: u8 = u8::MAX;

/// What each character stands for in Crockford's base 32: ids are read several times in each request.
const VALUES: [u8; 256] = {
    let alphabet = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            /// The prefix of the text form, without its underscore.
            pub const PREFIX: &'static str = $prefix;

            /// When it was made, to the millisecond.
            pub fn made_at(&self) -> Timestamp {
                Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
            }
        }
        impl NewId for $name {
            fn new(now: Timestamp, chance: [u8; 10]) -> Self {
                Self(ulid(now, chance))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; ulid::ULID_LEN];
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.array_to_str(&mut text))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse($prefix, text).map(Self)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9A-HJKMNP-TV-Z]{26}$")))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    )* };
}

ids! {
    /// A workspace: the operator's scope above projects.
    WorkspaceId "org";
    /// One application; owns environments.
    ProjectId "prj";
    /// The tenant at run time: users, sessions, keys and settings belong to exactly one.
    EnvironmentId "env";
    /// A secret or publishable key.
    ApiKeyId "apik";
    /// A signing key; its text is the `kid` of what it signs.
    SigningKeyId "kid";
    /// A person.
    UserId "user";
    /// An e-mail address of a person.
    EmailAddressId "idn";
    /// A browser or device.
    ClientId "client";
    /// A signed-in person on a client.
    SessionId "sess";
    /// What was last seen of a session's device.
    SessionActivityId "sact";
    /// A sign-in attempt.
    SignInId "sia";
    /// A sign-up attempt.
    SignUpId "sua";
    /// One proof that is asked for.
    ChallengeId "chal";
    /// An event of the log.
    EventId "evt";
    /// A request; also its trace id.
    RequestId "req";
    /// A job of the queue.
    JobId "job";
    /// A message of the development inbox.
    MessageId "msg";
    /// What an operator made of a message: of a mail or a short one.
    TemplateId "tmpl";
    /// A data key of an environment.
    DataKeyId "dk";
    /// A phone number of a person.
    PhoneNumberId "phn";
    /// A passkey of a person.
    PasskeyId "pkey";
    /// The secret of an authenticator app.
    TotpSecretId "totp";
    /// One backup code.
    BackupCodeId "bcc";
    /// A ticket that signs somebody in.
    SignInTokenId "sit";
    /// A mailed link, by the name under which it is watched; it proves nothing.
    PollId "poll";
    /// A ticket that lets an operator act as somebody.
    ActorTokenId "act";
    /// An entry of the audit log.
    AuditEntryId "audit";
    /// Where events are sent to.
    WebhookEndpointId "whe";
    /// One attempt to send an event to an endpoint.
    WebhookDeliveryId "whd";
    /// An operator's own shape of tokens.
    JwtTemplateId "jtmpl";
    /// Who may sign up although sign-up is restricted.
    AllowlistIdentifierId "allow";
    /// Who may never sign up.
    BlocklistIdentifierId "block";
    /// Where people may be sent back to.
    RedirectUrlId "redir";
    /// An invitation to sign up.
    InvitationId "inv";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = UserId::new(Timestamp::from_millis(1_700_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        assert!(id.to_string().starts_with("user_"));
        assert_eq!(id.made_at(), Timestamp::from_millis(1_700_000_000_000));
    }

    #[test]
    fn an_id_has_one_spelling_and_one_kind() {
        let id = UserId::new(Timestamp::from_millis(1), [1; 10]).to_string();
        assert_eq!(id.to_lowercase().parse::<UserId>(), Err(NotAnId));
        assert_eq!(id.replace("user", "sess").parse::<UserId>(), Err(NotAnId));
        assert_eq!(format!("{id}0").parse::<UserId>(), Err(NotAnId));
        assert_eq!(id.replace('0', "O").parse::<UserId>(), Err(NotAnId), "a letter that only looks like one");
        assert_eq!("user_8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<UserId>(), Err(NotAnId), "past 128 bits");
    }

    #[test]
    fn an_id_is_the_ulid_that_its_text_is() {
        let text = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        assert_eq!(format!("user_{text}").parse(), Ok(UserId(Ulid::from_string(text).unwrap())));
        assert_eq!(format!("user_{}", Ulid::max()).parse(), Ok(UserId(Ulid::max())));
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let a = SessionId::new(Timestamp::from_millis(5), [255; 10]);
        let b = SessionId::new(Timestamp::from_millis(6), [0; 10]);
        assert!(a.to_string() < b.to_string());
    }
}
