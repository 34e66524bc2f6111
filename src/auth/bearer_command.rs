//! Bearer tokens that a command prints.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join};
use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::claims::Claims;
use super::fetched::{Fetch, Fetched, Fresh};
use super::{AuthContext, AuthFuture, AuthHeaders, AuthProvider, AuthRecovery, AuthRefusal};
use crate::environment::Environment;
use crate::error::AuthError;
use crate::exchange::Scrubber;
use crate::mode::OpenAiApi;

const TIMEOUT: Duration = Duration::from_secs(5);
const REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// No token comes near it.
const LONGEST_OUTPUT: u64 = 64 << 10;

/// A command that prints a bearer token, for a `Client<OpenAiApi>`.
///
/// It is run before the first request, again when the token is older than the refresh interval, and after a 401. Any number
/// of requests run it once. What it prints on its standard output, without white space around it, is the token; its standard
/// input is empty. When it fails while the token before still works, that one is used for another 30 seconds; after a 401
/// the failure ends the call.
///
/// Dropping a call kills the command that it waits for.
///
/// ```
/// # #[cfg(unix)]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use codex_backend::auth::BearerCommand;
/// use codex_backend::{Client, OpenAiApi};
///
/// let command = BearerCommand::new("echo").args(["token-from-a-vault"]).refresh_interval(Duration::from_secs(60));
/// let client: Client<OpenAiApi> = Client::builder().provider(command).build()?;
/// let headers = client.auth_headers().await?;
/// assert_eq!(headers.iter().next().unwrap().1, "Bearer token-from-a-vault");
/// # Ok(()) }
/// # #[cfg(not(unix))] fn main() {}
/// ```
#[doc(alias("bearer", "credential helper", "token"))]
#[derive(Clone)]
pub struct BearerCommand {
    fetched: Arc<Fetched<Invocation>>,
}

#[derive(Debug, Clone)]
struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    timeout: Duration,
    refresh_interval: Duration,
}

impl BearerCommand {
    /// With a program: a name that is looked up in `PATH`, or a path, which is relative to
    /// [`current_dir`](Self::current_dir) where that is set.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::running(Invocation {
            program: program.into(),
            arguments: Vec::new(),
            folder: None,
            timeout: TIMEOUT,
            refresh_interval: REFRESH_INTERVAL,
        })
    }

    /// Its arguments. No shell looks at them.
    #[must_use]
    pub fn args<A: Into<OsString>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.with(|invocation| invocation.arguments = arguments.into_iter().map(Into::into).collect())
    }

    /// The folder it runs in. Default: that of this process.
    #[must_use]
    pub fn current_dir(self, folder: impl Into<PathBuf>) -> Self {
        self.with(|invocation| invocation.folder = Some(folder.into()))
    }

    /// How long it may run before it is killed. Default: 5 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|invocation| invocation.timeout = timeout)
    }

    /// How old a token may grow. Zero: it is used until it is refused. Default 5 min.
    #[must_use]
    pub fn refresh_interval(self, interval: Duration) -> Self {
        self.with(|invocation| invocation.refresh_interval = interval)
    }

    fn with(self, change: impl FnOnce(&mut Invocation)) -> Self {
        let mut invocation = self.fetched.source().clone();
        change(&mut invocation);
        Self::running(invocation)
    }

    fn running(invocation: Invocation) -> Self {
        Self { fetched: Arc::new(Fetched::new(invocation)) }
    }
}

