//! Requirements and bundle, as the backend sends them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ManagedConfigError;
use crate::wire::{Wire, open_struct, read_member};

open_struct! {
    /// The requirements of the administrators.
    #[derive(Eq)]
    pub ConfigRequirements {
        /// What they wrote, in TOML. `None` where they demand nothing.
        contents: Option<String>,
        /// Its digest, as the backend counts it.
        sha256: Option<String>,
        /// When it was written, as the backend writes it.
        updated_at: Option<String>,
        /// Who wrote it.
        updated_by_user_id: Option<String>,
    }
}

impl ConfigRequirements {
    /// What they wrote, as a type of yours. `None` where they demand nothing.
    ///
    /// # Errors
    ///
    /// [`ManagedConfigError::Parse`] where it is not TOML, or is not of that form.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Option<T>, ManagedConfigError> {
        self.contents.as_deref().map(|contents| parse("requirements", contents)).transpose()
    }
}

open_struct! {
    /// All that the administrators deliver.
    #[derive(Eq)]
    pub ConfigBundle {
        /// Settings.
        config_toml: Option<DeliveredConfig>,
        /// What settings have to be.
        requirements_toml: Option<DeliveredConfig>,
    }
}

open_struct! {
    /// One kind of configuration, as the administrators deliver it.
    #[derive(Eq)]
    pub DeliveredConfig {
        /// The pieces, in the order in which they apply.
        enterprise_managed: Vec<ConfigFragment>,
        /// The pieces in layers, in the newer form of the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        managed_layers: Option<ManagedLayers>,
    }
}

open_struct! {
    /// Pieces of configuration in layers.
    #[derive(Eq)]
    pub ManagedLayers {
        /// Below what the user sets.
        baseline: Vec<ConfigFragment>,
        /// Above what the user sets.
        system_overlay: Vec<ConfigFragment>,
    }
}

/// A piece of configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ConfigFragment {
    /// Its id.
    #[serde(deserialize_with = "read_member")]
    pub id: String,
    /// The name that the administrators gave it.
    #[serde(deserialize_with = "read_member")]
    pub name: String,
    /// What they wrote, in TOML.
    #[serde(deserialize_with = "read_member")]
    pub contents: String,
}

impl Wire for ConfigFragment {
    // What it demands would not hold.
    const CAN_BE_SKIPPED: bool = false;
}

impl ConfigBundle {
    /// Settings, in the order in which they apply.
    #[must_use]
    pub fn config(&self) -> &[ConfigFragment] {
        self.config_toml.as_ref().map_or(&[], |delivered| &delivered.enterprise_managed)
    }

    /// What settings have to be, in the order in which they apply.
    #[must_use]
    pub fn requirements(&self) -> &[ConfigFragment] {
        self.requirements_toml.as_ref().map_or(&[], |delivered| &delivered.enterprise_managed)
    }
}

impl ConfigFragment {
    /// What they wrote, as a type of yours.
    ///
    /// # Errors
    ///
    /// [`ManagedConfigError::Parse`] where it is not TOML, or is not of that form.
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
