//! Short messages: what they are about, how many may go out, and how they leave. Like mails they are jobs of the
//! queue, written in the transaction of the change that causes them, sealed, and put into words by the worker.

use crate::jobs::Settled;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, messages};
use crypto::Secret;
use domain::event::{Event, EventType};
use domain::message::{Channel, SmsSlug};
use domain::phone::Phone;
use domain::{Context, JobId, Kind, MessageId, UserId, Verdict, code};
use outbound::{Sms, SmsError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use storage::Tx;
use storage::failures::{Budget, spend};
use storage::jobs::LeasedJob;
use templates::TemplateError;

/// The kind of job that sends a short message.
pub(crate) const JOB: &str = "sms";

/// What a short message is about, with what only this message knows.
pub enum SmsLetter {
    /// A code to sign in, sign up or prove a number.
    VerificationCode {
        /// The code.
        code: Secret<String>,
        /// How long it works.
        ttl: Duration,
    },
    /// A code to set a new password.
    ResetPasswordCode {
        /// The code.
        code: Secret<String>,
        /// How long it works.
        ttl: Duration,
    },
    /// An invitation to the application.
    Invitation {
        /// Where the link leads; it holds a ticket.
        action_url: Secret<String>,
    },
}

impl SmsLetter {
    const fn slug(&self) -> &'static str {
        match self {
            Self::VerificationCode { .. } => "verification_code",
            Self::ResetPasswordCode { .. } => "reset_password_code",
            Self::Invitation { .. } => "invitation",
        }
    }

    fn code(&self) -> Option<&Secret<String>> {
        match self {
            Self::VerificationCode { code, .. } | Self::ResetPasswordCode { code, .. } => Some(code),
            Self::Invitation { .. } => None,
        }
    }

    fn variables(&self) -> Map<String, Value> {
        let values = match self {
            Self::VerificationCode { code, ttl } | Self::ResetPasswordCode { code, ttl } => {
                json!({ "otp_code": code.expose(), "ttl_minutes": (ttl.as_secs() / 60).max(1) })
            }
            Self::Invitation { action_url } => json!({ "action_url": action_url.expose() }),
        };
        match values {
            Value::Object(values) => values,
            _ => Map::new(),
        }
    }
}

/// Whom a short message goes to. The number counts against its budget whoever has it.
#[derive(Debug, Clone, Copy)]
pub enum SmsTo<'a> {
    /// A number that somebody has proven.
    Number {
        /// The number.
        number: &'a Phone,
        /// Whose it is.
        user: Option<UserId>,
    },
    /// A number that is claimed and not proven: by a signed-in person, or by nobody known at a sign-up. Such messages
    /// have a share of the day's budget and leave the rest to others.
    Claimed {
        /// The number.
        number: &'a Phone,
        /// Who claims it, if that is somebody known.
        user: Option<UserId>,
    },
    /// A number of somebody who has proven the first factor just now: strangers cannot use its budget up.
    Owner {
        /// The number.
        number: &'a Phone,
        /// Whose it is.
        user: UserId,
    },
    /// A number that nobody has, or that must not hear of it: the same work is done, and nothing is sent.
    Nobody {
        /// The number that was asked for.
        number: &'a Phone,
    },
}

/// Why no short message is sent.
#[derive(Debug, thiserror::Error)]
pub enum SmsRefused {
    /// Too many went to this number, or out of this environment.
    #[error("no more short messages for now")]
    TooMany {
        /// Seconds until there may be another.
        retry_after_seconds: i64,
    },
    /// The database failed.
    #[error("a short message cannot be queued")]
    Storage(#[from] StorageError),
}

impl storage::Retry for SmsRefused {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_retryable())
    }
}

