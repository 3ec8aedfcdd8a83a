//! The inbox of a developer: mail and short messages are kept in memory instead of being sent.

use crate::mail::{Mail, Mailer, Sending};
use crate::sms::{Sms, SmsCarrier, SmsSending};
use domain::{EnvironmentId, MessageId, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many messages are kept: the newest.
pub const KEPT: usize = 1000;

/// By which way a message would have gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Mail.
    Email,
    /// A short message.
    Sms,
}

/// A message as the inbox shows it.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct InboxMessage {
    /// Its id.
    pub id: MessageId,
    /// Always `inbox_message`.
    pub object: &'static str,
    /// The environment that sent it.
    pub environment_id: EnvironmentId,
    /// By which way it would have gone out.
    pub channel: Channel,
    /// Whom it is for.
    pub to: String,
    /// Whom it is from.
    pub from: String,
    /// The subject; none on a short message.
    pub subject: Option<String>,
    /// The plain body.
    pub text: String,
    /// The HTML body, if there is one.
    pub html: Option<String>,
    /// The code inside, if there is one.
    pub code: Option<String>,
    /// The first link with a ticket inside, if there is one.
    pub link: Option<String>,
    /// Which template it was made from.
    pub template_slug: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<&Mail> for InboxMessage {
    fn from(mail: &Mail) -> Self {
        Self {
            id: mail.id,
            object: "inbox_message",
            environment_id: mail.environment_id,
            channel: Channel::Email,
            to: mail.to.as_str().to_owned(),
            from: mail.from.clone(),
            subject: Some(mail.subject.clone()),
            text: mail.text.clone(),
            html: mail.html.clone(),
            code: mail.code.clone(),
            link: mail.link.clone(),
            template_slug: mail.template_slug.clone(),
            created_at: mail.created_at,
        }
    }
}

impl From<&Sms> for InboxMessage {
    fn from(sms: &Sms) -> Self {
        Self {
            id: sms.id,
            object: "inbox_message",
            environment_id: sms.environment_id,
            channel: Channel::Sms,
            to: sms.to.clone(),
            from: sms.from.clone().unwrap_or_default(),
            subject: None,
            text: sms.body.clone(),
            html: None,
            code: sms.code.clone(),
            link: None,
            template_slug: sms.template_slug.clone(),
            created_at: sms.created_at,
        }
    }
}

impl InboxMessage {
    /// Whether it went to this address, whatever the case. A number may come without its `+`, which a query turns into
    /// a space.
    fn is_to(&self, to: &str) -> bool {
        let to = to.trim();
        let bare = self.to.strip_prefix('+').filter(|_| self.channel == Channel::Sms);
        self.to.eq_ignore_ascii_case(to) || bare == Some(to)
    }
}

/// Which messages are asked for.
#[derive(Debug, Clone, Default)]
pub struct InboxQuery {
    /// Only to this address or number, compared without regard to case.
    pub to: Option<String>,
    /// Only of this way.
    pub channel: Option<Channel>,
    /// At most so many; none means ten.
    pub limit: Option<usize>,
    /// What an earlier page gave as its continuation.
    pub cursor: Option<String>,
}

/// Some messages, newest first.
#[derive(Clone)]
pub struct InboxPage {
    /// The messages.
    pub data: Vec<InboxMessage>,
    /// How many there are under the filters.
    pub total_count: usize,
    /// Where the next page begins; none at the end.
    pub next_cursor: Option<String>,
}

/// The cursor was not made by this inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of the inbox")]
pub struct BadCursor;

/// Keeps the newest messages; every clone is the same inbox.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    // Oldest first, each with its number in the order of arrival.
    messages: VecDeque<(u64, InboxMessage)>,
    arrived: u64,
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> Self {
        Self::default()
    }

    // Nothing that holds the lock can panic half-way, so what a poisoned lock guards is whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in; a repetition of one that is there changes nothing.
    pub fn keep(&self, message: InboxMessage) {
        let mut kept = self.kept();
        if kept.messages.iter().any(|(_, other)| other.id == message.id) {
            return;
        }
        if kept.messages.len() == KEPT {
            kept.messages.pop_front();
        }
        kept.arrived += 1;
        let number = kept.arrived;
        kept.messages.push_back((number, message));
    }

    /// A page of messages, newest first.
    pub fn list(&self, query: &InboxQuery) -> Result<InboxPage, BadCursor> {
        let before = match &query.cursor {
            Some(text) => Some(text.parse::<u64>().map_err(|_| BadCursor)?),
            None => None,
        };
        let limit = query.limit.unwrap_or(10).clamp(1, 500);
        let fits = |message: &InboxMessage| {
            query.to.as_ref().is_none_or(|to| message.is_to(to))
                && query.channel.is_none_or(|channel| message.channel == channel)
        };
        let kept = self.kept();
        let fitting = || kept.messages.iter().rev().filter(|(_, message)| fits(message));
        let mut rest = fitting().filter(|(number, _)| before.is_none_or(|at| *number < at));
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        Ok(InboxPage {
            next_cursor: page.last().filter(|_| more).map(|(number, _)| number.to_string()),
            data: page.into_iter().map(|(_, message)| message.clone()).collect(),
            total_count: fitting().count(),
        })
    }

    /// One message.
    pub fn find(&self, id: MessageId) -> Option<InboxMessage> {
        self.kept().messages.iter().find(|(_, m)| m.id == id).map(|(_, m)| m.clone())
    }

    /// Throws every message away.
    pub fn clear(&self) {
        self.kept().messages.clear();
    }
}

