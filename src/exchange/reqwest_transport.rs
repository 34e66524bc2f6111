//! The transport the client brings along: reqwest, without redirects, cookies, retries or default headers.

use std::error::Error as StdError;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::body::Body;
#[cfg(feature = "rustls-ring")]
use super::certificates::RootCertificates;
use super::proxy::ProxySettings;
use super::transport::{Transport, TransportFuture, TransportRequest};
use super::transport_error::{TransportError, TransportFailure};

/// Two reqwest clients, each made when first needed: reading the system's root certificates takes time and may fail,
/// and plain `http` (loopback) does not need them.
#[derive(Debug)]
pub(crate) struct ReqwestTransport {
    settings: TransportSettings,
    plain: OnceCell<reqwest::Client>,
    tls: OnceCell<reqwest::Client>,
}

#[derive(Debug, Clone)]
pub(crate) struct TransportSettings {
    pub(crate) connect_timeout: Duration,
    pub(crate) proxy: ProxySettings,
    #[cfg(feature = "rustls-ring")]
    pub(crate) certificates: RootCertificates,
}

impl ReqwestTransport {
    pub(crate) fn new(settings: TransportSettings) -> Self {
        Self { settings, plain: OnceCell::new(), tls: OnceCell::new() }
    }

    async fn client(&self, with_tls: bool) -> Result<&reqwest::Client, TransportError> {
        let cell = if with_tls { &self.tls } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        cell.get_or_try_init(|| async {
            let settings = self.settings.clone();
            // Reads certificate files.
            tokio::task::spawn_blocking(move || settings.client(with_tls))
                .await
                .map_err(|error| TransportError::new(TransportFailure::NotSent, error))?
        })
        .await
    }
}

impl Transport for ReqwestTransport {
    fn detached(&self) -> Option<Arc<dyn Transport>> {
        Some(Arc::new(Self::new(self.settings.clone())))
    }

    fn send(&self, request: TransportRequest) -> TransportFuture<'_> {
        Box::pin(async move {
            let TransportRequest { method, url, headers, body } = request;
            let client = self.client(url.scheme() == "https").await?;
            let mut request = reqwest::Request::new(method, url);
            *request.headers_mut() = headers;
            match body.into_bytes() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => *request.body_mut() = Some(bytes.into()),
                Err(stream) => *request.body_mut() = Some(reqwest::Body::wrap_stream(stream)),
            }
            let mut answer = client.execute(request).await.map_err(classify)?;
            let mut response = http::Response::new(());
            *response.status_mut() = answer.status();
            *response.version_mut() = answer.version();
            std::mem::swap(response.headers_mut(), answer.headers_mut());
            let length = answer.content_length();
            let chunks = answer.bytes_stream().map_err(classify);
            Ok(response.map(|()| Body::from_stream(chunks.map(|chunk: Result<Bytes, _>| chunk), length)))
        })
    }
}

impl TransportSettings {
    fn client(&self, with_tls: bool) -> Result<reqwest::Client, TransportError> {
        let unusable = |error: reqwest::Error| TransportError::new(TransportFailure::NotSent, error.without_url());
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            // Only the proxies of `self`: reqwest would read the environment by itself.
            .no_proxy()
            // `localhost` is this machine, whatever a resolver says.
            .resolve_to_addrs(
                "localhost",
                &[SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))],
            );
        for (proxy, make) in [
            (&self.proxy.https, reqwest::Proxy::https as fn(reqwest::Url) -> reqwest::Result<reqwest::Proxy>),
            (&self.proxy.http, reqwest::Proxy::http),
        ] {
            if let Some(url) = proxy {
                builder = builder.proxy(make(url.clone()).map_err(unusable)?.no_proxy(self.proxy.exceptions()));
            }
        }
        #[cfg(feature = "rustls-ring")]
        {
            builder = builder.tls_backend_preconfigured(self.tls(with_tls)?);
        }
        #[cfg(not(feature = "rustls-ring"))]
        let _ = with_tls;
        builder.build().map_err(unusable)
    }

    #[cfg(feature = "rustls-ring")]
    fn tls(&self, with_roots: bool) -> Result<rustls::ClientConfig, TransportError> {
        fn unusable(error: impl Into<Box<dyn StdError + Send + Sync>>) -> TransportError {
            TransportError::new(TransportFailure::Certificate, error)
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        if !with_roots {
            return Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
        }
        let extra = self.certificates.load().map_err(unusable)?;
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider).map_err(unusable)?;
        let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn classify(error: reqwest::Error) -> TransportError {
    let failure = if error.is_connect() {
        if error.is_timeout() {
            TransportFailure::ConnectTimeout
        } else if is_tls_refusal(&error) {
            TransportFailure::Certificate
        } else {
            TransportFailure::NotSent
        }
    } else if error.is_builder() {
        TransportFailure::NotSent
    } else {
        TransportFailure::Interrupted
    };
    TransportError::new(failure, Cause::of(&error.without_url()))
}

#[cfg(feature = "rustls-ring")]
fn is_tls_refusal(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        // An I/O error does not show what it wraps as its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || wrapped.is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>) {
            return true;
        }
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(not(feature = "rustls-ring"))]
fn is_tls_refusal(_: &reqwest::Error) -> bool {
    false
}

/// What the HTTP stack said, as text: its own error types would make its major version ours.
#[derive(Debug)]
struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &dyn StdError) -> Self {
        Self { text: error.to_string(), next: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}
