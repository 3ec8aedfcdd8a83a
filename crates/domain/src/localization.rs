//! The texts of pages and components in the languages of an application: those that come with the product, and what an
//! operator says instead.

use crate::code::{self, Code};
use crate::refusal::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use utoipa::ToSchema;

/// The language of texts whose own nobody has: every text is there in it.
pub const LAST: &str = "en-US";

/// The languages that come with the product.
pub const BUNDLED: [&str; 5] = ["en-US", "pt-BR", "es-ES", "fr-FR", "de-DE"];

/// The longest text, in characters.
const TEXT_MAX: usize = 2048;

/// All texts of an operator together, in bytes.
const TEXTS_MAX: usize = 512 * 1024;

/// So many languages may be offered.
const LOCALES_MAX: usize = 100;

/// So many problems are told.
const PROBLEMS_MAX: usize = 50;

/// Texts by key.
pub type Texts = BTreeMap<String, String>;

static CATALOGS: LazyLock<BTreeMap<&'static str, Texts>> = LazyLock::new(|| {
    let read = |text: &str| serde_json::from_str(text).expect("a test reads every catalogue of ours");
    BTreeMap::from([
        ("en-US", read(include_str!("localization/en-US.json"))),
        ("pt-BR", read(include_str!("localization/pt-BR.json"))),
        ("es-ES", read(include_str!("localization/es-ES.json"))),
        ("fr-FR", read(include_str!("localization/fr-FR.json"))),
        ("de-DE", read(include_str!("localization/de-DE.json"))),
    ])
});

/// What changes when our own texts do.
static OURS: LazyLock<String> = LazyLock::new(|| crate::etag::ETag::of(&*CATALOGS).to_string());

/// The text is no language tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a language tag")]
pub struct NotALocale;

/// A language tag (BCP 47) in its usual case: `pt-BR`, `zh-Hant-TW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locale(String);

impl Locale {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Locale {
    type Err = NotALocale;

    fn from_str(text: &str) -> Result<Self, NotALocale> {
        let text = crate::text::locale(text).map_err(|_| NotALocale)?;
        let cased = text.split('-').enumerate().map(|(i, part)| match (i, part.len()) {
            (0, _) => part.to_ascii_lowercase(),
            (_, 2) => part.to_ascii_uppercase(),
            (_, 4) if part.bytes().all(|b| b.is_ascii_alphabetic()) => {
                part[..1].to_ascii_uppercase() + &part[1..].to_ascii_lowercase()
            }
            _ => part.to_ascii_lowercase(),
        });
        Ok(Self(cased.collect::<Vec<_>>().join("-")))
    }
}

/// The languages of an application, and its own texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Localization {
    /// The language of somebody with no wish.
    pub default_locale: String,
    /// The language of texts that another lacks.
    pub fallback_locale: String,
    /// The languages on offer.
    pub supported_locales: Vec<String>,
    /// Texts of the operator's own, by language and key.
    pub overrides: BTreeMap<String, Texts>,
}

impl Default for Localization {
    fn default() -> Self {
        Self {
            default_locale: LAST.to_owned(),
            fallback_locale: LAST.to_owned(),
            supported_locales: vec![LAST.to_owned()],
            overrides: BTreeMap::new(),
        }
    }
}

const KEYS: [&str; 4] = ["default_locale", "fallback_locale", "supported_locales", "overrides"];

impl Localization {
    /// Exactly what a document says, and it has to say everything.
    pub fn replaced(document: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let nothing = Self {
            default_locale: String::new(),
            fallback_locale: String::new(),
            supported_locales: Vec::new(),
            overrides: BTreeMap::new(),
        };
        let missing = KEYS.iter().filter(|key| document.get(**key).is_none_or(Value::is_null));
        let mut problems: Vec<Problem> = missing.map(|key| problem(code::PARAM_NIL, *key)).collect();
        let sent = document.iter().filter(|(_, value)| !value.is_null());
        nothing.read(sent, &mut problems)
    }

