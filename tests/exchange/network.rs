//! Proxies, TLS and root certificates.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use codex_backend::mode::Unset;
use codex_backend::testing::Backend;
use codex_backend::transport::Environment;
use codex_backend::usage::UsageReport;
use codex_backend::{
    ChatGptTokens, Client, ClientBuilder, CodexBackend, ConfigError, Error, ErrorKind, OpenAiFileUpload, RetryPolicy,
    Timeouts, Usage,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::guard::guard;
use crate::support::raw::{RawServer, answer};

async fn usage(client: &Client<CodexBackend>) -> Result<UsageReport, Error> {
    guard(Usage::new(client).get()).await
}

fn variables<const N: usize>(vars: [(&str, &str); N]) -> ClientBuilder<Unset> {
    Client::builder().environment(Environment::from_vars(vars))
}

fn built(builder: ClientBuilder<Unset>) -> Client<CodexBackend> {
    builder.chatgpt(ChatGptTokens::new("opaque-access-token")).retry_policy(RetryPolicy::never()).build().unwrap()
}

/// A proxy that lets nothing through.
fn proxy() -> RawServer {
    RawServer::start(|_| answer("HTTP/1.1 403 Forbidden\ncontent-length: 0", ""))
}

fn lines(proxy: &RawServer) -> Vec<String> {
    proxy.requests().into_iter().map(|request| request.line).collect()
}

// ---- proxies ----

#[tokio::test]
async fn https_goes_through_the_proxy_of_the_builder_or_of_the_environment() {
    type Configure = fn(&str) -> ClientBuilder<Unset>;
    let cases: [Configure; 6] = [
        |proxy| variables([]).proxy(proxy),
        |proxy| variables([("HTTPS_PROXY", proxy)]),
        |proxy| variables([("https_proxy", proxy)]),
        |proxy| variables([("ALL_PROXY", proxy)]),
        |proxy| variables([("all_proxy", proxy), ("NO_PROXY", "example.test")]),
        |proxy| variables([("HTTPS_PROXY", "http://127.0.0.1:1")]).proxy(proxy),
    ];
    for (index, configure) in cases.into_iter().enumerate() {
        let proxy = proxy();
        let error = usage(&built(configure(&proxy.origin()))).await.unwrap_err();
        assert_eq!(lines(&proxy), ["CONNECT chatgpt.com:443 HTTP/1.1"], "case {index}");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(!error.may_have_been_sent() && error.to_string().contains("https://chatgpt.com"), "{error}");
        let head = format!("{:?}", proxy.requests());
        assert!(!head.contains("opaque-access-token") && !head.contains("originator"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_without_a_scheme_is_taken_for_http() {
    let proxy = proxy();
    let address = proxy.address().to_string();
    usage(&built(variables([("HTTPS_PROXY", &address)]))).await.unwrap_err();
    assert_eq!(lines(&proxy), ["CONNECT chatgpt.com:443 HTTP/1.1"]);
}

#[tokio::test]
async fn plain_http_of_an_allowed_origin_goes_through_the_http_proxy_unless_excepted() {
    // An address for documentation: nothing answers there.
    const ORIGIN: &str = "http://192.0.2.1:9";
    let at_origin = |builder: ClientBuilder<Unset>| {
        let timeouts = Timeouts::default().connect(Duration::from_millis(50));
        built(builder.dangerously_allow_origin(ORIGIN).codex_base_url(ORIGIN).timeouts(timeouts))
    };
    let proxy = proxy();
    let error = usage(&at_origin(variables([("HTTP_PROXY", &proxy.origin())]))).await.unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 403);
    assert_eq!(lines(&proxy), [format!("GET {ORIGIN}/api/codex/usage HTTP/1.1")]);

    let excepted = at_origin(variables([("HTTP_PROXY", &proxy.origin()), ("NO_PROXY", "192.0.2.1")]));
    assert_eq!(usage(&excepted).await.unwrap_err().kind(), ErrorKind::Connect);
    let cgi = at_origin(variables([("HTTP_PROXY", &proxy.origin()), ("REQUEST_METHOD", "GET")]));
    assert_eq!(usage(&cgi).await.unwrap_err().kind(), ErrorKind::Connect);
    assert_eq!(proxy.requests().len(), 1);
}

#[tokio::test]
async fn loopback_never_goes_through_a_proxy() {
    let usage_answer = || answer("HTTP/1.1 200 OK\ncontent-type: application/json", r#"{"plan_type":"pro"}"#);
    let mut servers = vec![RawServer::start(move |_| usage_answer())];
    let mut bases = vec![
        format!("http://127.0.0.1:{}", servers[0].address().port()),
        format!("http://localhost:{}", servers[0].address().port()),
    ];
    // Not every machine has IPv6.
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        servers.push(RawServer::serving(listener, move |_| usage_answer()));
        bases.push(format!("http://[::1]:{}", servers[1].address().port()));
    }
    let proxy = proxy();
    let url = proxy.origin();
    for base in &bases {
        for builder in [
            variables([]).proxy(&url),
            variables([("HTTP_PROXY", &url), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url)]),
            variables([("http_proxy", &url), ("all_proxy", &url), ("no_proxy", "example.test")]),
            variables([("ALL_PROXY", &url), ("NO_PROXY", "")]),
        ] {
            let client = built(builder.codex_base_url(base));
            usage(&client).await.unwrap_or_else(|error| panic!("{base}: {error:?}"));
        }
    }
    assert_eq!(lines(&proxy), [] as [&str; 0]);
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 4 * bases.len());
}

#[tokio::test]
async fn an_upload_to_this_machine_bypasses_the_proxy_with_all_its_requests() {
    let (backend, proxy) = (Backend::start().unwrap(), proxy());
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).proxy(proxy.origin()).build().unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!((backend.requests().len(), proxy.requests().len()), (3, 0));
}

#[tokio::test]
async fn the_password_of_a_proxy_is_sent_to_it_and_shown_nowhere() {
    for from_environment in [false, true] {
        let proxy = proxy();
        let url = format!("http://user:p4ssw0rd@{}", proxy.address());
        let builder = if from_environment { variables([("HTTPS_PROXY", &url)]) } else { variables([]).proxy(&url) };
        let client = built(builder);
        let error = usage(&client).await.unwrap_err();
        let expected = format!("Basic {}", BASE64_STANDARD.encode("user:p4ssw0rd"));
        assert_eq!(proxy.requests()[0].header("proxy-authorization"), Some(&*expected));
        let shown = format!("{error} {error:?} {error:#?} {client:?}");
        assert!(!shown.contains("p4ssw0rd") && !shown.contains(&expected[6..]), "{shown}");
    }
}

#[test]
fn a_proxy_that_is_no_usable_url_is_refused_and_not_quoted() {
    for bad in ["gopher://user:p4ssw0rd@proxy.test:1", "http://", "http://user:p4ssw0rd@proxy.test:notaport"] {
        for (builder, setting) in [
            (variables([]).proxy(bad), ".proxy(..)"),
            (variables([("HTTPS_PROXY", bad)]), "HTTPS_PROXY"),
            (variables([("all_proxy", bad)]), "all_proxy"),
        ] {
            let error = builder.chatgpt(ChatGptTokens::new("opaque-access-token")).build().unwrap_err();
            assert!(matches!(error, ConfigError::InvalidProxy { .. }), "{error:?}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(setting) && !shown.contains("p4ssw0rd"), "{shown}");
        }
    }
}

// ---- TLS ----

/// TLS on a port of this machine, in front of an embedded backend. Its certificate is for `localhost` alone.
struct Tls {
    backend: Backend,
    address: SocketAddr,
    /// The root certificate, in PEM form.
    root: String,
    /// The protocol of each connection, and the first bytes that it carried.
    connections: mpsc::UnboundedReceiver<(Option<Vec<u8>>, Vec<u8>)>,
}

impl Tls {
    async fn start(protocols: &[&str]) -> Self {
        Self::answering_over_h2(protocols, Vec::new()).await
    }

    /// Answers the first request of an HTTP/2 connection with these frames, and then waits for the client to go; without
    /// frames it closes the connection.
    async fn answering_over_h2(protocols: &[&str], frames: Vec<u8>) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new([]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &Issuer::new(root, root_key)).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();

        let backend = Backend::start().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = mpsc::unbounded_channel();
        tokio::spawn(front(
            listener,
            tokio_rustls::TlsAcceptor::from(Arc::new(config)),
            backend.address(),
            seen,
            frames,
        ));
        Self { backend, address, root: root_pem, connections }
    }

    fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn client(&self, builder: ClientBuilder<Unset>) -> Client<CodexBackend> {
        let base_url = format!("{}/backend-api", self.origin());
        builder.codex_base_url(base_url).chatgpt(self.backend.chatgpt_tokens()).build().unwrap()
    }

    /// A client for which the environment names certificate files.
    fn client_with(&self, vars: &[(&str, &Path)]) -> Client<CodexBackend> {
        self.client(
            Client::builder().environment(Environment::from_vars(vars.iter().map(|(name, path)| (*name, *path)))),
        )
    }
}

async fn front(
    listener: tokio::net::TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
    to: SocketAddr,
    seen: mpsc::UnboundedSender<(Option<Vec<u8>>, Vec<u8>)>,
    frames: Vec<u8>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen, frames) = (acceptor.clone(), seen.clone(), frames.clone());
        tokio::spawn(async move {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            let mut start = vec![0; 16];
            if stream.read_exact(&mut start).await.is_err() {
                return;
            }
            let is_h2 = protocol.as_deref() == Some(b"h2");
            let _nobody_asks = seen.send((protocol, start.clone()));
            if is_h2 {
                if !frames.is_empty() {
                    // The client may have gone away.
                    let _ended = answer_over_h2(&mut stream, &frames).await;
                }
                return;
            }
            let mut backend = tokio::net::TcpStream::connect(to).await.unwrap();
            backend.write_all(&start).await.unwrap();
            // The end of either side is the end of the connection.
            let _ended = tokio::io::copy_bidirectional(&mut stream, &mut backend).await;
        });
    }
}

