//! QR codes, drawn as SVG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The text does not fit into a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

/// Draws a text of up to 2331 bytes as a QR code, in the form that an `<img>` takes as its source.
pub fn svg_data_url(text: &str) -> Result<String, TooLong> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| TooLong)?;
    let svg = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    Ok(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_an_svg_that_holds_no_text() {
        let url = svg_data_url("otpauth://totp/Acme:ann?secret=JBSWY3DPEHPK3PXP").unwrap();

        let svg = STANDARD.decode(url.strip_prefix("data:image/svg+xml;base64,").unwrap()).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert!(!svg.contains("JBSWY3DPEHPK3PXP") && !svg.contains("<script"));
    }

    #[test]
    fn different_texts_give_different_codes() {
        assert_eq!(svg_data_url("a"), svg_data_url("a"));
        assert_ne!(svg_data_url("a"), svg_data_url("b"));
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        assert!(svg_data_url(&"a".repeat(2331)).is_ok());
        assert_eq!(svg_data_url(&"a".repeat(2332)), Err(TooLong));
    }
}
