//! Plugins, as the lists and the single answer describe them.

use serde::Deserialize;

use crate::wire::{Exact, open_enum, open_struct};

open_struct! {
    pub(super) PluginListAnswer {
        plugins: Vec<Plugin>,
        pagination: Exact<Pagination>,
    }
}

open_struct! {
    pub(super) Pagination {
        next_page_token: Option<String>,
    }
}

/// What is installed now.
#[derive(Clone, PartialEq, Deserialize)]
pub(super) struct PluginConfirmation {
    pub(super) id: String,
    pub(super) enabled: bool,
}

open_enum! {
    /// Which plugins to list.
    PluginScope {
        /// The plugins for everyone.
        Global = "GLOBAL",
        /// The workspace's own plugins.
        Workspace = "WORKSPACE",
    }
}

open_struct! {
    /// A plugin.
    #[derive(Eq)]
    pub Plugin {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its scope.
        scope: Option<PluginScope>,
        /// The policy that says who can install it.
        installation_policy: Option<String>,
        /// The policy that says when the user has to sign in to the services that it uses.
        authentication_policy: Option<String>,
        /// Its state, in the backend's words.
        status: Option<String>,
        /// Its release: version, connectors, skills.
        release: PluginRelease,
        /// Whether the user has enabled it. For installed plugins only.
        enabled: Option<bool>,
        /// The skills that the user has disabled. For installed plugins only.
        disabled_skill_names: Vec<String>,
    }
}

open_struct! {
    /// A release of a plugin.
    #[derive(Eq)]
    pub PluginRelease {
        /// Its version.
        version: Option<String>,
        /// The name to show.
        display_name: String,
        /// What it is for, at length.
        description: String,
        /// The connectors that it uses.
        app_ids: Vec<String>,
        /// How to present it to users.
        interface: PluginInterface,
        /// Its skills.
        skills: Vec<PluginSkill>,
    }
}

open_struct! {
    /// How to present a plugin to users.
    #[derive(Eq)]
    pub PluginInterface {
        /// What it is for, in one line.
        short_description: Option<String>,
        /// What it is for, at length.
        long_description: Option<String>,
        /// Its developer.
        developer_name: Option<String>,
        /// Its category.
        category: Option<String>,
        /// Its capabilities.
        capabilities: Vec<String>,
        /// Its web page.
        website_url: Option<String>,
        /// Its privacy policy.
        privacy_policy_url: Option<String>,
        /// Its terms of service.
        terms_of_service_url: Option<String>,
        /// Its colour.
        brand_color: Option<String>,
        /// A prompt to start with.
        default_prompt: Option<String>,
        /// Its icon for the input field.
        composer_icon_url: Option<String>,
        /// Its logo.
        logo_url: Option<String>,
        /// Its screenshots.
        screenshot_urls: Vec<String>,
    }
}

impl PluginInterface {
    /// The prompt to start with, unless it is blank or longer than 128 characters.
    #[must_use]
    pub fn usable_default_prompt(&self) -> Option<&str> {
        let prompt = self.default_prompt.as_deref()?;
        (!prompt.trim().is_empty() && prompt.chars().count() <= 128).then_some(prompt)
    }
}

open_struct! {
    /// A skill of a plugin.
    #[derive(Eq)]
    pub PluginSkill {
        /// Its name.
        name: String,
        /// What it does.
        description: String,
        /// How to present it to users.
        interface: Option<PluginSkillInterface>,
    }
}

open_struct! {
    /// How to present a skill to users.
    #[derive(Eq)]
    pub PluginSkillInterface {
        /// The name to show.
        display_name: Option<String>,
        /// What it does, in one line.
        short_description: Option<String>,
        /// Its colour.
        brand_color: Option<String>,
        /// A prompt to start with.
        default_prompt: Option<String>,
        /// Its icon, small.
        icon_small_url: Option<String>,
        /// Its icon, large.
        icon_large_url: Option<String>,
    }
}
