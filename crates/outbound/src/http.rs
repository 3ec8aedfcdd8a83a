//! The one HTTP client for strangers: webhooks, identity providers, carriers, captchas.
//!
//! Whoever can make us call a URL must not reach what only we can reach. Three things hold that: the URL is checked
//! as it is written (scheme, user, port, host literal), the name is looked up once and only public addresses come
//! out of the look-up, and the connection uses exactly these. There is no proxy that would look names up for us and
//! no redirect that was not checked like the first URL.

mod address;
mod request;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use address::is_public;
pub use request::{Method, Request, Response};
pub use resolve::{Cause, LookUp, Names};
pub use target::{BadTarget, Seen};

use ipnet::IpNet;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use resolve::{Guard, NotPublic, OfServers, OfTheMachine};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What may be called, and how long it may take.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Networks that may be called although they are not public.
    pub allow_cidrs: Vec<IpNet>,
    /// The ports that may be called; none means every one.
    pub ports: Option<Vec<u16>>,
    /// Whether `http` may be called as well.
    pub allow_http: bool,
    /// The servers that are asked for names; none means as the machine is set up.
    pub dns_servers: Vec<SocketAddr>,
    /// A file of certificates (PEM) that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// How long a call may take unless it says otherwise.
    pub timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow_cidrs: Vec::new(),
            ports: Some(vec![443, 80]),
            allow_http: false,
            dns_servers: Vec::new(),
            ca_file: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl HttpSettings {
    /// For a developer's machine and for tests: the loopback may be called, on every port, without TLS.
    pub fn development() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("the network is well-formed"));
        Self { allow_cidrs: loopback.to_vec(), ports: None, allow_http: true, ..Self::default() }
    }
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpStartError {
    /// The certificates of the settings cannot be read.
    #[error("the certificates in {} cannot be read", .0.display())]
    Certificates(PathBuf, #[source] Cause),
    /// TLS or the resolver cannot be set up.
    #[error("the HTTP client cannot be set up")]
    SetUp(#[source] Cause),
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL, or one that it redirects to, is no target.
    #[error("the URL may not be called")]
    Target(#[from] BadTarget),
    /// The name leads to no address that may be called.
    #[error("the name has no public address")]
    NotPublic,
    /// The request cannot be written: a header is none.
    #[error("the request cannot be put together")]
    Request(#[source] Cause),
    /// Nobody answered in time, or the connection broke.
    #[error("the stranger cannot be reached")]
    Unreachable(#[source] Cause),
    /// The answer is longer than what is read.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// It redirects further than is followed.
    #[error("too many redirects")]
    Redirects,
}

impl HttpError {
    /// Whether another attempt may succeed.
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotPublic)
    }
}

/// Calls strangers; cheap to clone, and every clone shares its connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    settings: Arc<HttpSettings>,
}

impl Http {
    /// A client with these settings.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpStartError> {
        let names: Arc<dyn Names> = if settings.dns_servers.is_empty() {
            Arc::new(OfTheMachine)
        } else {
            Arc::new(OfServers::new(&settings.dns_servers).map_err(HttpStartError::SetUp)?)
        };
        Self::with_names(settings, names)
    }

    /// A client that has names looked up by somebody else: for tests.
    pub fn with_names(settings: HttpSettings, names: Arc<dyn Names>) -> Result<Self, HttpStartError> {
        let guard = Guard { names, allowed: settings.allow_cidrs.clone().into() };
        #[expect(clippy::disallowed_methods, reason = "this is the client that everybody is to use")]
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(guard))
            // A proxy would look the names up, and the environment would name it.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only()
            .https_only(!settings.allow_http)
            .tls_backend_preconfigured(tls(&settings)?)
            .user_agent(concat!("Latchkey/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.timeout.min(Duration::from_secs(5)))
            .timeout(settings.timeout)
            // As many as a webhook's receiver is called by at once: those that were closed would be opened anew, with a
            // handshake each.
            .pool_max_idle_per_host(10)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| HttpStartError::SetUp(error.into()))?;
        Ok(Self { client, settings: Arc::new(settings) })
    }

    /// Whether a URL may ever be called, as far as can be seen without asking anybody: for when it is saved.
    pub fn check(&self, url: &str) -> Result<(), BadTarget> {
        self.look_at(url).map(drop)
    }

    /// The same, and what else can be seen of the URL.
    pub fn look_at(&self, url: &str) -> Result<Seen, BadTarget> {
        target::check(url, &self.settings).map(|url| Seen::of(&url))
    }

    /// Sends a request and reads the answer whole.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let mut url = target::check(&request.url, &self.settings)?;
        let mut headers = headers_of(&request).map_err(HttpError::Request)?;
        let timeout = request.timeout.unwrap_or(self.settings.timeout);
        // The time is for everything, the redirects included.
        let work = async {
            let mut left = request.redirects;
            loop {
                let answer = self.once(&request, &url, headers.clone()).await?;
                let Some(next) =
                    location(&url, &answer).filter(|_| request.method == Method::GET && request.redirects > 0)
                else {
                    return read(answer, request.limit, request.cut).await;
                };
                left = left.checked_sub(1).ok_or(HttpError::Redirects)?;
                let next = next.map_err(|_| BadTarget::Form)?;
                target::check_url(&next, &self.settings)?;
                if next.origin() != url.origin() {
                    // What was meant for one house is not shown to another.
                    headers = HeaderMap::new();
                }
                url = next;
            }
        };
        tokio::time::timeout(timeout, work).await.map_err(|late| HttpError::Unreachable(late.into()))?
    }

    async fn once(&self, request: &Request, url: &Url, headers: HeaderMap) -> Result<reqwest::Response, HttpError> {
        let mut builder = self.client.request(request.method.clone(), url.clone()).headers(headers);
        if let Some((_, text)) = &request.body {
            builder = builder.body(text.expose().clone());
        }
        // The caller's limit counts, and may be longer than the client's own.
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        builder.send().await.map_err(refused)
    }
}

