//! Chance, from the operating system's generator only.

use std::cell::RefCell;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroize;

use crate::{Secret, base62, base64url};

/// Draws `N` random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    fill(&mut buffer);
    buffer
}

/// Draws `N` random bytes for what has to be unique and is no secret, such as the id of a request.
///
/// They come from a stock of the thread's: to ask the operating system for ten bytes costs as much as for hundreds.
pub fn unique<const N: usize>() -> [u8; N] {
    STOCK.with_borrow_mut(|stock| match stock.bytes.get(stock.next..stock.next + N) {
        Some(taken) => {
            stock.next += N;
            taken.try_into().expect("the range has this length")
        }
        None => {
            fill(&mut stock.bytes);
            stock.next = 0;
            // Larger than the stock is larger than any id; taken from the source then.
            match stock.bytes.get(..N).and_then(|taken| taken.try_into().ok()) {
                Some(taken) => {
                    stock.next = N;
                    taken
                }
                None => bytes(),
            }
        }
    })
}

struct Stock {
    bytes: [u8; 512],
    next: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; 512], next: 512 }) };
}

/// Draws a token of 32 random bytes, written as 43 characters of base64url.
pub fn token() -> Secret<String> {
    let mut raw = bytes::<32>();
    let token = Secret::new(base64url::encode(&raw));
    raw.zeroize();
    token
}

/// Draws a code of six decimal digits, each of the million equally likely.
pub fn code6() -> Secret<String> {
    Secret::new(code6_from(|| u32::from_le_bytes(bytes())))
}

/// Draws a backup code: forty bits as `xxxx-xxxx`, in Crockford's alphabet, which has no look-alikes.
pub fn backup_code() -> Secret<String> {
    // 32 characters: five bits each, so none is likelier than another.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut raw = bytes::<8>();
    let mut code: String = raw.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    raw.zeroize();
    code.insert(4, '-');
    Secret::new(code)
}

/// Draws `length` characters of base62, each equally likely.
pub fn base62(length: usize) -> Secret<String> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut pool = bytes::<64>();
        let wanted = length - text.len();
        // 248 is the largest multiple of 62 in a byte: taking more would favour the first digits.
        text.extend(
            pool.iter()
                .filter(|byte| **byte < 248)
                .take(wanted)
                .map(|byte| char::from(base62::ALPHABET[usize::from(byte % 62)])),
        );
        pool.zeroize();
    }
    Secret::new(text)
}

/// Draws an identifier for a token: 128 random bits, 22 characters of base64url.
pub fn jti() -> String {
    base64url::encode(&unique::<16>())
}

fn fill(buffer: &mut [u8]) {
    SystemRandom::new().fill(buffer).expect("an operating system without random bytes is not one to keep serving on");
}

fn code6_from(mut draw: impl FnMut() -> u32) -> String {
    // The largest multiple of a million in 32 bits: what lies above would favour low codes.
    const LIMIT: u32 = u32::MAX / 1_000_000 * 1_000_000;
    loop {
        let number = draw();
        if number < LIMIT {
            return format!("{:06}", number % 1_000_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_code_above_the_last_whole_million_is_drawn_again() {
        let mut draws = [u32::MAX, 4_294_000_000, 4_293_000_007].into_iter();

        let code = code6_from(|| draws.next().expect("three draws are enough"));

        assert_eq!(code, "000007");
        assert_eq!(draws.next(), None);
    }

    #[test]
    fn codes_are_six_digits_and_differ() {
        let codes: HashSet<String> = (0..1000).map(|_| code6().expose().clone()).collect();

        assert!(codes.iter().all(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_digit())));
        assert!(codes.len() > 950);
    }

    #[test]
    fn backup_codes_have_their_form_and_use_their_whole_alphabet() {
        let codes: HashSet<String> = (0..1000).map(|_| backup_code().expose().clone()).collect();
        let seen: HashSet<char> = codes.iter().flat_map(|code| code.chars()).collect();

        assert_eq!(codes.len(), 1000);
        assert!(codes.iter().all(|code| code.len() == 9 && code.as_bytes()[4] == b'-'));
        assert_eq!(seen.len(), 33);
        assert!(!seen.iter().any(|c| "ilou".contains(*c) || c.is_uppercase()));
    }

    #[test]
    fn tokens_have_their_length_and_alphabet_and_never_repeat() {
        let tokens: HashSet<String> = (0..100).map(|_| token().expose().clone()).collect();

        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|t| base64url::decode(t).is_ok_and(|raw| raw.len() == 32)));
        assert_eq!(jti().len(), 22);
        assert_ne!(jti(), jti());
    }

    #[test]
    fn nothing_is_taken_from_the_stock_twice() {
        let ids: HashSet<[u8; 10]> = (0..2000).map(|_| unique()).collect();
        assert_eq!(ids.len(), 2000);
        assert!(!ids.contains(&[0; 10]));
        assert_ne!(unique::<600>()[..10], unique::<600>()[..10]);
    }

    #[test]
    fn base62_has_the_length_asked_for_and_uses_the_whole_alphabet() {
        for length in [0, 1, 43, 64, 200] {
            assert_eq!(base62(length).expose().len(), length);
        }
        let seen: HashSet<char> = base62(20_000).expose().chars().collect();
        assert_eq!(seen.len(), 62);
    }
}
