//! What may be done to a phone number of a person: a change is looked at as a whole, and made whole or not at all.

use super::{Person, PhoneNumber};
use crate::id::PhoneNumberId;
use crate::time::Timestamp;

/// How many addresses, and how many numbers, people may add to themselves.
pub const IDENTIFIERS_MAX: usize = 20;

/// What a change of a number asks for; what is not said stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NumberChange {
    /// Counts as proven, or no longer; a backend's word.
    pub verified: Option<bool>,
    /// Is the primary one.
    pub is_primary: Option<bool>,
    /// Serves as a second factor.
    pub reserved_for_second_factor: Option<bool>,
    /// Is the second factor that is offered first.
    pub default_second_factor: Option<bool>,
}

/// Why a number is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefused {
    /// The person has no such number.
    #[error("the person has no such number")]
    NotFound,
    /// This parameter asks for a proof that there is not.
    #[error("{0} asks for a verified number")]
    NotVerified(&'static str),
    /// Codes by SMS cannot be enrolled as a second factor here.
    #[error("codes by SMS are no second factor here")]
    MfaOff,
    /// Only a number that serves as a second factor can be the first of them.
    #[error("the number is not reserved as a second factor")]
    NotReserved,
    /// There is no other number that could be primary.
    #[error("the only verified number stays primary")]
    StaysPrimary,
    /// What is primary, or serves as a second factor, stays proven.
    #[error("a number in use stays verified")]
    InUse,
}

impl Person {
    /// Changes a number and whatever goes with it on the person's other numbers. `may_enrol` says whether codes by SMS
    /// may become a second factor; those that are one already stay.
    pub fn change_number(
        &mut self,
        id: PhoneNumberId,
        change: NumberChange,
        may_enrol: bool,
        now: Timestamp,
    ) -> Result<(), NumberRefused> {
        let before = self.phone_numbers.iter().find(|n| n.id == id).ok_or(NumberRefused::NotFound)?;
        let was_primary = self.user.primary_phone_number_id == Some(id);
        let proven_now = change.verified == Some(true) && !before.verified;
        let verified = change.verified.unwrap_or(before.verified);
        let reserved = change.reserved_for_second_factor.unwrap_or(before.reserved_for_second_factor);
        let default = change.default_second_factor.unwrap_or(before.default_second_factor && reserved);
        let primary =
            change.is_primary.unwrap_or(was_primary || (proven_now && self.user.primary_phone_number_id.is_none()));
        if !verified {
            for (param, wanted) in
                [("is_primary", change.is_primary), ("reserved_for_second_factor", change.reserved_for_second_factor)]
            {
                if wanted == Some(true) {
                    return Err(NumberRefused::NotVerified(param));
                }
            }
            if primary || reserved {
                return Err(NumberRefused::InUse);
            }
        }
        if default && !reserved {
            return Err(NumberRefused::NotReserved);
        }
        if reserved && !before.reserved_for_second_factor && !may_enrol {
            return Err(NumberRefused::MfaOff);
        }
        if primary {
            self.user.primary_phone_number_id = Some(id);
        } else if was_primary {
            let next = self.primary_candidate(id).ok_or(NumberRefused::StaysPrimary)?;
            self.user.primary_phone_number_id = Some(next);
        }
        for number in &mut self.phone_numbers {
            let mut after = number.clone();
            if number.id == id {
                (after.verified, after.reserved_for_second_factor) = (verified, reserved);
                after.default_second_factor = default;
                if proven_now {
                    after.current_challenge_id = None;
                }
            } else if default {
                after.default_second_factor = false;
            }
            if after != *number {
                *number = PhoneNumber { updated_at: now, ..after };
            }
        }
        Ok(())
    }

