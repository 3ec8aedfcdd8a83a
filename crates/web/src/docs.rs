//! The OpenAPI document of a surface, made from its routes: what is served is what is documented.

use crate::path::PATH_IDS;
use crate::routing::{Description, ServiceConfig};
use domain::Surface;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, RefOr, Required};

/// The document of a surface.
pub fn document(surface: Surface, routes: fn(&mut ServiceConfig)) -> OpenApi {
    let Description { paths, schemas: named } = ServiceConfig::describe(routes);
    let mut document = OpenApi::default();
    document.paths = paths;
    let (title, text) = match surface {
        Surface::Bapi => ("Latchkey Backend API", "What a backend with a secret key may do with its environment."),
        _ => ("Latchkey Frontend API", "What browsers and devices talk to: signing up, signing in, sessions."),
    };
    document.info = InfoBuilder::new()
        .title(title)
        .description(Some(text))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas =
        vec![(api::ErrorResponse::name().into_owned(), <api::ErrorResponse as utoipa::PartialSchema>::schema())];
    api::ErrorResponse::schemas(&mut schemas);
    components.schemas.extend(named.into_iter().chain(schemas));
    for (name, scheme) in schemes(surface) {
        components.add_security_scheme(name, scheme);
    }
    for schema in components.schemas.values_mut() {
        close(schema);
    }
    if surface == Surface::Bapi {
        document.security = Some(vec![SecurityRequirement::new("secret_key", Vec::<String>::new())]);
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations_mut(item) {
            complete(operation, path);
        }
    }
    document
}

fn schemes(surface: Surface) -> Vec<(&'static str, SecurityScheme)> {
    let bearer = |text: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build())
    };
    let cookie =
        |name: &str, text: &str| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, text)));
    match surface {
        Surface::Bapi => {
            vec![("secret_key", bearer("A secret key of the environment: `sk_test_...` or `sk_live_...`."))]
        }
        _ => vec![
            ("client", cookie(crate::cookies::CLIENT, "The device's cookie.")),
            (
                "session",
                bearer(
                    "A session token. Of a session that is pending, what does not lead to a second factor is refused with 403 `session_pending`.",
                ),
            ),
            (
                "session_cookie",
                cookie(crate::cookies::SESSION, "The session token of the browser, for this API alone."),
            ),
        ],
    }
}

/// Fills in what every operation has alike: its id in camel case, a tag, its path parameters.
fn complete(operation: &mut Operation, path: &str) {
    if let Some(id) = operation.operation_id.as_mut() {
        *id = camel(id);
    }
    operation.tags = Some(vec![crate::actions::group(path).to_owned()]);
    let parameters = operation.parameters.get_or_insert_default();
    for name in parameter_names(path) {
        let known = parameters
            .iter()
            .any(|p| matches!(p, RefOr::T(p) if p.name == name && p.parameter_in == ParameterIn::Path));
        if !known {
            parameters.push(RefOr::T(path_parameter(name)));
        }
    }
    if parameters.is_empty() {
        operation.parameters = None;
    }
}

fn parameter_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| Some(segment.strip_prefix('{')?.split_once('}')?.0))
}

fn path_parameter(name: &str) -> Parameter {
    let mut schema = ObjectBuilder::new().schema_type(Type::String);
    let prefixes: Vec<&str> = PATH_IDS.iter().filter(|(known, _)| *known == name).map(|(_, prefix)| *prefix).collect();
    match prefixes[..] {
        [] => {}
        [prefix] => schema = schema.pattern(Some(format!("^{prefix}_[0-9A-HJKMNP-TV-Z]{{26}}$"))),
        _ => schema = schema.pattern(Some(format!("^({})_[0-9A-HJKMNP-TV-Z]{{26}}$", prefixes.join("|")))),
    }
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

/// `get_sign_in` becomes `getSignIn`; what is camel case already stays.
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut whole, word| {
        let mut chars = word.chars();
        whole.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        whole.push_str(chars.as_str());
        whole
    })
}

/// Closes every object that names its properties, unless it is a part of a composition.
fn close(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            if !object.properties.is_empty() && object.additional_properties.is_none() {
                object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
            object.properties.values_mut().for_each(close);
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                close(items);
            }
        }
        Schema::OneOf(one_of) => one_of.items.iter_mut().for_each(close),
        // Closing a part of `allOf` would forbid the properties of the other parts.
        _ => {}
    }
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// All operations of a document, with their method and path.
pub fn operations(document: &OpenApi) -> impl Iterator<Item = (HttpMethod, &str, &Operation)> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        let all = [
            (HttpMethod::Get, &item.get),
            (HttpMethod::Put, &item.put),
            (HttpMethod::Post, &item.post),
            (HttpMethod::Delete, &item.delete),
            (HttpMethod::Patch, &item.patch),
        ];
        all.into_iter().filter_map(move |(method, operation)| Some((method, path.as_str(), operation.as_ref()?)))
    })
}

#[cfg(test)]
mod tests;
