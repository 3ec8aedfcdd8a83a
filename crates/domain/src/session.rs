//! A signed-in person on a client.

use crate::id::{ClientId, PhoneNumberId, SessionActivityId, SessionId, UserId};
use crate::settings::SessionSettings;
use crate::strategy::Strategy;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Further steps are due.
    Pending,
    /// Live.
    Active,
    /// Past its time.
    Expired,
    /// The person signed out.
    Ended,
    /// The person removed the device.
    Removed,
    /// A newer session took its place.
    Replaced,
    /// Taken away: operator, ban, lock, password change, deletion.
    Revoked,
    /// Pending for too long.
    Abandoned,
}

impl SessionStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Active,
        Self::Expired,
        Self::Ended,
        Self::Removed,
        Self::Replaced,
        Self::Revoked,
        Self::Abandoned,
    ];
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::Abandoned => "abandoned",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
    /// Whether the session is worth anything.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active)
    }
}

/// What was last seen of a session's device. The address is cut to /24 or /48 before it gets here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its id.
    pub id: SessionActivityId,
    /// `desktop`, `mobile`, `tablet`, `smart_tv` or `bot`.
    pub device_type: Option<String>,
    /// A phone or tablet.
    pub is_mobile: bool,
    /// The browser's name.
    pub browser_name: Option<String>,
    /// The browser's version.
    pub browser_version: Option<String>,
    /// The network it came from.
    pub ip_address: Option<String>,
}

impl Activity {
    /// Makes an activity from what a request shows. The labels are for people's device list, never for policy.
    pub fn seen(id: SessionActivityId, ip: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let parsed = user_agent.and_then(|ua| woothee::parser::Parser::new().parse(ua));
        let known = |text: &str| (!text.is_empty() && text != "UNKNOWN").then(|| text.to_owned());
        let category = parsed.as_ref().map(|p| p.category);
        let device_type = match category {
            Some("pc") => Some("desktop"),
            Some("smartphone" | "mobilephone") => Some("mobile"),
            Some("appliance") => Some("smart_tv"),
            Some("crawler") => Some("bot"),
            _ => None,
        };
        Self {
            id,
            device_type: device_type.map(str::to_owned),
            is_mobile: device_type == Some("mobile"),
            browser_name: parsed.as_ref().and_then(|p| known(p.name)),
            browser_version: parsed.as_ref().and_then(|p| known(p.version)),
            ip_address: ip.map(network),
        }
    }
}

/// What a person would call the device behind a `User-Agent`, such as `Chrome on Windows 10`; for people to read,
/// never for policy.
pub fn device(user_agent: Option<&str>) -> Option<String> {
    let parsed = woothee::parser::Parser::new().parse(user_agent?)?;
    let known = |text: &str| (!text.is_empty() && text != "UNKNOWN").then(|| text.to_owned());
    match (known(parsed.name), known(parsed.os)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (one, other) => one.or(other),
    }
}

/// The network of an address, as it may be kept: /24 for IPv4, /48 for IPv6.
pub fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0")
        }
        IpAddr::V6(v6) => {
            let s = v6.segments();
            std::net::Ipv6Addr::new(s[0], s[1], s[2], 0, 0, 0, 0, 0).to_string()
        }
    }
}

/// When which factor was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factors {
    /// The way of the first factor.
    pub first: Strategy,
    /// When the first factor was proven.
    pub first_at: Timestamp,
    /// The number that the first factor was proven by, where it was one: it is no second one.
    pub first_number: Option<PhoneNumberId>,
    /// When the second factor was proven, if one was.
    pub second_at: Option<Timestamp>,
    /// The way of the second factor, if one was proven.
    pub second: Option<Strategy>,
}

impl Factors {
    /// One factor, proven now.
    pub const fn first(strategy: Strategy, now: Timestamp) -> Self {
        Self { first: strategy, first_at: now, first_number: None, second_at: None, second: None }
    }
    /// When they were proven.
    pub fn proven(&self) -> Proven {
        Proven { first_at: self.first_at, second_at: self.second_at }
    }
}

/// When the factors of a session were proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// When the first factor was.
    pub first_at: Timestamp,
    /// When the second factor was, if it was.
    pub second_at: Option<Timestamp>,
}

