//! HTTP/1.1 on loopback, by hyper, on a thread with a run time of its own.

use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::State;
use super::fault::Effect;
use super::recorded::{RecordedRequest, Route};
use super::responses::{BodyStep, ScriptedBody};

/// The thread that serves; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(listener: StdListener, state: Arc<State>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("embedded backend".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, state) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has failed its test already.
            let _ended = thread.join();
        }
    }
}

async fn accept(listener: StdListener, state: Arc<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Many small answers on one connection: without this, each would wait for the client's acknowledgement.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let state = state.clone();
        tokio::spawn(async move {
            let reset = Arc::new(AtomicBool::new(false));
            let service = service_fn(|request| {
                let (state, reset) = (state.clone(), reset.clone());
                async move { serve(request, state, &reset).await }
            });
            let stream = Connection { stream, reset: reset.clone() };
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection ends in an error when a fault breaks it, or when the client goes away.
            let _ended = connection.await;
        });
    }
}

/// A connection that can be ended by a reset in place of an orderly close.
struct Connection {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Where it fails the connection is closed in order, which breaks the exchange all the same.
            let _best_effort = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What the server answers.
pub(super) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    /// In place of `body`.
    script: Option<ScriptedBody>,
}

impl Reply {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), script: None }
    }

    pub(super) fn json(value: &Value) -> Self {
        let mut reply = Self::empty(StatusCode::OK).header("content-type", "application/json");
        reply.body = value.to_string().into();
        reply
    }

    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({ "error": { "code": code, "message": message, "type": "invalid_request_error" } });
        Self { status, ..Self::json(&body) }
    }

    pub(super) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status).header("content-type", content_type);
        reply.body = body.into();
        reply
    }

    pub(super) fn streamed(script: ScriptedBody) -> Self {
        let mut reply = Self::empty(StatusCode::OK).header("content-type", "text/event-stream; charset=utf-8");
        reply.script = Some(script);
        reply
    }

    pub(super) fn add_headers(&mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
        self.headers.extend(headers);
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        self
    }
}

type ReplyBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Reset>;

/// Makes hyper drop the connection.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset on demand")
    }
}

impl std::error::Error for Reset {}

async fn serve(
    request: Request<Incoming>,
    state: Arc<State>,
    reset: &Arc<AtomicBool>,
) -> Result<Response<ReplyBody>, Reset> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let (head, mut body) = request.into_parts();
    let route = Route::of(&head.method, head.uri.path(), &head.headers);
    let (record, effect) = {
        let mut world = state.world();
        world.requests.push(RecordedRequest {
            method: head.method.clone(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: Bytes::new(),
            route: route.map(|(route, _)| route),
        });
        (world.requests.len() - 1, route.and_then(|(route, _)| world.script.next(route)))
    };
    let mut pause = Duration::ZERO;
    match &effect {
        Some(Effect::Stall) => pending::<()>().await,
        Some(Effect::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(Effect::ReadSlowly { pause: asked }) => pause = *asked,
        _ => {}
    }

    let query = head.uri.query().unwrap_or("");
    let mut upload = match route {
        Some((Route::PUT_FILE, Some(id))) => Some(state.world().files.check_put(id, query, &head.headers)),
        _ => None,
    };
    let mut content = Vec::new();
    read(&mut body, pause, |chunk| match &mut upload {
        Some(Ok(upload)) => upload.take(chunk),
        Some(Err(_)) => {}
        None => content.extend_from_slice(chunk),
    })
    .await?;
    let content = Bytes::from(content);
    state.world().requests[record].body = content.clone();

    let mut reply = match (&effect, upload) {
        (Some(Effect::ResetBeforeHeaders), _) => {
            reset.store(true, Ordering::Relaxed);
            return Err(Reset);
        }
        (Some(Effect::Answer { status, headers, body }), _) => {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            Reply { status: *status, headers, body: body.clone(), script: None }
        }
        (_, Some(Ok(upload))) => state.world().files.store(upload),
        (_, Some(Err(refusal))) => refusal,
        (_, None) => {
            let mut world = state.world();
            let answer = world.answer_endpoint(&head, &content);
            answer.unwrap_or_else(|| world.answer(&head.headers, (head.uri.path(), query), route, &content))
        }
    };
    if matches!(effect, Some(Effect::TruncateJson)) {
        reply.body.truncate(reply.body.len() / 2);
    }
    let mut response = Response::builder().status(reply.status);
    if let Some(headers) = response.headers_mut() {
        headers.extend(reply.headers);
        if let Some(now) = state.world().clock.as_ref().map(|clock| clock.now()) {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(now));
            headers.entry("date").or_insert(date.unwrap_or(HeaderValue::from_static("-")));
        }
        let id = format!("req_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        headers.entry("x-request-id").or_insert(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req")));
    }
    let broken = matches!(effect, Some(Effect::ResetInBody));
    if broken && let Some(headers) = response.headers_mut() {
        reset.store(true, Ordering::Relaxed);
        // An empty body has no middle: one byte is promised that never comes.
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(reply.body.len().max(1)));
    }
    let body = match reply.script {
        Some(script) if !broken => scripted(script, reset),
        _ if broken => half(&reply.body),
        _ => whole(reply.body),
    };
    response.body(body).map_err(|_| Reset)
}

