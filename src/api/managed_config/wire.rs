//! Requirements and bundle, as the backend sends them.

use serde::de::DeserializeOwned;

use super::error::ManagedConfigError;
use crate::wire::open_struct;

open_struct! {
    /// The requirements that administrators set.
    #[derive(Eq)]
    pub ConfigRequirements {
        /// The requirements, as TOML. `None` if there are none.
        contents: Option<String>,
        /// Its SHA-256 digest, as the backend computes it.
        sha256: Option<String>,
        /// When it was written, as the backend writes it.
        updated_at: Option<String>,
        /// The id of the user who wrote it.
        updated_by_user_id: Option<String>,
    }
}

impl ConfigRequirements {
    /// The requirements, parsed into a type of yours. `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`ManagedConfigError::Parse`] when it is not TOML, or does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Option<T>, ManagedConfigError> {
        self.contents.as_deref().map(|contents| parse("requirements", contents)).transpose()
    }
}

open_struct! {
    /// All managed configuration: settings and requirements.
    #[derive(Eq)]
    pub ConfigBundle {
        /// The settings.
        config_toml: Option<DeliveredConfig>,
        /// The requirements: which values settings must have.
        requirements_toml: Option<DeliveredConfig>,
    }
}

open_struct! {
    /// Settings or requirements, in fragments.
    #[derive(Eq)]
    pub DeliveredConfig {
        /// The fragments, in the order in which they apply.
        enterprise_managed: Vec<ConfigFragment>,
        /// The fragments in layers, in the newer form of the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        managed_layers: Option<ManagedLayers>,
    }
}

open_struct! {
    /// Fragments of configuration in layers.
    #[derive(Eq)]
    pub ManagedLayers {
        /// Applied before the user's own settings, which override them.
        baseline: Vec<ConfigFragment>,
        /// Applied after the user's own settings, which they override.
        system_overlay: Vec<ConfigFragment>,
    }
}

open_struct! {
    /// A fragment of configuration.
    #[derive(Eq)]
    pub ConfigFragment {
        /// Its id.
        id: String,
        /// The name that the administrators gave it.
        name: String,
        /// Its content, as TOML.
        contents: String,
    }
}

impl ConfigBundle {
    /// The settings, in the order in which they apply.
    #[must_use]
    pub fn config(&self) -> &[ConfigFragment] {
        self.config_toml.as_ref().map_or(&[], |delivered| &delivered.enterprise_managed)
    }

    /// The requirements, in the order in which they apply.
    #[must_use]
    pub fn requirements(&self) -> &[ConfigFragment] {
        self.requirements_toml.as_ref().map_or(&[], |delivered| &delivered.enterprise_managed)
    }
}

impl ConfigFragment {
    /// Its content, parsed into a type of yours.
    ///
    /// # Errors
    ///
    /// [`ManagedConfigError::Parse`] when it is not TOML, or does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ManagedConfigError> {
        let name = if self.name.is_empty() { &self.id } else { &self.name };
        parse(name, &self.contents)
    }
}

fn parse<T: DeserializeOwned>(name: &str, contents: &str) -> Result<T, ManagedConfigError> {
    toml::from_str(contents).map_err(|error| {
        let line = error.span().map(|span| contents[..span.start.min(contents.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!(" in line {line}"));
        ManagedConfigError::Parse { name: name.to_owned(), reason: format!("{}{place}", error.message()) }
    })
}
