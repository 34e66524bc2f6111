//! HTTP/1.1 on loopback, by hyper, on a thread with a run time of its own.

use std::io;
use std::net::TcpListener as StdListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::reply::{BodyStep, ScriptedBody};

/// The thread that serves; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Each request is given to `serve`, with a flag that has its connection end in a reset.
    pub(super) fn start<S, A>(listener: StdListener, serve: S) -> io::Result<Self>
    where
        S: Fn(Request<Incoming>, Arc<AtomicBool>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response<ReplyBody>, Reset>> + Send + 'static,
    {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("embedded backend".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serve) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has failed its test already.
            let _ended = thread.join();
        }
    }
}

async fn accept<S, A>(listener: StdListener, serve: S)
where
    S: Fn(Request<Incoming>, Arc<AtomicBool>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response<ReplyBody>, Reset>> + Send + 'static,
{
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Many small answers on one connection: without this, each would wait for the client's acknowledgement.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let serve = serve.clone();
        tokio::spawn(async move {
            let reset = Arc::new(AtomicBool::new(false));
            let service = service_fn(|request| serve(request, reset.clone()));
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

pub(super) type ReplyBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Reset>;

/// Makes hyper drop the connection.
#[derive(Debug)]
pub(super) struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset on demand")
    }
}

impl std::error::Error for Reset {}

/// Reads a body to its end, with a pause before each piece.
pub(super) async fn read(body: &mut Incoming, pause: Duration, mut take: impl FnMut(&[u8])) -> Result<(), Reset> {
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

pub(super) fn whole(body: Bytes) -> ReplyBody {
    http_body_util::Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn scripted(script: ScriptedBody, reset: &Arc<AtomicBool>) -> ReplyBody {
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
pub(super) fn half(body: &Bytes) -> ReplyBody {
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
