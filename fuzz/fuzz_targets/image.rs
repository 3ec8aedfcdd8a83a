#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::image;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = image::reencode(bytes) {
        assert_eq!(image.content_type, "image/png");
        assert!(image::reencode(&image.bytes).is_ok());
    }
});
