//! What the two routes of the Responses API take and refuse, for the compiler to say.
//!
//! The traits are bounds of the setters of [`ResponseRequest`](crate::responses::ResponseRequest).

use super::{CodexBackend, Mode, OpenAiApi};

/// A route that takes the parameter `P` of a request: [`OpenAiApi`] takes all. Sealed through [`Mode`].
#[diagnostic::on_unimplemented(
    message = "the Codex backend refuses the parameter `{P}` of a Responses request",
    label = "a `Client<{Self}>` cannot send `{P}`",
    note = "leave the call out: the backend would answer `Unsupported parameter: {P}`",
    note = "with an API key, `OpenAiResponses` takes it"
)]
pub trait TakesParameter<P>: Mode {}
impl<P> TakesParameter<P> for OpenAiApi {}

/// A route that keeps responses, so that a request may refer to them with `P`: [`OpenAiApi`]. Sealed through [`Mode`].
#[diagnostic::on_unimplemented(
    message = "the Codex backend keeps no responses, so it refuses `{P}`",
    label = "a `Client<{Self}>` cannot send `{P}`",
    note = "`store` is always false there; to go on with a conversation, give its items back as input",
    note = "with an API key, `OpenAiResponses` takes it"
)]
pub trait KeepsResponses<P>: Mode {}
impl<P> KeepsResponses<P> for OpenAiApi {}

/// A route that can answer in one piece: [`OpenAiApi`]. Sealed through [`Mode`].
#[diagnostic::on_unimplemented(
    message = "the Codex backend answers only with a stream",
    label = "a `Client<{Self}>` cannot ask for an answer in one piece",
    note = "`.stream().await?.collect().await?` gives the whole response"
)]
pub trait AnswersInOnePiece: Mode {}
impl AnswersInOnePiece for OpenAiApi {}

/// A route that takes compressed requests: [`CodexBackend`]. Sealed through [`Mode`].
#[diagnostic::on_unimplemented(
    message = "the OpenAI API takes no compressed requests",
    label = "a `Client<{Self}>` cannot compress what it sends",
    note = "leave the call out; only the Codex backend decodes zstd"
)]
pub trait TakesCompression: Mode {}
impl TakesCompression for CodexBackend {}

/// The parameters that not every route takes, under their names on the wire. They exist for the compiler's messages alone.
#[allow(non_camel_case_types, missing_docs, clippy::exhaustive_enums, reason = "names of the wire")]
pub mod parameter {
    macro_rules! parameters {
        ($($name:ident)*) => {
            $(
                #[derive(Debug)]
                pub enum $name {}
            )*
        };
    }
    parameters! {
        background context_management conversation max_output_tokens max_tool_calls metadata previous_response_id prompt
        prompt_cache_retention safety_identifier store temperature top_logprobs top_p truncation user
    }
}
