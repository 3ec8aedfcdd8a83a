//! Objects whose keys we do not choose.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::SchemaType};

fn open_object() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Object))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)))
        .into()
}

macro_rules! open {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Map<String, Value>);

        impl From<Map<String, Value>> for $name {
            fn from(keys: Map<String, Value>) -> Self {
                Self(keys)
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                open_object()
            }
        }
        impl utoipa::ToSchema for $name {}
    )* };
}

open! {
    /// The caller's own data about a resource.
    Metadata;
    /// An object with keys of its own.
    OpenObject;
}
