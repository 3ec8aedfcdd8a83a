//! One proof that is asked for.

use crate::open::OpenObject;
use crate::words::{self, words};
use domain::challenge::Parent;
use domain::{ChallengeId, EmailAddressId, SignInId, SignUpId, Timestamp, code};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a challenge.
    ChallengeTag ["challenge"];
    /// Which factor a challenge is about.
    StepWord ["first", "second", "single"];
    /// Where a challenge stands.
    ChallengeStatusWord ["pending", "verified", "transferable", "failed", "expired"];
}

/// One proof that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Its id.
    pub id: ChallengeId,
    /// The type tag.
    #[schema(schema_with = words::one::<ChallengeTag>)]
    pub object: ChallengeTag,
    /// The sign-in it belongs to.
    #[schema(required)]
    pub sign_in_id: Option<SignInId>,
    /// The sign-up it belongs to.
    #[schema(required)]
    pub sign_up_id: Option<SignUpId>,
    /// The e-mail address it belongs to.
    #[schema(required)]
    pub email_address_id: Option<EmailAddressId>,
    /// The organization domain it belongs to.
    #[schema(required)]
    pub organization_domain_id: Option<String>,
    /// Which factor it is about.
    #[schema(schema_with = words::one::<StepWord>)]
    pub step: StepWord,
    /// The way to prove.
    pub strategy: &'static str,
    /// Where it stands.
    #[schema(schema_with = words::one::<ChallengeStatusWord>)]
    pub status: ChallengeStatusWord,
    /// Answers so far.
    #[schema(minimum = 0)]
    pub attempts: u32,
    /// Until when it may be answered.
    pub expire_at: Timestamp,
    /// What the answer must carry, for some strategies.
    #[schema(required)]
    pub nonce: Option<String>,
    /// Where the browser goes, for some strategies.
    #[schema(required, format = "uri")]
    pub external_verification_redirect_url: Option<String>,
    /// The last failure.
    #[schema(required)]
    pub error: Option<ChallengeError>,
    /// What a new passkey is made with.
    pub creation_options: Option<OpenObject>,
    /// What a passkey is asked with.
    pub request_options: Option<OpenObject>,
    /// The enterprise connection it is routed to.
    #[schema(required)]
    pub enterprise_connection_id: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The last failure of a challenge.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeError {
    /// The stable code.
    pub code: String,
    /// The text that goes with it.
    pub message: String,
}

impl ChallengeError {
    fn of(name: &str) -> Self {
        let message = code::ALL.iter().find(|code| code.name == name).map_or("", |code| code.message);
        Self { code: name.to_owned(), message: message.to_owned() }
    }
}

impl Challenge {
    /// The challenge at this time; never its code.
    pub fn new(challenge: &domain::challenge::Challenge, now: Timestamp) -> Self {
        let (mut sign_in_id, mut sign_up_id, mut email_address_id) = (None, None, None);
        match challenge.parent {
            Parent::SignIn(id) => sign_in_id = Some(id),
            Parent::SignUp(id) => sign_up_id = Some(id),
            Parent::EmailAddress(id) => email_address_id = Some(id),
            Parent::Session(_) | Parent::PhoneNumber(_) | Parent::User(_) => {}
        }
        let registers = matches!(challenge.parent, Parent::User(_));
        let options = challenge.options.as_ref().and_then(|o| o.as_object()).cloned().map(OpenObject);
        Self {
            id: challenge.id,
            object: ChallengeTag("challenge"),
            sign_in_id,
            sign_up_id,
            email_address_id,
            organization_domain_id: None,
            step: StepWord(challenge.step.as_str()),
            strategy: challenge.strategy.as_str(),
            status: ChallengeStatusWord(challenge.status_at(now).as_str()),
            attempts: challenge.attempts,
            expire_at: challenge.expire_at,
            nonce: challenge.nonce.clone(),
            external_verification_redirect_url: None,
            error: challenge.error.as_deref().map(ChallengeError::of),
            creation_options: options.clone().filter(|_| registers),
            request_options: options.filter(|_| !registers),
            enterprise_connection_id: None,
            created_at: challenge.created_at,
            updated_at: challenge.updated_at,
        }
    }
}
