//! What stands on the lists of who may sign up and who may never.

use crate::email::{Email, EmailRules, domain_part};
use crate::phone::Phone;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// The text is no address, no number and no pattern of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address, a number, or a pattern of addresses")]
pub struct NotAPattern;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Who may sign up where sign-up is restricted.
    Allow,
    /// Who may never.
    Block,
}

impl List {
    /// The word of the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

/// An identifier, or all addresses at a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One address.
    Email(Email),
    /// One number.
    Phone(Phone),
    /// `*@example.com`: every address at this domain.
    Domain(String),
    /// `*@*.example.com`: every address at a domain under this one, however deep.
    Subdomains(String),
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    /// Reads an address, a number in E.164 form, `*@domain` or `@domain`, or `*@*.domain`.
    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let text = text.trim();
        if text.len() > 1024 {
            return Err(NotAPattern);
        }
        let domain = text.strip_prefix("*@").or_else(|| text.strip_prefix('@'));
        match domain.map(|domain| (domain, domain.strip_prefix("*."))) {
            Some((_, Some(above))) => above_part(above).map(Self::Subdomains).ok_or(NotAPattern),
            Some((domain, None)) => domain_part(domain).map(Self::Domain).ok_or(NotAPattern),
            None if text.contains('@') => {
                // A star elsewhere looks like a pattern, and would be none.
                let email = Email::parse(text).ok().filter(|email| !email.local().contains('*'));
                email.map(Self::Email).ok_or(NotAPattern)
            }
            None => Phone::from_e164(text).map(Self::Phone).map_err(|_| NotAPattern),
        }
    }
}

/// What others stand under may be a whole top-level domain.
fn above_part(domain: &str) -> Option<String> {
    // A label in front makes a domain of it, with the rules of domains.
    let whole = domain_part(&format!("x.{domain}"))?;
    whole.strip_prefix("x.").map(str::to_owned)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(email) => email.fmt(f),
            Self::Phone(phone) => phone.fmt(f),
            Self::Domain(domain) => write!(f, "*@{domain}"),
            Self::Subdomains(domain) => write!(f, "*@*.{domain}"),
        }
    }
}

impl Pattern {
    /// What it is found by: of an address, the spelling that its mailbox has whatever the rules are by then.
    pub fn key(&self) -> String {
        match self {
            Self::Email(email) => Mailbox::of(email).text(true),
            other => other.to_string(),
        }
    }

    /// Whether it lets an address in, where addresses are compared by these rules. A `+tag` that makes another address
    /// there is not let in with the address without it.
    pub fn lets_in(&self, email: &Email, rules: EmailRules) -> bool {
        match self {
            Self::Email(listed) => listed.canonical(rules) == email.canonical(rules),
            Self::Phone(_) => false,
            Self::Domain(domain) => domain == email.domain(),
            Self::Subdomains(domain) => {
                email.domain().strip_suffix(domain).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
            }
        }
    }
}

/// Everything that may stand on a list and mean an address: each spelling of its mailbox, its domain, and every domain
/// above that.
pub fn keys_of_email(email: &Email) -> Vec<String> {
    let mailbox = Mailbox::of(email);
    let mut keys = vec![mailbox.text(true), mailbox.text(false)];
    keys.dedup();
    keys.push(format!("*@{}", email.domain()));
    if mailbox.domain != email.domain() {
        keys.push(format!("*@{}", mailbox.domain));
    }
    let mut rest = email.domain();
    while let Some((_, above)) = rest.split_once('.') {
        keys.push(format!("*@*.{above}"));
        rest = above;
    }
    keys
}

/// Where an address leads, with everything folded that any rule of ours, or a provider, may fold.
struct Mailbox<'a> {
    local: String,
    tag: Option<&'a str>,
    domain: &'a str,
}

impl<'a> Mailbox<'a> {
    fn of(email: &'a Email) -> Self {
        let is_gmail = matches!(email.domain(), "gmail.com" | "googlemail.com");
        let (local, tag) = match email.local().split_once('+') {
            Some((local, tag)) if !local.is_empty() => (local, Some(tag)),
            _ => (email.local(), None),
        };
        Self {
            local: if is_gmail { local.replace('.', "") } else { local.to_owned() },
            tag,
            domain: if is_gmail { "gmail.com" } else { email.domain() },
        }
    }

