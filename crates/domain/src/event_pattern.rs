//! Which events somebody wants to hear of.

use crate::event::{EventType, UnknownEvent};
use std::fmt;
use std::str::FromStr;

/// One name, all names of a resource, or everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventPattern {
    /// `*`
    All,
    /// `user.*`: what stands before the first dot, and never more of a name than that.
    Resource(String),
    /// `user.created`
    Exact(EventType),
}

impl EventPattern {
    /// Whether an event of this name is wanted.
    pub fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Resource(resource) => event_type.split('.').next() == Some(resource),
            Self::Exact(wanted) => wanted.as_str() == event_type,
        }
    }

    /// Whether the event is asked for by its own name, and not along with others.
    pub fn names(&self, event_type: &str) -> bool {
        matches!(self, Self::Exact(wanted) if wanted.as_str() == event_type)
    }
}

impl FromStr for EventPattern {
    type Err = UnknownEvent;

    /// A pattern that no event can match is refused like an unknown name.
    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        if text == "*" {
            return Ok(Self::All);
        }
        let Some(resource) = text.strip_suffix(".*") else { return text.parse().map(Self::Exact) };
        let known = |event: &EventType| event.as_str().split('.').next() == Some(resource);
        if EventType::ALL.iter().any(known) { Ok(Self::Resource(resource.to_owned())) } else { Err(UnknownEvent) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Resource(resource) => write!(f, "{resource}.*"),
            Self::Exact(event_type) => f.write_str(event_type.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        pattern.parse::<EventPattern>().expect("a pattern").matches(event_type)
    }

    #[test]
    fn a_resource_ends_at_the_first_dot() {
        assert!(matches("organization.*", "organization.created"));
        assert!(!matches("organization.*", "organizationMembership.created"));
        assert!(matches("instance.*", "instance.config.appearance_updated"));
        assert!(matches("*", "user.created"));
        assert!(matches("user.created", "user.created"));
        assert!(!matches("user.created", "user.updated"));
    }

    #[test]
    fn what_matches_no_event_is_no_pattern() {
        for text in ["", "user", "user.", "user.made", "nobody.*", "instance.config.*", ".*", "**", "user.* "] {
            assert_eq!(text.parse::<EventPattern>(), Err(UnknownEvent), "{text}");
        }
    }

    #[test]
    fn every_event_and_pattern_reads_back_as_itself() {
        let names = EventType::ALL.iter().map(|event| event.as_str());
        for text in names.chain(["*", "user.*", "organizationMembership.*"]) {
            assert_eq!(text.parse::<EventPattern>().map(|pattern| pattern.to_string()), Ok(text.to_owned()));
        }
    }
}