impl SmsRefused {
    /// What the caller is told.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::TooMany { retry_after_seconds } => {
                Kind::TooMany.code(code::RATE_LIMIT_EXCEEDED).with("retry_after_seconds", *retry_after_seconds)
            }
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What waits in the queue, sealed.
#[derive(Serialize, Deserialize)]
struct Queued {
    message: MessageId,
    /// Nobody for a message that only looks, from the inside as well, like one that is sent.
    to: Option<String>,
    user: Option<UserId>,
    slug: String,
    variables: Map<String, Value>,
    code: Option<String>,
    delivered_by_us: bool,
    from: Option<String>,
    was_test: bool,
    created_at: domain::Timestamp,
}

/// Puts a short message into the queue, within the budgets of the number and of the environment. They are counted in
/// the same transaction: no two processes spend the same message, and what rolls back was not spent.
pub async fn enqueue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    letter: SmsLetter,
    to: SmsTo<'_>,
) -> Result<(), SmsRefused> {
    let (number, known, user, budget) = match to {
        SmsTo::Number { number, user } => (number, true, user, Purse::Shared),
        SmsTo::Claimed { number, user: None } => (number, true, None, Purse::SignUps),
        SmsTo::Claimed { number, user } => (number, true, user, Purse::Claims),
        SmsTo::Owner { number, user } => (number, true, Some(user), Purse::Owners),
        SmsTo::Nobody { number } => (number, false, None, Purse::Shared),
    };
    if number.is_test() {
        return Ok(());
    }
    within_budgets(tx, cx, tenant, (budget, number), known).await?;
    let slug = letter.slug();
    let own = tenant.forms.changed(Channel::Sms, slug);
    let queued = Queued {
        message: cx.id(),
        to: known.then(|| number.as_str().to_owned()),
        user,
        slug: slug.to_owned(),
        variables: letter.variables(),
        code: letter.code().map(|code| code.expose().clone()),
        delivered_by_us: own.is_none_or(|template| template.delivered_by_us),
        from: own.and_then(|template| template.from_number_override.clone()),
        was_test: cx.was_test,
        created_at: cx.now,
    };
    let job: JobId = cx.id();
    let plain = serde_json::to_vec(&queued).expect("a queued message has a JSON form");
    let payload = tenant.keys.seal("jobs", "payload", &job.to_string(), &plain);
    storage::jobs::enqueue(tx, cx.env, job, JOB, payload, cx.now).await?;
    Ok(())
}

/// What a message is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purse {
    /// Everybody's.
    Shared,
    /// Half of everybody's: whoever signs up leaves the other half to people who have an account.
    SignUps,
    /// A quarter of everybody's: accounts cost nothing, so numbers that are added to them leave a quarter at least to
    /// the sign-ins of others.
    Claims,
    /// That of people who have proven the first factor: a fifth as much, beside everybody's.
    Owners,
}

impl Purse {
    /// Whose messages to a number are counted together.
    const fn whose(self) -> &'static str {
        match self {
            Self::Shared | Self::SignUps | Self::Claims => "sms",
            Self::Owners => "sms_owner",
        }
    }

    /// What it holds a day.
    const fn a_day(self, budget: u32) -> u32 {
        match self {
            Self::Shared | Self::SignUps | Self::Claims => budget,
            Self::Owners => budget.div_ceil(5),
        }
    }

    /// The share of it that these messages have, by a name of its own.
    const fn share(self, budget: u32) -> Option<(&'static str, u32)> {
        match self {
            Self::SignUps => Some(("sms_sign_up", budget.div_ceil(2))),
            Self::Claims => Some(("sms_claim", budget.div_ceil(4))),
            Self::Shared | Self::Owners => None,
        }
    }
}

