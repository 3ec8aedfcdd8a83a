//! Domains whose mailboxes are thrown away.

use std::sync::LazyLock;

/// The list, one domain a line, sorted; where it comes from is in `disposable.LICENSE`.
static DOMAINS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("disposable.txt").lines().collect());

/// Whether mail to a domain, or to one above it, is thrown away.
pub fn is_disposable(domain: &str) -> bool {
    let mut rest = Some(domain);
    while let Some(domain) = rest {
        if DOMAINS.binary_search(&domain).is_ok() {
            return true;
        }
        rest = domain.split_once('.').map(|(_, above)| above);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_holds_domains_only() {
        assert!(DOMAINS.is_sorted());
        assert!(DOMAINS.len() > 1000);
        for domain in DOMAINS.iter() {
            let email = crate::Email::parse(&format!("a@{domain}"));
            assert_eq!(email.map(|e| e.domain().to_owned()).as_deref(), Ok(*domain));
        }
    }

    #[test]
    fn a_listed_domain_and_what_is_under_it_are_disposable_and_its_neighbours_are_not() {
        for domain in ["mailinator.com", "guerrillamail.com", "x.mailinator.com", "a.b.c.mailinator.com"] {
            assert!(is_disposable(domain), "{domain}");
        }
        for domain in ["example.com", "gmail.com", "mailinator.example", "mailinator.com.example.com", "com", ""] {
            assert!(!is_disposable(domain), "{domain}");
        }
    }
}
