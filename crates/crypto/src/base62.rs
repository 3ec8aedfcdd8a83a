//! Base62, the alphabet of secret keys: digits, upper case, lower case.

pub(crate) const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes 256 bits as exactly 43 digits, most significant first.
pub(crate) fn encode_256(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    let mut digits = [0u8; 43];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    zeroize::Zeroize::zeroize(&mut number);
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Writes 32 bits as exactly 6 digits, most significant first.
pub(crate) fn encode_32(mut number: u32) -> String {
    let mut digits = [0u8; 6];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_most_significant_digit_first() {
        let mut sixty_three = [0u8; 32];
        sixty_three[31] = 63;

        assert_eq!(encode_256(&[0; 32]), "0".repeat(43));
        assert_eq!(encode_256(&sixty_three), format!("{}11", "0".repeat(41)));
        assert_eq!(encode_32(0), "000000");
        assert_eq!(encode_32(62 * 62 + 10), "00010A");
        assert_eq!(encode_32(u32::MAX), "4gfFC3");
    }

    #[test]
    fn the_largest_number_loses_no_bits() {
        let mut one_less = [0xff; 32];
        one_less[31] = 0xfe;

        assert_ne!(encode_256(&[0xff; 32]), encode_256(&one_less));
        assert!(!encode_256(&[0xff; 32]).starts_with('0'));
    }
}
