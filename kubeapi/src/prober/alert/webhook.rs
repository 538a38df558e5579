//! POST to the webhook: which headers, how often it is tried, what is a success.
//!
//! What is shown of the URL is where it leads, because paths and users of such URLs are secrets.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;

/// Characters of an error at most.
const PROBLEM_LEN_MAX: usize = 200;

/// How long and how often it is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// One try.
    pub(super) timeout: Duration,
    /// Waits before the second and the third try.
    pub(super) pauses: [Duration; 2],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            pauses: [Duration::from_secs(1), Duration::from_secs(5)],
        }
    }
}

/// Why an alert was not taken. Says neither the URL nor the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("url: is no URL of a webhook; write http://HOST/PATH or https://HOST/PATH")]
    Url,
    #[error("url: no authority can be trusted: {0}")]
    Tls(String),
    #[error("token_file: {0}")]
    Token(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("status {0}; 2xx is expected")]
    Status(StatusCode),
    #[error("{0}")]
    Failed(String),
}

/// Where alerts go.
pub(super) struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    basic: Option<HeaderValue>,
    token_file: Option<PathBuf>,
    patience: Patience,
}

impl Webhook {
    pub(super) fn new(
        url: &str,
        token_file: Option<PathBuf>,
        patience: Patience,
    ) -> Result<Self, Problem> {
        let (url, basic) = split_user(url).ok_or(Problem::Url)?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector()?),
            url,
            basic,
            token_file,
            patience,
        })
    }

    /// Where it is, without what may be secret.
    pub(super) fn shown(&self) -> &str {
        self.url.authority().map_or("", Authority::as_str)
    }

    /// Tries up to three times.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), Problem> {
        for pause in self.patience.pauses {
            if self.try_once(body.clone()).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
        self.try_once(body).await
    }

    async fn try_once(&self, body: Bytes) -> Result<(), Problem> {
        let mut request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "containerdns-prober");
        if let Some(value) = self.authorization()? {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Problem::Failed(error.to_string()))?;
        let answer = timeout(self.patience.timeout, self.client.request(request)).await;
        let answer = answer.map_err(|_| Problem::TimedOut)?;
        let status = answer.map_err(|error| failed(&error))?.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(Problem::Status(status)),
        }
    }

    /// By the token as it is in its file now, else by the URL's user.
    fn authorization(&self) -> Result<Option<HeaderValue>, Problem> {
        let Some(file) = &self.token_file else {
            return Ok(self.basic.clone());
        };
        let token = std::fs::read_to_string(file);
        let token = token.map_err(|error| Problem::Token(format!("cannot be read: {error}")))?;
        let value = HeaderValue::try_from(format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| Problem::Token("holds more than one line".into()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The URL without its user and password, and these as Basic authorization.
fn split_user(url: &str) -> Option<(Uri, Option<HeaderValue>)> {
    let mut parts = url.parse::<Uri>().ok()?.into_parts();
    let schemes = [Scheme::HTTP, Scheme::HTTPS];
    schemes.contains(parts.scheme.as_ref()?).then_some(())?;
    let authority = parts.authority.take()?;
    let (user, host) = match authority.as_str().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.as_str()),
    };
    parts.authority = Some(host.parse().ok()?);
    let basic = user.map(|user| {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let text = format!("{user}:{password}");
        let user: Vec<u8> = percent_decode_str(&text).collect();
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(&user)))?;
        value.set_sensitive(true);
        Ok::<_, hyper::http::Error>(value)
    });
    Some((Uri::from_parts(parts).ok()?, basic.transpose().ok()?))
}

/// Images without certificates are common: then Mozilla's authorities are trusted.
fn connector() -> Result<HttpsConnector<HttpConnector>, Problem> {
    let builder = || HttpsConnectorBuilder::new();
    let native = builder().with_provider_and_native_roots(ring::default_provider());
    let builder = match native {
        Ok(builder) => builder,
        Err(_) => builder()
            .with_provider_and_webpki_roots(ring::default_provider())
            .map_err(|error| Problem::Tls(error.to_string()))?,
    };
    Ok(builder.https_or_http().enable_http1().build())
}

fn failed(error: &(dyn Error + 'static)) -> Problem {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    Problem::Failed(root.to_string().chars().take(PROBLEM_LEN_MAX).collect())
}
