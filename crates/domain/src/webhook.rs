//! Where events are pushed to, what came of it, and when another attempt is made.

use crate::event_pattern::EventPattern;
use crate::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use crate::time::{Timestamp, hours, minutes};
use std::time::Duration;

/// How many endpoints an environment may have.
pub const ENDPOINTS_MAX: i64 = 50;

/// How many attempts are under way at an endpoint at a time.
pub const AT_ONCE: usize = 10;

/// The same while the endpoint is failing: one that is down must not take the room of the others.
const AT_ONCE_WHILE_FAILING: usize = 2;

/// How long an endpoint may do nothing but fail.
const FAILING_AT_MOST: Duration = hours(7 * 24);

/// The longest wait that an endpoint may ask for.
const ASKED_WAIT_MAX: Duration = hours(1);

/// How long after each attempt the next one is made.
const DELAYS: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    minutes(5),
    minutes(30),
    hours(2),
    hours(6),
    hours(12),
    hours(24),
    hours(48),
    hours(96),
];

/// A secret that signs, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// The secret before the last rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Sealed,
    /// Until when it signs as well.
    pub until: Timestamp,
}

/// Where events are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// The receiver.
    pub url: String,
    /// Which events it hears of.
    pub patterns: Vec<EventPattern>,
    /// Whether it hears by which door a change came, and who made it.
    pub include_meta: bool,
    /// Whether events are pushed to it.
    pub enabled: bool,
    /// When its failures switched it off.
    pub disabled_at: Option<Timestamp>,
    /// Up to which position of the log nothing is pushed.
    pub active_after: i64,
    /// What signs.
    pub secret: Sealed,
    /// How its secret begins, to tell one from another.
    pub secret_prefix: String,
    /// What signs beside it for a while.
    pub old_secret: Option<OldSecret>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// Whether it hears of an event of this name.
    pub fn wants(&self, event_type: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Whether it asks for an event by its very name.
    pub fn names(&self, event_type: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.names(event_type))
    }

    /// How many attempts may be under way at a time.
    pub fn at_once(&self) -> usize {
        if self.failing_since.is_some() { AT_ONCE_WHILE_FAILING } else { AT_ONCE }
    }

    /// Switches it on; it hears of what comes after this position.
    pub fn enable(&mut self, position: i64) {
        if !self.enabled {
            self.active_after = position;
        }
        (self.enabled, self.disabled_at, self.failing_since) = (true, None, None);
    }

    /// Its failures switch it off.
    fn give_up(&mut self, now: Timestamp) -> bool {
        (self.enabled, self.disabled_at) = (false, Some(now));
        true
    }

    /// Gives it another secret; the one before goes on signing for a while, the one before that does not.
    pub fn rotate(&mut self, secret: Sealed, prefix: String, overlap: Duration, now: Timestamp) {
        let old = std::mem::replace(&mut self.secret, secret);
        self.secret_prefix = prefix;
        self.old_secret = (!overlap.is_zero()).then(|| OldSecret { secret: old, until: now + overlap });
        self.updated_at = now;
    }

    /// The secret that signs beside the newest one at this time.
    pub fn overlapping(&self, now: Timestamp) -> Option<&OldSecret> {
        self.old_secret.as_ref().filter(|old| now < old.until)
    }

    /// Notes what came of an attempt; true when that was one failure too many, and it is switched off.
    pub fn note(&mut self, outcome: Outcome, now: Timestamp) -> bool {
        match outcome {
            Outcome::Taken => self.failing_since = None,
            Outcome::Gone if self.enabled => return self.give_up(now),
            Outcome::Failed { .. } | Outcome::Gone => {
                let since = *self.failing_since.get_or_insert(now);
                if self.enabled && since <= now - FAILING_AT_MOST {
                    return self.give_up(now);
                }
            }
        }
        false
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Taken,
    /// The receiver does not have it, and may ask for some time.
    Failed {
        /// How long it asks to be left alone.
        asked: Option<Duration>,
    },
    /// The receiver is gone for good (410).
    Gone,
}

/// How long to wait after the attempt of this number; none when it was the last. `chance` moves it by a tenth at
/// most, so that what failed together does not come back together.
pub fn retry_delay(attempt: i32, asked: Option<Duration>, chance: u16) -> Option<Duration> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let delay = DELAYS.get(index)?;
    // From 90 to 110 hundredths.
    let moved = delay.mul_f64(0.9 + 0.2 * f64::from(chance) / f64::from(u16::MAX));
    Some(moved.max(asked.unwrap_or_default().min(ASKED_WAIT_MAX)))
}

