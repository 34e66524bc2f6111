//! Sentences of the compiler for what people write at first and what no bound of ours would ever see.
//!
//! No type has these traits. An implementation of a foreign trait that needs one of them exists for its sentence alone: the
//! compiler finds the implementation, and then says why it does not hold. The bound is on another type than the implementation,
//! or the compiler would prefer the text of the foreign trait; and it has a parameter, a lifetime at least, or it would be an
//! error where it stands.

use std::marker::PhantomData;

/// What a [`PagedRequest`](crate::PagedRequest) is when it is taken for something else.
#[derive(Debug)]
#[allow(unnameable_types, reason = "exists for the compiler's messages alone")]
pub struct ListInPages<T>(PhantomData<T>);

/// What a [`ResponseRequest`](crate::responses::ResponseRequest) is when it is taken for something else.
#[derive(Debug)]
#[allow(unnameable_types, reason = "exists for the compiler's messages alone")]
pub struct UnsentRequest<M>(PhantomData<M>);

macro_rules! mistakes {
    ($($(#[$text:meta])* $name:ident)*) => {$(
        $(#[$text])*
        #[allow(unnameable_types, reason = "exists for the compiler's messages alone")]
        pub trait $name {
            fn never<T>() -> T;
        }
    )*};
}

mistakes! {
    #[diagnostic::on_unimplemented(
        message = "a list that comes in pages cannot be awaited",
        label = "say which part of the list to ask for",
        note = "`.page().await?` gives one page, `.all().await?` all items at once",
        note = "`.items()` is a stream of the items, to be asked with `.try_next().await?`"
    )]
    AwaitedList
    #[diagnostic::on_unimplemented(
        message = "a list that comes in pages is not an iterator",
        label = "its pages are asked for one after the other, and a `for` loop cannot wait",
        note = "`.items()` is a stream of the items, to be asked with `.try_next().await?`",
        note = "or take them first: `.page().await?.items` are those of one page, `.all().await?` those of all"
    )]
    IteratedList
    #[diagnostic::on_unimplemented(
        message = "a request to a model cannot be awaited before it is sent",
        label = "say how to send it",
        note = "`.stream().await?` gives the events as they come, and `.stream().await?.collect().await?` the whole answer",
        note = "with an API key, `.send().await?` gives the whole answer in one piece"
    )]
    AwaitedRequest
    #[cfg(feature = "agent-identity")]
    #[diagnostic::on_unimplemented(
        message = "an `AgentIdentity` cannot authenticate requests: it has no task yet",
        label = "neither a `RegisteredAgent` nor a `LazyAgent`",
        note = "`identity.register(&context).await?` gives a `RegisteredAgent`, and `identity.lazy()` a `LazyAgent`, which registers before its first request",
        note = "both are given to `.agent_identity(agent)`"
    )]
    AgentWithoutTask
    #[diagnostic::on_unimplemented(
        message = "a `CodexAuth` is not an auth provider: which mode it opens is known only at run time",
        label = "credentials that were found at run time have setters of their own",
        note = "`.codex_auth(&auth)?` gives a builder for a `Client<CodexBackend>`, or says why it cannot",
        note = "`.build_any(&auth)?` builds an `AnyClient` of whatever mode was found"
    )]
    CodexAuthAsProvider
    #[diagnostic::on_unimplemented(
        message = "a client is built, and there is no `Client::new()`",
        label = "start with `Client::builder()`",
        note = "`Client::builder().chatgpt(tokens).build()?` gives a `Client<CodexBackend>`, `Client::builder().api_key(key).build()?` a `Client<OpenAiApi>`"
    )]
    MadeByNew
}