    /// The number that is primary when this one is not: the oldest other that was proven.
    pub fn primary_candidate(&self, instead_of: PhoneNumberId) -> Option<PhoneNumberId> {
        self.phone_numbers.iter().find(|n| n.verified && n.id != instead_of).map(|n| n.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NewId;
    use crate::phone::Phone;
    use crate::user::User;

    fn id(n: u8) -> PhoneNumberId {
        NewId::new(Timestamp::from_millis(i64::from(n)), [n; 10])
    }

    /// Numbers 1, 2, ... with whether they are verified, reserved and default; the first verified one is primary.
    fn person(numbers: &[(bool, bool, bool)]) -> Person {
        let now = Timestamp::from_millis(1);
        let mut person = Person::bare(User::new(NewId::new(now, [0; 10]), now));
        for (n, (verified, reserved, default)) in (1u8..).zip(numbers) {
            person.phone_numbers.push(PhoneNumber {
                id: id(n),
                user_id: person.user.id,
                number: Phone::from_e164(&format!("+1555555010{n}")).unwrap(),
                verified: *verified,
                reserved_for_second_factor: *reserved,
                default_second_factor: *default,
                current_challenge_id: None,
                created_at: now,
                updated_at: now,
            });
        }
        person.user.primary_phone_number_id = person.phone_numbers.iter().find(|n| n.verified).map(|n| n.id);
        person
    }

    fn flags(person: &Person) -> Vec<(bool, bool, bool)> {
        let of = |n: &PhoneNumber| (n.verified, n.reserved_for_second_factor, n.default_second_factor);
        person.phone_numbers.iter().map(of).collect()
    }

    fn change(person: &mut Person, n: u8, change: NumberChange) -> Result<(), NumberRefused> {
        person.change_number(id(n), change, true, Timestamp::from_millis(2))
    }

    const NOTHING: NumberChange = NumberChange {
        verified: None,
        is_primary: None,
        reserved_for_second_factor: None,
        default_second_factor: None,
    };

    #[test]
    fn nothing_that_asks_for_a_proof_is_done_without_one() {
        let mut one = person(&[(true, false, false), (false, false, false)]);
        let before = one.clone();
        let primary = NumberChange { is_primary: Some(true), ..NOTHING };
        let reserved = NumberChange { reserved_for_second_factor: Some(true), ..NOTHING };
        let default = NumberChange { default_second_factor: Some(true), ..NOTHING };
        assert_eq!(change(&mut one, 2, primary), Err(NumberRefused::NotVerified("is_primary")));
        assert_eq!(change(&mut one, 2, reserved), Err(NumberRefused::NotVerified("reserved_for_second_factor")));
        assert_eq!(change(&mut one, 2, default), Err(NumberRefused::NotReserved));
        assert_eq!(change(&mut one, 9, NOTHING), Err(NumberRefused::NotFound));
        assert_eq!(one, before, "what is refused changes nothing");
    }

    #[test]
    fn a_default_needs_a_reserved_number_and_there_is_one() {
        let mut one = person(&[(true, true, true), (true, false, false)]);
        let both =
            NumberChange { reserved_for_second_factor: Some(true), default_second_factor: Some(true), ..NOTHING };
        assert_eq!(change(&mut one, 2, both), Ok(()));
        assert_eq!(flags(&one), [(true, true, false), (true, true, true)]);
        let against =
            NumberChange { reserved_for_second_factor: Some(false), default_second_factor: Some(true), ..NOTHING };
        assert_eq!(change(&mut one, 2, against), Err(NumberRefused::NotReserved));
        let cleared = NumberChange { reserved_for_second_factor: Some(false), ..NOTHING };
        assert_eq!(change(&mut one, 2, cleared), Ok(()));
        assert_eq!(flags(&one), [(true, true, false), (true, false, false)], "the default goes with it");
    }

    #[test]
    fn what_is_enrolled_stays_when_enrolling_is_switched_off() {
        let mut one = person(&[(true, true, false), (true, false, false)]);
        let reserve = NumberChange { reserved_for_second_factor: Some(true), ..NOTHING };
        let now = Timestamp::from_millis(2);
        assert_eq!(one.change_number(id(1), reserve, false, now), Ok(()));
        assert_eq!(one.change_number(id(2), reserve, false, now), Err(NumberRefused::MfaOff));
        let default = NumberChange { default_second_factor: Some(true), ..NOTHING };
        assert_eq!(one.change_number(id(1), default, false, now), Ok(()));
    }

    #[test]
    fn somebody_with_verified_numbers_has_a_primary_one() {
        let mut one = person(&[(true, false, false), (false, false, false)]);
        let less = NumberChange { is_primary: Some(false), ..NOTHING };
        assert_eq!(change(&mut one, 1, less), Err(NumberRefused::StaysPrimary));
        assert_eq!(change(&mut one, 2, less), Ok(()), "it is not primary already");
        assert_eq!(change(&mut one, 2, NumberChange { verified: Some(true), ..NOTHING }), Ok(()));
        assert_eq!(one.user.primary_phone_number_id, Some(id(1)));
        assert_eq!(change(&mut one, 1, less), Ok(()));
        assert_eq!(one.user.primary_phone_number_id, Some(id(2)));

        let mut none = person(&[(false, false, false)]);
        assert_eq!(change(&mut none, 1, NumberChange { verified: Some(true), ..NOTHING }), Ok(()));
        assert_eq!(none.user.primary_phone_number_id, Some(id(1)), "the first that is proven");
    }

    #[test]
    fn what_is_in_use_stays_verified() {
        let not = NumberChange { verified: Some(false), ..NOTHING };
        let mut one = person(&[(true, false, false), (true, true, false), (true, false, false)]);
        assert_eq!(change(&mut one, 1, not), Err(NumberRefused::InUse), "primary");
        assert_eq!(change(&mut one, 2, not), Err(NumberRefused::InUse), "reserved");
        assert_eq!(change(&mut one, 3, not), Ok(()));
        let freed = NumberChange { verified: Some(false), reserved_for_second_factor: Some(false), ..NOTHING };
        assert_eq!(change(&mut one, 2, freed), Ok(()), "a patch is looked at as a whole");
        assert_eq!(flags(&one), [(true, false, false), (false, false, false), (false, false, false)]);
    }
}
