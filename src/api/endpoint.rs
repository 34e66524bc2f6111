//! How a family declares its handles and their operations. The table in the documentation, the programs that must not
//! compile, and the routes of the embedded backend follow from these declarations.

pub(crate) use crate::mode::{Accepts, Mode};

/// Declares an endpoint's handle: the mode whose clients it accepts, its constructor, and the method of
/// [`Client`](crate::Client) that makes it.
///
/// ```text
/// endpoint! {
///     /// What it is for …
///     pub Usage by new, usage where CodexBackend: Accepts<Usage>
/// }
/// ```
///
/// `, else OpenAiFiles` before `where` names the handle that clients of another mode use in its place, for the
/// compiler's message. A handle for any client says `where AnyMode: Mode`. One that holds more than the client's caller is a
/// struct of the family's own, made by its `with_caller`, and is declared without `pub`.
///
/// The bound and `new` are written out in the declaration, because the compiler shows that place when a client is not
/// accepted. Otherwise it would show this macro.
macro_rules! endpoint {
    ($(#[$meta:meta])* pub $handle:ident by $($rest:tt)+) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $handle {
            caller: std::sync::Arc<crate::call::Caller>,
        }

        impl $handle {
            fn with_caller(caller: std::sync::Arc<crate::call::Caller>) -> Self {
                Self { caller }
            }
        }

        crate::api::endpoint::endpoint! { $handle by $($rest)+ }
    };
    ($handle:ident by $new:ident, $accessor:ident where $mode:ident: $($bound:tt)+) => {
        crate::api::endpoint::endpoint! { @ $handle $new $accessor crate::mode::nothing, $mode $($bound)+ }
    };
    ($handle:ident by $new:ident, $accessor:ident, else $elsewhere:ident where $mode:ident: $($bound:tt)+) => {
        crate::api::endpoint::endpoint! { @ $handle $new $accessor crate::$elsewhere, $mode $($bound)+ }
    };
    (@ $handle:ident $new:ident $accessor:ident $elsewhere:ty, $mode:ident $($bound:tt)+) => {
        impl crate::mode::sealed::Handle for $handle {}
        impl crate::mode::Endpoint for $handle {
            type Accepted = crate::mode::$mode;
            type Elsewhere = $elsewhere;
        }

        impl $handle {
            /// A handle that sends its requests through this client. It stays usable after the client is dropped.
            #[must_use]
            pub fn $new<C>(client: &C) -> Self
            where
                C: crate::client::AsClient + ?Sized,
                C::Mode: $($bound)+,
            {
                Self::with_caller(client.as_client().caller().clone())
            }

            #[allow(dead_code, reason = "a family may send its requests from elsewhere")]
            fn request(&self, operation: &'static crate::exchange::Operation) -> crate::api::request::PreparedRequest {
                crate::api::request::PreparedRequest::new(&self.caller, operation)
            }
        }

        impl<M> crate::client::Client<M> {
            #[doc = concat!("[`", stringify!($handle), "::new`] as a method.")]
            #[must_use]
            pub fn $accessor(&self) -> $handle
            where
                M: $($bound)+,
            {
                $handle::$new(self)
            }
        }
    };
}
pub(crate) use endpoint;

/// Declares the operations of a handle, one a row: the name that errors and spans show, method and path template, when
/// it is retried after a failure (`Safe`, `IfNotActedOn` or `Never`, see `Retries`), and what bounds it (`Bounded`, `IdleOnly`
/// for the content of files, `Stream`, see `Pace`). `as` replaces the usual words in the documentation's table. Paths of the
/// Codex backend begin with `{prefix}` or `{codex}`, which follow the style of the base URL, or with neither, which only the
/// ChatGPT host serves.
///
/// ```text
/// operations! {
///     for OpenAiFiles;
///     LIST: "openai_files.list" = GET "/files", Safe, Bounded;
///     CONTENT: "openai_files.content" = GET "/files/{file_id}/content", Safe as "until its head has come", IdleOnly;
/// }
/// ```
macro_rules! operations {
    (
        for $handle:ident;
        $($operation:ident: $name:literal = $method:ident $path:literal,
            $retries:ident $(as $retries_text:literal)?, $pace:ident $(as $pace_text:literal)?;)+
    ) => {
        $(
            pub(crate) static $operation: crate::exchange::Operation = crate::exchange::Operation {
                name: $name,
                method: http::Method::$method,
                path: $path,
                retries: crate::exchange::Retries::$retries,
                pace: crate::exchange::Pace::$pace,
            };
        )+
    };
}
pub(crate) use operations;
