//! Closed vocabularies: texts that stand in the document as an enumeration.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

/// A text out of a fixed list.
pub(crate) trait Word {
    const WORDS: &[&str];
    const DESCRIPTION: &str;
}

fn object<W: Word>(null: Option<Value>) -> ObjectBuilder {
    let schema_type = match null {
        Some(_) => SchemaType::from_iter([Type::String, Type::Null]),
        None => SchemaType::new(Type::String),
    };
    let words = W::WORDS.iter().map(|word| Value::from(*word)).chain(null);
    ObjectBuilder::new().schema_type(schema_type).enum_values(Some(words))
}

/// The schema of a word.
pub(crate) fn one<W: Word>() -> RefOr<Schema> {
    object::<W>(None).description(Some(W::DESCRIPTION.trim())).into()
}

/// The schema of a word or null.
pub(crate) fn one_or_null<W: Word>() -> RefOr<Schema> {
    object::<W>(Some(Value::Null)).description(Some(W::DESCRIPTION.trim())).into()
}

/// The schema of a list of words.
pub(crate) fn many<W: Word>() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(RefOr::T(Schema::Object(object::<W>(None).build())))
        .description(Some(W::DESCRIPTION.trim()))
        .into()
}

/// Makes a type for a word of a fixed list; one word makes a type tag.
macro_rules! words {
    ($(#[doc = $doc:literal] $name:ident [$($word:literal),+];)*) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) &'static str);

        impl $name {
            /// The word.
            pub const fn as_str(self) -> &'static str {
                self.0
            }
        }
        impl crate::words::Word for $name {
            const WORDS: &[&str] = &[$($word),+];
            const DESCRIPTION: &str = $doc;
        }
    )* };
}
pub(crate) use words;
