//! Every answer is held against the OpenAPI documents: what is not documented does not exist.

mod document;
#[cfg(test)]
mod tests;

pub use document::{Document, Operation};

use crate::reply::Reply;
use domain::Surface;
use reqwest::Method;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The folder that holds the contract, when this checkout stands beside one.
pub fn contract_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contract");
    folder.is_dir().then_some(folder)
}

struct Known {
    own: Document,
    contract: Option<Document>,
}

static FAPI: LazyLock<Known> = LazyLock::new(|| known("fapi", serde_json::to_value(fapi::openapi())));
static BAPI: LazyLock<Known> = LazyLock::new(|| known("bapi", serde_json::to_value(bapi::openapi())));

fn known(name: &'static str, own: serde_json::Result<Value>) -> Known {
    let own = Document::new(own.expect("a document is JSON"));
    let path = contract_folder().map(|folder| folder.join(format!("shapes/{name}.json")));
    let contract = path.and_then(|path| std::fs::read_to_string(path).ok());
    if contract.is_none() {
        crate::loud::say(&format!("NOT CHECKED: no contract shapes of {name} beside this checkout"));
    }
    let contract = contract.map(|text| Document::new(serde_json::from_str(&text).expect("the contract is JSON")));
    Known { own, contract }
}

fn of(surface: Surface) -> &'static Known {
    match surface {
        Surface::Bapi => &BAPI,
        _ => &FAPI,
    }
}

/// The document of a surface, as the code makes it.
pub fn document(surface: Surface) -> &'static Document {
    &of(surface).own
}

/// The contract's shapes of a surface, when there are any.
pub fn contract(surface: Surface) -> Option<&'static Document> {
    of(surface).contract.as_ref()
}

/// Paths that are served beside the documents.
const OUTSIDE: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Says what is wrong with an answer, by our own document and by the contract's shapes.
pub(crate) fn check(surface: Surface, method: &Method, path: &str, reply: &Reply) -> Result<(), String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let known = of(surface);
    if OUTSIDE.contains(&path) || method == Method::OPTIONS {
        return Ok(());
    }
    // Answered by the edge, in front of every operation.
    if query.contains("__authn_db_jwt") && (300..400).contains(&reply.status) {
        return Ok(());
    }
    let Some(template) = known.own.template(path) else {
        return known.own.check_error(reply).map_err(|problem| format!("no such route, and {problem}"));
    };
    let asked = if method == Method::HEAD { "get" } else { &method.as_str().to_ascii_lowercase() };
    let Some(operation) = known.own.operation(asked, template) else {
        if reply.status < 400 {
            return Err("answered, but the document has no such operation".to_owned());
        }
        return known.own.check_error(reply);
    };
    operation.check(reply, method == Method::HEAD)?;
    // Pages for people, and the ways on from them: the shapes know JSON alone.
    if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) || reply.status == 303 {
        return Ok(());
    }
    match known.contract.as_ref().and_then(|contract| contract.twin(asked, path)) {
        Some(shape) => {
            shape.check_shape(reply, method == Method::HEAD).map_err(|problem| format!("by the contract: {problem}"))
        }
        None => Ok(()),
    }
}
