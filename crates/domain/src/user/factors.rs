//! What a person can prove with besides the password and the mailbox.

use super::{Person, User};
use crate::id::{ChallengeId, PasskeyId, PhoneNumberId, UserId};
use crate::phone::Phone;
use crate::settings::Settings;
use crate::strategy::Strategy;
use crate::time::Timestamp;

/// A phone number of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneNumber {
    /// Its id.
    pub id: PhoneNumberId,
    /// Whose it is.
    pub user_id: UserId,
    /// The number.
    pub number: Phone,
    /// Whether its ownership was proven.
    pub verified: bool,
    /// Whether it serves as a second factor.
    pub reserved_for_second_factor: bool,
    /// Whether it is the second factor that is offered first; at most one of a person is.
    pub default_second_factor: bool,
    /// The challenge that would prove it.
    pub current_challenge_id: Option<ChallengeId>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl PhoneNumber {
    /// Whether it stands at sign-in as a second factor.
    pub const fn is_second_factor(&self) -> bool {
        self.verified && self.reserved_for_second_factor
    }
}

/// How many passkeys a person has at most.
pub const PASSKEYS_MAX: usize = 20;

/// A passkey of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// The authenticator's id of the key.
    pub credential_id: Vec<u8>,
    /// The public key and its counter, as the WebAuthn library keeps them.
    pub credential: String,
    /// What the person calls it.
    pub nickname: String,
    /// The model of the authenticator, where it says so.
    pub aaguid: Option<String>,
    /// How the authenticator is reached.
    pub transports: Vec<String>,
    /// When it last proved something.
    pub last_used_at: Option<Timestamp>,
    /// When it was removed; its credential id is never taken again.
    pub removed_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The second factors that are no phone number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondFactors {
    /// An authenticator app is enrolled and was confirmed.
    pub totp: bool,
    /// Backup codes that were not spent.
    pub backup_codes: u32,
}

/// Which factors a person has, small enough to be read with every token. It describes; what a sign-in asks for
/// is decided on the rows themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactorSummary {
    /// An authenticator app is enrolled.
    pub totp: bool,
    /// Backup codes are left.
    pub backup_code: bool,
    /// A phone number serves as a second factor.
    pub phone_code: bool,
    /// A phone number was proven.
    pub phone_verified: bool,
    /// A phone number is the second factor that is offered first.
    pub phone_is_default: bool,
    /// There is a primary address, and it was not proven.
    pub email_unproven: bool,
    /// How many passkeys there are; 255 is that many or more.
    pub passkeys: u8,
}

impl FactorSummary {
    /// Whether a sign-in stops for a second factor.
    pub const fn two_factor(self) -> bool {
        self.totp || self.backup_code || self.phone_code
    }

    /// The second factors, the one that is offered first in front.
    pub fn second_factors(self) -> Vec<Strategy> {
        let mut all = Vec::new();
        if self.phone_code && self.phone_is_default {
            all.push(Strategy::PhoneCode);
        }
        if self.totp {
            all.push(Strategy::Totp);
        }
        if self.phone_code && !self.phone_is_default {
            all.push(Strategy::PhoneCode);
        }
        if self.backup_code {
            all.push(Strategy::BackupCode);
        }
        all
    }

    /// The second factor that is offered first, where it needs nothing but itself.
    pub const fn default_second_factor(self) -> Option<Strategy> {
        if self.phone_code && self.phone_is_default {
            Some(Strategy::PhoneCode)
        } else if self.totp {
            Some(Strategy::Totp)
        } else {
            None
        }
    }

    /// The form it is stored in.
    pub fn bits(self) -> i64 {
        let flags = [
            self.totp,
            self.backup_code,
            self.phone_code,
            self.phone_verified,
            self.phone_is_default,
            self.email_unproven,
        ]
        .into_iter();
        let low = flags.enumerate().fold(0, |bits, (i, on)| bits | i64::from(on) << i);
        low | i64::from(self.passkeys) << 8
    }

    /// Reads the form it is stored in.
    pub fn from_bits(bits: i64) -> Self {
        let flag = |i: u32| bits >> i & 1 == 1;
        Self {
            totp: flag(0),
            backup_code: flag(1),
            phone_code: flag(2),
            phone_verified: flag(3),
            phone_is_default: flag(4),
            email_unproven: flag(5),
            passkeys: u8::try_from(bits >> 8 & 0xff).unwrap_or(u8::MAX),
        }
    }
}

