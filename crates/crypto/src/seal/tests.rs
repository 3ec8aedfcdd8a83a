use proptest::prelude::*;

use super::*;

const PLACE: Place<'static> =
    Place { environment: "env_1", table: "signing_keys", column: "private_key", row: "key_1" };

#[test]
fn a_sealed_value_opens_in_its_place() {
    let key = DataKey::generate();

    let envelope = key.seal(&PLACE, b"secret");

    assert!(envelope.starts_with(&format!("v1.{}.", key.id())));
    assert!(!envelope.contains("secret"));
    let opened = key.open(&PLACE, &envelope).expect("its own place");
    assert_eq!(opened.expose(), b"secret");
    assert_ne!(key.seal(&PLACE, b"secret"), envelope);
}

#[test]
fn a_sealed_value_opens_nowhere_else() {
    let key = DataKey::generate();
    let envelope = key.seal(&PLACE, b"secret");

    for elsewhere in [
        Place { environment: "env_2", ..PLACE },
        Place { table: "totp_secrets", ..PLACE },
        Place { column: "public_key", ..PLACE },
        Place { row: "key_2", ..PLACE },
        // The same letters, cut at another place.
        Place { table: "signing_keysp", column: "rivate_key", ..PLACE },
    ] {
        assert!(matches!(key.open(&elsewhere, &envelope), Err(SealError::Refused)));
    }
    assert!(matches!(
        DataKey::generate().open(&PLACE, &envelope),
        Err(SealError::OtherKey(id)) if id == key.id()
    ));
}

#[test]
fn every_damage_to_an_envelope_is_noticed() {
    let key = DataKey::generate();
    let envelope = key.seal(&PLACE, b"secret");

    for end in 0..envelope.len() {
        assert!(key.open(&PLACE, &envelope[..end]).is_err(), "cut at {end}");
    }
    for at in 0..envelope.len() {
        for bit in 0..7 {
            let mut bytes = envelope.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).expect("seven bits stay ASCII");
            assert!(key.open(&PLACE, &changed).is_err(), "bit {bit} of {at}");
        }
    }
    for extended in [format!("{envelope}A"), format!("{envelope}.AAAA"), format!(" {envelope}")] {
        assert!(key.open(&PLACE, &extended).is_err());
    }
}

#[test]
fn a_data_key_comes_back_from_its_wrapping_for_its_environment_only() {
    let master = MasterKeys::generate();
    let key = DataKey::generate();
    let envelope = key.seal(&PLACE, b"secret");

    let wrapped = key.wrap(&master, "env_1").expect("wrapped");

    let again = DataKey::unwrap(&master, "env_1", &wrapped).expect("its environment");
    assert_eq!(again.id(), key.id());
    assert_eq!(again.open(&PLACE, &envelope).expect("the same key").expose(), b"secret");
    assert!(matches!(DataKey::unwrap(&master, "env_2", &wrapped), Err(SealError::Wrap(WrapError::Refused))));
    assert!(matches!(
        DataKey::unwrap(&MasterKeys::generate(), "env_1", &wrapped),
        Err(SealError::Wrap(WrapError::UnknownKey(id))) if id == master.key_id()
    ));
}

#[test]
fn every_damage_to_a_wrapped_key_is_noticed() {
    let master = MasterKeys::generate();
    let wrapped = DataKey::generate().wrap(&master, "env_1").expect("wrapped");

    for end in 0..wrapped.len() {
        assert!(DataKey::unwrap(&master, "env_1", &wrapped[..end]).is_err());
    }
    for at in 0..wrapped.len() {
        let mut bytes = wrapped.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(DataKey::unwrap(&master, "env_1", &changed).is_err());
    }
}

#[test]
fn old_master_keys_unwrap_after_a_rotation_and_the_new_one_wraps() {
    let old = MasterKeys::generate();
    let key = DataKey::generate();
    let wrapped = key.wrap(&old, "env_1").expect("wrapped");

    let new = MasterKeys::parse(old.rotated().to_text().expose()).expect("its own file form");

    assert_ne!(new.key_id(), old.key_id());
    assert_eq!(DataKey::wrapped_by(&wrapped), Some(old.key_id()));
    let again = DataKey::unwrap(&new, "env_1", &wrapped).expect("the older key");
    let rewrapped = again.wrap(&new, "env_1").expect("wrapped");
    assert_eq!(DataKey::wrapped_by(&rewrapped), Some(new.key_id()));
    assert!(DataKey::unwrap(&old, "env_1", &rewrapped).is_err());
}

#[test]
fn a_damaged_master_key_file_is_refused_by_line() {
    let text = MasterKeys::generate().rotated().to_text();
    let lines: Vec<&str> = text.expose().lines().collect();
    let wrong = format!("{}.{}", &lines[0][..19], &lines[1][20..]);

    for (file, error) in [
        (String::new(), MasterKeyError::Empty),
        ("# nothing\n\n".into(), MasterKeyError::Empty),
        (format!("{}\nrubbish", lines[0]), MasterKeyError::Malformed(2)),
        (format!("{}==", lines[0]), MasterKeyError::Malformed(1)),
        (format!("{}\n\n{}", lines[0], lines[0]), MasterKeyError::Repeated(3)),
        (wrong, MasterKeyError::WrongId(1)),
    ] {
        assert_eq!(MasterKeys::parse(&file).err(), Some(error));
    }
    let commented = format!("# newest\n{}\r\n\n{}\n", lines[0], lines[1]);
    let read = MasterKeys::parse(&commented).expect("comments and blank lines are fine");
    assert_eq!(read.to_text().expose(), text.expose());
}

#[test]
fn each_purpose_has_its_own_mac_key() {
    let key = DataKey::generate();

    let tag = key.derive_mac("codes").tag(&[b"123456"]);

    assert!(key.derive_mac("codes").verify(&[b"123456"], &tag));
    assert!(!key.derive_mac("code").verify(&[b"123456"], &tag));
    assert!(!DataKey::generate().derive_mac("codes").verify(&[b"123456"], &tag));
}

#[test]
fn keys_never_show_their_bytes() {
    let master = MasterKeys::generate();
    let key = DataKey::generate();

    let shown = format!("{master:?} {key:?} {:?}", key.derive_mac("x"));

    assert!(shown.contains("Secret(..)") && shown.contains(key.id()));
    let text = master.to_text();
    let encoded = text.expose().trim().split_once('.').expect("id and key").1;
    assert!(!shown.contains(encoded));
}

proptest! {
    #[test]
    fn no_text_breaks_the_envelope_parsers(text in "(v1\\.)?[A-Za-z0-9_.=-]{0,80}") {
        let key = DataKey::generate();
        prop_assert!(key.open(&PLACE, &text).is_err());
        prop_assert!(DataKey::unwrap(&MasterKeys::generate(), "env_1", &text).is_err());
        let _ = DataKey::wrapped_by(&text);
    }

    #[test]
    fn no_text_breaks_the_master_key_file(text in "\\PC{0,120}") {
        let _ = MasterKeys::parse(&text);
    }

    #[test]
    fn every_value_comes_back(plain in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = DataKey::generate();
        let envelope = key.seal(&PLACE, &plain);
        let opened = key.open(&PLACE, &envelope).expect("sealed here");
        prop_assert_eq!(opened.expose(), &plain);
    }
}
