//! Mail over SMTP (RFC 5321), encrypted unless the operator says otherwise.

use crate::mail::{Mail, MailError, Mailer, NotASender, Sender, Sending};
use lettre::address::Address;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// STARTTLS, and no mail without it (RFC 3207): an attacker cannot strip it.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314 section 3.3).
    Tls,
    /// No encryption: for a server on the same machine or a private network only.
    None,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// The server's name, also the name its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account, if it asks for one.
    pub username: Option<String>,
    /// The account's password.
    pub password: Option<crypto::Secret<String>>,
    /// How the way there is protected.
    pub tls: SmtpTls,
    /// How long one exchange with the server may take.
    pub timeout: Duration,
}

/// Hands mail to an SMTP server over a few connections that are kept open.
pub struct SmtpMailer {
    settings: SmtpSettings,
    // Made at the first message: the pool wants the runtime that uses it.
    transport: OnceLock<Transport>,
}

impl SmtpMailer {
    /// A mailer for the server; nothing is connected yet.
    pub const fn new(settings: SmtpSettings) -> Self {
        Self { settings, transport: OnceLock::new() }
    }

    fn transport(&self) -> Result<&Transport, lettre::transport::smtp::Error> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let settings = &self.settings;
        let parameters = || {
            TlsParameters::builder(settings.host.clone())
                .certificate_store(CertificateStore::WebpkiRoots)
                .build_rustls()
        };
        let tls = match settings.tls {
            SmtpTls::Starttls => Tls::Required(parameters()?),
            SmtpTls::Tls => Tls::Wrapper(parameters()?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = Transport::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout))
            .pool_config(PoolConfig::new().max_size(4).idle_timeout(Duration::from_secs(60)));
        if let Some(username) = &settings.username {
            let password = settings.password.as_ref().map_or("", |secret| secret.expose().as_str());
            builder = builder.credentials(Credentials::new(username.clone(), password.to_owned()));
        }
        Ok(self.transport.get_or_init(|| builder.build()))
    }

    async fn deliver(&self, mail: &Mail) -> Result<(), MailError> {
        let message = compose(mail).map_err(|error| MailError::Refused(Box::new(error)))?;
        // A wrong certificate store or host name is the operator's to mend: the message waits.
        let transport = self.transport().map_err(|error| MailError::Unreachable(Box::new(error)))?;
        match transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if refuses_this_message(&error) => Err(MailError::Refused(Box::new(error))),
            Err(error) => Err(MailError::Unreachable(Box::new(error))),
        }
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(self.deliver(mail))
    }
}

/// A 5xx answer is final (RFC 5321 section 4.2.1), except where it speaks of our account or of the
/// connection: 530, 534, 535 and 538 (RFC 4954 section 6) and 554 at the greeting pass with the cause.
fn refuses_this_message(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && !matches!(code, Some(421 | 500..=504 | 530 | 534 | 535 | 538))
}

/// Why a message has no form on the wire.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    #[error("the sender cannot be read")]
    Sender(#[from] NotASender),
    #[error("the address cannot be written in an envelope")]
    Address(#[from] lettre::address::AddressError),
    #[error("the subject is longer than one line")]
    Subject,
    #[error("the message cannot be put together")]
    Message(#[from] lettre::error::Error),
}

/// Builds the wire form; no field can begin a header of its own.
pub(crate) fn compose(mail: &Mail) -> Result<Message, ComposeError> {
    let Sender(from) = Sender::parse(&mail.from)?;
    let to: Address = mail.to.as_str().parse()?;
    if mail.subject.chars().any(char::is_control) {
        return Err(ComposeError::Subject);
    }
    let millis = u64::try_from(mail.created_at.millis()).unwrap_or_default();
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(&mail.subject);
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(Sender::parse(reply_to)?.0);
    }
    Ok(match &mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone()))?,
        None => builder.singlepart(SinglePart::plain(mail.text.clone()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    fn wire(mail: &Mail) -> String {
        String::from_utf8(compose(mail).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_carries_both_bodies_and_an_id_that_a_retry_repeats() {
        let mail = mail("ann@example.com");

        let text = wire(&mail);

        assert!(text.contains("To: ann@example.com\r\n"), "{text}");
        assert!(text.contains(&format!("Message-ID: <{}@example.com>\r\n", mail.id)), "{text}");
        assert!(text.contains("multipart/alternative") && text.contains("text/html"));
        assert!(text.contains("Your code is 123456."));
    }

    #[test]
    fn no_field_of_a_message_can_add_a_header() {
        let evil = "Hello\r\nBcc: victim@example.org";
        for broken in [
            Mail { subject: evil.to_owned(), ..mail("ann@example.com") },
            Mail { subject: "Hello\nBcc: x@y.test".to_owned(), ..mail("ann@example.com") },
            Mail { from: format!("{evil} <a@b.test>"), ..mail("ann@example.com") },
        ] {
            assert!(compose(&broken).is_err());
        }

        let body = Mail { text: evil.to_owned(), html: None, ..mail("ann@example.com") };
        let text = wire(&body);

        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
    }

    #[test]
    fn a_subject_outside_ascii_is_encoded() {
        let text = wire(&Mail { subject: "Dein Schlüssel".to_owned(), ..mail("ann@example.com") });

        assert!(text.contains("Subject: =?utf-8?") || text.contains("Subject: Dein =?utf-8?"), "{text}");
    }

    /// An SMTP server that answers RCPT with the given line, and MAIL and DATA kindly.
    async fn server(greeting: &'static str, rcpt: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (read, mut write) = socket.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
                let mut in_data = false;
                while let Ok(Some(line)) = lines.next_line().await {
                    let reply = if in_data {
                        if line != "." {
                            continue;
                        }
                        in_data = false;
                        "250 taken"
                    } else if line.starts_with("RCPT") {
                        rcpt
                    } else if line.starts_with("DATA") {
                        in_data = true;
                        "354 go on"
                    } else if line.starts_with("QUIT") {
                        "221 bye"
                    } else {
                        "250 mail.test"
                    };
                    if write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        });
        port
    }

    fn mailer(port: u16, tls: SmtpTls) -> SmtpMailer {
        SmtpMailer::new(SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port,
            username: None,
            password: None,
            tls,
            timeout: Duration::from_secs(5),
        })
    }

    #[tokio::test]
    async fn a_message_is_handed_over() {
        let port = server("220 mail.test", "250 fine").await;

        mailer(port, SmtpTls::None).send(&mail("ann@example.com")).await.unwrap();
    }

    #[tokio::test]
    async fn an_unknown_mailbox_is_final_and_a_full_one_is_not() {
        for (answer, may_retry) in [("550 no such user", false), ("452 mailbox full", true)] {
            let port = server("220 mail.test", answer).await;

            let error = mailer(port, SmtpTls::None).send(&mail("ann@example.com")).await.unwrap_err();

            assert_eq!(error.may_retry(), may_retry, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_asked_again_later() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();

        let error = mailer(free, SmtpTls::None).send(&mail("ann@example.com")).await.unwrap_err();

        assert!(error.may_retry());
    }

    #[tokio::test]
    async fn no_mail_goes_to_a_server_whose_starttls_was_stripped() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = server("220 mail.test", "250 fine").await;

        let error = mailer(port, SmtpTls::Starttls).send(&mail("ann@example.com")).await.unwrap_err();

        assert!(error.may_retry(), "the operator may mend it: {error:?}");
    }
}