fn headers_of(request: &Request) -> Result<HeaderMap, Cause> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse()?;
        let mut value = HeaderValue::from_str(value.expose())?;
        value.set_sensitive(name == AUTHORIZATION);
        headers.append(name, value);
    }
    if let Some((content_type, _)) = &request.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Ok(headers)
}

/// Where an answer redirects to, if it does.
fn location(url: &Url, answer: &reqwest::Response) -> Option<Result<Url, url::ParseError>> {
    let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let to = answer.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(to.to_str().map_err(|_| url::ParseError::InvalidDomainCharacter).and_then(|to| url.join(to)))
}

/// Reads the body as it comes, so that a long one never lies in memory.
async fn read(mut answer: reqwest::Response, limit: usize, cut: bool) -> Result<Response, HttpError> {
    let (status, headers) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(refused)? {
        let room = limit - body.len();
        if piece.len() > room && cut {
            body.extend_from_slice(&piece[..room]);
            break;
        }
        if piece.len() > room {
            return Err(HttpError::TooLarge(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Response { status, headers, body })
}

/// The error of the client without its URL, whose query may hold a secret; a look-up that was refused is told apart.
fn refused(error: reqwest::Error) -> HttpError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if found.is::<NotPublic>() {
            return HttpError::NotPublic;
        }
        cause = found.source();
    }
    HttpError::Unreachable(error.without_url().into())
}

/// The roots of the public web, and the operator's own.
fn tls(settings: &HttpSettings) -> Result<ClientConfig, HttpStartError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &settings.ca_file {
        let wrong = |cause: Cause| HttpStartError::Certificates(file.clone(), cause);
        let mut found = 0;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.into()))? {
            roots.add(certificate.map_err(|e| wrong(e.into()))?).map_err(|e| wrong(e.into()))?;
            found += 1;
        }
        if found == 0 {
            return Err(wrong("there is no certificate in it".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpStartError::SetUp(error.into()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