/// One in 30 seconds and five an hour to a number; so many a day out of an environment.
async fn within_budgets(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    (purse, number): (Purse, &Phone),
    known: bool,
) -> Result<(), SmsRefused> {
    let whose = purse.whose();
    // The number itself is not kept.
    let number = format!("{whose}:{}", &crypto::digest::sha256_hex(number.as_str().as_bytes())[..32]);
    let a_day = tenant.env.settings.sms.daily_budget;
    let daily = |max| Budget { max, window_seconds: 86_400 };
    let share = purse.share(a_day).map(|(whose, max)| (whose, "sms_day", daily(max), 1));
    // What is not sent costs nothing, but is refused like what is: else the refusal would tell which numbers are known.
    let asks = [
        (number.as_str(), "sms_30s", Budget { max: 1, window_seconds: 30 }, 1),
        (number.as_str(), "sms_hour", Budget { max: 5, window_seconds: 3600 }, 1),
        (whose, "sms_day", daily(purse.a_day(a_day)), u32::from(known)),
    ];
    for (identity, purpose, budget, amount) in asks.into_iter().chain(share) {
        if let Some(until) = spend(tx, cx.env, identity, purpose, budget, amount, cx.now).await? {
            return Err(SmsRefused::TooMany { retry_after_seconds: until.seconds_since(cx.now).max(1) });
        }
    }
    Ok(())
}

/// Why a short message did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The queued message cannot be read.
    #[error("a queued short message cannot be read")]
    Unreadable,
    /// Its text cannot be made, not even ours.
    #[error("the text of a short message cannot be made")]
    Text(#[from] TemplateError),
    /// The carrier did not take it.
    #[error("the carrier did not take a short message")]
    Carrier {
        /// What it said.
        #[source]
        error: SmsError,
        /// What is told when this was the last try.
        given_up: Box<Event>,
    },
    /// The database failed.
    #[error("a queued short message cannot be loaded")]
    Storage(#[from] StorageError),
}

impl SendError {
    pub(crate) fn may_retry(&self) -> bool {
        match self {
            Self::Unreadable | Self::Text(_) => false,
            Self::Carrier { error, .. } => error.may_retry(),
            Self::Storage(_) => true,
        }
    }
    /// What is told when the message is given up.
    pub(crate) fn given_up(&self) -> Option<Event> {
        match self {
            Self::Carrier { given_up, .. } => Some((**given_up).clone()),
            _ => None,
        }
    }
}

/// Sends a queued short message, or hands it over to the environment.
pub(crate) async fn send(engine: &Engine, job: &LeasedJob, owner: &str) -> Result<Settled, SendError> {
    let tenant = tenancy::tenant(engine, job.env).await?;
    let plain =
        tenant.keys.open("jobs", "payload", &job.id.to_string(), &job.payload).map_err(|_| SendError::Unreadable)?;
    let mut queued: Queued = serde_json::from_slice(plain.expose()).map_err(|_| SendError::Unreadable)?;
    let Some(to) = queued.to.clone() else { return Ok(Settled::Done) };
    let slug: SmsSlug = queued.slug.parse().map_err(|_| SendError::Unreadable)?;
    messages::everybody_knows(engine, &tenant, queued.user, &mut queued.variables).await?;
    let body = tenant.forms.sms(slug, &queued.variables)?;
    let cx = Context { was_test: queued.was_test, ..Context::system(job.env, engine.now()) };
    let event = |what: EventType, status| {
        let from = queued.from.as_deref();
        let body = api::SmsMessage::new(queued.message, &queued.slug, &to, from, queued.user, status);
        Event::new(what, "sms", queued.message, events::body(&body))
    };
    if !queued.delivered_by_us {
        let queued = event(EventType::SmsQueued, api::SmsMessage::queued());
        return Ok(messages::hand_over(engine, job, owner, &cx, queued, json!({ "body": body })).await?);
    }
    let sms = Sms {
        id: queued.message,
        environment_id: job.env,
        to: to.clone(),
        from: queued.from.clone(),
        body,
        code: queued.code.clone(),
        template_slug: queued.slug.clone(),
        created_at: queued.created_at,
    };
    if let Err(error) = engine.shared().sms().send(&sms).await {
        let given_up = Box::new(event(EventType::SmsFailed, api::SmsMessage::failed()));
        return Err(SendError::Carrier { error, given_up });
    }
    let delivered = event(EventType::SmsDelivered, api::SmsMessage::delivered());
    Ok(messages::settle(engine, job, owner, &cx, delivered).await?)
}
