//! The routes of the embedded backend: which requests each is for, who may make them, and what answers them.

use std::fmt;

use http::{HeaderMap, Method};

use super::asked::Asked;
use super::reply::Reply;
use super::world::World;
use crate::exchange::Operation;

/// One of the requests that the embedded backend tells apart: its constants are all there are. Where the backend and the
/// OpenAI API have the same request, it is one route.
///
/// ```
/// use codex_backend::testing::Route;
///
/// assert_eq!(Route::GET_TASK.name(), "tasks.details");
/// assert_eq!(Route::GET_TASK.method(), "GET");
/// assert_eq!(Route::GET_TASK.path(), "{prefix}/tasks/{task_id}");
/// assert!(Route::all().any(|route| matches!(route, Route::GET_TASK)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    constant: &'static str,
    name: &'static str,
    method: &'static Method,
    path: &'static str,
}

impl Route {
    /// For [`routes!`] alone, which makes the row to it.
    pub(super) const fn of(constant: &'static str, way: &Way) -> Self {
        let Operation { name, method, .. } = way.operation;
        Self { constant, name, method, path: way.template() }
    }

    /// The name of the request, as errors and spans tell it: `usage.get`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The method.
    #[must_use]
    pub fn method(self) -> &'static Method {
        self.method
    }

    /// The template of the path below the base URL, as spans show it. `{prefix}` is `/wham` below `/backend-api` and
    /// `/api/codex` elsewhere, `{codex}` is `/codex` or `/api/codex`, and any other name is that of an id. Of a route that
    /// the backend and the OpenAI API have, the backend's.
    #[must_use]
    pub fn path(self) -> &'static str {
        self.path
    }
}

/// The name of the constant.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.constant)
    }
}

/// A route, and the ways in which it is asked for: at least one.
pub(super) struct Row {
    pub(super) route: Route,
    pub(super) ways: &'static [Way],
}

/// The requests of one operation.
pub(super) struct Way {
    pub(super) operation: &'static Operation,
    /// In place of the operation's path, where that is not all of the template.
    at: Option<&'static str>,
    /// What comes before the operation's path.
    below: &'static str,
    pub(super) access: Access,
    /// Of several ways with one method and path, the one is taken that is meant by the headers.
    pub(super) is_meant: Option<fn(&HeaderMap) -> bool>,
    pub(super) handler: Handler,
}

/// What a request must carry, and is checked before its handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing, or what the handler checks.
    Open,
    /// Credentials of an account: an access token, or an agent's assertion.
    Account,
    /// The same, or no credentials at all.
    AccountOrOpen,
    /// An API key.
    ApiKey,
}

pub(super) enum Handler {
    /// Called with the whole request.
    Whole(fn(&mut World, &Asked<'_>) -> Reply),
    /// Called with the head of the request, before its body is read.
    Receiving(fn(&mut World, &Asked<'_>) -> Reception),
}

/// Takes a body that is too long to be held.
pub(super) trait Receiver: Send {
    fn take(&mut self, chunk: &[u8]);
    fn finish(self: Box<Self>, world: &mut World) -> Reply;
}

/// What takes the body, or the answer that refuses it.
pub(super) type Reception = Result<Box<dyn Receiver>, Reply>;

impl Way {
    /// Of the backend, for its accounts.
    pub(super) const fn codex(operation: &'static Operation, handler: fn(&mut World, &Asked<'_>) -> Reply) -> Self {
        Self::new(operation, "/backend-api", Access::Account, Handler::Whole(handler))
    }

    /// Of the OpenAI API, for its keys.
    pub(super) const fn openai(operation: &'static Operation, handler: fn(&mut World, &Asked<'_>) -> Reply) -> Self {
        Self::new(operation, "/v1", Access::ApiKey, Handler::Whole(handler))
    }

    /// Below the root, for anyone.
    pub(super) const fn open(operation: &'static Operation, handler: fn(&mut World, &Asked<'_>) -> Reply) -> Self {
        Self::new(operation, "", Access::Open, Handler::Whole(handler))
    }

    /// The same, with a body that is received as it comes.
    pub(super) const fn receiving(
        operation: &'static Operation,
        handler: fn(&mut World, &Asked<'_>) -> Reception,
    ) -> Self {
        Self::new(operation, "", Access::Open, Handler::Receiving(handler))
    }

    const fn new(operation: &'static Operation, below: &'static str, access: Access, handler: Handler) -> Self {
        Self { operation, at: None, below, access, is_meant: None, handler }
    }

    /// At this path, whatever the operation's says.
    pub(super) const fn at(mut self, path: &'static str) -> Self {
        (self.at, self.below) = (Some(path), "");
        self
    }

    pub(super) const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    pub(super) const fn where_meant(mut self, is_meant: fn(&HeaderMap) -> bool) -> Self {
        self.is_meant = Some(is_meant);
        self
    }

    pub(super) const fn template(&self) -> &'static str {
        match self.at {
            Some(path) => path,
            None => self.operation.path,
        }
    }

    /// The template, and what comes before it.
    pub(super) fn place(&self) -> (&'static str, &'static str) {
        (self.below, self.template())
    }
}

/// Declares the routes of a family: constants of [`Route`], and `ROUTES`, which belongs into the list in `testing.rs`.
macro_rules! routes {
    ($($(#[$doc:meta])* $constant:ident = $way:expr $(, $other_way:expr)*;)+) => {
        impl $crate::testing::route::Route {
            $($(#[$doc])* pub const $constant: Self = Self::of(stringify!($constant), &$way);)+
        }

        pub(super) static ROUTES: &[$crate::testing::route::Row] = &[$($crate::testing::route::Row {
            route: $crate::testing::route::Route::$constant,
            ways: &[$way $(, $other_way)*],
        }),+];
    };
}
pub(super) use routes;