impl Invocation {
    fn command(&self) -> Command {
        let has_separator = self.program.components().count() > 1;
        let program = match &self.folder {
            // Not left relative: whether it is looked up before or after the change of folder depends on the system.
            Some(folder) if has_separator && self.program.is_relative() => {
                let program = folder.join(&self.program);
                std::path::absolute(&program).unwrap_or(program)
            }
            _ => self.program.clone(),
        };
        let mut command = Command::new(program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.kill_on_drop(true);
        command
    }

    /// What it prints, as the headers of a request.
    async fn run(&self, generation: u64, context: &AuthContext) -> Result<AuthHeaders, AuthError> {
        // Its arguments may hold a secret; its name does not.
        let name = self.program.file_name().map_or(self.program.as_path(), Path::new).display();
        let failed = |reason: String| AuthError::transient(format!("the command `{name}` gave no token: {reason}"));
        let running = self.command().spawn();
        let running = running.map_err(|error| failed(format!("it cannot be run: {error}")).with_source(error))?;
        let output = context.exchange.within(self.timeout, pin!(output_of(running))).await;
        let output = output
            .ok_or_else(|| failed(format!("it ran for longer than {:?}", self.timeout)))?
            .map_err(|error| failed(error.to_string()).with_source(error))?;
        if !output.status.success() {
            let said = harmless(&output);
            let said = if said.is_empty() { String::new() } else { format!(" and said: {said}") };
            return Err(failed(format!("it ended with {}{said}", output.status)));
        }
        let token = String::from_utf8(output.stdout).map_err(|_| failed("it printed what is not UTF-8".to_owned()))?;
        match token.trim() {
            "" => Err(failed("it printed nothing".to_owned())),
            token => AuthHeaders::new(generation)
                .with_bearer(&token.into())
                .map_err(|error| failed("it printed what is no token".to_owned()).with_source(error)),
        }
    }
}

/// What a command said beside its token, without anything that it printed or has in its environment: a script that traces
/// itself says both there.
fn harmless(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout);
    let words = printed.split_whitespace().chain([printed.trim()]).map(str::to_owned);
    let secrets = words.chain(Environment::process().possible_secrets()).map(SecretString::from);
    let said = Scrubber::for_secrets(secrets).clean_line(&String::from_utf8_lossy(&output.stderr));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let words = said.split(' ').map(|word| match word.split_once('=') {
        Some((name, value)) if is_name(name) && !value.is_empty() => format!("{name}=[hidden]"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What a command prints and how it ends. One that prints too much is not waited for; dropping kills it.
async fn output_of(mut running: Child) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let (Some(out), Some(mut err)) = (running.stdout.take(), running.stderr.take()) {
        let printed = async {
            out.take(LONGEST_OUTPUT + 1).read_to_end(&mut stdout).await?;
            let too_much = || io::Error::other(format!("it printed more than {} KiB", LONGEST_OUTPUT >> 10));
            if stdout.len() as u64 > LONGEST_OUTPUT { Err(too_much()) } else { Ok(()) }
        };
        let said = async {
            (&mut err).take(LONGEST_OUTPUT).read_to_end(&mut stderr).await?;
            // A command that cannot get rid of what it says would stand still.
            tokio::io::copy(&mut err, &mut tokio::io::sink()).await
        };
        try_join(printed, said).await?;
    }
    Ok(Output { status: running.wait().await?, stdout, stderr })
}

impl Fetch for Invocation {
    fn fetch<'a>(
        &'a self,
        _: Option<&'a Fresh>,
        generation: u64,
        context: &'a AuthContext,
    ) -> BoxFuture<'a, Result<Fresh, AuthError>> {
        Box::pin(async move {
            let headers = self.run(generation, context).await?;
            let fetch_again_after = Some(self.refresh_interval).filter(|interval| !interval.is_zero());
            Ok(Fresh { headers, account: Claims::default(), fetch_again_after, lifetime: None })
        })
    }
}

impl AuthProvider for BearerCommand {
    type Route = OpenAiApi;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        self.fetched.auth_headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.fetched.recover(refusal, context))
    }
}

impl fmt::Debug for BearerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invocation = self.fetched.source();
        f.debug_struct("BearerCommand")
            .field("program", &invocation.program)
            .field("timeout", &invocation.timeout)
            .field("refresh_interval", &invocation.refresh_interval)
            .finish_non_exhaustive()
    }
}
