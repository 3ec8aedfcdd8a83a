//! The cores of the fuzz targets, with every run of the tests: what libFuzzer drives for hours is driven here with
//! bytes that begin as something real. `fuzz/README.md` says how to do the rest.

#[path = "../../fuzz/cores/cursor.rs"]
mod cursor;
#[path = "../../fuzz/cores/import_digest.rs"]
mod import_digest;
#[path = "../../fuzz/cores/liquid_template.rs"]
mod liquid_template;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Something real, with a few bytes changed, added and taken out.
fn edited(examples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (any::<u8>(), select(examples), vec(edit, 0..4)).prop_map(|(kind, example, edits)| {
        let mut bytes = example.as_bytes().to_vec();
        for (place, byte, how) in edits {
            let place = place.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(place, byte),
                1 if place < bytes.len() => bytes[place] = byte,
                _ if place < bytes.len() => drop(bytes.remove(place)),
                _ => {}
            }
        }
        bytes.insert(0, kind);
        bytes
    })
}

const DIGESTS: &[&str] = &[
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$pbkdf2-sha256$i=310000,l=32$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pbkdf2_sha256$600000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "$wrapped-md5$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

const TEMPLATES: &[&str] = &[
    "Hello {{ user.first_name | default: 'you' | upcase }}, your code is {{ otp_code }}.",
    "{% for tag in user.tags %}{% if forloop.first %}{{ tag }}{% else %}, {{ tag | escape }}{% endif %}{% endfor %}",
    "{% assign x = list | join: '-' %}{% case x %}{% when '1-2-3' %}yes{% else %}no{% endcase %}",
    "{% unless empty %}{{ app.name | append: '!' | truncate: 5 }}{% endunless %}{% comment %} {{ {% endcomment %}",
    "{% raw %}{{ a }}{% endraw %}{{ user.tags[4].deep }}{{ user[otp_code] }}{{ at | date_unix }}",
    "{%- for a in list -%}{%- for b in list -%}{{ a }}{{ b | json }}{%- endfor -%}{%- endfor -%}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_cursor_but_ours_opens_a_page(data in vec(any::<u8>(), 0..200)) {
        cursor::check(&data);
    }

    #[test]
    fn no_digest_is_taken_that_is_not_whole(data in edited(DIGESTS)) {
        import_digest::check(&data);
    }

    #[test]
    fn no_template_goes_on_for_ever_or_shows_what_it_must_not(data in edited(TEMPLATES)) {
        liquid_template::check(&data);
    }

    #[test]
    fn random_bytes_break_no_reader(data in vec(any::<u8>(), 0..300)) {
        import_digest::check(&data);
        liquid_template::check(&data);
    }
}

/// The examples do reach what they are examples of: a core that refused everything would hold as well.
#[test]
fn the_examples_are_taken() {
    let taken = DIGESTS.iter().filter(|digest| {
        let hashers = ["argon2id", "bcrypt", "scrypt", "pbkdf2_sha256", "md5", "sha256"];
        hashers.iter().any(|hasher| crypto::password::Foreign::read(hasher, digest).is_ok())
    });
    assert_eq!(taken.count(), DIGESTS.len() - 1, "all but what is ours already");
    let read = |source: &&&str| templates::Template::parse(source, templates::Dialect::Message).is_ok();
    assert!(TEMPLATES.iter().filter(read).count() >= 4);
}