    /// The localization after a change: texts are merged key by key, null takes one away; everything else is replaced.
    /// Every problem is told.
    pub fn changed(&self, change: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        self.clone().read(change.iter(), &mut Vec::new())
    }

    fn read<'a>(
        mut self,
        sent: impl Iterator<Item = (&'a String, &'a Value)>,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        for (key, value) in sent {
            match key.as_str() {
                "default_locale" => self.default_locale = one(key, value, problems),
                "fallback_locale" => self.fallback_locale = one(key, value, problems),
                "supported_locales" => self.supported_locales = many(value, problems),
                "overrides" => self.merge(value, problems),
                _ => problems.push(problem(code::PARAM_UNKNOWN, key.chars().take(128).collect::<String>())),
            }
        }
        if problems.is_empty() {
            self.hold_together(problems);
        }
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() { Ok(self) } else { Err(std::mem::take(problems)) }
    }

    fn merge(&mut self, sent: &Value, problems: &mut Vec<Problem>) {
        let Value::Object(sent) = sent else {
            problems.push(problem(code::PARAM_FORMAT_INVALID, "overrides"));
            return;
        };
        for (name, texts) in sent {
            let shown: String = name.chars().take(64).collect();
            let Ok(locale) = name.parse::<Locale>() else {
                problems.push(problem(code::INVALID_LOCALE_CODE, format!("overrides.{shown}")));
                continue;
            };
            match texts {
                Value::Null => {
                    self.overrides.remove(locale.as_str());
                }
                Value::Object(texts) => {
                    let own = self.overrides.entry(locale.to_string()).or_default();
                    for (key, text) in texts {
                        let shown: String = key.chars().take(128).collect();
                        let param = format!("overrides.{locale}.{shown}");
                        match text {
                            _ if !CATALOGS[LAST].contains_key(key) => {
                                problems.push(problem(code::UNKNOWN_LOCALIZATION_KEY, param));
                            }
                            Value::Null => {
                                own.remove(key);
                            }
                            Value::String(text) if is_text(text) => {
                                own.insert(key.clone(), text.clone());
                            }
                            _ => problems.push(problem(code::PARAM_FORMAT_INVALID, param)),
                        }
                        if problems.len() > PROBLEMS_MAX {
                            return;
                        }
                    }
                }
                _ => problems.push(problem(code::PARAM_FORMAT_INVALID, format!("overrides.{locale}"))),
            }
        }
        self.overrides.retain(|_, texts| !texts.is_empty());
    }

    /// What is offered has texts, and what is spoken is offered.
    fn hold_together(&self, problems: &mut Vec<Problem>) {
        for (i, locale) in self.supported_locales.iter().enumerate() {
            if !BUNDLED.contains(&locale.as_str()) && !self.overrides.contains_key(locale) {
                problems.push(problem(code::UNSUPPORTED_LOCALE, format!("supported_locales.{i}")));
            }
        }
        for (param, locale) in [("default_locale", &self.default_locale), ("fallback_locale", &self.fallback_locale)] {
            if !self.supported_locales.contains(locale) {
                problems.push(problem(code::UNSUPPORTED_LOCALE, param));
            }
        }
        let texts = self.overrides.values().flatten();
        if texts.map(|(key, text)| key.len() + text.len()).sum::<usize>() > TEXTS_MAX {
            problems.push(problem(code::PARAM_VALUE_INVALID, "overrides"));
        }
    }

    /// Every text in a language that is offered: the operator's, ours, the same of the fallback, and ours in English.
    pub fn catalog(&self, locale: &Locale) -> Option<Texts> {
        let locale = self.supported_locales.iter().find(|offered| offered.as_str() == locale.as_str())?;
        let mut texts = CATALOGS[LAST].clone();
        for language in [&self.fallback_locale, locale] {
            texts.extend(CATALOGS.get(language.as_str()).into_iter().flatten().map(|(k, t)| (k.clone(), t.clone())));
            texts.extend(self.overrides.get(language).into_iter().flatten().map(|(k, t)| (k.clone(), t.clone())));
        }
        Some(texts)
    }

    /// What changes whenever a catalogue does, by an operator or by another version of ours.
    pub fn catalog_tag(&self) -> crate::etag::ETag {
        crate::etag::ETag::of(&(self, &*OURS))
    }

    /// Values that texts of a change no longer show, though ours do: `overrides.de-DE.signIn.start.title
    /// {{applicationName}}`.
    pub fn dropped(&self, change: &Map<String, Value>) -> Vec<String> {
        let sent = change.get("overrides").and_then(Value::as_object);
        let mut dropped = Vec::new();
        for (name, texts) in sent.into_iter().flatten() {
            let Ok(locale) = name.parse::<Locale>() else { continue };
            for key in texts.as_object().into_iter().flat_map(Map::keys) {
                let Some(text) = self.overrides.get(locale.as_str()).and_then(|own| own.get(key)) else { continue };
                let shown = placeholders(text);
                let ours = CATALOGS[LAST].get(key).map(|ours| placeholders(ours)).unwrap_or_default();
                for lost in ours.difference(&shown) {
                    dropped.push(format!("overrides.{locale}.{key} {{{{{lost}}}}}"));
                }
            }
        }
        dropped
    }
}

