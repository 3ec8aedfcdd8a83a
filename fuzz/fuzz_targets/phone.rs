#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::phone;

fuzz_target!(|text: &str| {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    if let Some(number) = phone::normalise(text) {
        assert_eq!(phone::normalise(&number).as_ref(), Some(&number));
        assert!(digits(text) == digits(&number) || text.contains("(0)"), "{text:?} became {number}");
        let _ = phone::country(&number);
    }
    for region in ["DE", "IT", "RU", "US", "BY"] {
        if let Some(number) = phone::normalise_in(text, region) {
            assert_eq!(phone::normalise(&number), Some(number));
        }
    }
    let _ = phone::country(text);
});
