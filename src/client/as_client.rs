//! What endpoint handles are made with: a client of one mode, or what leads to one.

use std::ops::Deref;

use super::Client;

/// A [`Client`] of one mode, or what leads to one: an `Arc`, a `LazyLock`, or anything else that derefs to it.
///
/// Implement it for a type of your own to make handles with that.
///
/// ```
/// use codex_backend::{AsClient, ChatGptTokens, Client, CodexBackend, OpenAiFileUpload};
///
/// struct App {
///     client: Client<CodexBackend>,
/// }
///
/// impl AsClient for App {
///     type Mode = CodexBackend;
///
///     fn as_client(&self) -> &Client<CodexBackend> {
///         &self.client
///     }
/// }
///
/// let app = App { client: Client::builder().chatgpt(ChatGptTokens::new("access-token")).build()? };
/// let files = OpenAiFileUpload::new(&app);
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Client` of one mode is needed, and this is not one: `{Self}`",
    label = "the mode must be known here",
    note = "an `AnyClient` is narrowed once: `client.as_codex_backend()?` gives a `&Client<CodexBackend>`, `client.as_openai_api()?` a `&Client<OpenAiApi>`"
)]
pub trait AsClient {
    /// The client's mode.
    type Mode;

    /// The client.
    fn as_client(&self) -> &Client<Self::Mode>;
}

#[diagnostic::do_not_recommend]
impl<M> AsClient for Client<M> {
    type Mode = M;

    fn as_client(&self) -> &Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T> AsClient for T
where
    T: Deref + ?Sized,
    T::Target: AsClient,
{
    type Mode = <T::Target as AsClient>::Mode;

    fn as_client(&self) -> &Client<Self::Mode> {
        (**self).as_client()
    }
}
