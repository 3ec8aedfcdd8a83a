use super::*;
use image::{GrayImage, ImageBuffer, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn photo(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 90])).into()
}

fn read(image: &Image) -> DynamicImage {
    assert_eq!(image.content_type, "image/png");
    image::load_from_memory_with_format(&image.bytes, ImageFormat::Png).unwrap()
}

/// The sum that closes a chunk of a PNG (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
}

/// A PNG that says how large it is and then holds nothing.
fn png_of(width: u32, height: u32, depth: u8) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 6, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &head), &chunk(b"IDAT", &[]), &chunk(b"IEND", &[])].concat()
}

/// A JPEG with an EXIF block that says it was held on its side, and where it was taken.
fn sideways() -> Vec<u8> {
    let jpeg = file(&photo(40, 20), ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(b"GPS 46.9480N 7.4474E");
    let length = (exif.len() + 2) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), &exif, &jpeg[2..]].concat()
}

#[test]
fn the_four_formats_are_read_and_written_as_png() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
        let image = reencode(&file(&photo(30, 20), format)).unwrap();

        assert_eq!((read(&image).width(), read(&image).height()), (30, 20), "{format:?}");
    }
}

#[test]
fn what_lies_between_the_pixels_is_gone() {
    let jpeg = sideways();
    assert!(jpeg.windows(3).any(|bytes| bytes == b"GPS"));

    let image = reencode(&jpeg).unwrap();

    assert!(!image.bytes.windows(3).any(|bytes| bytes == b"GPS"));
    assert!(!image.bytes.windows(4).any(|bytes| bytes == b"eXIf" || bytes == b"tEXt" || bytes == b"iCCP"));
}

#[test]
fn what_is_hidden_behind_the_picture_is_gone() {
    let polyglot = [file(&photo(8, 8), ImageFormat::Png), b"<script>alert(1)</script>".to_vec()].concat();

    let image = reencode(&polyglot).unwrap();

    assert!(!image.bytes.windows(6).any(|bytes| bytes == b"script"));
}

#[test]
fn a_photo_stands_upright_without_its_exif() {
    let image = read(&reencode(&sideways()).unwrap());

    assert_eq!((image.width(), image.height()), (20, 40));
}

#[test]
fn a_large_picture_is_made_small_in_its_proportions() {
    let image = read(&reencode(&file(&photo(3000, 1500), ImageFormat::Jpeg)).unwrap());

    assert_eq!((image.width(), image.height()), (1024, 512));
}

#[test]
fn a_small_picture_keeps_its_pixels() {
    let small = photo(1024, 10);

    assert_eq!(read(&reencode(&file(&small, ImageFormat::Png)).unwrap()), small);
}

#[test]
fn transparency_stays_and_deep_colours_become_bytes() {
    let clear: DynamicImage = RgbaImage::from_pixel(4, 4, Rgba([1, 2, 3, 0])).into();
    let deep: DynamicImage = ImageBuffer::from_pixel(4, 4, Rgb([65_535_u16, 0, 0])).into();
    let gray: DynamicImage = GrayImage::from_pixel(4, 4, image::Luma([7])).into();

    assert_eq!(read(&reencode(&file(&clear, ImageFormat::Png)).unwrap()), clear);
    assert_eq!(read(&reencode(&file(&deep, ImageFormat::Png)).unwrap()).into_rgb8()[(0, 0)], Rgb([255, 0, 0]));
    assert_eq!(read(&reencode(&file(&gray, ImageFormat::Png)).unwrap()).into_rgb8()[(0, 0)], Rgb([7, 7, 7]));
}

#[test]
fn a_name_is_not_believed_and_svg_is_no_picture() {
    for bytes in [
        &b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"[..],
        b"<?xml version='1.0'?><svg/>",
        b"BM\0\0\0\0",
        b"II*\0",
        b"%PDF-1.7",
        b"",
    ] {
        assert_eq!(reencode(bytes), Err(ImageRefused::Unsupported), "{bytes:?}");
    }
}

#[test]
fn half_a_picture_is_broken() {
    let png = file(&photo(60, 60), ImageFormat::Png);
    let jpeg = file(&photo(60, 60), ImageFormat::Jpeg);

    assert_eq!(reencode(&png[..png.len() / 2]), Err(ImageRefused::Broken));
    assert_eq!(reencode(&jpeg[..20]), Err(ImageRefused::Broken));
    assert_eq!(reencode(b"GIF89a"), Err(ImageRefused::Broken));
    assert_eq!(reencode(b"RIFF\x04\0\0\0WEBP"), Err(ImageRefused::Broken));
}

#[test]
fn a_bomb_is_refused_by_what_it_says_of_itself() {
    for (width, height, depth) in
        [(65_535, 65_535, 8), (6_400, 6_400, 8), (16_385, 1, 8), (1, 4_000_000_000, 8), (6_300, 6_300, 16)]
    {
        assert_eq!(reencode(&png_of(width, height, depth)), Err(ImageRefused::TooLarge), "{width}x{height}");
    }
    // The largest that is allowed gets as far as its missing pixels.
    assert_eq!(reencode(&png_of(8_000, 5_000, 8)), Err(ImageRefused::Broken));
    let mut gif = b"GIF89a\xff\xff\xff\xff\0\0\0".to_vec();
    gif.extend_from_slice(b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;");
    assert_eq!(reencode(&gif), Err(ImageRefused::TooLarge));
}

#[test]
fn forty_megapixels_of_one_colour_are_no_bomb() {
    let flat: DynamicImage = GrayImage::from_pixel(8_000, 5_000, image::Luma([9])).into();

    let image = read(&reencode(&file(&flat, ImageFormat::Png)).unwrap());

    assert_eq!((image.width(), image.height()), (1024, 640));
}

#[test]
fn a_file_over_ten_mebibytes_is_not_looked_at() {
    let mut bytes = file(&photo(8, 8), ImageFormat::Png);
    bytes.resize(MAX_BYTES, 0);
    assert!(reencode(&bytes).is_ok());

    bytes.push(0);

    assert_eq!(reencode(&bytes), Err(ImageRefused::TooLarge));
}

proptest! {
    #[test]
    fn a_damaged_picture_never_makes_the_reader_panic(
        format in prop::sample::select(vec![ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif]),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = file(&photo(16, 16), format);
        for (place, byte) in wounds {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = reencode(&bytes);
    }
}
