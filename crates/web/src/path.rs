//! Ids in paths: one that is malformed names nothing, and is answered like one that is unknown.

use crate::error::ApiError;
use crate::state::after_caller;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::code::{self, Code};
use domain::{
    ActorTokenId, ApiKeyId, ChallengeId, ClientId, EmailAddressId, Kind, SessionId, SignInId, SignInTokenId, SignUpId,
    UserId,
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
    SignInId "sign_in_id" SIGN_IN_NOT_FOUND;
    SignUpId "sign_up_id" SIGN_UP_NOT_FOUND;
    ChallengeId "challenge_id" CHALLENGE_NOT_FOUND;
    ClientId "client_id" RESOURCE_NOT_FOUND;
    ApiKeyId "api_key_id" RESOURCE_NOT_FOUND;
    SignInTokenId "sign_in_token_id" SIGN_IN_TOKEN_NOT_FOUND;
    ActorTokenId "actor_token_id" ACTOR_TOKEN_NOT_FOUND;
}

/// An id of the path, by the name its type has there: `{user_id}` for a [`UserId`].
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

/// The route has no parameter of the name that its handler asks for.
#[derive(Debug, thiserror::Error)]
#[error("the route has no parameter `{0}`")]
struct NoParameter(&'static str);

impl<T: PathId> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        after_caller(req, async |req| {
            let text = req.match_info().get(T::NAME).ok_or_else(|| ApiError::fault(NoParameter(T::NAME)))?;
            let id = text.parse().map_err(|_| ApiError::refuse(Kind::NotFound, T::CODE))?;
            Ok(Self(id))
        })
    }
}
