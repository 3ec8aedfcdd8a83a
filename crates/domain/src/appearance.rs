//! How an application's pages and components look: what their style sheets and class lists are filled with.

use crate::code;
use crate::merge::{Null, merged};
use crate::refusal::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The longest value, in characters.
const VALUE_MAX: usize = 512;

/// So many elements may be named.
const ELEMENTS_MAX: usize = 200;

/// So many problems are told.
const PROBLEMS_MAX: usize = 50;

/// How pages and components look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Appearance {
    /// Tokens of the style sheet.
    pub variables: Variables,
    /// Class names by element; elements that a component does not have are ignored by it.
    pub elements: BTreeMap<String, String>,
    /// How things are put together.
    pub layout: Layout,
}

macro_rules! variables {
    ($($(#[$doc:meta])* $field:ident;)*) => {
        /// Tokens of the style sheet; what is not set is the component's own.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub struct Variables {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schema(nullable = false, max_length = 512)]
                pub $field: Option<String>,
            )*
        }

        impl Variables {
            fn all(&self) -> Vec<(&'static str, Option<&str>)> {
                vec![$((stringify!($field), self.$field.as_deref())),*]
            }
        }
    };
}

variables! {
    /// The accent.
    color_primary;
    /// The surface.
    color_background;
    /// Text.
    color_text;
    /// Text on the accent.
    color_text_on_primary;
    /// The surface of inputs.
    color_input_background;
    /// Text in inputs.
    color_input_text;
    /// Errors.
    color_danger;
    /// What went well.
    color_success;
    /// Warnings.
    color_warning;
    /// What is in the background.
    color_neutral;
    /// The font.
    font_family;
    /// The font of buttons.
    font_family_buttons;
    /// The size of text.
    font_size;
    /// How round corners are.
    border_radius;
    /// The step of distances.
    spacing_unit;
}

/// Where buttons of social providers stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SocialPlacement {
    /// Above the form.
    #[default]
    Top,
    /// Below it.
    Bottom,
}

/// What buttons of social providers look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SocialVariant {
    /// As wide as the form, with a text.
    #[default]
    BlockButton,
    /// A picture alone.
    IconButton,
}

/// How things are put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Layout {
    /// The logo.
    #[schema(format = "uri", max_length = 512)]
    pub logo_image_url: Option<String>,
    /// Where the logo leads.
    #[schema(format = "uri", max_length = 512)]
    pub logo_link_url: Option<String>,
    /// The page about privacy.
    #[schema(format = "uri", max_length = 512)]
    pub privacy_page_url: Option<String>,
    /// The page with the terms.
    #[schema(format = "uri", max_length = 512)]
    pub terms_page_url: Option<String>,
    /// The page that helps.
    #[schema(format = "uri", max_length = 512)]
    pub help_page_url: Option<String>,
    /// Where buttons of social providers stand.
    pub social_buttons_placement: SocialPlacement,
    /// What they look like.
    pub social_buttons_variant: SocialVariant,
    /// Whether sign-up shows what nobody has to say.
    pub show_optional_fields: bool,
    /// Whether anything moves.
    pub animations: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            logo_image_url: None,
            logo_link_url: None,
            privacy_page_url: None,
            terms_page_url: None,
            help_page_url: None,
            social_buttons_placement: SocialPlacement::default(),
            social_buttons_variant: SocialVariant::default(),
            show_optional_fields: true,
            animations: true,
        }
    }
}

impl Appearance {
    /// Exactly what a document says; what it does not say is the default.
    pub fn replaced(document: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        Self::default().changed(document)
    }