async fn answer_over_h2(
    stream: &mut tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    frames: &[u8],
) -> std::io::Result<()> {
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut rest_of_preface = [0; 8];
    stream.read_exact(&mut rest_of_preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?;
    stream.write_all(frames).await?;
    stream.flush().await?;
    stream.read_to_end(&mut Vec::new()).await.map(|_| ())
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn missing(&self) -> std::path::PathBuf {
        self.0.path().join("no-such-file.pem")
    }
}

fn without_variables() -> ClientBuilder<Unset> {
    Client::builder().environment(Environment::empty())
}

#[tokio::test]
async fn a_certificate_of_an_unknown_root_is_refused_and_the_call_not_retried() {
    let tls = Tls::start(&["http/1.1"]).await;
    let error = usage(&tls.client(without_variables())).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Certificate, 1), "{error:?}");
    assert!(!error.may_have_been_sent() && !error.is_retryable(), "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains(&tls.origin()) && shown.contains("CODEX_CA_CERTIFICATE"), "{shown}");
    assert!(tls.backend.requests().is_empty());
}

#[tokio::test]
async fn a_root_certificate_of_the_builder_is_trusted() {
    let tls = Tls::start(&["http/1.1"]).await;
    let client = tls.client(without_variables().root_certificates(tls.root.as_bytes()));
    usage(&client).await.unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!(tls.backend.files()[0].content().unwrap(), "hello");
}

