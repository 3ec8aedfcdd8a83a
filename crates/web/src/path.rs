//! Ids in paths: one that is malformed names nothing, and is answered like one that is unknown.

use crate::error::ApiError;
use crate::state::{RequestState, after_caller};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::code::{self, Code};
use domain::jwt_template::{BadName, TemplateName};
use domain::localization::Locale;
use domain::message::{EmailSlug, SmsSlug};
use domain::{
    ActorTokenId, AllowlistIdentifierId, ApiKeyId, AuditEntryId, BlocklistIdentifierId, ChallengeId, ClientId,
    EmailAddressId, EnvironmentId, EventId, InvitationId, JwtTemplateId, Kind, PasskeyId, PhoneNumberId, ProjectId,
    RedirectUrlId, SessionId, SignInId, SignInTokenId, SignUpId, Surface, UserId, WebhookDeliveryId, WebhookEndpointId,
};
use futures_util::future::LocalBoxFuture;
use std::str::FromStr;

/// An id that stands in a path.
pub trait PathId: FromStr + 'static {
    /// The name of the path parameter.
    const NAME: &'static str;
    /// The prefix of the id's text.
    const PREFIX: &'static str;
    /// What is said when nothing has this id.
    const CODE: Code;
}

macro_rules! path_ids {
    ($($id:ident $name:literal $code:ident;)*) => {
        $(impl PathId for $id {
            const NAME: &'static str = $name;
            const PREFIX: &'static str = $id::PREFIX;
            const CODE: Code = code::$code;
        })*
        /// The path parameters that are ids: name and prefix.
        pub(crate) const PATH_IDS: &[(&str, &str)] = &[$(($name, $id::PREFIX)),*];
    };
}

path_ids! {
    UserId "user_id" USER_NOT_FOUND;
    SessionId "session_id" SESSION_NOT_FOUND;
    EmailAddressId "email_address_id" EMAIL_NOT_FOUND;
    PasskeyId "passkey_id" RESOURCE_NOT_FOUND;
    PhoneNumberId "phone_number_id" PHONE_NOT_FOUND;
    SignInId "sign_in_id" SIGN_IN_NOT_FOUND;
    SignUpId "sign_up_id" SIGN_UP_NOT_FOUND;
    ChallengeId "challenge_id" CHALLENGE_NOT_FOUND;
    ClientId "client_id" RESOURCE_NOT_FOUND;
    ProjectId "project_id" PROJECT_NOT_FOUND;
    EnvironmentId "environment_id" ENVIRONMENT_NOT_FOUND;
    ApiKeyId "api_key_id" API_KEY_NOT_FOUND;
    SignInTokenId "sign_in_token_id" SIGN_IN_TOKEN_NOT_FOUND;
    ActorTokenId "actor_token_id" ACTOR_TOKEN_NOT_FOUND;
    // One name in the contract; which list is meant says the path.
    AllowlistIdentifierId "identifier_id" ALLOWLIST_IDENTIFIER_NOT_FOUND;
    BlocklistIdentifierId "identifier_id" BLOCKLIST_IDENTIFIER_NOT_FOUND;
    RedirectUrlId "redirect_url_id" REDIRECT_URL_NOT_FOUND;
    EventId "event_id" RESOURCE_NOT_FOUND;
    AuditEntryId "audit_id" RESOURCE_NOT_FOUND;
    WebhookEndpointId "endpoint_id" WEBHOOK_ENDPOINT_NOT_FOUND;
    WebhookDeliveryId "delivery_id" WEBHOOK_DELIVERY_NOT_FOUND;
    JwtTemplateId "jwt_template_id" JWT_TEMPLATE_NOT_FOUND;
    InvitationId "invitation_id" INVITATION_NOT_FOUND;
}

macro_rules! path_names {
    ($($slug:ident $name:literal $code:ident;)*) => { $(
        impl PathId for $slug {
            const NAME: &'static str = $name;
            const PREFIX: &'static str = "";
            const CODE: Code = code::$code;
        }
    )* };
}

/// The name of a JWT template where the path calls it `name`.
#[derive(Debug, Clone)]
pub struct Named(pub TemplateName);

impl FromStr for Named {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        text.parse().map(Self)
    }
}

// Names: out of a fixed list, the same in every environment, or given by an operator.
path_names! {
    SmsSlug "sms_template_slug" SMS_TEMPLATE_NOT_FOUND;
    EmailSlug "slug" EMAIL_TEMPLATE_NOT_FOUND;
    TemplateName "template_name" JWT_TEMPLATE_NOT_FOUND;
    Named "name" JWT_TEMPLATE_NOT_FOUND;
    Locale "locale" INVALID_LOCALE_CODE;
}

/// An id of the path, by the name its type has there: `{user_id}` for a [`UserId`].
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

/// The route has no parameter of the name that its handler asks for.
#[derive(Debug, thiserror::Error)]
#[error("the route has no parameter `{0}`")]
struct NoParameter(&'static str);

/// What a surface says when nothing has an id: phone numbers have a code of their own on each.
fn not_found<T: PathId>(surface: Surface) -> Code {
    match (T::CODE, surface) {
        (code::PHONE_NOT_FOUND, Surface::Bapi) => code::PHONE_NUMBER_NOT_FOUND,
        (code, _) => code,
    }
}

impl<T: PathId> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        after_caller(req, async |req| {
            let text = req.match_info().get(T::NAME).ok_or_else(|| ApiError::fault(NoParameter(T::NAME)))?;
            let surface = RequestState::of(req)?.surface;
            let id = text.parse().map_err(|_| ApiError::refuse(Kind::NotFound, not_found::<T>(surface)))?;
            Ok(Self(id))
        })
    }
}
