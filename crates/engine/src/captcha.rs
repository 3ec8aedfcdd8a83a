//! The captcha before a sign-in or a sign-up: the provider is asked before anything is written.

use crate::people::{self, TestRefused};
use crate::{Engine, StorageError, tenancy};
use crypto::Secret;
use domain::environment::Environment;
use domain::identifier::Identifier;
use domain::phone::Phone;
use domain::{Context, Email, Kind, Refusal, Verdict, code};
use outbound::{CaptchaProof, CaptchaProvider, CaptchaVerdict};

/// Where the secret key is sealed for.
pub(crate) const SECRET_PLACE: (&str, &str) = ("environments", "captcha_secret_key");

/// What a browser sends of its captcha.
#[derive(Debug, Default)]
pub struct Brought {
    /// What the widget gave.
    pub token: Option<String>,
    /// Why it gave nothing, in the browser's words: worth a line in the log, and nothing else.
    pub error: Option<String>,
}

/// What the browser is about to begin.
#[derive(Clone, Copy)]
pub enum Attempt<'a> {
    /// A sign-in as somebody.
    SignIn(Option<&'a str>),
    /// A sign-up with an address, a phone number as it was typed, or both.
    SignUp(Option<&'a Email>, Option<&'a str>),
}

impl Attempt<'_> {
    const fn action(self) -> &'static str {
        match self {
            Self::SignIn(_) => "sign_in",
            Self::SignUp(..) => "sign_up",
        }
    }

    const fn param(self) -> &'static str {
        match self {
            Self::SignIn(_) => "identifier",
            Self::SignUp(None, Some(_)) => "phone_number",
            Self::SignUp(..) => "email_address",
        }
    }

    fn is_test(self, env: &Environment) -> bool {
        match self {
            Self::SignIn(text) => text
                .and_then(|text| Identifier::parse(text, env.settings.email_rules()))
                .is_some_and(|identifier| identifier.is_test()),
            // A real identifier beside a test one is no way around the captcha.
            Self::SignUp(None, None) => false,
            Self::SignUp(email, phone) => {
                email.is_none_or(Email::is_test)
                    && phone.is_none_or(|text| Phone::from_e164(text.trim()).is_ok_and(|phone| phone.is_test()))
            }
        }
    }
}

/// A browser that may begin: only [`clear`] makes one, so no attempt begins without it.
#[derive(Debug)]
#[must_use]
pub struct Cleared {
    proven: bool,
}

impl Cleared {
    /// Whether the provider could not be asked: then the caller counts under narrower limits.
    pub fn is_unproven(&self) -> bool {
        !self.proven
    }
}

/// Why a browser may not begin.
#[derive(Debug, thiserror::Error)]
pub enum CaptchaError {
    /// No token, or one that the provider does not take.
    #[error("the captcha was not passed")]
    Invalid,
    /// A test address, where those are refused.
    #[error("{0}")]
    Test(TestRefused, &'static str),
    /// The environment or its secret cannot be read.
    #[error("the captcha's secret cannot be read")]
    Storage(#[from] StorageError),
}

impl Refusal for CaptchaError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Invalid => Kind::Invalid.code(code::CAPTCHA_INVALID).param("captcha_token"),
            Self::Test(_, param) => Kind::Invalid.code(code::TEST_IDENTIFIER_FORBIDDEN).param(param),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Lets a browser begin that has passed the captcha, or where there is none.
pub async fn clear(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    attempt: Attempt<'_>,
    brought: &Brought,
) -> Result<Cleared, CaptchaError> {
    let is_test = people::test_mode(&env.settings, env.kind, attempt.is_test(env))
        .map_err(|refused| CaptchaError::Test(refused, attempt.param()))?;
    let captcha = &env.settings.attack_protection.captcha;
    let Some(provider) = CaptchaProvider::parse(&captcha.provider).filter(|_| !is_test) else {
        return Ok(Cleared { proven: true });
    };
    let Some(token) = &brought.token else {
        tracing::info!(
            captcha.provider = provider.as_str(),
            captcha.error = brought.error.as_deref().map(plain),
            "a browser came without a captcha token"
        );
        return Err(CaptchaError::Invalid);
    };
    let secret = secret(engine, env).await?;
    let proof = CaptchaProof {
        provider,
        secret: &secret,
        site_key: captcha.public_key.as_deref(),
        token,
        remote_ip: cx.ip,
        action: attempt.action(),
    };
    match engine.shared().captcha().verify(proof).await {
        CaptchaVerdict::Passed => Ok(Cleared { proven: true }),
        CaptchaVerdict::Refused => Err(CaptchaError::Invalid),
        CaptchaVerdict::Unreachable => {
            // Their trouble shuts nobody out.
            metrics::counter!("captcha_unreachable_total", "provider" => provider.as_str()).increment(1);
            Ok(Cleared { proven: false })
        }
    }
}

/// The site's secret, opened.
async fn secret(engine: &Engine, env: &Environment) -> Result<Secret<String>, CaptchaError> {
    let tenant = tenancy::tenant(engine, env.id).await?;
    let sealed = env.settings.secrets.captcha_secret_key.as_ref();
    let sealed = sealed.ok_or_else(|| tenancy::fault("a captcha is set up without its secret key"))?;
    let (table, column) = SECRET_PLACE;
    let plain = tenant
        .keys
        .open(table, column, &env.id.to_string(), sealed)
        .map_err(|_| tenancy::fault("the captcha's secret key does not open"))?;
    Ok(Secret::new(String::from_utf8_lossy(plain.expose()).into_owned()))
}

/// A stranger's words for the log: short, and nothing that could draw a line of its own.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || " -_:.".contains(*c)).take(64).collect()
}
