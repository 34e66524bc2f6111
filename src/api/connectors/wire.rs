//! Connectors, as the directory and the batch request describe them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::wire::{Exact, open_struct};

open_struct! {
    pub(super) DirectoryAnswer {
        apps: Vec<DirectoryApp>,
        #[serde(alias = "nextToken")]
        next_token: Exact<Option<String>>,
    }
}

open_struct! {
    /// An entry of the directory.
    pub DirectoryApp {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// What its developer says about it.
        #[serde(alias = "appMetadata")]
        app_metadata: Option<AppMetadata>,
        /// Its developer and their pages.
        branding: Option<ConnectorBranding>,
        /// Labels, as the backend sends them.
        labels: Option<BTreeMap<String, Value>>,
        /// Its logo.
        #[serde(alias = "logoUrl")]
        logo_url: Option<String>,
        /// Its logo for dark backgrounds.
        #[serde(alias = "logoUrlDark")]
        logo_url_dark: Option<String>,
        /// Its distribution channel.
        #[serde(alias = "distributionChannel")]
        distribution_channel: Option<String>,
        /// Its visibility: `HIDDEN` means that nobody sees it.
        visibility: Option<String>,
    }
}

impl DirectoryApp {
    pub(super) fn is_hidden(&self) -> bool {
        self.visibility.as_deref() == Some("HIDDEN")
    }

    /// Fills in what is missing. Of several descriptions the last that is not blank is kept.
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
    /// The developer of a connector, and their pages.
    #[derive(Eq)]
    #[serde(rename_all = "camelCase")]
    pub ConnectorBranding {
        /// The category of the app.
        category: Option<String>,
        /// Its developer.
        developer: Option<String>,
        /// Its web page.
        website: Option<String>,
        /// Its privacy policy.
        privacy_policy: Option<String>,
        /// Its terms of service.
        terms_of_service: Option<String>,
        /// Whether it is shown to users who browse.
        is_discoverable_app: bool,
    }
}

open_struct! {
    /// What the developer of a connector says about it.
    #[derive(Eq)]
    #[serde(rename_all = "camelCase")]
    pub AppMetadata {
        /// The state of its review.
        review: Option<AppReview>,
        /// The categories of the app.
        categories: Vec<String>,
        /// The subcategories of the app.
        sub_categories: Vec<String>,
        /// A text for search engines.
        seo_description: Option<String>,
        /// Its screenshots.
        screenshots: Vec<ConnectorScreenshot>,
        /// Its developer.
        developer: Option<String>,
        /// Its version.
        version: Option<String>,
        /// The id of its version.
        version_id: Option<String>,
        /// The release notes of its version.
        version_notes: Option<String>,
        /// The kind of app, if it is OpenAI's own.
        first_party_type: Option<String>,
        /// Whether an app of OpenAI's own has to be installed, too.
        first_party_requires_install: Option<bool>,
        /// Whether it is offered before it is linked.
        show_in_composer_when_unlinked: Option<bool>,
    }
}

open_struct! {
    /// The state of a connector's review.
    #[derive(Eq)]
    pub AppReview {
        /// The state, in the backend's words.
        status: Option<String>,
    }
}

open_struct! {
    /// A screenshot of a connector.
    #[derive(Eq)]
    pub ConnectorScreenshot {
        /// The URL of the picture.
        url: Option<String>,
        /// The picture's file id at the backend.
        #[serde(alias = "fileId")]
        file_id: Option<String>,
        /// The user's prompt that the picture shows.
        #[serde(alias = "userPrompt")]
        user_prompt: Option<String>,
    }
}

open_struct! {
    /// Details of single connectors.
    #[derive(Eq)]
    pub AppBatch {
        /// The connectors that the backend knows.
        apps: Vec<AppDetails>,
    }
}

open_struct! {
    /// Details of one connector.
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
        /// Its icon for dark backgrounds.
        #[serde(alias = "icon_url_dark")]
        icon_dark_url: Option<String>,
        /// Its distribution channel.
        distribution_channel: Option<String>,
        /// Its tools; empty unless they were requested.
        tools: Vec<AppTool>,
    }
}

open_struct! {
    /// A tool of a connector.
    #[derive(Eq)]
    pub AppTool {
        /// Its name.
        name: String,
        /// The name to show.
        title: Option<String>,
        /// What it does.
        description: String,
        /// Whether it only reads.
        is_read_only: bool,
        /// Whether it can be used.
        is_enabled: Option<bool>,
        /// Why it cannot be used.
        disabled_reason: Option<String>,
    }
}
