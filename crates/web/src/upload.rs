//! A file that a form uploads: `multipart/form-data` (RFC 7578) with one part that counts.

use crate::body;
use crate::error::ApiError;
use crate::state::after_caller;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use domain::{Kind, Problem, code};
use futures_util::future::LocalBoxFuture;
use serde_json::Map;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::ToSchema;

/// The most that a file may have.
pub const FILE_MAX: usize = 10 * 1024 * 1024;

/// What stands around the file: boundaries, headers, other parts.
const AROUND: usize = 64 * 1024;

/// So many parts are looked at.
const PARTS: usize = 16;

/// How many uploads are held in memory at a time.
static TURNS: Semaphore = Semaphore::const_new(16);

/// The part `file` of a form, read when the caller is known. While it lives, it takes one of the process's places for
/// uploads.
#[derive(Debug)]
pub struct Upload {
    file: Bytes,
    _turn: SemaphorePermit<'static>,
}

impl Upload {
    /// The file.
    pub fn file(&self) -> Bytes {
        self.file.clone()
    }
}

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body; the extractor reads it")]
pub struct FileForm {
    /// The file: at most 10 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

impl FromRequest for Upload {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        after_caller(req, async move |req| {
            let content_type = req.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let unsupported = || ApiError::refuse(Kind::UnsupportedType, code::CONTENT_TYPE_UNSUPPORTED);
            let boundary = content_type.and_then(boundary).ok_or_else(unsupported)?;
            let busy = |_| {
                ApiError::problem(
                    Problem { kind: Kind::Busy, code: code::SERVER_BUSY, meta: Map::new() }
                        .with("retry_after_seconds", 5),
                )
            };
            let turn = TURNS.try_acquire().map_err(busy)?;
            let whole = body::bytes(req, payload, FILE_MAX + AROUND).await.map_err(|error| {
                let is_size = error.refused().iter().any(|problem| problem.kind == Kind::TooLarge);
                if is_size { too_large() } else { error }
            })?;
            match file(&whole, &boundary) {
                Ok(Some(file)) if file.len() > FILE_MAX => Err(too_large()),
                Ok(Some(file)) if !file.is_empty() => Ok(Self { file, _turn: turn }),
                Ok(_) => Err(ApiError::param(Kind::Invalid, code::PARAM_NIL, "file")),
                Err(NotAForm) => Err(ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, "file")),
            }
        })
    }
}

fn too_large() -> ApiError {
    ApiError::refuse(Kind::TooLarge, code::IMAGE_TOO_LARGE)
}

/// The boundary of a form's parts, with the dashes before it.
fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (_, value) = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or(value);
    // RFC 2046 section 5.1.1.
    let proper = (1..=70).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    proper.then(|| [b"--", value.as_bytes()].concat())
}

/// What was sent has no parts that can be told apart.
#[derive(Debug, PartialEq, Eq)]
struct NotAForm;

/// The part named `file`, if there is one; of two the first counts.
fn file(whole: &Bytes, boundary: &[u8]) -> Result<Option<Bytes>, NotAForm> {
    let mut at = if whole.starts_with(boundary) {
        0
    } else {
        let line = [b"\r\n", boundary].concat();
        find(whole, &line).ok_or(NotAForm)? + 2
    };
    let delimiter = [b"\r\n", boundary].concat();
    for _ in 0..PARTS {
        at += boundary.len();
        let rest = &whole[at..];
        if rest.starts_with(b"--") {
            return Ok(None);
        }
        // White space may pad the line of a boundary.
        let line = find(rest, b"\r\n").filter(|end| rest[..*end].iter().all(|b| matches!(b, b' ' | b'\t')));
        let start = at + line.ok_or(NotAForm)? + 2;
        let head = find(&whole[start..], b"\r\n\r\n").ok_or(NotAForm)?;
        let content = start + head + 4;
        let length = find(&whole[content..], &delimiter).ok_or(NotAForm)?;
        if is_named_file(&whole[start..start + head]) {
            return Ok(Some(whole.slice(content..content + length)));
        }
        at = content + length + 2;
    }
    Err(NotAForm)
}

/// Whether the headers of a part say that it is the field `file`.
fn is_named_file(headers: &[u8]) -> bool {
    let text = String::from_utf8_lossy(headers);
    text.split("\r\n").filter_map(|line| line.split_once(':')).any(|(name, value)| {
        let mut parts = value.split(';').map(str::trim);
        name.trim().eq_ignore_ascii_case("content-disposition")
            && parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("form-data"))
            && parts.any(|parameter| matches!(parameter, "name=\"file\"" | "name=file"))
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    // Most bytes are not the first one: looked for one by one, ten megabytes take milliseconds.
    while let Some(at) = bytes[from..].iter().position(|b| *b == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Option<Vec<u8>>, NotAForm> {
        file(&Bytes::copy_from_slice(body.as_bytes()), b"--b").map(|found| found.map(|file| file.to_vec()))
    }

    fn part(name: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n{content}\r\n")
    }

    #[test]
    fn the_part_named_file_is_taken_as_it_is() {
        let content = "\0\u{1}\r\n--a\r\n-b\r\n\r\n--";
        for body in [
            format!("{}--b--\r\n", part("file", content)),
            format!("{}{}--b--", part("other", "x"), part("file", content)),
            format!("a preamble\r\n{}--b--", part("file", content)),
            format!("{}{}--b--", part("file", content), part("file", "second")),
            format!(
                "--b  \r\ncontent-disposition:form-data; name=file\r\nContent-Type: image/png\r\n\r\n{content}\r\n--b--"
            ),
        ] {
            assert_eq!(read(&body), Ok(Some(content.as_bytes().to_vec())), "{body:?}");
        }
    }

    #[test]
    fn a_form_without_the_part_has_no_file() {
        for body in [format!("{}--b--", part("image", "x")), "--b--".to_owned(), part("filename=\"file", "x") + "--b--"]
        {
            assert_eq!(read(&body), Ok(None), "{body:?}");
        }
    }

    #[test]
    fn what_is_broken_is_no_form() {
        let many = part("other", "x").repeat(PARTS + 1) + &part("file", "x") + "--b--";
        for body in ["", "--c--", "--b", "--b\r\n", "--bx\r\n\r\nx\r\n--b--", &part("file", "x"), &many] {
            assert_eq!(read(body), Err(NotAForm), "{body:?}");
        }
    }

    #[test]
    fn a_boundary_is_read_in_every_spelling() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=abc", Some("--abc")),
            ("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"", Some("--a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=abc", None),
            ("application/json", None),
        ] {
            assert_eq!(boundary(content_type), expected.map(|text| text.as_bytes().to_vec()), "{content_type}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }

    #[test]
    fn a_long_run_of_dashes_takes_no_time() {
        // Each of many beginnings of a boundary is looked at to its end.
        let boundary = [[b'-'; 71].as_slice(), b"x"].concat();
        let body = Bytes::from([b"\r\n", [b'-'; 71].as_slice()].concat().repeat(FILE_MAX / 73));
        let started = std::time::Instant::now();
        assert_eq!(file(&body, &boundary), Err(NotAForm));
        assert!(started.elapsed().as_secs() < 5);
    }
}