impl super::World {
    fn answer(
        &mut self,
        headers: &HeaderMap,
        target: (&str, &str),
        route: Option<(Route, Option<&str>)>,
        body: &Bytes,
    ) -> Reply {
        let (path, _) = target;
        let Some((route, id)) = route else {
            let refusal = if path.starts_with("/v1/") {
                self.accounts.check_openai(headers).err()
            } else {
                self.check_backend(headers).err()
            };
            return refusal.unwrap_or_else(|| Reply::error(StatusCode::NOT_FOUND, "not_found", "no such route"));
        };
        match route {
            Route::REFRESH_TOKEN => return self.accounts.redeem(body),
            Route::EXCHANGE_IDENTITY => return self.accounts.exchange(body),
            Route::REVOKE_TOKEN => return self.accounts.revoke_by_request(body),
            Route::WHOAMI => return self.accounts.whoami(headers),
            _ => {}
        }
        #[cfg(feature = "agent-identity")]
        match (route, id) {
            (Route::AGENT_KEYS, _) => return self.agents.keys(headers),
            (Route::REGISTER_TASK, Some(id)) => return self.agents.register_task(id, headers, body, self.now()),
            _ => {}
        }
        if path.starts_with("/v1/") {
            return match self.accounts.check_openai(headers) {
                Ok(()) => self.answer_api(route, id, target, headers, body),
                Err(refusal) => refusal,
            };
        }
        let account_id = match self.check_backend(headers) {
            Ok(account_id) => account_id,
            Err(refusal) => return refusal,
        };
        match (route, id) {
            (Route::CREATE_FILE, _) => self.files.create(&self.origin, account_id, body),
            (Route::FINALIZE_FILE, Some(id)) => self.files.finalize(&self.origin, &account_id, id),
            (Route::GET_USAGE, _) => Reply::json(&self.usage),
            #[cfg(feature = "agent-identity")]
            (Route::REGISTER_AGENT, _) => self.agents.register_agent(account_id, headers, body),
            _ => self.answer_api(route, id, target, headers, body),
        }
    }

    /// The account that the headers of a backend request open, or the answer that refuses them.
    fn check_backend(&self, headers: &HeaderMap) -> Result<String, Reply> {
        #[cfg(feature = "agent-identity")]
        {
            let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
            if let Some(assertion) = authorization.and_then(|value| value.strip_prefix("AgentAssertion ")) {
                let account_id = self.agents.check(assertion, headers, self.now())?;
                return self.accounts.check_fedramp(&account_id, headers).map(|()| account_id);
            }
        }
        self.accounts.check_backend(headers)
    }
}

async fn read(body: &mut Incoming, pause: Duration, mut take: impl FnMut(&[u8])) -> Result<(), Reset> {
    loop {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match body.frame().await {
            None => return Ok(()),
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data() {
                    take(&chunk);
                }
            }
            // The client went away in the middle of its request.
            Some(Err(_)) => return Err(Reset),
        }
    }
}

fn whole(body: Bytes) -> ReplyBody {
    http_body_util::Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn scripted(script: ScriptedBody, reset: &Arc<AtomicBool>) -> ReplyBody {
    let frames = stream::unfold((script, reset.clone()), |(mut script, reset)| async move {
        let frame = match script.next().await? {
            BodyStep::Chunk(chunk) => Ok(Frame::data(chunk)),
            BodyStep::Reset => {
                reset.store(true, Ordering::Relaxed);
                Err(Reset)
            }
        };
        Some((frame, (script, reset)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The first half, time for it to leave, then the end of the connection.
fn half(body: &Bytes) -> ReplyBody {
    let half = body.slice(..body.len() / 2);
    let frames = stream::unfold(Some(half), |half| async {
        match half {
            Some(half) => Some((Ok(Frame::data(half)), None)),
            None => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(Reset), None))
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
