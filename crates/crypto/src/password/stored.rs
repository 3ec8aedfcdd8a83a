use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};

use super::Params;

/// A hash nobody could ever match, or one too dear to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a password hash of a known form and bounded cost")]
pub struct InvalidHash;

/// A stored password hash; its text says by itself how to verify it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    text: String,
    pub(super) form: Form,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Form {
    Argon2id(Argon2id),
    /// The hash of an unsalted digest's hex, as such digests are never stored bare.
    Wrapped(Bare, Argon2id),
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        hash: [u8; 23],
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2Sha256 {
        iterations: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon2id {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// A fast digest without salt, as some systems stored passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    Md5,
    Sha256,
}

const MAX_LEN: usize = 1024;
// A shorter output would let strangers in by luck; a longer one only costs.
const HASH_LEN: RangeInclusive<usize> = 16..=64;
const SALT_LEN: RangeInclusive<usize> = 1..=128;

impl StoredHash {
    /// Reads a stored hash or an imported digest; costs beyond the caps are refused here, before
    /// anybody computes.
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        if text.len() > MAX_LEN {
            return Err(InvalidHash);
        }
        let form = form(text).ok_or(InvalidHash)?;
        let text = text.to_owned();
        Ok(Self { text, form })
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the hash function a person's password goes through first.
    pub const fn hasher(&self) -> &'static str {
        match &self.form {
            Form::Argon2id(_) => "argon2id",
            Form::Wrapped(bare, _) => bare.name(),
            Form::Bcrypt { .. } => "bcrypt",
            Form::Scrypt { .. } => "scrypt",
            Form::Pbkdf2Sha256 { .. } => "pbkdf2_sha256",
        }
    }
}

impl FromStr for StoredHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        Self::parse(text)
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHash({}, ..)", self.hasher())
    }
}

impl Bare {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
        }
    }

    pub(super) const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }

    /// Marks a native hash as one of this digest; never change it, it is stored.
    pub(super) fn mark(self, argon2id: &str) -> String {
        format!("$wrapped-{}{argon2id}", self.name())
    }
}

impl fmt::Display for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Params { memory_kib, iterations, parallelism } = self.params;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let hash = STANDARD_NO_PAD.encode(&self.hash);
        write!(f, "$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${salt}${hash}")
    }
}

fn form(text: &str) -> Option<Form> {
    if text.starts_with("$argon2id$") {
        return argon2id(text).map(Form::Argon2id);
    }
    for bare in [Bare::Md5, Bare::Sha256] {
        if let Some(inner) = text.strip_prefix(&bare.mark("")) {
            return argon2id(inner).map(|argon2id| Form::Wrapped(bare, argon2id));
        }
    }
    match text.as_bytes() {
        [b'$', b'2', ..] => bcrypt(text),
        [b'$', b's', ..] => scrypt(text),
        [b'$', ..] => pbkdf2_phc(text),
        _ => pbkdf2_django(text),
    }
}

fn argon2id(text: &str) -> Option<Argon2id> {
    let [_, "argon2id", "v=19", costs, salt, hash] = fields(text, '$')? else {
        return None;
    };
    let [memory, iterations, parallelism] = fields(costs, ',')?;
    let params = Params {
        memory_kib: number(memory.strip_prefix("m=")?)?,
        iterations: number(iterations.strip_prefix("t=")?)?,
        parallelism: number(parallelism.strip_prefix("p=")?)?,
    };
    params.validate().ok()?;
    let salt = bytes(&STANDARD_NO_PAD, salt, &SALT_LEN).filter(|salt| salt.len() >= 8)?;
    let hash = bytes(&STANDARD_NO_PAD, hash, &HASH_LEN)?;
    Some(Argon2id { params, salt, hash })
}

fn bcrypt(text: &str) -> Option<Form> {
    // Other tools leave the unused bits of the last character as they like.
    const BCRYPT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::BCRYPT,
        GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    let ["", "2a" | "2b" | "2y", cost, rest] = fields(text, '$')? else {
        return None;
    };
    // Always two digits, so `04` is right and `4` is not.
    let cost = (4..=14).find(|known| format!("{known:02}") == cost)?;
    if rest.len() != 53 || !rest.is_ascii() {
        return None;
    }
    let (salt, hash) = rest.split_at(22);
    Some(Form::Bcrypt {
        cost,
        salt: BCRYPT.decode(salt).ok()?.try_into().ok()?,
        hash: BCRYPT.decode(hash).ok()?.try_into().ok()?,
    })
}

fn scrypt(text: &str) -> Option<Form> {
    let ["", "scrypt", costs, salt, hash] = fields(text, '$')? else {
        return None;
    };
    let [log_n, r, p] = fields(costs, ',')?;
    let log_n = number(log_n.strip_prefix("ln=")?)?;
    let r = number(r.strip_prefix("r=")?)?;
    let p = number(p.strip_prefix("p=")?)?;
    if !(1..=17).contains(&log_n) || !(1..=16).contains(&r) || !(1..=16).contains(&p) {
        return None;
    }
    Some(Form::Scrypt {
        log_n: u8::try_from(log_n).ok()?,
        r,
        p,
        salt: bytes(&STANDARD_NO_PAD, salt, &SALT_LEN)?,
        hash: bytes(&STANDARD_NO_PAD, hash, &HASH_LEN)?,
    })
}

fn pbkdf2_phc(text: &str) -> Option<Form> {
    let ["", "pbkdf2-sha256", costs, salt, hash] = fields(text, '$')? else {
        return None;
    };
    let (iterations, length) = match costs.split_once(',') {
        Some((iterations, length)) => (iterations, Some(number(length.strip_prefix("l=")?)?)),
        None => (costs, None),
    };
    let salt = bytes(&STANDARD_NO_PAD, salt, &SALT_LEN)?;
    let hash = bytes(&STANDARD_NO_PAD, hash, &HASH_LEN)?;
    if length.is_some_and(|length| length as usize != hash.len()) {
        return None;
    }
    pbkdf2(iterations.strip_prefix("i=")?, salt, hash)
}

/// Django's own form: the salt is text, the hash padded base64.
fn pbkdf2_django(text: &str) -> Option<Form> {
    let ["pbkdf2_sha256", iterations, salt, hash] = fields(text, '$')? else {
        return None;
    };
    if !SALT_LEN.contains(&salt.len()) {
        return None;
    }
    let hash = bytes(&STANDARD, hash, &HASH_LEN)?;
    pbkdf2(iterations, salt.as_bytes().to_vec(), hash)
}

fn pbkdf2(iterations: &str, salt: Vec<u8>, hash: Vec<u8>) -> Option<Form> {
    let iterations = number(iterations)?;
    (1..=2_000_000).contains(&iterations).then_some(Form::Pbkdf2Sha256 { iterations, salt, hash })
}

fn fields<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let mut parts = text.split(separator);
    let mut fields = [""; N];
    for field in &mut fields {
        *field = parts.next()?;
    }
    parts.next().is_none().then_some(fields)
}

/// A decimal numeral as PHC strings write it: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn bytes(engine: &impl Engine, text: &str, length: &RangeInclusive<usize>) -> Option<Vec<u8>> {
    let bytes = engine.decode(text).ok()?;
    length.contains(&bytes.len()).then_some(bytes)
}
