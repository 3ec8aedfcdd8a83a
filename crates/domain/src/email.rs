//! E-mail addresses: one spelling to show and send to, one canonical form to compare by.

use std::fmt;

/// The text is no address that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnEmail;

/// An e-mail address, trimmed and in lower case, its domain in ASCII form.
///
/// The local part is ASCII (RFC 5321 dot-string): look-alikes such as the Kelvin sign or `ß` cannot fold
/// into somebody else's address, because they are refused before anything is folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// How addresses are compared in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailRules {
    /// Dots in the local part of a Gmail address do not count.
    pub ignore_dots_for_gmail: bool,
    /// `+tag` does not count.
    pub strip_subaddress: bool,
}

impl Email {
    /// Reads an address; at most 254 characters (RFC 5321 4.5.3.1.3).
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        if text.len() > 1024 {
            return Err(NotAnEmail);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let local = Self::local_part(local).ok_or(NotAnEmail)?;
        let domain = domain_part(domain).ok_or(NotAnEmail)?;
        let whole = format!("{local}@{domain}");
        if whole.len() > 254 { Err(NotAnEmail) } else { Ok(Self(whole)) }
    }

    fn local_part(local: &str) -> Option<String> {
        let proper = (1..=64).contains(&local.len())
            && local.split('.').all(|atom| {
                !atom.is_empty()
                    && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
            });
        proper.then(|| local.to_ascii_lowercase())
    }

    /// The address as it is shown and sent to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The form two spellings of one mailbox share; only ever compared, never sent to.
    pub fn canonical(&self, rules: EmailRules) -> String {
        let mut local = self.local().to_owned();
        let mut domain = self.domain();
        // A test address is never another spelling of somebody's real one: its code is no secret.
        if rules.strip_subaddress
            && !self.is_test()
            && let Some((before, _)) = local.split_once('+')
            && !before.is_empty()
            // What is left has to be an address still.
            && !before.ends_with('.')
        {
            local = before.to_owned();
        }
        if rules.ignore_dots_for_gmail && matches!(domain, "gmail.com" | "googlemail.com") {
            domain = "gmail.com";
            local = match local.split_once('+') {
                Some((before, tag)) => format!("{}+{tag}", before.replace('.', "")),
                None => local.replace('.', ""),
            };
        }
        format!("{local}@{domain}")
    }

    /// The canonical forms that it has under any rules, each once.
    pub fn forms(&self) -> Vec<String> {
        let mut forms = Vec::with_capacity(4);
        for ignore_dots_for_gmail in [false, true] {
            for strip_subaddress in [false, true] {
                let form = self.canonical(EmailRules { ignore_dots_for_gmail, strip_subaddress });
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        forms
    }

    /// Whether the address is a test person's: `+authn_test` in the local part.
    pub fn is_test(&self) -> bool {
        self.local().contains("+authn_test")
    }
}

/// Reads the domain of a mailbox, in ASCII form and lower case.
pub(crate) fn domain_part(domain: &str) -> Option<String> {
    if domain.is_empty() || domain.ends_with('.') {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    // An address literal or a bare host name is nobody's mailbox on the Internet; `localhost` is for tests.
    let proper = ascii.len() <= 253
        && ascii.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
        && (ascii.contains('.') || ascii == "localhost")
        && !ascii.rsplit('.').next().is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_digit()));
    proper.then_some(ascii)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: EmailRules = EmailRules { ignore_dots_for_gmail: true, strip_subaddress: true };
    const NONE: EmailRules = EmailRules { ignore_dots_for_gmail: false, strip_subaddress: false };

    fn canonical(text: &str, rules: EmailRules) -> String {
        Email::parse(text).unwrap().canonical(rules)
    }

    #[test]
    fn spellings_of_one_mailbox_share_one_form() {
        assert_eq!(Email::parse("  Ann.Lee@Example.COM ").unwrap().as_str(), "ann.lee@example.com");
        assert_eq!(canonical("a.n.n@googlemail.com", ALL), canonical("Ann+x@gmail.com", ALL));
        assert_eq!(canonical("a.n@gmail.com", NONE), "a.n@gmail.com");
        assert_eq!(canonical("ann+x@example.com", NONE), "ann+x@example.com");
        assert_eq!(canonical("a.b@example.com", ALL), "a.b@example.com", "dots count elsewhere");
        assert_eq!(canonical("a.+x@example.com", ALL), "a.+x@example.com", "`a.` would be no address");
        assert_eq!(canonical("x@bücher.example", NONE), canonical("x@xn--bcher-kva.example", NONE));
    }

    #[test]
    fn an_address_has_a_form_for_each_set_of_rules() {
        let forms = |text: &str| Email::parse(text).unwrap().forms();
        assert_eq!(forms("ann@example.com"), ["ann@example.com"]);
        assert_eq!(forms("ann+x@example.com"), ["ann+x@example.com", "ann@example.com"]);
        assert_eq!(forms("a.n+x@gmail.com"), ["a.n+x@gmail.com", "a.n@gmail.com", "an+x@gmail.com", "an@gmail.com"]);
    }

    #[test]
    fn look_alikes_and_broken_addresses_are_refused() {
        for bad in [
            "\u{212A}elvin@example.com",
            "stra\u{df}e@example.com",
            "a@example.com.",
            "a\0@example.com",
            "a@b",
            "@b.c",
            "a@",
            "a",
            "a..b@example.com",
            ".a@example.com",
            "a@b@c.d@",
            "a b@example.com",
            "a@-x.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@exa mple.com",
            "a\r\nBcc: x@example.com",
            "\"a\"@example.com",
            "<a@example.com>",
            "a@ex_ample.com",
        ] {
            assert_eq!(Email::parse(bad), Err(NotAnEmail), "{bad:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b".repeat(260))).is_err());
    }

    #[test]
    fn a_test_address_is_known_by_its_tag() {
        assert!(Email::parse("ann+AUTHN_TEST@example.com").unwrap().is_test());
        assert!(!Email::parse("authn_test@example.com").unwrap().is_test());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_what_parses_is_stable(text in "\\PC{0,80}|[a-zA-Z.+_@-]{0,60}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(email.as_str().is_ascii());
                let canonical = email.canonical(ALL);
                prop_assert_eq!(Email::parse(&canonical).unwrap().canonical(ALL), canonical);
            }
        }
    }
}