#[tokio::test]
async fn several_root_certificates_are_trusted_together() {
    let (tls, other) = (Tls::start(&[]).await, Tls::start(&[]).await);
    let one_by_one =
        without_variables().root_certificates(other.root.as_bytes()).root_certificates(tls.root.as_bytes());
    usage(&tls.client(one_by_one)).await.unwrap();
    let bundle = format!("# a comment\n{}\n\n{}", other.root, tls.root);
    usage(&tls.client(without_variables().root_certificates(bundle))).await.unwrap();
    let error = usage(&tls.client(without_variables().root_certificates(other.root.as_bytes()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Certificate);
}

#[tokio::test]
async fn a_trusted_root_does_not_make_a_certificate_hold_for_another_name() {
    let tls = Tls::start(&["http/1.1"]).await;
    let client = without_variables()
        .root_certificates(tls.root.as_bytes())
        .codex_base_url(format!("https://{}", tls.address))
        .chatgpt(tls.backend.chatgpt_tokens())
        .build()
        .unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error:?}");
}

#[tokio::test]
async fn the_certificate_file_of_the_environment_is_trusted_and_codex_ca_certificate_wins() {
    let (tls, folder) = (Tls::start(&["http/1.1"]).await, Folder::new());
    let (good, missing) = (folder.write("root.pem", &tls.root), folder.missing());
    for trusted in [
        &[("CODEX_CA_CERTIFICATE", &*good)][..],
        &[("SSL_CERT_FILE", &*good)],
        &[("CODEX_CA_CERTIFICATE", &*good), ("SSL_CERT_FILE", &*missing)],
        &[("CODEX_CA_CERTIFICATE", Path::new(" ")), ("SSL_CERT_FILE", &*good)],
    ] {
        usage(&tls.client_with(trusted)).await.unwrap_or_else(|error| panic!("{trusted:?}: {error:?}"));
    }
    let error =
        usage(&tls.client_with(&[("CODEX_CA_CERTIFICATE", &missing), ("SSL_CERT_FILE", &good)])).await.unwrap_err();
    assert!(error.to_string().contains("named by CODEX_CA_CERTIFICATE"), "{error}");
}

#[tokio::test]
async fn roots_of_the_builder_and_of_the_environment_are_trusted_together() {
    let (tls, other, folder) = (Tls::start(&[]).await, Tls::start(&[]).await, Folder::new());
    let file = folder.write("root.pem", &tls.root);
    let environment = Environment::from_vars([("CODEX_CA_CERTIFICATE", &file)]);
    let builder = || Client::builder().environment(environment.clone()).root_certificates(other.root.as_bytes());
    usage(&tls.client(builder())).await.unwrap();
    usage(&other.client(builder())).await.unwrap();
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_certificates_is_skipped() {
    let (tls, folder) = (Tls::start(&[]).await, Folder::new());
    let file = folder.write("root.pem", format!("\u{feff}{}", tls.root));
    usage(&tls.client_with(&[("SSL_CERT_FILE", &file)])).await.unwrap();
}

#[tokio::test]
async fn the_trusted_label_of_openssl_is_understood() {
    let (tls, folder) = (Tls::start(&["http/1.1"]).await, Folder::new());
    let base64: String = tls.root.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = BASE64_STANDARD.decode(base64).unwrap();
    // OpenSSL's trust settings follow the certificate in the same section.
    der.extend_from_slice(&[0x30, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]);
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN TRUSTED CERTIFICATE-----\n{}\n-----END TRUSTED CERTIFICATE-----\n", lines.join("\n"));
    usage(&tls.client_with(&[("SSL_CERT_FILE", &folder.write("trusted.pem", &pem))])).await.unwrap();
    usage(&tls.client(without_variables().root_certificates(pem))).await.unwrap();
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_named_with_its_variable() {
    let (tls, folder) = (Tls::start(&["http/1.1"]).await, Folder::new());
    let base64_of_text = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for path in [
        folder.missing(),
        folder.0.path().to_owned(),
        folder.write("empty.pem", ""),
        folder.write("text.pem", "hello"),
        folder.write("cut.pem", &tls.root[..tls.root.len() / 2]),
        folder.write("not-der.pem", base64_of_text),
        folder.write("one-bad.pem", format!("{}{base64_of_text}", tls.root)),
    ] {
        for variable in ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"] {
            let error = usage(&tls.client_with(&[(variable, &path)])).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Certificate, 1), "{error:?}");
            let shown = error.to_string();
            assert!(shown.contains(variable) && shown.contains(&*path.to_string_lossy()), "{shown}");
            assert!(!error.may_have_been_sent(), "{error:?}");
        }
    }
    assert!(tls.backend.requests().is_empty());
}