impl Proven {
    /// Seconds since each proof, the claim `fva`: -1 for a second factor that was not proven.
    pub fn ages(&self, now: Timestamp) -> [i64; 2] {
        [now.seconds_since(self.first_at), self.second_at.map_or(-1, |at| now.seconds_since(at))]
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The client it lives on.
    pub client_id: ClientId,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it stands, as it was last written; see [`Session::status_at`].
    pub status: SessionStatus,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// When it was last used.
    pub last_active_at: Timestamp,
    /// The absolute end.
    pub expire_at: Timestamp,
    /// When a pending one is given up, which is before its absolute end; of any that was ever active the absolute end.
    pub abandon_at: Timestamp,
    /// Which factors were proven when.
    pub factors: Factors,
    /// Whether it is a test person's.
    pub was_test: bool,
    /// What was last seen of its device.
    pub activity: Activity,
    /// Who acts in it in the person's place: the claim `act`, as a backend named the operator.
    pub actor: Option<serde_json::Map<String, serde_json::Value>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What decides where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// As it was last written.
    pub status: SessionStatus,
    /// When the session was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_active_at: Timestamp,
    /// The absolute end.
    pub expire_at: Timestamp,
    /// When a pending one is given up; else the absolute end.
    pub abandon_at: Timestamp,
}

impl Standing {
    /// Where the session stands at this time: limits count from the moment they pass, not from the moment
    /// somebody writes them down, and a changed limit counts for live sessions too.
    pub fn status_at(&self, now: Timestamp, settings: &SessionSettings) -> SessionStatus {
        if !self.status.is_live() {
            return self.status;
        }
        let longest = self.created_at + Duration::from_secs(settings.lifetime_seconds);
        let idle = settings.inactivity_timeout_seconds.map(|s| self.last_active_at + Duration::from_secs(s));
        if now >= self.expire_at || now >= longest || idle.is_some_and(|at| now >= at) {
            SessionStatus::Expired
        } else if self.status == SessionStatus::Pending && now >= self.abandon_at {
            SessionStatus::Abandoned
        } else {
            self.status
        }
    }
}

/// The session is over already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct AlreadyOver;

/// How a live session comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The person signed out.
    Ended,
    /// The person removed the device.
    Removed,
    /// A newer session took its place.
    Replaced,
    /// It was taken away.
    Revoked,
}

impl Session {
    /// Where the session stands at this time; see [`Standing::status_at`].
    pub fn status_at(&self, now: Timestamp, settings: &SessionSettings) -> SessionStatus {
        self.standing().status_at(now, settings)
    }

    /// What decides where the session stands.
    pub fn standing(&self) -> Standing {
        Standing {
            status: self.status,
            created_at: self.created_at,
            last_active_at: self.last_active_at,
            expire_at: self.expire_at,
            abandon_at: self.abandon_at,
        }
    }

    /// Brings a live session to its end. One that is over stays as it was.
    pub fn finish(&mut self, how: Ending, now: Timestamp, settings: &SessionSettings) -> Result<(), AlreadyOver> {
        if !self.status_at(now, settings).is_live() {
            return Err(AlreadyOver);
        }
        self.status = match how {
            Ending::Ended => SessionStatus::Ended,
            Ending::Removed => SessionStatus::Removed,
            Ending::Replaced => SessionStatus::Replaced,
            Ending::Revoked => SessionStatus::Revoked,
        };
        self.ended_at = Some(now);
        self.updated_at = now;
        Ok(())
    }

    /// Lets the session wait for its second factor, for a day at most. Until it becomes active its `abandon_at` is before
    /// its `expire_at`, and stays so when it ends: that tells those that never were active.
    pub fn await_second_factor(&mut self) {
        let end = self.expire_at - Duration::from_millis(1);
        self.status = SessionStatus::Pending;
        self.abandon_at = end.min(self.created_at + PENDING_LIFETIME);
    }

    /// Whether a factor was proven recently enough for a sensitive change: the second one where the person has
    /// any, else the first.
    pub fn is_fresh(&self, two_factor: bool, now: Timestamp) -> bool {
        let proven = if two_factor { self.factors.second_at } else { Some(self.factors.first_at) };
        proven.is_some_and(|at| now < at + STEP_UP_WINDOW)
    }

    /// Notes that a factor was proven now. A live session that waited for its second factor is active by it.
    pub fn prove(&mut self, proof: Proof, now: Timestamp) {
        match proof {
            Proof::First { number } => (self.factors.first_at, self.factors.first_number) = (now, number),
            Proof::Second(strategy) => {
                (self.factors.second, self.factors.second_at) = (Some(strategy), Some(now));
                if self.status == SessionStatus::Pending {
                    self.status = SessionStatus::Active;
                    self.abandon_at = self.expire_at;
                }
            }
        }
        self.updated_at = now;
    }
}

