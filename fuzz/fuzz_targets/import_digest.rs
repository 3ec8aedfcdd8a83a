#![no_main]

#[path = "../cores/import_digest.rs"]
mod reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| reader::check(data));