fn problem(code: Code, param: impl Into<String>) -> Problem {
    Problem::of_param(Kind::Invalid, code, param)
}

fn is_text(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// A language that is named; empty when it is none, which was told then.
fn one(param: &str, value: &Value, problems: &mut Vec<Problem>) -> String {
    let Value::String(text) = value else {
        problems.push(problem(code::PARAM_FORMAT_INVALID, param));
        return String::new();
    };
    text.parse::<Locale>().map_or_else(
        |_| {
            problems.push(problem(code::INVALID_LOCALE_CODE, param));
            String::new()
        },
        |locale| locale.to_string(),
    )
}

fn many(value: &Value, problems: &mut Vec<Problem>) -> Vec<String> {
    const PARAM: &str = "supported_locales";
    let Value::Array(items) = value else {
        problems.push(problem(code::PARAM_FORMAT_INVALID, PARAM));
        return Vec::new();
    };
    if items.is_empty() || items.len() > LOCALES_MAX {
        problems.push(problem(code::PARAM_VALUE_INVALID, PARAM));
        return Vec::new();
    }
    let mut locales: Vec<String> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let locale = one(&format!("{PARAM}.{i}"), item, problems);
        // Said twice is said once.
        if !locales.contains(&locale) {
            locales.push(locale);
        }
    }
    locales
}

