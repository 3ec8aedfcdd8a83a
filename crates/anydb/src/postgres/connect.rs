//! Reaching a PostgreSQL server, with TLS when the URL asks for it.
use crate::conn::Conn;
use crate::error::{self, Error};
use diesel_async::AsyncPgConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server and how to speak to it.
#[derive(Clone)]
pub(crate) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Server {
    /// Reads a URL; `sslmode=require` verifies the server exactly as `verify-full` does, against
    /// the web's roots or those in `sslrootcert`, and any lesser mode is plain.
    pub(crate) fn parse(url: &str, timeout: Duration) -> Result<Self, Error> {
        let (url, roots) = read_tls_settings(url);
        let mut config: Config = url.parse().map_err(|_| Error::Settings("the PostgreSQL URL cannot be read"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("latchkey");
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(MakeRustlsConnect::new(client_config(roots.as_deref())?)),
            _ => None,
        };
        Ok(Self { config, tls })
    }

    pub(crate) async fn connect(&self) -> Result<Session, Error> {
        match &self.tls {
            Some(tls) => self.connect_with(tls.clone()).await,
            None => self.connect_with(NoTls).await,
        }
    }

    async fn connect_with<T>(&self, tls: T) -> Result<Session, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let (client, connection) = self.config.connect(tls).await.map_err(Error::unavailable)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a PostgreSQL connection ended");
            }
        });
        let driver = Driver(driver);
        speak_english(&client).await.map_err(Error::unavailable)?;
        let cancel = client.cancel_token();
        let conn = AsyncPgConnection::try_from(client).await?;
        Ok(Session { conn: Conn::Postgres(conn), driver, cancel, tls: self.tls.clone() })
    }
}

/// Makes the server say what went wrong in the words that [`Error`] knows: diesel keeps no SQLSTATE.
///
/// Only a superuser may, or who was given the right; where the server speaks another language and we may not change
/// that, a refusal that has no name may be a collision, and is treated as one.
async fn speak_english(client: &Client) -> Result<(), tokio_postgres::Error> {
    match client.batch_execute("SET lc_messages = 'C'").await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {}
        done => return done,
    }
    let locale: String = client.query_one("SHOW lc_messages", &[]).await?.try_get(0)?;
    if !is_english(&locale) && error::words_are_foreign() {
        tracing::warn!(
            postgres.lc_messages = locale,
            "PostgreSQL's messages are in a language that is not read: every transaction that fails without a known \
             reason is tried again. `ALTER ROLE ... SET lc_messages = 'C'` for the role of the database URL spares that"
        );
    }
    Ok(())
}

fn is_english(locale: &str) -> bool {
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    // Nothing at all is the environment of the server, most likely the same as that of its data.
    ["", "C", "POSIX", "en", "English"].contains(&language)
}

/// The task that moves the bytes of one connection; dropped, it closes the socket at once.
pub(crate) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An open connection to a server.
pub(crate) struct Session {
    pub(crate) conn: Conn,
    driver: Driver,
    cancel: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl Session {
    /// The connection and what keeps it open.
    pub(crate) fn into_parts(self) -> (Conn, Driver) {
        (self.conn, self.driver)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// Closes a connection in an unknown state; the server rolls back what was open.
    ///
    /// A server notices a closed socket only between statements, hence the cancel request: the
    /// locks of the statement that runs would outlive their caller.
    pub(crate) fn abandon(self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (cancel, tls) = (self.cancel.clone(), self.tls.clone());
        runtime.spawn(async move {
            let sent = match tls {
                Some(tls) => cancel.cancel_query(tls).await,
                None => cancel.cancel_query(NoTls).await,
            };
            if let Err(error) = sent {
                tracing::debug!(error = &error as &dyn std::error::Error, "a statement could not be cancelled");
            }
        });
    }
}

// The driver knows neither `verify-full` nor `sslrootcert`.
fn read_tls_settings(url: &str) -> (String, Option<String>) {
    let Some((server, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut roots = None;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
            Some(("sslrootcert", _)) => {
                roots = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, path)| path.into_owned());
            }
            _ => kept.push(pair),
        }
    }
    (format!("{server}?{}", kept.join("&")), roots)
}

fn client_config(roots: Option<&str>) -> Result<ClientConfig, Error> {
    let mut store = RootCertStore::empty();
    match roots {
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            const UNREADABLE: Error = Error::Settings("sslrootcert holds no readable certificate");
            let certificates = CertificateDer::pem_file_iter(path).map_err(|_| UNREADABLE)?;
            for certificate in certificates {
                let certificate = certificate.map_err(|_| UNREADABLE)?;
                store.add(certificate).map_err(|_| UNREADABLE)?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Settings("TLS has no usable protocol version"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[test]
    fn only_a_url_that_asks_for_tls_gets_it() {
        for (mode, tls) in [
            ("", false),
            ("?sslmode=disable", false),
            ("?sslmode=prefer", false),
            ("?sslmode=require", true),
            ("?sslmode=verify-full", true),
            ("?application_name=x&sslmode=verify-ca", true),
        ] {
            let server = Server::parse(&format!("postgres://u@db/x{mode}"), TIMEOUT);
            assert_eq!(server.ok().map(|server| server.tls.is_some()), Some(tls), "{mode}");
        }
    }

    #[test]
    fn english_is_told_by_the_name_of_its_locale() {
        for (locale, english) in [
            ("C", true),
            ("C.UTF-8", true),
            ("POSIX", true),
            ("", true),
            ("en_GB.UTF-8", true),
            ("English_United States.1252", true),
            ("de_DE.UTF-8", false),
            ("eo", false),
        ] {
            assert_eq!(is_english(locale), english, "{locale}");
        }
    }

    #[test]
    fn a_root_certificate_that_is_not_there_is_a_setting_error() {
        let server = Server::parse("postgres://u@db/x?sslmode=verify-full&sslrootcert=%2Fnowhere%2Fca.pem", TIMEOUT);
        assert!(matches!(server, Err(Error::Settings(_))));
    }
}