    /// The appearance after a change: groups are merged key by key, null takes a key away. Every problem is told.
    pub fn changed(&self, change: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let before = serde_json::to_value(self).expect("an appearance has a JSON form");
        let mut problems = Vec::new();
        // Told in bulk before anything is merged: what is wrong is merged again without it, one turn each.
        let mut change = change;
        let known = ["variables", "elements", "layout"];
        change.retain(|key, group| {
            let code = match known.contains(&key.as_str()) {
                false => code::PARAM_UNKNOWN,
                // A list would be read as the values of a group in their order.
                true if !group.is_object() && !group.is_null() => code::PARAM_FORMAT_INVALID,
                true => return true,
            };
            if problems.len() < PROBLEMS_MAX {
                let shown: String = key.chars().take(128).collect();
                problems.push(Problem::of_param(Kind::Invalid, code, shown));
            }
            false
        });
        let too_many = change.values().any(|group| group.as_object().is_some_and(|group| group.len() > ELEMENTS_MAX));
        if too_many {
            problems.push(Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, "elements"));
            return Err(problems);
        }
        let after = merged::<Self>(&before, change, Null::Removes, &mut problems);
        for problem in after.iter().flat_map(Self::problems) {
            problems.push(problem);
        }
        problems.truncate(PROBLEMS_MAX);
        match after {
            Some(after) if problems.is_empty() => Ok(after),
            _ => Err(problems),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let wrong = |param: String| Problem::of_param(Kind::Invalid, code::PARAM_FORMAT_INVALID, param);
        let mut problems = Vec::new();
        for (name, value) in self.variables.all() {
            // A token ends where its declaration does.
            if value.is_some_and(|value| hurts(value) || value.contains([';', '{', '}'])) {
                problems.push(wrong(format!("variables.{}", camel(name))));
            }
        }
        for (name, value) in &self.elements {
            let is_name = (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if !is_name || hurts(value) {
                problems.push(wrong(format!("elements.{}", name.chars().take(64).collect::<String>())));
            }
        }
        if self.elements.len() > ELEMENTS_MAX {
            problems.push(Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, "elements"));
        }
        let layout = &self.layout;
        for (name, url) in [
            ("logoImageUrl", &layout.logo_image_url),
            ("logoLinkUrl", &layout.logo_link_url),
            ("privacyPageUrl", &layout.privacy_page_url),
            ("termsPageUrl", &layout.terms_page_url),
            ("helpPageUrl", &layout.help_page_url),
        ] {
            if url.as_deref().is_some_and(|url| !is_web(url)) {
                problems.push(wrong(format!("layout.{name}")));
            }
        }
        problems
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |whole, word| {
        let (head, rest) = word.split_at(word.len().min(1));
        whole + &head.to_ascii_uppercase() + rest
    })
}