#[tokio::test]
async fn a_certificate_file_is_read_when_tls_is_first_needed() {
    let (tls, folder) = (Tls::start(&["http/1.1"]).await, Folder::new());
    let path = folder.missing();
    let client = tls.client_with(&[("CODEX_CA_CERTIFICATE", &path)]);
    assert_eq!(usage(&client).await.unwrap_err().kind(), ErrorKind::Certificate);
    folder.write("no-such-file.pem", &tls.root);
    usage(&client).await.unwrap();
    // Read once: what happens to the file now is of no account.
    std::fs::remove_file(&path).unwrap();
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn a_missing_certificate_file_does_not_disturb_plain_http_on_this_machine() {
    let (backend, folder) = (Backend::start().unwrap(), Folder::new());
    let environment = Environment::from_vars([("CODEX_CA_CERTIFICATE", folder.missing())]);
    let client = backend.client().environment(environment).chatgpt(backend.chatgpt_tokens()).build().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn certificates_that_are_given_are_checked_when_the_client_is_built() {
    let base64_of_text = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for pem in ["", "hello", base64_of_text, "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"] {
        let error = without_variables().root_certificates(pem).api_key("k").build().unwrap_err();
        assert!(matches!(error, ConfigError::InvalidCertificates { .. }), "{pem}: {error:?}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_offers_it() {
    for (offered, chosen) in [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)] {
        let mut tls = Tls::start(offered).await;
        let roots = without_variables().root_certificates(tls.root.as_bytes()).retry_policy(RetryPolicy::never());
        let answered = usage(&tls.client(roots)).await;
        let (protocol, start) = guard(tls.connections.recv()).await.unwrap();
        assert_eq!(protocol.as_deref(), chosen.map(str::as_bytes));
        let preface = if chosen == Some("h2") { &b"PRI * HTTP/2.0\r\n"[..] } else { b"GET /backend-api" };
        assert_eq!(start, preface);
        // The server behind speaks HTTP/1.1 only.
        assert_eq!(answered.is_ok(), chosen != Some("h2"));
    }
}

#[tokio::test]
async fn an_answer_over_http_2_that_ends_before_its_announced_length_is_truncated() {
    // 200, `content-length: 100`, and of the content less.
    let head = frame(HEADERS, 4, 1, b"\x88\x0f\x0d\x03100");
    let partial = frame(DATA, 0, 1, br#"{"plan_type":"plus"}"#);
    let no_error = [0; 4];
    let ends = [
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &no_error)),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[[0; 4], no_error].concat())),
    ];
    for (end, frames) in ends {
        let tls = Tls::answering_over_h2(&["h2"], [&*head, &partial, &frames].concat()).await;
        let roots = || without_variables().root_certificates(tls.root.as_bytes()).retry_policy(RetryPolicy::never());
        let error = usage(&tls.client(roots())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{end}: {error:?}");
        assert_eq!((error.status().unwrap().as_u16(), error.may_have_been_sent()), (200, true), "{end}");
        assert!(error.is_retryable() && error.to_string().contains("80 bytes"), "{end}: {error}");

        // Each client has a connection of its own.
        let api = || roots().openai_base_url(format!("{}/v1", tls.origin())).api_key("key").build().unwrap();
        let content = guard(api().openai_files().content("file_1")).await.unwrap();
        assert_eq!(content.length(), Some(100));
        assert_eq!(guard(content.bytes()).await.unwrap_err().kind(), ErrorKind::Truncated, "{end}");
        let error = guard(api().openai_files().content_up_to("file_1", 1000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{end}");
        let error = guard(tls.client(roots()).codex_responses().create("m", "i", "hi").stream()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{end}: {error}");
    }
}
