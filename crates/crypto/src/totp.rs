//! Time-based one-time codes (RFC 6238): SHA-1, six digits, thirty seconds, as every authenticator app reads them.

use totp_rs::{Builder, Totp};

use crate::{Secret, random};

const PERIOD: i64 = 30;

/// Draws a secret of 160 bits.
pub fn secret() -> Secret<[u8; 20]> {
    Secret::new(random::bytes())
}

/// Writes a secret as a person types it into an app: base32 without padding.
pub fn base32(secret: &[u8]) -> Secret<String> {
    Secret::new(totp_rs::Secret::from(secret).to_base32())
}

/// Writes the address that an authenticator app reads from a QR code.
pub fn uri(issuer: &str, account: &str, secret: &[u8]) -> Secret<String> {
    let (issuer, account) = (percent_encode(issuer), percent_encode(account));
    let base32 = base32(secret);
    Secret::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period={PERIOD}",
        base32.expose()
    ))
}

/// The step that a moment falls into.
pub fn step(unix_seconds: i64) -> i64 {
    unix_seconds.div_euclid(PERIOD)
}

/// The step whose code this is: the one of the moment, the one before or the one after.
///
/// The codes are compared in constant time. Nothing is remembered here: the caller refuses a step that is not
/// later than the last one used, or a code could be used twice.
pub fn check(secret: &[u8], code: &str, unix_seconds: i64) -> Option<i64> {
    let unix_seconds = u64::try_from(unix_seconds).ok()?;
    let step = reader(secret).check(code, unix_seconds)?;
    i64::try_from(step).ok()
}

/// The code of a moment, as an app shows it: for programs that stand for a person.
pub fn code(secret: &[u8], unix_seconds: i64) -> Secret<String> {
    Secret::new(reader(secret).generate(u64::try_from(unix_seconds).unwrap_or(0)).to_string())
}

fn reader(secret: &[u8]) -> Totp {
    // SHA-1, six digits, a skew of one step of thirty seconds: what the builder begins with, said for the reader.
    Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(PERIOD.unsigned_abs())
        .with_secret(secret)
        // Imported secrets are as long as another system made them.
        .build_noncompliant()
}

/// Keeps the unreserved characters of RFC 3986 and writes every other byte as `%XX`.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of RFC 6238, appendix B: its codes have eight digits, ours are the last six.
    const VECTORS: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (time, code) in VECTORS {
            assert_eq!(check(SECRET, &code[2..], time), Some(time / 30), "{time}");
            assert_eq!(super::code(SECRET, time).expose(), &code[2..], "{time}");
        }
    }

    #[test]
    fn a_code_counts_in_its_step_and_one_beside_it() {
        let code = "287082";

        for (time, matched) in [(0, Some(1)), (29, Some(1)), (30, Some(1)), (89, Some(1)), (90, None), (119, None)] {
            assert_eq!(check(SECRET, code, time), matched, "{time}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for code in ["", "28708", "2870820", "287082 ", "+87082", "28708a", "94287082", "２８７０８２", "287083"]
        {
            assert_eq!(check(SECRET, code, 59), None, "{code}");
        }
        assert_eq!(check(b"12345678901234567891", "287082", 59), None);
        assert_eq!(check(SECRET, "287082", -1), None);
    }

    #[test]
    fn steps_are_thirty_seconds() {
        assert_eq!([step(0), step(29), step(30), step(59), step(60), step(-1)], [0, 0, 1, 1, 2, -1]);
    }

    #[test]
    fn secrets_are_160_bits_and_never_repeat() {
        assert_ne!(secret().expose(), secret().expose());
        assert_eq!(base32(secret().expose()).expose().len(), 32);
        assert_eq!(base32(SECRET).expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn the_address_is_one_that_apps_read() {
        assert_eq!(
            uri("auth.example.com", "ann+1@example.com", SECRET).expose(),
            "otpauth://totp/auth.example.com:ann%2B1%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=auth.example.com&algorithm=SHA1&digits=6&period=30"
        );
    }

    proptest! {
        #[test]
        fn nothing_in_a_name_reaches_the_query(issuer in "\\PC{0,20}", account in "\\PC{0,20}") {
            let uri = uri(&issuer, &account, SECRET);
            prop_assert_eq!(uri.expose().matches('?').count(), 1);
            prop_assert_eq!(uri.expose().matches('&').count(), 4);
            prop_assert_eq!(uri.expose().matches(':').count(), 2);
            prop_assert!(uri.expose().is_ascii() && !uri.expose().contains([' ', '#', '"', '<']));
        }

        #[test]
        fn a_step_that_is_matched_is_near(time in 0..4_000_000_000_i64, code in "[0-9]{6}") {
            if let Some(matched) = check(SECRET, &code, time) {
                prop_assert!((matched - step(time)).abs() <= 1);
            }
        }
    }
}