impl Person {
    /// Which factors the person has.
    pub fn factor_summary(&self) -> FactorSummary {
        FactorSummary {
            totp: self.second.totp,
            backup_code: self.second.backup_codes > 0,
            phone_code: self.phone_numbers.iter().any(PhoneNumber::is_second_factor),
            phone_verified: self.phone_numbers.iter().any(|p| p.verified),
            phone_is_default: self.phone_numbers.iter().any(|p| p.is_second_factor() && p.default_second_factor),
            email_unproven: self.primary_email().is_some_and(|a| !a.verified),
            passkeys: u8::try_from(self.passkeys.len()).unwrap_or(u8::MAX),
        }
    }

    /// The second factors that are asked for after a first one; a number that was the first one does not count again.
    pub fn second_factors_after(&self, first_number: Option<PhoneNumberId>) -> Vec<Strategy> {
        let numbers = self.phone_numbers.iter().filter(|p| p.is_second_factor() && Some(p.id) != first_number);
        let (any, default) = numbers.fold((false, false), |(_, default), p| (true, default || p.default_second_factor));
        FactorSummary { phone_code: any, phone_is_default: default, ..self.factor_summary() }.second_factors()
    }

    /// The number that a code of the second factor goes to: the one that is asked for, else the default one,
    /// else the primary one, else any that is reserved.
    pub fn second_factor_number(
        &self,
        wanted: Option<PhoneNumberId>,
        first_number: Option<PhoneNumberId>,
    ) -> Option<&PhoneNumber> {
        let usable = || self.phone_numbers.iter().filter(|p| p.is_second_factor() && Some(p.id) != first_number);
        match wanted {
            Some(id) => usable().find(|p| p.id == id),
            None => usable()
                .find(|p| p.default_second_factor)
                .or_else(|| usable().find(|p| Some(p.id) == self.user.primary_phone_number_id))
                .or_else(|| usable().next()),
        }
    }

    /// The primary phone number.
    pub fn primary_phone(&self) -> Option<&PhoneNumber> {
        let id = self.user.primary_phone_number_id?;
        self.phone_numbers.iter().find(|p| p.id == id)
    }

    /// Whether a code sent to a number can begin a sign-in: proven, and not all there is for the second step.
    pub fn is_first_factor_number(&self, number: &PhoneNumber) -> bool {
        number.verified
            && (self.second_factors_after(None).is_empty() || !self.second_factors_after(Some(number.id)).is_empty())
    }

    /// The same for good: a second step that backup codes alone can take ends with the last of them.
    fn stays_first_factor_number(&self, number: &PhoneNumber) -> bool {
        let lasts = |first| self.second_factors_after(first).iter().any(|second| *second != Strategy::BackupCode);
        number.verified && (!lasts(None) || lasts(Some(number.id)))
    }

    /// How many ways of proving the person has at the first step of a sign-in, under these settings.
    pub fn sign_in_methods(&self, settings: &Settings) -> usize {
        let attributes = &settings.attribute_settings;
        let mailed = settings.first_factors(crate::identifier::IdentifierKind::EmailAddress);
        let by_mail = mailed.iter().any(|s| s.is_mailed() && *s != Strategy::ResetPasswordEmailCode);
        let by_phone = attributes.phone_number.enabled && attributes.phone_number.used_for_first_factor;
        // A password is typed behind a name: an external id is none, and an unproven number is nobody's.
        let has_name = !self.email_addresses.is_empty()
            || (self.user.username.is_some() && attributes.username.enabled)
            || self.phone_numbers.iter().any(|n| n.verified);
        usize::from(self.user.password_digest.is_some() && attributes.password.enabled && has_name)
            + self.email_addresses.iter().filter(|a| a.verified && by_mail).count()
            + self.phone_numbers.iter().filter(|p| by_phone && self.stays_first_factor_number(p)).count()
            + self.passkeys.len()
    }

    /// Whether the person could sign in before a change, and cannot any more.
    pub fn is_locked_out_since(&self, before: &Self, settings: &Settings) -> bool {
        self.sign_in_methods(settings) == 0 && before.sign_in_methods(settings) > 0
    }
}