    fn text(&self, with_tag: bool) -> String {
        match self.tag.filter(|_| with_tag) {
            Some(tag) => format!("{}+{tag}@{}", self.local, self.domain),
            None => format!("{}@{}", self.local, self.domain),
        }
    }
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<I> {
    /// Its id.
    pub id: I,
    /// Whom it means.
    pub pattern: Pattern,
    /// Whether the address was written to.
    pub notify: bool,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// The same: a row is never changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn means(listed: &str, address: &str) -> bool {
        keys_of_email(&email(address)).contains(&pattern(listed).key())
    }

    #[test]
    fn a_pattern_has_one_spelling() {
        for (sent, kept) in [
            (" Ann@Example.COM ", "ann@example.com"),
            ("@Example.com", "*@example.com"),
            ("*@example.com", "*@example.com"),
            ("*@*.Example.com", "*@*.example.com"),
            ("@*.example.com", "*@*.example.com"),
            ("*@*.zip", "*@*.zip"),
            ("*@b\u{fc}cher.example", "*@xn--bcher-kva.example"),
            ("*@*.b\u{fc}cher.example", "*@*.xn--bcher-kva.example"),
            ("+16502530000", "+16502530000"),
        ] {
            assert_eq!(pattern(sent).to_string(), kept);
            assert_eq!(pattern(kept), pattern(sent));
        }
        for bad in [
            "",
            "*",
            "@",
            "*@",
            "*@*",
            "*@*.",
            "*@*.*.example.com",
            "a*@example.com",
            "*@example.com.",
            "*@exa mple.com",
            "*@*@example.com",
            "*@com",
            "*.example.com",
            "example.com",
            "ann",
            "16502530000",
            "*@[127.0.0.1]",
            "*@127.0.0.1",
            "*@*.com.",
            "@@example.com",
            "a\0@example.com",
        ] {
            assert_eq!(bad.parse::<Pattern>(), Err(NotAPattern), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_means_itself_and_what_is_under_it_only_where_it_says_so() {
        assert!(means("*@example.com", "ann@example.com"));
        assert!(!means("*@example.com", "ann@mail.example.com") && !means("*@example.com", "ann@badexample.com"));
        assert!(means("*@*.example.com", "ann@mail.example.com") && means("*@*.example.com", "ann@a.b.example.com"));
        assert!(!means("*@*.example.com", "ann@example.com") && !means("*@*.example.com", "ann@bad-example.com"));
        assert!(means("*@*.zip", "ann@example.zip"));
        assert!(means("*@gmail.com", "ann@googlemail.com"));
    }

    #[test]
    fn no_spelling_of_a_mailbox_escapes_its_entry() {
        for spelling in
            ["ann.lee@gmail.com", "A.N.N.L.E.E@GoogleMail.com", "annlee+x@gmail.com", "ann.lee+authn_test@gmail.com"]
        {
            assert!(means("annlee@gmail.com", spelling), "{spelling}");
            assert!(means("a.nn.lee@googlemail.com", spelling), "{spelling}");
        }
        assert!(means("ann@example.com", "ann+shop@example.com"));
        assert!(means("ann+shop@example.com", "Ann+Shop@example.com"));
        assert!(!means("ann+shop@example.com", "ann@example.com") && !means("a.nn@example.com", "ann@example.com"));
    }

    #[test]
    fn a_tag_is_another_address_to_the_allow_list_unless_the_rules_fold_it() {
        let rules = |strip_subaddress| EmailRules { ignore_dots_for_gmail: true, strip_subaddress };
        let listed = pattern("ann@example.com");
        assert!(listed.lets_in(&email("ANN@example.com"), rules(false)));
        assert!(!listed.lets_in(&email("ann+x@example.com"), rules(false)));
        assert!(listed.lets_in(&email("ann+x@example.com"), rules(true)));
        assert!(pattern("*@*.example.com").lets_in(&email("ann@x.example.com"), rules(false)));
        assert!(!pattern("*@*.example.com").lets_in(&email("ann@badexample.com"), rules(false)));
        assert!(!pattern("*@*.example.com").lets_in(&email("ann@example.com"), rules(false)));
    }

    proptest! {
        #[test]
        fn what_is_let_in_is_found_and_any_text_is_read_or_refused(text in "[a-c.+*@-]{0,24}|\\PC{0,40}") {
            if let Ok(read) = text.parse::<Pattern>() {
                prop_assert_eq!(read.to_string().parse::<Pattern>(), Ok(read.clone()));
                for address in ["a@b.cc", "a+b@gmail.com", "a@a.b.cc"] {
                    let address = email(address);
                    let rules = EmailRules { ignore_dots_for_gmail: true, strip_subaddress: false };
                    prop_assert!(!read.lets_in(&address, rules) || keys_of_email(&address).contains(&read.key()));
                }
            }
        }
    }
}
