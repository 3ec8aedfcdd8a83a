#![no_main]

use domain::email::{Email, EmailRules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else { return };
    assert_eq!(Email::parse(email.as_str()).as_ref(), Ok(&email));
    assert!(email.as_str().is_ascii() && email.as_str().len() <= 254);
    assert!(!email.as_str().contains(['\r', '\n', '\0', ' ', '<', '>', '"', ',']));
    for (ignore_dots_for_gmail, strip_subaddress) in [(false, false), (true, false), (false, true), (true, true)] {
        let rules = EmailRules { ignore_dots_for_gmail, strip_subaddress };
        let canonical = email.canonical(rules);
        assert_eq!(Email::parse(&canonical).expect("a canonical form is an address").canonical(rules), canonical);
    }
});