/// One attempt to push an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The endpoint, which may be gone.
    pub endpoint_id: WebhookEndpointId,
    /// The event.
    pub event_id: EventId,
    /// The event's name.
    pub event_type: String,
    /// Which attempt it was, from 1.
    pub attempt: i32,
    /// The status of the answer.
    pub response_status: Option<u16>,
    /// How the answer's body begins.
    pub response_body: Option<String>,
    /// When the next attempt is made; none once it was.
    pub next_retry_at: Option<Timestamp>,
    /// Whether the receiver has it.
    pub succeeded: bool,
    /// What the body was made of.
    pub body: BodyKind,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What decides the bytes of a pushed body; the same for every attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyKind {
    /// With the door and the actor.
    pub with_meta: bool,
    /// With the text of a message, which is a credential.
    pub with_text: bool,
    /// The body of a sample, which is no event of the log.
    pub sample: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewId as _;

    fn endpoint() -> WebhookEndpoint {
        let now = Timestamp::from_millis(0);
        WebhookEndpoint {
            id: WebhookEndpointId::new(now, [0; 10]),
            url: "https://example.com/".to_owned(),
            patterns: vec![EventPattern::All],
            include_meta: false,
            enabled: true,
            disabled_at: None,
            active_after: 0,
            secret: Sealed("a".to_owned()),
            secret_prefix: "whsec_aa".to_owned(),
            old_secret: None,
            failing_since: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn day(n: u64) -> Timestamp {
        Timestamp::from_millis(0) + hours(24 * n)
    }

    #[test]
    fn eleven_attempts_are_made_over_eight_days() {
        let delays: Vec<Duration> = (1..).map_while(|attempt| retry_delay(attempt, None, u16::MAX / 2)).collect();
        assert_eq!(delays.len(), 10);
        let total: Duration = delays.iter().sum();
        assert!((hours(7 * 24)..hours(9 * 24)).contains(&total), "{total:?}");
        assert_eq!(retry_delay(0, None, 0), None);
    }

    #[test]
    fn a_delay_is_moved_by_a_tenth_at_most() {
        for chance in [0, 1, 1000, u16::MAX] {
            let delay = retry_delay(2, None, chance).expect("there is a third attempt");
            assert!((27..=33).contains(&delay.as_secs()), "{delay:?}");
        }
    }

    #[test]
    fn an_endpoint_may_ask_for_an_hour() {
        assert_eq!(retry_delay(1, Some(minutes(2)), 0), Some(minutes(2)));
        assert_eq!(retry_delay(1, Some(hours(50)), 0), Some(hours(1)));
        assert!(retry_delay(6, Some(minutes(1)), 0) > Some(hours(5)), "nobody is called sooner than planned");
    }

    #[test]
    fn a_week_of_failures_switches_it_off_and_a_success_in_between_does_not() {
        let failed = Outcome::Failed { asked: None };
        let mut one = endpoint();
        assert!(!one.note(failed, day(1)) && !one.note(failed, day(7)));
        assert!(one.note(failed, day(8)));
        assert_eq!((one.enabled, one.disabled_at), (false, Some(day(8))));

        let mut other = endpoint();
        other.note(failed, day(1));
        other.note(Outcome::Taken, day(6));
        assert!(!other.note(failed, day(9)) && other.enabled);

        one.enable(7);
        assert_eq!((one.enabled, one.disabled_at, one.failing_since, one.active_after), (true, None, None, 7));
    }

    #[test]
    fn who_is_gone_is_switched_off_at_once() {
        let mut one = endpoint();
        assert!(one.note(Outcome::Gone, day(1)) && !one.enabled);
    }

    #[test]
    fn two_secrets_sign_for_a_while_and_never_three() {
        let mut one = endpoint();
        one.rotate(Sealed("b".to_owned()), "whsec_bb".to_owned(), minutes(5), day(1));
        assert_eq!(one.overlapping(day(1)).map(|old| old.secret.0.as_str()), Some("a"));
        one.rotate(Sealed("c".to_owned()), "whsec_cc".to_owned(), minutes(5), day(1));
        assert_eq!(one.overlapping(day(1)).map(|old| old.secret.0.as_str()), Some("b"));
        assert_eq!(one.overlapping(day(1) + minutes(5)), None);
        one.rotate(Sealed("d".to_owned()), "whsec_dd".to_owned(), Duration::ZERO, day(2));
        assert_eq!((one.old_secret, one.secret), (None, Sealed("d".to_owned())));
    }
}