impl Mailer for Inbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        self.keep(mail.into());
        Box::pin(std::future::ready(Ok(())))
    }
}

impl SmsCarrier for Inbox {
    fn send<'a>(&'a self, sms: &'a Sms) -> SmsSending<'a> {
        self.keep(sms.into());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail;
    use crate::sms::tests::sms;

    fn filled(addresses: &[&str]) -> Inbox {
        let inbox = Inbox::new();
        for address in addresses {
            inbox.keep((&mail(address)).into());
        }
        inbox
    }

    fn receivers(page: &InboxPage) -> Vec<&str> {
        page.data.iter().map(|m| m.to.as_str()).collect()
    }

    #[test]
    fn pages_go_from_the_newest_to_the_oldest_and_miss_nothing() {
        let inbox = filled(&["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"]);
        let mut query = InboxQuery { limit: Some(2), ..InboxQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = inbox.list(&query).unwrap();
            assert_eq!(page.total_count, 5 + seen.len() / 2);
            seen.extend(page.data.iter().map(|m| m.to.clone()));
            // What arrives between two pages shifts none of them.
            inbox.keep((&mail("late@y.test")).into());
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen, ["e@x.test", "d@x.test", "c@x.test", "b@x.test", "a@x.test"]);
    }

    #[test]
    fn a_page_is_narrowed_by_address_and_channel() {
        let inbox = filled(&["a@x.test", "b@x.test", "a@x.test"]);
        let to = |to: &str| InboxQuery { to: Some(to.to_owned()), ..InboxQuery::default() };

        let page = inbox.list(&to(" A@x.test ")).unwrap();

        assert_eq!((receivers(&page), page.total_count), (vec!["a@x.test", "a@x.test"], 2));
        assert_eq!(page.next_cursor, None);
        let sms = InboxQuery { channel: Some(Channel::Sms), ..InboxQuery::default() };
        assert_eq!(inbox.list(&sms).unwrap().total_count, 0);
    }

    #[tokio::test]
    async fn short_messages_lie_beside_mail_and_are_found_by_their_number() {
        let inbox = filled(&["a@x.test"]);
        SmsCarrier::send(&inbox, &sms("+4915112345678")).await.unwrap();

        // In a query an unescaped `+` arrives as a space.
        for to in ["+4915112345678", " 4915112345678", "4915112345678"] {
            let page = inbox.list(&InboxQuery { to: Some(to.to_owned()), ..InboxQuery::default() }).unwrap();
            assert_eq!(receivers(&page), ["+4915112345678"], "{to}");
            assert_eq!((page.data[0].channel, page.data[0].subject.as_ref()), (Channel::Sms, None));
            assert_eq!(page.data[0].code.as_deref(), Some("123456"));
        }
        let mail = InboxQuery { channel: Some(Channel::Email), ..InboxQuery::default() };
        assert_eq!(receivers(&inbox.list(&mail).unwrap()), ["a@x.test"]);
    }

    #[test]
    fn a_cursor_from_elsewhere_is_refused() {
        for cursor in ["", "x", "-1", "99999999999999999999999"] {
            let query = InboxQuery { cursor: Some(cursor.to_owned()), ..InboxQuery::default() };
            assert_eq!(filled(&["a@x.test"]).list(&query).err(), Some(BadCursor), "{cursor}");
        }
    }

    #[tokio::test]
    async fn only_the_newest_thousand_are_kept_and_a_retry_is_kept_once() {
        let inbox = filled(&["first@x.test"]);
        for _ in 0..KEPT {
            let mail = mail("later@x.test");
            Mailer::send(&inbox, &mail).await.unwrap();
            Mailer::send(&inbox, &mail).await.unwrap();
        }

        let page = inbox.list(&InboxQuery { limit: Some(500), ..InboxQuery::default() }).unwrap();

        assert_eq!(page.total_count, KEPT);
        assert!(page.data.iter().all(|m| m.to == "later@x.test"));
        assert_eq!(inbox.find(page.data[7].id).unwrap().id, page.data[7].id);
        inbox.clear();
        assert_eq!(inbox.list(&InboxQuery::default()).unwrap().total_count, 0);
    }
}
