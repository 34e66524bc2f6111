//! The transport the client brings along: reqwest, without redirects, cookies, retries or default headers.

use std::error::Error as StdError;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

use super::body::Body;
#[cfg(feature = "rustls-ring")]
use super::certificates::RootCertificates;
use super::origin::{is_public, may_be_public};
use super::proxy::ProxySettings;
use super::transport::{Transport, TransportFuture, TransportRequest};
use super::transport_error::{TransportError, TransportFailure};

/// Three reqwest clients, each made when first needed: reading the system's root certificates takes time and may fail,
/// plain `http` (loopback) does not need them, and one resolves names to public addresses only.
#[derive(Debug)]
pub(crate) struct ReqwestTransport {
    settings: TransportSettings,
    plain: OnceCell<reqwest::Client>,
    tls: OnceCell<reqwest::Client>,
    public: OnceCell<reqwest::Client>,
}

#[derive(Clone, Copy, PartialEq)]
enum Connections {
    Plain,
    Tls,
    Public,
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
        Self { settings, plain: OnceCell::new(), tls: OnceCell::new(), public: OnceCell::new() }
    }

    async fn client(&self, connections: Connections) -> Result<&reqwest::Client, TransportError> {
        let cell = match connections {
            Connections::Plain => &self.plain,
            Connections::Tls => &self.tls,
            Connections::Public => &self.public,
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        cell.get_or_try_init(|| async {
            let settings = self.settings.clone();
            // Reads certificate files.
            tokio::task::spawn_blocking(move || settings.client(connections))
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
            let TransportRequest { method, url, headers, body, public_hosts_only } = request;
            if public_hosts_only && !may_be_public(&url) {
                return Err(TransportError::new(TransportFailure::NotPublic, NotPublic));
            }
            let client = self
                .client(match url.scheme() {
                    _ if public_hosts_only => Connections::Public,
                    "https" => Connections::Tls,
                    _ => Connections::Plain,
                })
                .await?;
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
    fn client(&self, connections: Connections) -> Result<reqwest::Client, TransportError> {
        let unusable = |error: reqwest::Error| TransportError::new(TransportFailure::NotSent, error.without_url());
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            // Only the proxies of `self`: reqwest would read the environment by itself.
            .no_proxy();
        builder = if connections == Connections::Public {
            let proxies = [&self.proxy.https, &self.proxy.http].into_iter().flatten().filter_map(|url| url.host_str());
            builder.dns_resolver(PublicAddresses { proxies: proxies.map(str::to_owned).collect() })
        } else {
            // `localhost` is this machine, whatever a resolver says.
            builder.resolve_to_addrs(
                "localhost",
                &[SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))],
            )
        };
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
            builder = builder.tls_backend_preconfigured(self.tls(connections != Connections::Plain)?);
        }
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

/// Resolves names as the system does, and keeps the public addresses: what is connected to is what was checked.
struct PublicAddresses {
    /// They may be anywhere, and are resolved by the same client.
    proxies: Vec<String>,
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let resolved = tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).await??;
            let mut addresses = resolved.filter(move |address| is_proxy || is_public(address.ip())).peekable();
            if addresses.peek().is_none() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its addresses are not public ones")
    }
}

impl StdError for NotPublic {}

fn is_not_public(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<NotPublic>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn classify(error: reqwest::Error) -> TransportError {
    let failure = if error.is_connect() {
        if is_not_public(&error) {
            TransportFailure::NotPublic
        } else if error.is_timeout() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(proxy: Option<&str>) -> TransportSettings {
        TransportSettings {
            connect_timeout: Duration::from_secs(5),
            proxy: proxy.map_or_else(ProxySettings::default, |url| ProxySettings::all(url).unwrap()),
            #[cfg(feature = "rustls-ring")]
            certificates: RootCertificates::from_environment(&crate::environment::Environment::empty()),
        }
    }

    async fn resolved(
        resolver: &PublicAddresses,
        name: &str,
    ) -> Result<Vec<SocketAddr>, Box<dyn StdError + Send + Sync>> {
        Ok(resolver.resolve(name.parse().unwrap()).await?.collect())
    }

    #[tokio::test]
    async fn a_name_that_is_this_machine_is_resolved_for_a_proxy_only() {
        let error = resolved(&PublicAddresses { proxies: Vec::new() }, "localhost").await.unwrap_err();
        assert!(error.is::<NotPublic>(), "{error:?}");
        let of_proxy = resolved(&PublicAddresses { proxies: vec!["localhost".to_owned()] }, "localhost").await.unwrap();
        assert!(of_proxy.iter().all(|address| address.ip().is_loopback()) && !of_proxy.is_empty());
    }

    #[tokio::test]
    async fn the_client_for_public_hosts_connects_to_no_other() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // The name itself is told apart before this client is asked.
        let client = settings(None).client(Connections::Public).unwrap();
        let error = client.get(format!("http://localhost:{port}/")).send().await.unwrap_err();
        assert_eq!(classify(error).failure, TransportFailure::NotPublic);

        let transport = ReqwestTransport::new(settings(None));
        for host in ["localhost", "127.0.0.1", "[::1]", "0x7f.1"] {
            let request = TransportRequest {
                method: http::Method::GET,
                url: format!("http://{host}:{port}/").parse().unwrap(),
                headers: http::HeaderMap::new(),
                body: Body::empty(),
                public_hosts_only: true,
            };
            let error = transport.send(request).await.unwrap_err();
            assert_eq!(error.failure, TransportFailure::NotPublic, "{host}");
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody connected");
    }

    #[tokio::test]
    async fn a_proxy_on_this_machine_is_connected_to_for_public_hosts() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = std::thread::spawn(move || {
            let mut line = String::new();
            let (stream, _) = listener.accept().unwrap();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(&stream), &mut line).unwrap();
            line
        });
        let client = settings(Some(&format!("http://localhost:{port}"))).client(Connections::Public).unwrap();
        let _refused = client.get("https://blob.test/f").send().await.unwrap_err();
        assert_eq!(proxy.join().unwrap(), "CONNECT blob.test:443 HTTP/1.1\r\n");
    }
}
