//! The provider whose headers never change.

use std::fmt;
use std::marker::PhantomData;

use super::context::AuthContext;
use super::future::AuthFuture;
use super::headers::AuthHeaders;
use super::provider::AuthProvider;
use crate::mode::Authenticated;

/// A provider whose headers never change.
pub(crate) struct HeldHeaders<R> {
    headers: AuthHeaders,
    route: PhantomData<fn() -> R>,
}

impl<R: Authenticated> HeldHeaders<R> {
    pub(super) fn new(headers: AuthHeaders) -> Self {
        Self { headers, route: PhantomData }
    }
}

impl<R: Authenticated> AuthProvider for HeldHeaders<R> {
    type Route = R;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(self.headers.clone()))
    }
}

impl<R> fmt::Debug for HeldHeaders<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldHeaders").field(&self.headers).finish()
    }
}
