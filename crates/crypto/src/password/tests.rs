use proptest::prelude::*;

use super::compute::{Arena, hash_in, verify_in};
use super::pool::tests::{CHEAP, pool, secret};
use super::*;
use crate::digest;

const ARGON2ID: &str = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const SCRYPT: &str = "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA";
const PBKDF2: &str = "$pbkdf2-sha256$i=1,l=64$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB06GXgw";
const DJANGO: &str = "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=";

/// Published examples: the argon2 reference implementation, crypt_blowfish, jBCrypt, RFC 7914
/// sections 11 and 12, Django.
const KNOWN: &[(&str, &str, &str)] = &[
    ("argon2id", ARGON2ID, "password"),
    ("argon2id", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
    ("bcrypt", BCRYPT, "U*U"),
    ("bcrypt", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
    ("bcrypt", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
    ("bcrypt", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", ""),
    (
        "bcrypt",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
    ),
    ("scrypt", SCRYPT, "password"),
    (
        "scrypt",
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
        "pleaseletmein",
    ),
    ("pbkdf2_sha256", PBKDF2, "passwd"),
    ("pbkdf2_sha256", DJANGO, "lètmein"),
];

#[test]
fn published_hashes_verify_with_their_password_only() {
    for (hasher, text, password) in KNOWN {
        let stored = StoredHash::parse(text).expect(text);
        assert_eq!(stored.hasher(), *hasher);
        assert_eq!(stored.as_str(), *text);
        assert!(verify(&stored, password), "{text}");
        assert!(!verify(&stored, "wrong password"), "{text}");
        assert!(needs_rehash(&stored, &Params::default()), "{text}");
    }
}

#[test]
fn bcrypt_hashes_with_stray_bits_in_the_salt_still_verify() {
    // Of the last character of a salt only two bits count: `.` and `A` read alike.
    let stray = BCRYPT.replacen("C.E5", "CAE5", 1);

    let stored = StoredHash::parse(&stray).expect("a form that other tools write");

    assert!(verify(&stored, "U*U"));
}

#[test]
fn hashes_that_are_too_dear_or_damaged_are_refused() {
    let with = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from));
        text.replacen(from, to, 1)
    };
    for text in [
        with(ARGON2ID, "m=256", "m=262145"),
        with(ARGON2ID, "m=256", "m=15"),
        with(ARGON2ID, "m=256", "m=0256"),
        with(ARGON2ID, "m=256", "m=+256"),
        with(ARGON2ID, "m=256", "m=4294967552"),
        with(ARGON2ID, "t=2", "t=17"),
        with(ARGON2ID, "t=2", "t=0"),
        with(ARGON2ID, "p=2", "p=17"),
        with(ARGON2ID, "p=2", "p=0"),
        with(ARGON2ID, "v=19", "v=16"),
        with(ARGON2ID, "argon2id", "argon2i"),
        with(ARGON2ID, "argon2id", "argon2d"),
        with(ARGON2ID, "c29tZXNhbHQ", "c2FsdA"),
        with(ARGON2ID, "m=256,t=2", "t=2,m=256"),
        with(BCRYPT, "$05$", "$15$"),
        with(BCRYPT, "$05$", "$03$"),
        with(BCRYPT, "$05$", "$31$"),
        with(BCRYPT, "$05$", "$5$"),
        with(BCRYPT, "$05$", "$+5$"),
        with(BCRYPT, "$2a$", "$2x$"),
        with(BCRYPT, "$2a$", "$2$"),
        with(BCRYPT, "yOeW", "yOe"),
        with(BCRYPT, "yOeW", "yO€"),
        with(SCRYPT, "ln=10", "ln=18"),
        with(SCRYPT, "ln=10", "ln=0"),
        with(SCRYPT, "ln=10", "ln=266"),
        with(SCRYPT, "r=8", "r=17"),
        with(SCRYPT, "p=16", "p=17"),
        with(SCRYPT, "p=16", "p=0"),
        with(PBKDF2, "i=1,", "i=2000001,"),
        with(PBKDF2, "i=1,", "i=0,"),
        with(PBKDF2, "l=64", "l=32"),
        with(DJANGO, "$10000$", "$2147483648$"),
        with(DJANGO, "$10000$", "$-1$"),
        with(DJANGO, "seasalt", ""),
        with(DJANGO, "VY=", "VY"),
        with(DJANGO, "_sha256", "_sha1"),
        "$wrapped-sha512".to_owned() + ARGON2ID,
        "$wrapped-md5".to_owned() + BCRYPT,
        "$wrapped-md5$wrapped-md5".to_owned() + ARGON2ID,
        "5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
        "password".to_owned(),
        String::new(),
    ] {
        assert_eq!(StoredHash::parse(&text), Err(InvalidHash), "{text}");
    }
    for (_, text, _) in KNOWN {
        // A shorter output is a form of its own, down to 16 bytes: 22 characters.
        let enough = text.rfind('$').expect("fields") + 22;
        for end in 0..enough {
            assert!(StoredHash::parse(&text[..end]).is_err(), "{text} cut at {end}");
        }
        assert!(StoredHash::parse(&format!("{text}$")).is_err());
        assert!(StoredHash::parse(&format!("{text} ")).is_err());
        assert!(StoredHash::parse(&format!(" {text}")).is_err());
    }
}

#[test]
fn a_stored_hash_is_not_shown_in_logs() {
    let stored = StoredHash::parse(DJANGO).expect("a known form");

    assert_eq!(format!("{stored:?}"), "StoredHash(pbkdf2_sha256, ..)");
}

#[test]
fn a_hash_of_other_costs_wants_to_be_made_anew() {
    let native = hash_in(&mut Arena::default(), &CHEAP, b"password");
    let stored = StoredHash::parse(&native.to_string()).expect("our own form");

    assert!(!needs_rehash(&stored, &CHEAP));
    for dearer in
        [Params { memory_kib: 128, ..CHEAP }, Params { iterations: 2, ..CHEAP }, Params { parallelism: 2, ..CHEAP }]
    {
        assert!(needs_rehash(&stored, &dearer));
    }
}

#[test]
fn the_default_costs_are_written_into_the_hash() {
    let native = hash_in(&mut Arena::default(), &Params::default(), b"password");

    let text = native.to_string();

    assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(verify(&StoredHash::parse(&text).expect("our own form"), "password"));
}

#[test]
fn costs_out_of_bounds_start_no_pool() {
    for params in [
        Params { memory_kib: 7, ..CHEAP },
        Params { memory_kib: 262_145, ..CHEAP },
        Params { iterations: 0, ..CHEAP },
        Params { iterations: 17, ..CHEAP },
        Params { parallelism: 0, ..CHEAP },
        Params { parallelism: 17, memory_kib: 1024, ..CHEAP },
        Params { parallelism: 9, ..CHEAP },
    ] {
        let options = PoolOptions { params, ..PoolOptions::default() };
        assert!(matches!(HashPool::new(options), Err(PoolStartError::Params(_))), "{params:?}");
    }
}

#[test]
fn used_memory_changes_no_hash_and_dear_memory_is_given_back() {
    let mut arena = Arena::default();
    let dear = StoredHash::parse(ARGON2ID).expect("a known form");

    for _ in 0..2 {
        let native = hash_in(&mut arena, &CHEAP, b"password").to_string();
        let native = StoredHash::parse(&native).expect("our own form");
        assert!(verify_in(&mut arena, &dear, "password"));
        assert!(arena.kib() >= 256);
        arena.trim(&CHEAP);
        assert!(arena.kib() <= 64);
        assert!(verify_in(&mut arena, &native, "password"));
        assert!(!verify_in(&mut arena, &native, "Password"));
        assert_eq!(arena.kib(), 64);
        arena.trim(&CHEAP);
        assert_eq!(arena.kib(), 64);
    }
}

#[tokio::test]
async fn unsalted_digests_are_stored_wrapped_and_still_verify() {
    let pool = pool(1, 4);
    for (hasher, digest) in
        [("md5", "3cb4e732631f47e6eb961f34554b7cde".to_owned()), ("sha256", digest::sha256_hex(b"correct horse"))]
    {
        let stored = import(hasher, &digest, &pool).await.expect("imported");

        assert!(stored.as_str().starts_with(&format!("$wrapped-{hasher}$argon2id$")));
        assert!(!stored.as_str().contains(&digest));
        assert_eq!(stored.hasher(), hasher);
        assert!(needs_rehash(&stored, &CHEAP));
        let text = stored.as_str().to_owned();
        assert_eq!(pool.verify(text.clone(), secret("correct horse")).await, Ok(true));
        assert_eq!(pool.verify(text.clone(), secret("wrong")).await, Ok(false));
        // Whoever stole the digests from the old system cannot sign in with one.
        assert_eq!(pool.verify(text, secret(&digest)).await, Ok(false));
    }
}

#[tokio::test]
async fn salted_digests_are_imported_as_they_are() {
    let pool = pool(1, 4);

    for (hasher, text, _) in KNOWN {
        let stored = import(hasher, text, &pool).await.expect("imported");
        assert_eq!(stored.as_str(), *text);
    }
    assert_eq!(pool.hashes_done(), 0);
}

#[tokio::test]
async fn hostile_imports_are_refused_before_anything_is_computed() {
    let pool = pool(1, 4);
    let marked = format!("$wrapped-md5{ARGON2ID}");

    for (hasher, text) in [
        ("argon2id", BCRYPT),
        ("argon2id", &marked),
        ("bcrypt", "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("scrypt", "$scrypt$ln=31,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"),
        ("md5", "3CB4E732631F47E6EB961F34554B7CDE"),
        ("md5", "3cb4e732631f47e6eb961f34554b7cd"),
        ("md5", "3cb4e732631f47e6eb961f34554b7cdg"),
        ("sha256", "3cb4e732631f47e6eb961f34554b7cde"),
        ("pbkdf2_sha256", ""),
    ] {
        let refused = import(hasher, text, &pool).await;
        assert!(matches!(refused, Err(ImportError::Invalid)), "{hasher} {text}");
    }
    for hasher in ["sha1", "BCRYPT", "", "plain"] {
        let refused = import(hasher, BCRYPT, &pool).await;
        assert!(matches!(refused, Err(ImportError::UnknownHasher)), "{hasher}");
    }
    assert_eq!(pool.hashes_done(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_breaks_the_hash_reader(text in "\\PC{0,100}") {
        let _ = StoredHash::parse(&text);
    }

    #[test]
    fn what_is_read_is_bounded_and_comes_back(
        start in prop::sample::select(&[
            "$argon2id$v=19$m=", "$2b$", "$scrypt$ln=", "$pbkdf2-sha256$i=", "pbkdf2_sha256$",
            "$wrapped-md5$argon2id$v=19$m=",
        ][..]),
        rest in "[0-9]{1,7}(,[trpl]=[0-9]{1,3}){0,2}(\\$[A-Za-z0-9+/.]{22,53}=?){1,2}",
    ) {
        let text = format!("{start}{rest}");
        if let Ok(stored) = StoredHash::parse(&text) {
            prop_assert_eq!(stored.as_str(), &text);
            let again = StoredHash::parse(stored.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&stored));
        }
    }

    #[test]
    fn every_native_hash_is_read_back(
        memory in 8u32..300, iterations in 1u32..4, password in "\\PC{0,40}",
    ) {
        let params = Params { memory_kib: memory, iterations, parallelism: 1 };
        let native = hash_in(&mut Arena::default(), &params, password.as_bytes());
        let stored = StoredHash::parse(&native.to_string());
        let stored = stored.expect("our own form");
        prop_assert!(verify(&stored, &password));
        prop_assert!(!needs_rehash(&stored, &params));
    }
}
