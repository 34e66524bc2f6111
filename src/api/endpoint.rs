//! How a family declares its handles and their operations. What is declared here is all there is: the table in the
//! documentation, the programs that must not compile, and the routes of the embedded backend follow from it.

/// Declares an endpoint's handle: the clients it accepts, and the method of [`Client`](crate::Client) that makes it.
///
/// ```text
/// endpoint! {
///     /// What it is for …
///     pub Usage accepts CodexBackend as usage;
/// }
/// ```
///
/// `, else OpenAiFiles` before the semicolon names the handle that clients of another mode use in its place, for the
/// compiler's message.
///
/// A handle that holds more than the client's caller is a struct of the family's own, and says how it is made:
/// `CodexModels accepts CodexBackend as codex_models, by with_caller;`.
macro_rules! endpoint {
    ($(#[$meta:meta])* pub $handle:ident accepts $mode:ident as $accessor:ident $($rest:tt)*) => {
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

        crate::api::endpoint::endpoint! { $handle accepts $mode as $accessor, by with_caller $($rest)* }
    };
    ($handle:ident accepts AnyMode as $accessor:ident, by $make:ident;) => {
        crate::api::endpoint::endpoint! { @handle $handle AnyMode $make $accessor crate::mode::nothing, crate::mode::Mode }
    };
    ($handle:ident accepts $mode:ident as $accessor:ident, by $make:ident;) => {
        crate::api::endpoint::endpoint! {
            @handle $handle $mode $make $accessor crate::mode::nothing, crate::mode::Accepts<$handle>
        }
    };
    ($handle:ident accepts $mode:ident as $accessor:ident, by $make:ident, else $elsewhere:ident;) => {
        crate::api::endpoint::endpoint! {
            @handle $handle $mode $make $accessor crate::$elsewhere, crate::mode::Accepts<$handle>
        }
    };
    (@handle $handle:ident $mode:ident $make:ident $accessor:ident $elsewhere:ty, $accepted:path) => {
        impl crate::mode::sealed::Sealed for $handle {}
        impl crate::mode::Endpoint for $handle {
            type Accepted = crate::mode::$mode;
            type Elsewhere = $elsewhere;
        }

        impl $handle {
            /// With a client that this endpoint accepts. The handle keeps what it needs of the client alive.
            #[must_use]
            pub fn new<C>(client: &C) -> Self
            where
                C: crate::client::AsClient<Mode: $accepted> + ?Sized,
            {
                Self::$make(client.as_client().caller().clone())
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
                M: $accepted,
            {
                $handle::new(self)
            }
        }
    };
}
pub(crate) use endpoint;

/// Declares the operations of a handle, one a row: the name that errors and spans show, method and path template, when it is
/// retried after a failure, and what bounds it. Where the table in the documentation says either in other words than usual,
/// `as` gives them.
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
