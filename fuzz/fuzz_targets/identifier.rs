#![no_main]

use domain::email::EmailRules;
use domain::identifier::Identifier;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for rules in [
        EmailRules { ignore_dots_for_gmail: false, strip_subaddress: false },
        EmailRules { ignore_dots_for_gmail: true, strip_subaddress: true },
    ] {
        let Some(identifier) = Identifier::parse(text, rules) else { continue };
        assert_eq!(Identifier::parse(&identifier.shown, rules), Some(identifier.clone()), "{text:?}");
    }
});
