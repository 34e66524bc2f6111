#![doc = "placeholder"]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod auth;
mod call;
mod client;
mod environment;
mod error;
mod exchange;
mod limits;
pub mod mode;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::api::files::{OpenAiFileUpload, UploadMany, UploadProgress, UploadRequest, UploadedFile};
pub use self::api::usage::{
    AdditionalRateLimit, Credits, RateLimitReached, RateLimitReachedReason, RateLimitStatus, ResetCredits,
    SpendControl, SpendLimit, Usage, UsageReport, UsageRequest,
};
pub use self::auth::{ApiKey, AuthContext, AuthFuture, AuthHeaders, AuthProvider, ChatGptTokens, Recovery, Refusal};
pub use self::client::{AnyClient, ApiClient, Client, ClientBuilder, CodexClient, WrongMode};
pub use self::environment::Environment;
pub use self::error::{AuthError, AuthErrorKind, ConfigError, Error, ErrorKind};
pub use self::exchange::{
    Body, Clock, RetryPolicy, SignedUrl, SystemClock, Timeouts, Transport, TransportError, TransportFuture,
};
pub use self::limits::{PlanType, RateLimitWindow, UsageLimit};
pub use self::mode::{CodexBackend, NoAuth, OpenAiApi, Unset};