/// Links and pictures lead to the web: `javascript:` is an address, too.
fn is_web(text: &str) -> bool {
    let url =
        url::Url::parse(text).ok().filter(|_| text.chars().count() <= VALUE_MAX && !text.contains(char::is_control));
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether a value would do something else in a style sheet or a class list than to style: end the sheet, or run.
fn hurts(value: &str) -> bool {
    if value.chars().count() > VALUE_MAX || value.chars().any(char::is_control) {
        return true;
    }
    // What looks like a comment is none within a string: both readings have to be harmless.
    [true, false].into_iter().any(|comments| {
        let plain = unescaped(value, comments).to_lowercase();
        let squeezed: String = plain.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
        ["</", "<!--"].iter().any(|mark| plain.contains(mark) || value.contains(mark))
            || ["url(javascript:", "url(vbscript:", "url(data:text/html", "expression(", "@import"]
                .iter()
                .any(|mark| squeezed.contains(mark))
    })
}

/// The text without its CSS escapes (CSS Syntax section 4.3.7), and without its comments if there are any.
fn unescaped(value: &str, comments: bool) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("/*").filter(|_| comments) {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            text.push(c);
            continue;
        }
        let digits = rest.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        if digits > 0 {
            let point = u32::from_str_radix(&rest[..digits], 16).ok().and_then(char::from_u32);
            text.push(point.unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = rest[digits..].strip_prefix(' ').unwrap_or(&rest[digits..]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn change(from: &Appearance, change: Value) -> Result<Appearance, Vec<(String, &'static str)>> {
        let told = |problems: Vec<Problem>| {
            problems.iter().map(|p| (p.meta["param"].as_str().unwrap().to_owned(), p.code.name)).collect()
        };
        from.changed(change.as_object().unwrap().clone()).map_err(told)
    }

    #[test]
    fn a_change_is_merged_key_by_key_and_null_takes_a_key_away() {
        let first = change(
            &Appearance::default(),
            json!({ "variables": { "colorPrimary": "#123456", "fontFamily": "Inter, sans-serif" }, "elements": { "card": "shadow" },
                    "layout": { "animations": false, "logoImageUrl": "https://example.com/logo.svg" } }),
        )
        .unwrap();
        let second = change(
            &first,
            json!({ "variables": { "fontFamily": null, "colorText": "rgb(0 0 0 / 50%)" }, "elements": { "headerTitle": "big" }, "layout": { "logoImageUrl": null } }),
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(&second).unwrap(),
            json!({
                "variables": { "colorPrimary": "#123456", "colorText": "rgb(0 0 0 / 50%)" },
                "elements": { "card": "shadow", "headerTitle": "big" },
                "layout": {
                    "logoImageUrl": null, "logoLinkUrl": null, "privacyPageUrl": null, "termsPageUrl": null, "helpPageUrl": null,
                    "socialButtonsPlacement": "top", "socialButtonsVariant": "blockButton", "showOptionalFields": true, "animations": false,
                },
            })
        );
        assert_eq!(
            change(&second, json!({ "variables": null, "elements": null, "layout": null })),
            Ok(Appearance::default())
        );
        let whole = json!({ "elements": { "card": "flat" } }).as_object().unwrap().clone();
        assert_eq!(Appearance::replaced(whole).unwrap().variables, Variables::default());
    }

    #[test]
    fn all_problems_are_told_together() {
        let mut told = change(
            &Appearance::default(),
            json!({ "colour": 1, "variables": { "colorPrimary": 7, "colorBlue": "x", "fontSize": "1px;}" }, "elements": { "a b": "x", "card": ["x"] },
                    "layout": { "socialButtonsPlacement": "left", "helpPageUrl": "javascript:alert(1)", "animations": "no" } }),
        )
        .unwrap_err();
        told.sort_unstable();
        let format = "form_param_format_invalid";
        let expected = [
            ("colour", "form_param_unknown"),
            ("elements.a b", format),
            ("elements.card", format),
            ("layout.animations", format),
            ("layout.helpPageUrl", format),
            ("layout.socialButtonsPlacement", "form_param_value_invalid"),
            ("variables.colorBlue", "form_param_unknown"),
            ("variables.colorPrimary", format),
            ("variables.fontSize", format),
        ];
        assert_eq!(told, expected.map(|(param, code)| (param.to_owned(), code)));
        let list = change(&Appearance::default(), json!({ "variables": ["red"] }));
        assert_eq!(list.unwrap_err(), [("variables".to_owned(), format)]);
        let many: Map<String, Value> = (0..201).map(|i| (format!("e{i}"), json!("x"))).collect();
        assert_eq!(
            change(&Appearance::default(), json!({ "elements": many })).unwrap_err(),
            [("elements".to_owned(), "form_param_value_invalid")]
        );
    }

    #[test]
    fn what_ends_a_sheet_or_runs_is_refused_however_it_is_written() {
        for bad in [
            "red</style><script>alert(1)</script>",
            "</",
            "<!--",
            "url(javascript:alert(1))",
            "\"/*\" url(javascript:alert(1)) \"*/\"",
            "/* url(javascript:x)",
            "URL( \"JavaScript:alert(1)\" )",
            "url('java/**/script:x')",
            "url(\\6a avascript:x)",
            "u\\72l(javascript:x)",
            "url(java\\000073cript:x)",
            "expression(alert(1))",
            "\\3c/style>",
            "a\nb",
            "a\u{0}b",
            "@import 'https://evil.test'",
            "url( data:text/html,x )",
        ] {
            assert!(hurts(bad), "{bad:?}");
        }
        assert!(hurts(&"x".repeat(513)) && !hurts(&"x".repeat(512)));
        for good in [
            "#fff",
            "Inter, \"Segoe UI\", sans-serif",
            "hover:bg-[url('/img.png')] md:w-1/2 [&>p]:mt-0",
            "color-mix(in srgb, red, blue)",
            "url(https://example.com/x.png)",
        ] {
            assert!(!hurts(good), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "\\PC{0,40}|[\\\\a-f0-9/*(<: ]{0,40}") {
            hurts(&text);
        }
    }
}