/// The values that a text shows: what stands in double braces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(outcome: Result<Localization, Vec<Problem>>) -> Vec<(String, &'static str)> {
        let mut told: Vec<_> =
            outcome.unwrap_err().iter().map(|p| (p.meta["param"].as_str().unwrap().to_owned(), p.code.name)).collect();
        told.sort_unstable();
        told
    }

    fn change(value: Value) -> Result<Localization, Vec<Problem>> {
        Localization::default().changed(value.as_object().unwrap())
    }

    #[test]
    fn every_language_has_every_text_and_shows_the_same_values() {
        assert_eq!(CATALOGS.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(BUNDLED));
        let english = &CATALOGS[LAST];
        assert!(english.len() >= 100);
        for (language, texts) in CATALOGS.iter() {
            assert_eq!(texts.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
            for (key, text) in texts {
                assert_eq!(placeholders(text), placeholders(&english[key]), "{language} {key}");
                assert!(is_text(text) && !text.trim().is_empty() && !text.contains(['<', '>']), "{language} {key}");
                assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')), "{key}");
            }
        }
    }

    #[test]
    fn a_language_has_one_spelling() {
        for (sent, kept) in [("EN-us", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), ("de", "de"), ("es-419", "es-419")] {
            assert_eq!(sent.parse::<Locale>().unwrap().as_str(), kept);
        }
        for bad in ["", "e", "english", "en_US", "en-", "-en", "en-US-toolongpart", "e1", "en\u{e9}"] {
            assert_eq!(bad.parse::<Locale>(), Err(NotALocale), "{bad}");
        }
    }

    #[test]
    fn texts_come_from_the_operator_the_language_the_fallback_and_english() {
        let made = change(json!({
            "supported_locales": ["en-US", "de-de", "it-IT"], "fallback_locale": "de-DE",
            "overrides": { "it-it": { "common.divider": "o" }, "de-DE": { "common.action.save": "Merken" } },
        }))
        .unwrap();
        let text = |locale: &str, key: &str| made.catalog(&locale.parse().unwrap()).unwrap()[key].clone();
        assert_eq!(text("it-IT", "common.divider"), "o");
        assert_eq!(text("it-IT", "common.action.save"), "Merken", "the fallback's own");
        assert_eq!(text("it-IT", "common.action.back"), CATALOGS["de-DE"]["common.action.back"]);
        assert_eq!(text("en-US", "common.action.save"), "Save");
        assert_eq!(made.catalog(&"fr-FR".parse().unwrap()), None, "not offered");
        let less = made
            .changed(json!({ "overrides": { "de-DE": { "common.action.save": null } } }).as_object().unwrap())
            .unwrap();
        assert!(!less.overrides.contains_key("de-DE"));
        assert_ne!(less.catalog_tag(), made.catalog_tag());
        let none = less.changed(json!({ "overrides": { "it-IT": { "common.divider": null } } }).as_object().unwrap());
        assert_eq!(told(none), [("supported_locales.2".to_owned(), "unsupported_locale")]);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_name() {
        let found = told(change(json!({
            "default_locale": "english", "fallback_locale": 7, "supported_locales": ["en_US"], "colour": 1,
            "overrides": { "xx-": {}, "de-DE": { "no.such.key": "x", "common.divider": 1 }, "fr-FR": "x" },
        })));
        let expected = [
            ("colour", "form_param_unknown"),
            ("default_locale", "invalid_locale_code"),
            ("fallback_locale", "form_param_format_invalid"),
            ("overrides.de-DE.common.divider", "form_param_format_invalid"),
            ("overrides.de-DE.no.such.key", "unknown_localization_key"),
            ("overrides.fr-FR", "form_param_format_invalid"),
            ("overrides.xx-", "invalid_locale_code"),
            ("supported_locales.0", "invalid_locale_code"),
        ];
        assert_eq!(found, expected.map(|(param, code)| (param.to_owned(), code)));
        assert_eq!(
            told(change(json!({ "default_locale": "de-DE" }))),
            [("default_locale".to_owned(), "unsupported_locale")]
        );
        assert_eq!(
            told(change(json!({ "supported_locales": [] }))),
            [("supported_locales".to_owned(), "form_param_value_invalid")]
        );
        let lacking = Localization::replaced(json!({ "default_locale": "en-US", "x": 1 }).as_object().unwrap());
        assert_eq!(
            told(lacking),
            [
                ("fallback_locale", "form_param_nil"),
                ("overrides", "form_param_nil"),
                ("supported_locales", "form_param_nil"),
                ("x", "form_param_unknown")
            ]
            .map(|(param, code)| (param.to_owned(), code))
        );
        let long = "x".repeat(TEXT_MAX + 1);
        assert!(change(json!({ "overrides": { "de-DE": { "common.divider": long } } })).is_err());
    }

    #[test]
    fn a_value_that_a_text_drops_is_named() {
        let sent = json!({ "overrides": { "de-de": { "signIn.start.title": "Anmelden", "common.action.resendIn": "{{ seconds }} s" } } });
        let made = change(sent.clone()).unwrap();
        assert_eq!(made.dropped(sent.as_object().unwrap()), ["overrides.de-DE.signIn.start.title {{applicationName}}"]);
    }
}
