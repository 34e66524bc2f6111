//! The two documents that can be loaded: their operations, and how each is kept in a cache.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::private::Document;
use super::cache::CacheFormat;
use super::error::ManagedConfigError;
use super::wire::{ConfigBundle, ConfigFragment, ConfigRequirements};
use crate::api::endpoint::operations;
use crate::api::request::{ApiRequest, Needs, PreparedRequest, Requirement};
use crate::auth::AccountFacts;
use crate::call::Caller;
use crate::exchange::Operation;

operations! {
    for ManagedConfig;
    REQUIREMENTS: "managed_config.requirements" = GET "{prefix}/config/requirements", Safe, Bounded;
    BUNDLE: "managed_config.bundle" = GET "{prefix}/config/bundle", Safe, Bounded;
}

/// What can be loaded: [`ConfigRequirements`] or [`ConfigBundle`]. Sealed.
pub trait ManagedDocument: Document {}
impl ManagedDocument for ConfigRequirements {}
impl ManagedDocument for ConfigBundle {}

pub(super) mod private {
    use super::*;

    #[allow(unnameable_types, reason = "that it cannot be named is what seals")]
    pub trait Document: DeserializeOwned + Send + Sync + 'static {
        /// The document as it stands in a cache file.
        type Kept: Serialize + DeserializeOwned + Send + 'static;

        #[allow(private_interfaces, reason = "it cannot be called from outside")]
        fn operation() -> &'static Operation;

        #[allow(private_interfaces, reason = "it cannot be called from outside")]
        fn cache_format() -> &'static CacheFormat;

        /// Whether everything in it is TOML.
        fn validate(&self) -> Result<(), ManagedConfigError>;

        /// Whether nothing is set.
        fn is_empty(&self) -> bool;

        fn keep(&self) -> Self::Kept;

        fn kept(kept: Self::Kept) -> Self;
    }
}

/// Requests a document, if the account's plan has managed configuration.
pub(super) fn request<T: ManagedDocument>(caller: &Arc<Caller>, account: Option<AccountFacts>) -> ApiRequest<T> {
    PreparedRequest::new(caller, T::operation())
        .requiring(Requirement { account, needs: Needs::ManagedPlan })
        .exact_json()
}

static REQUIREMENTS_CACHE: CacheFormat = CacheFormat {
    own_file: "codex-backend-requirements-cache.json",
    shared_file: "cloud-requirements-cache.json",
    own_key: "codex-backend requirements cache 1",
    shared_key: "codex-cloud-requirements-cache-v3-064f8542-75b4-494c-a294-97d3ce597271",
    version: None,
    time_to_live: Duration::from_secs(30 * 60),
};

static BUNDLE_CACHE: CacheFormat = CacheFormat {
    own_file: "codex-backend-config-bundle-cache.json",
    shared_file: "cloud-config-bundle-cache.json",
    own_key: "codex-backend config bundle cache 1",
    shared_key: "codex-cloud-config-bundle-cache-v1-6160ae70-bcfd-4ca8-a99b-40f73b3b072e",
    version: Some(1),
    time_to_live: Duration::from_secs(60 * 60),
};

#[derive(Debug, Serialize, Deserialize)]
#[allow(unnameable_types, reason = "it is the content of a file")]
pub struct KeptRequirements {
    contents: Option<String>,
}

#[allow(private_interfaces, reason = "it cannot be called from outside")]
impl Document for ConfigRequirements {
    type Kept = KeptRequirements;

    fn operation() -> &'static Operation {
        &REQUIREMENTS
    }

    fn cache_format() -> &'static CacheFormat {
        &REQUIREMENTS_CACHE
    }

    fn validate(&self) -> Result<(), ManagedConfigError> {
        self.parse::<toml::Table>().map(drop)
    }

    fn is_empty(&self) -> bool {
        self.contents.is_none()
    }

    fn keep(&self) -> KeptRequirements {
        KeptRequirements { contents: self.contents.clone() }
    }

    fn kept(kept: KeptRequirements) -> Self {
        Self { contents: kept.contents, ..Self::default() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[allow(unnameable_types, reason = "it is the content of a file")]
pub struct KeptBundle {
    bundle: ConfigBundle,
}

#[allow(private_interfaces, reason = "it cannot be called from outside")]
impl Document for ConfigBundle {
    type Kept = KeptBundle;

    fn operation() -> &'static Operation {
        &BUNDLE
    }

    fn cache_format() -> &'static CacheFormat {
        &BUNDLE_CACHE
    }

    fn validate(&self) -> Result<(), ManagedConfigError> {
        let is_toml = |fragment: &ConfigFragment| fragment.parse::<toml::Table>().map(drop);
        self.config().iter().chain(self.requirements()).try_for_each(is_toml)
    }

    fn is_empty(&self) -> bool {
        self.config().is_empty() && self.requirements().is_empty()
    }

    fn keep(&self) -> KeptBundle {
        KeptBundle { bundle: self.clone() }
    }

    fn kept(kept: KeptBundle) -> Self {
        kept.bundle
    }
}
