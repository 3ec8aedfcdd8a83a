//! The range API: five digits go out, everything that begins with them comes back (k-anonymity).

use super::{BreachError, Digest};
use crate::http::{Http, Request};
use crypto::Secret;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one question may take: somebody waits for the answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long an answer is kept: whoever sends a form twice asks once.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// How many answers are kept, 40 KiB each.
const KEPT: usize = 64;

/// The longest answer that is read: ranges have a thousand lines.
const LONGEST: usize = 512 * 1024;

struct Range {
    prefix: String,
    lines: Arc<str>,
    at: Instant,
}

pub(super) struct RangeApi {
    base_url: String,
    http: Http,
    kept: Mutex<VecDeque<Range>>,
}

impl RangeApi {
    pub(super) fn new(base_url: String, http: Http) -> Self {
        Self { base_url, http, kept: Mutex::default() }
    }

    pub(super) async fn contains(&self, digest: &Secret<Digest>) -> Result<bool, BreachError> {
        let (prefix, rest) = digest.expose().split_at(5);
        let lines = match self.find(prefix) {
            Some(lines) => lines,
            None => self.ask(prefix).await?,
        };
        // Lines that pad the answer say that they were seen 0 times.
        Ok(lines.lines().filter_map(|line| line.trim_end().split_once(':')).any(|(suffix, count)| {
            suffix.eq_ignore_ascii_case(rest) && count.trim().parse::<u64>().is_ok_and(|count| count > 0)
        }))
    }

    async fn ask(&self, prefix: &str) -> Result<Arc<str>, BreachError> {
        // Padding: the length of the answer does not tell an observer which range it is.
        let request = Request::get(format!("{}/range/{prefix}", self.base_url))
            .header("add-padding", "true")
            .limit(LONGEST)
            .timeout(TIMEOUT);
        let answer = self.http.send(request).await?;
        let lines = String::from_utf8(answer.body).ok().filter(|_| answer.status == 200);
        let lines: Arc<str> = lines.ok_or(BreachError::NotARange(answer.status))?.into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Range { prefix: prefix.to_owned(), lines: Arc::clone(&lines), at: Instant::now() });
        Ok(lines)
    }

    fn find(&self, prefix: &str) -> Option<Arc<str>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|range| range.at.elapsed() < KEPT_FOR);
        kept.iter().find(|range| range.prefix == prefix).map(|range| Arc::clone(&range.lines))
    }
}

#[cfg(test)]
mod tests {
    use crate::breached::{BreachSource, Breached, BreachedSettings};
    use crate::fake::{Reply, Stranger};
    use crate::http::{Http, HttpSettings};
    use crypto::Secret;

    fn breached(base_url: String) -> Breached {
        let http = Http::new(HttpSettings::development()).unwrap();
        Breached::new(BreachedSettings { base_url, file: None }, http)
    }

    async fn contains(breached: &Breached, password: &str) -> Option<bool> {
        breached.contains(BreachSource::RangeApi, &Secret::new(password.to_owned())).await.ok()
    }

    // SHA-1 of "password" is 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8.
    const RANGE: &str = "1D2DA4053E34E76F6576ED1DA63134B5E2A:2\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n";
    const PADDED: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8:0\r\n";

    #[tokio::test]
    async fn five_digits_leave_the_house_and_one_question_is_enough() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| Reply::new(200, RANGE));
        let breached = breached(stranger.url());

        assert_eq!(contains(&breached, "password").await, Some(true));
        assert_eq!(contains(&breached, "password").await, Some(true));

        let asked = stranger.asked();
        assert_eq!(asked.len(), 1, "the second time it is known");
        assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("GET", "/range/5BAA6"));
        assert_eq!(asked[0].header("add-padding"), Some("true"));
        assert!(asked[0].body.is_empty());
    }

    #[tokio::test]
    async fn a_password_that_is_not_listed_or_only_pads_is_not_known() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| Reply::new(200, PADDED));
        assert_eq!(contains(&breached(stranger.url()), "password").await, Some(false));
        assert_eq!(contains(&breached(stranger.url()), "correct horse battery").await, Some(false));
    }

    #[tokio::test]
    async fn a_source_in_trouble_knows_nothing() {
        let stranger = Stranger::start().await.unwrap();
        for status in [302, 404, 429, 500] {
            stranger.answers(move |_| Reply::new(status, RANGE));
            assert_eq!(contains(&breached(stranger.url()), "password").await, None, "{status}");
        }
        assert_eq!(contains(&breached("http://127.0.0.1:1".to_owned()), "password").await, None);
    }
}
