//! Connectors, as the directory and the batch request describe them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::wire::open_struct;

open_struct! {
    pub(super) DirectoryAnswer {
        apps: Vec<DirectoryApp>,
        #[serde(alias = "nextToken")]
        next_token: Option<String>,
    }
}

open_struct! {
    /// A connector as the directory tells of it.
    pub DirectoryApp {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// What its maker tells of it.
        #[serde(alias = "appMetadata")]
        app_metadata: Option<AppMetadata>,
        /// Whose it is.
        branding: Option<ConnectorBranding>,
        /// Labels of the backend's own.
        labels: Option<BTreeMap<String, Value>>,
        /// Its logo.
        #[serde(alias = "logoUrl")]
        logo_url: Option<String>,
        /// Its logo on a dark ground.
        #[serde(alias = "logoUrlDark")]
        logo_url_dark: Option<String>,
        /// How it is given out.
        #[serde(alias = "distributionChannel")]
        distribution_channel: Option<String>,
        /// Who is to see it: `HIDDEN` for nobody.
        visibility: Option<String>,
    }
}

impl DirectoryApp {
    pub(super) fn is_hidden(&self) -> bool {
        self.visibility.as_deref() == Some("HIDDEN")
    }

    /// Takes over what is missing. Of several descriptions the last that is not blank stays.
    pub(super) fn merge(&mut self, other: Self) {
        if self.name.trim().is_empty() {
            self.name = other.name;
        }
        if other.description.as_ref().is_some_and(|description| !description.trim().is_empty()) {
            self.description = other.description;
        }
        self.app_metadata = self.app_metadata.take().or(other.app_metadata);
        self.branding = self.branding.take().or(other.branding);
        self.labels = self.labels.take().or(other.labels);
        self.logo_url = self.logo_url.take().or(other.logo_url);
        self.logo_url_dark = self.logo_url_dark.take().or(other.logo_url_dark);
        self.distribution_channel = self.distribution_channel.take().or(other.distribution_channel);
        self.visibility = self.visibility.take().or(other.visibility);
    }
}

open_struct! {
    /// Whose a connector is.
    #[derive(Eq)]
    #[serde(rename_all = "camelCase")]
    pub ConnectorBranding {
        /// What sort of app it is.
        category: Option<String>,
        /// Who made it.
        developer: Option<String>,
        /// Its page.
        website: Option<String>,
        /// What it does with data.
        privacy_policy: Option<String>,
        /// On what terms it is used.
        terms_of_service: Option<String>,
        /// Whether it is shown to those who look around.
        is_discoverable_app: bool,
    }
}

open_struct! {
    /// What the maker of a connector tells of it.
    #[derive(Eq)]
    #[serde(rename_all = "camelCase")]
    pub AppMetadata {
        /// How far its review has come.
        review: Option<AppReview>,
        /// What sorts of app it is.
        categories: Vec<String>,
        /// The same, finer.
        sub_categories: Vec<String>,
        /// A text for search engines.
        seo_description: Option<String>,
        /// How it looks.
        screenshots: Vec<ConnectorScreenshot>,
        /// Who made it.
        developer: Option<String>,
        /// Its version.
        version: Option<String>,
        /// The id of its version.
        version_id: Option<String>,
        /// What is new in it.
        version_notes: Option<String>,
        /// Of what kind it is where it is OpenAI's own.
        first_party_type: Option<String>,
        /// Whether it has to be installed all the same.
        first_party_requires_install: Option<bool>,
        /// Whether it is offered before it is linked.
        show_in_composer_when_unlinked: Option<bool>,
    }
}

open_struct! {
    /// How far the review of a connector has come.
    #[derive(Eq)]
    pub AppReview {
        /// The backend's word for it.
        status: Option<String>,
    }
}

open_struct! {
    /// How a connector looks.
    #[derive(Eq)]
    pub ConnectorScreenshot {
        /// The picture.
        url: Option<String>,
        /// The picture, as a file of the backend.
        #[serde(alias = "fileId")]
        file_id: Option<String>,
        /// What the user had asked.
        #[serde(alias = "userPrompt")]
        user_prompt: Option<String>,
    }
}

open_struct! {
    /// More about single connectors.
    #[derive(Eq)]
    pub AppBatch {
        /// Those that the backend knows.
        apps: Vec<AppDetails>,
    }
}

open_struct! {
    /// More about one connector.
    #[derive(Eq)]
    pub AppDetails {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// Its icon.
        icon_url: Option<String>,
        /// Its icon on a dark ground.
        #[serde(alias = "icon_url_dark")]
        icon_dark_url: Option<String>,
        /// How it is given out.
        distribution_channel: Option<String>,
        /// What it can do; empty where that was not asked for.
        tools: Vec<AppTool>,
    }
}

open_struct! {
    /// Something that a connector can do.
    #[derive(Eq)]
    pub AppTool {
        /// Its name.
        name: String,
        /// The name to show.
        title: Option<String>,
        /// What it does.
        description: String,
        /// Whether it changes nothing.
        is_read_only: bool,
        /// Whether it can be used.
        is_enabled: Option<bool>,
        /// Why it cannot.
        disabled_reason: Option<String>,
    }
}