impl User {
    /// Takes over which factors the person has now, and notes when the second step came or went.
    pub fn note_factors(&mut self, fresh: FactorSummary, now: Timestamp) {
        match (self.factors.two_factor(), fresh.two_factor()) {
            (false, true) => self.mfa_enabled_at = self.mfa_enabled_at.or(Some(now)),
            (true, false) => self.mfa_disabled_at = Some(now),
            _ => {}
        }
        self.factors = fresh;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u8, reserved: bool, default: bool) -> PhoneNumber {
        let now = Timestamp::from_millis(1);
        PhoneNumber {
            id: PhoneNumberId::new_for_tests(n),
            user_id: crate::id::NewId::new(now, [0; 10]),
            number: Phone::from_e164("+15555550100").unwrap(),
            verified: true,
            reserved_for_second_factor: reserved,
            default_second_factor: default,
            current_challenge_id: None,
            created_at: now,
            updated_at: now,
        }
    }

    impl PhoneNumberId {
        fn new_for_tests(n: u8) -> Self {
            crate::id::NewId::new(Timestamp::from_millis(i64::from(n)), [n; 10])
        }
    }

    fn person(numbers: Vec<PhoneNumber>, second: SecondFactors) -> Person {
        let now = Timestamp::from_millis(1);
        let user = User::new(crate::id::NewId::new(now, [0; 10]), now);
        Person { phone_numbers: numbers, second, ..Person::bare(user) }
    }

    #[test]
    fn a_summary_reads_back_as_itself() {
        for bits in 0..64 {
            let summary = FactorSummary { passkeys: 7, ..FactorSummary::from_bits(bits) };
            assert_eq!(FactorSummary::from_bits(summary.bits()), summary);
        }
        assert_eq!(FactorSummary::from_bits(0), FactorSummary::default());
    }

    #[test]
    fn a_number_used_first_is_no_second_factor() {
        let only = person(vec![number(1, true, true)], SecondFactors::default());
        let id = only.phone_numbers[0].id;
        assert_eq!(only.second_factors_after(None), [Strategy::PhoneCode]);
        assert!(only.second_factors_after(Some(id)).is_empty());
        assert!(!only.is_first_factor_number(&only.phone_numbers[0]), "it is all there is for the second step");
        let with_app = person(vec![number(1, true, false)], SecondFactors { totp: true, backup_codes: 0 });
        assert!(with_app.is_first_factor_number(&with_app.phone_numbers[0]));
        assert_eq!(with_app.second_factors_after(Some(id)), [Strategy::Totp]);
    }

    #[test]
    fn a_number_that_becomes_the_only_second_factor_leaves_no_way_in() {
        let mut settings = Settings::default();
        settings.attribute_settings.phone_number.enabled = true;
        settings.attribute_settings.phone_number.used_for_first_factor = true;
        let with = |reserved, second| person(vec![number(1, reserved, false)], second);
        let (none, app) = (SecondFactors::default(), SecondFactors { totp: true, backup_codes: 0 });
        let codes = SecondFactors { totp: false, backup_codes: 10 };
        let before = with(false, none);
        assert_eq!(before.sign_in_methods(&settings), 1);
        assert!(with(true, none).is_locked_out_since(&before, &settings));
        assert!(with(true, codes).is_locked_out_since(&with(false, codes), &settings), "codes are spent one day");
        assert!(!with(true, app).is_locked_out_since(&with(false, app), &settings));
        assert!(!with(true, none).is_locked_out_since(&with(true, none), &settings), "it is no change's doing");
        let two = person(vec![number(1, true, false), number(2, false, false)], none);
        assert!(!two.is_locked_out_since(&before, &settings));
    }

    #[test]
    fn the_default_number_comes_first() {
        let two =
            person(vec![number(1, true, false), number(2, true, true)], SecondFactors { totp: true, backup_codes: 3 });
        assert_eq!(two.second_factors_after(None), [Strategy::PhoneCode, Strategy::Totp, Strategy::BackupCode]);
        assert_eq!(two.second_factor_number(None, None).unwrap().id, two.phone_numbers[1].id);
        let first = two.phone_numbers[0].id;
        assert_eq!(two.second_factor_number(Some(first), None).unwrap().id, first);
        assert_eq!(two.second_factor_number(Some(first), Some(first)), None);
    }

    #[test]
    fn the_times_of_the_second_step_are_noted() {
        let (on, off) = (FactorSummary { totp: true, ..FactorSummary::default() }, FactorSummary::default());
        let mut user = person(Vec::new(), SecondFactors::default()).user;
        let at = Timestamp::from_millis;
        user.note_factors(on, at(10));
        user.note_factors(off, at(20));
        user.note_factors(on, at(30));
        assert_eq!((user.mfa_enabled_at, user.mfa_disabled_at), (Some(at(10)), Some(at(20))));
        assert_eq!(user.factors, on);
    }
}
