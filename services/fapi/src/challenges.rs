//! The bodies of challenges, alike under every parent.

use crate::passkeys::PasskeyAssertion;
use crypto::Secret;
use domain::challenge::Challenge;
use domain::environment::Environment;
use domain::strategy::Strategy;
use domain::{Kind, Timestamp, code};
use engine::sign_in::{Answer, Prepare};
use engine::{Engine, redirects};
use serde_json::{Map, Value};
use std::fmt::Display;
use utoipa::ToSchema;
use web::{ApiError, Bucket, By, Form, FromForm, Limiter, OrFault};

/// What is to be proven, and how.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeCreateRequest {
    /// The way to prove it, such as `password` or `email_code`.
    pub(crate) strategy: String,
    /// The address to send to; the identifier itself when absent.
    pub(crate) email_address_id: Option<String>,
    /// The answer, when it is at hand: the password.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Secret<String>>,
    /// The answer, when it is at hand: the code.
    pub(crate) code: Option<String>,
    /// The answer, when it is at hand: the ticket.
    #[schema(value_type = Option<String>)]
    pub(crate) ticket: Option<Secret<String>>,
    /// The number to send to.
    phone_number_id: Option<String>,
    /// Where a link lands.
    pub(crate) redirect_url: Option<String>,
    /// Where a sign-in elsewhere lands.
    redirect_url_complete: Option<String>,
    /// The enterprise connection.
    #[expect(dead_code, reason = "documented and checked; no strategy of this release reads it")]
    enterprise_connection_id: Option<String>,
}

impl FromForm for ChallengeCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let strategy = form.text("strategy", 64).required();
        let email_address_id = form.text("email_address_id", 64).optional();
        let password = form.secret("password").optional();
        let code = form.text("code", 64).optional();
        let ticket = form.secret("ticket").optional();
        let phone_number_id = form.text("phone_number_id", 64).optional();
        let redirect_url = form.text("redirect_url", 2048).optional();
        let redirect_url_complete = form.text("redirect_url_complete", 2048).optional();
        let enterprise_connection_id = form.text("enterprise_connection_id", 64).optional();
        Some(Self {
            strategy: strategy?,
            email_address_id,
            password,
            code,
            ticket,
            phone_number_id,
            redirect_url,
            redirect_url_complete,
            enterprise_connection_id,
        })
    }
}

impl ChallengeCreateRequest {
    /// Refuses a second landing that is not allowed, as `redirect_url` is refused where it is read.
    pub(crate) async fn check_landing(&self, engine: &Engine, env: &Environment) -> Result<(), ApiError> {
        let Some(sent) = self.redirect_url_complete.as_deref() else { return Ok(()) };
        match redirects::target(engine, env, Some(sent)).await.or_fault()? {
            Some(_) => Ok(()),
            None => Err(ApiError::param(Kind::Invalid, code::REDIRECT_URL_NOT_ALLOWED, "redirect_url_complete")),
        }
    }

    /// What is asked for, and the answer when it is at hand.
    pub(crate) fn taken_apart(self) -> (Prepare, Option<Answer>) {
        let answer = Answer { code: self.code, password: self.password, ticket: self.ticket, ..Answer::default() };
        let at_hand = answer.code.is_some() || answer.password.is_some() || answer.ticket.is_some();
        let wanted = Prepare {
            strategy: self.strategy,
            email_address_id: self.email_address_id,
            phone_number_id: self.phone_number_id,
            redirect_url: self.redirect_url,
        };
        (wanted, at_hand.then_some(answer))
    }
}

impl From<ChallengeAnswerRequest> for Answer {
    fn from(body: ChallengeAnswerRequest) -> Self {
        let assertion = body.assertion.map(Value::Object);
        Self { code: body.code, password: body.password, ticket: body.ticket, assertion }
    }
}

/// The proof.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeAnswerRequest {
    /// The password, for `password`.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Secret<String>>,
    /// The code, for strategies that send one.
    pub(crate) code: Option<String>,
    /// The ticket, for `ticket`.
    #[schema(value_type = Option<String>)]
    pub(crate) ticket: Option<Secret<String>>,
    /// What the browser's authenticator gave, for `passkey`.
    #[schema(value_type = Option<PasskeyAssertion>)]
    assertion: Option<Map<String, Value>>,
}

impl FromForm for ChallengeAnswerRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let password = form.secret("password").optional();
        let code = form.text("code", 64).optional();
        let ticket = form.secret("ticket").optional();
        let assertion = form.object("assertion").optional();
        Some(Self { password, code, ticket, assertion })
    }
}

/// Counts what is about to be sent to somebody, known or not: no mailbox is flooded through us.
pub(crate) fn count_sending(limiter: &Limiter, strategy: &str, to: Option<&dyn Display>) -> Result<(), ApiError> {
    match to {
        Some(to) if Strategy::parse(strategy).is_some_and(|s| s.is_mailed() || s.is_texted()) => {
            limiter.take(Bucket::ChallengeSend, By::Id(to))
        }
        _ => Ok(()),
    }
}

/// The body of the challenge that a step was about.
pub(crate) fn shown(challenge: Option<Challenge>, now: Timestamp) -> Result<api::Challenge, ApiError> {
    let gone = || ApiError::refuse(Kind::NotFound, code::CHALLENGE_NOT_FOUND);
    Ok(api::Challenge::new(&challenge.ok_or_else(gone)?, now))
}
