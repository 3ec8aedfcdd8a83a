//! Pictures of strangers: decoded within bounds, made small, and written anew.
//!
//! What comes out holds pixels and nothing else: no place, no camera, no comment, no second file hidden behind
//! the first. SVG is no picture here, since it can hold scripts.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// The most bytes that are looked at.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;

/// The longer side of what comes out, at most.
pub const MAX_SIDE: u32 = 1024;

/// The most pixels that are decoded.
const MAX_PIXELS: u64 = 40_000_000;

/// The longest side that is decoded: a strip of 40 megapixels could be millions wide.
const MAX_SOURCE_SIDE: u32 = 16_384;

/// The memory a decoder may ask for: 40 megapixels of four bytes, and its own tables.
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// A picture that is safe to keep and to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it is served as.
    pub content_type: &'static str,
}

/// Why a picture was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefused {
    /// Too many bytes, too many pixels, or too much memory to decode.
    #[error("the image is too large")]
    TooLarge,
    /// Not one of the four formats, going by its first bytes.
    #[error("the image is neither PNG, JPEG, WebP nor GIF")]
    Unsupported,
    /// One of the formats, but not decodable.
    #[error("the image cannot be read")]
    Broken,
}

/// Reads PNG, JPEG, WebP or GIF (its first picture) and writes it anew as PNG, upright, and scaled down to
/// [`MAX_SIDE`].
///
/// Costs up to a second of CPU and some hundred megabytes: callers run few of these at a time, off their workers.
pub fn reencode(bytes: &[u8]) -> Result<Image, ImageRefused> {
    if bytes.len() > MAX_BYTES {
        return Err(ImageRefused::TooLarge);
    }
    let format = format_of(bytes).ok_or(ImageRefused::Unsupported)?;
    let (picture, orientation) = decode(bytes, format)?;
    let mut picture = shrink(picture);
    picture.apply_orientation(orientation);
    let picture: DynamicImage =
        if picture.color().has_alpha() { picture.into_rgba8().into() } else { picture.into_rgb8().into() };
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).map_err(|_| ImageRefused::Broken)?;
    Ok(Image { bytes: file.into_inner(), content_type: "image/png" })
}

/// The format by its first bytes: a name or a header is what a stranger says.
fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif).then_some(format)
}

fn decode(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), ImageRefused> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SOURCE_SIDE);
    limits.max_image_height = Some(MAX_SOURCE_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_MEMORY {
        return Err(ImageRefused::TooLarge);
    }
    // Telephones store what their sensor saw and say beside it how it was held.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    limits.reserve(decoder.total_bytes()).map_err(refused)?;
    decoder.set_limits(limits).map_err(refused)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(refused)?, orientation))
}

fn shrink(picture: DynamicImage) -> DynamicImage {
    if picture.width().max(picture.height()) <= MAX_SIDE {
        return picture;
    }
    picture.thumbnail(MAX_SIDE, MAX_SIDE)
}

fn refused(error: ImageError) -> ImageRefused {
    match error {
        ImageError::Limits(_) => ImageRefused::TooLarge,
        _ => ImageRefused::Broken,
    }
}

#[cfg(test)]
mod tests;