/// What is proven anew in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The first factor.
    First {
        /// The number that it was proven by, where it was one: from now on that one is no second factor, and the one
        /// before it may be.
        number: Option<PhoneNumberId>,
    },
    /// The second factor.
    Second(Strategy),
}

/// How long a session waits for its second factor.
const PENDING_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How recently a factor must have been proven for a sensitive change.
pub const STEP_UP_WINDOW: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NewId;

    fn session(now: Timestamp) -> Session {
        Session {
            id: SessionId::new(now, [0; 10]),
            client_id: ClientId::new(now, [0; 10]),
            user_id: UserId::new(now, [0; 10]),
            status: SessionStatus::Active,
            ended_at: None,
            last_active_at: now,
            expire_at: now + Duration::from_secs(604_800),
            abandon_at: now + Duration::from_secs(604_800),
            factors: Factors::first(Strategy::Password, now),
            was_test: false,
            activity: Activity::seen(SessionActivityId::new(now, [0; 10]), "203.0.113.77".parse().ok(), None),
            actor: None,
            created_at: now,
            updated_at: now,
        }
    }

    #[test]
    fn a_shortened_limit_counts_for_live_sessions() {
        let now = Timestamp::from_millis(1_000_000);
        let settings = SessionSettings { lifetime_seconds: 60, ..SessionSettings::default() };
        assert_eq!(session(now).status_at(now + Duration::from_secs(60), &settings), SessionStatus::Expired);
        let idle = SessionSettings { inactivity_timeout_seconds: Some(60), ..SessionSettings::default() };
        assert_eq!(session(now).status_at(now + Duration::from_secs(61), &idle), SessionStatus::Expired);
        assert_eq!(session(now).status_at(now + Duration::from_secs(59), &idle), SessionStatus::Active);
    }

    #[test]
    fn a_session_ends_once() {
        let now = Timestamp::from_millis(1_000_000);
        let settings = SessionSettings::default();
        let mut s = session(now);
        assert_eq!(s.finish(Ending::Ended, now, &settings), Ok(()));
        assert_eq!(s.finish(Ending::Revoked, now, &settings), Err(AlreadyOver));
        assert_eq!(s.status, SessionStatus::Ended);
    }

    #[test]
    fn a_second_factor_makes_a_pending_session_active_and_a_first_one_does_not() {
        let now = Timestamp::from_millis(1_000_000);
        let settings = SessionSettings::default();
        let mut s = session(now);
        s.await_second_factor();
        assert_eq!(s.abandon_at, now + Duration::from_secs(86_400));
        s.prove(Proof::First { number: None }, now);
        assert_eq!(s.status_at(now, &settings), SessionStatus::Pending);
        assert_eq!(s.status_at(now + Duration::from_secs(86_400), &settings), SessionStatus::Abandoned);
        s.prove(Proof::Second(Strategy::Totp), now);
        assert_eq!((s.status, s.abandon_at), (SessionStatus::Active, s.expire_at));

        let mut over = session(now);
        over.await_second_factor();
        over.finish(Ending::Ended, now, &settings).unwrap();
        over.prove(Proof::Second(Strategy::Totp), now);
        assert_eq!(over.status, SessionStatus::Ended);
    }

    #[test]
    fn what_never_was_active_can_be_told_however_short_sessions_live() {
        let now = Timestamp::from_millis(1_000_000);
        let mut short = Session { expire_at: now + Duration::from_secs(60), ..session(now) };
        short.await_second_factor();
        assert!(short.abandon_at < short.expire_at);
    }

    #[test]
    fn the_number_of_the_first_factor_is_the_one_that_was_shown_last() {
        let now = Timestamp::from_millis(1_000_000);
        let number = PhoneNumberId::new(now, [0; 10]);
        let mut s = session(now);
        s.prove(Proof::First { number: Some(number) }, now);
        s.prove(Proof::Second(Strategy::Totp), now);
        assert_eq!((s.factors.first_number, s.factors.second), (Some(number), Some(Strategy::Totp)));
        s.prove(Proof::First { number: None }, now);
        assert_eq!(s.factors.first_number, None);
    }

    #[test]
    fn only_the_network_of_a_device_is_kept() {
        assert_eq!(session(Timestamp::from_millis(0)).activity.ip_address.as_deref(), Some("203.0.113.0"));
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1::");
        assert_eq!(network("::ffff:198.51.100.9".parse().unwrap()), "198.51.100.0");
    }
}
