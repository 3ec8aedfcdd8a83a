//! Every operation is one of the contract's, or one of ours by name.

use domain::Surface;
use std::collections::HashMap;
use testkit::{contract_folder, document};

/// Operations beyond the contract, each with its reason.
const OURS: [(&str, &str, &str); 6] = [
    // What `image_url` leads to.
    ("fapi", "GET", "/v1/images/{image}"),
    // What is left of a factor whose secret was shown once.
    ("fapi", "GET", "/v1/me/totp"),
    ("fapi", "GET", "/v1/me/backup-codes"),
    // The contract calls the parameter `id`; here it has the name of what it is.
    ("bapi", "GET", "/v1/passkeys/{passkey_id}"),
    ("bapi", "PATCH", "/v1/passkeys/{passkey_id}"),
    ("bapi", "DELETE", "/v1/passkeys/{passkey_id}"),
];

/// The operation ids of the contract by surface, method and path; `-` where it names none.
fn known() -> Option<HashMap<(String, String, String), String>> {
    let folder = contract_folder()?;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the contract's tables are there");
    let mut known = HashMap::new();
    for line in read("operations.tsv").lines().skip(1) {
        let mut columns = line.split('\t').map(str::to_owned);
        if let (Some(surface), Some(method), Some(path)) = (columns.next(), columns.next(), columns.next()) {
            known.insert((surface, method, path), "-".to_owned());
        }
    }
    // The first column of the backend table says where a row is from.
    for (surface, file, skip) in [("fapi", "fapi-endpoints.tsv", 0), ("bapi", "bapi-endpoints.tsv", 1)] {
        for line in read(file).lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').skip(skip).collect();
            if let [method, path, id, ..] = columns[..] {
                // A remark may follow the name.
                let id = id.split(' ').next().unwrap_or(id);
                known.insert((surface.to_owned(), method.to_owned(), path.to_owned()), id.to_owned());
            }
        }
    }
    Some(known)
}

#[test]
fn every_operation_is_the_contracts_or_ours_by_name() {
    let Some(known) = known() else {
        eprintln!("SKIPPED: no contract beside this checkout");
        return;
    };
    for (surface, name) in [(Surface::Fapi, "fapi"), (Surface::Bapi, "bapi")] {
        for operation in document(surface).operations() {
            let method = operation.method.to_ascii_uppercase();
            // The operators' own: the contract lists them in words.
            let is_listed = name == "bapi" && operation.template.starts_with("/v1/admin/");
            if is_listed || OURS.contains(&(name, &method, operation.template)) {
                continue;
            }
            let key = (name.to_owned(), method, operation.template.to_owned());
            let id = known.get(&key).unwrap_or_else(|| panic!("{key:?} is not in the contract"));
            assert!(id == "-" || id == operation.id(), "{key:?} is called {id}, not {}", operation.id());
        }
    }
}
