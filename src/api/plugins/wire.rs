//! Plugins, as the lists and the single answer describe them.

use crate::wire::{open_enum, open_struct};

open_struct! {
    pub(super) PluginListAnswer {
        plugins: Vec<Plugin>,
        pagination: Pagination,
    }
}

open_struct! {
    pub(super) Pagination {
        next_page_token: Option<String>,
    }
}

open_enum! {
    /// Whose plugins are meant.
    PluginScope {
        /// Those for everyone.
        Global = "GLOBAL",
        /// Those of the workspace.
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
        /// Whose it is.
        scope: Option<PluginScope>,
        /// Who may install it.
        installation_policy: Option<String>,
        /// When the user has to sign in to what it connects with.
        authentication_policy: Option<String>,
        /// The backend's word for its state.
        status: Option<String>,
        /// What it is made of.
        release: PluginRelease,
        /// Whether the user has it enabled. Told of installed ones.
        enabled: Option<bool>,
        /// The skills that the user has disabled. Told of installed ones.
        disabled_skill_names: Vec<String>,
    }
}

open_struct! {
    /// What a plugin is made of.
    #[derive(Eq)]
    pub PluginRelease {
        /// Its version.
        version: Option<String>,
        /// The name to show.
        display_name: String,
        /// What it is for.
        description: String,
        /// The connectors that it uses.
        app_ids: Vec<String>,
        /// How it is shown.
        interface: PluginInterface,
        /// What it can do.
        skills: Vec<PluginSkill>,
    }
}

open_struct! {
    /// How a plugin is shown.
    #[derive(Eq)]
    pub PluginInterface {
        /// What it is for, in a line.
        short_description: Option<String>,
        /// What it is for.
        long_description: Option<String>,
        /// Who made it.
        developer_name: Option<String>,
        /// What sort of plugin it is.
        category: Option<String>,
        /// What it can do, in words.
        capabilities: Vec<String>,
        /// Its page.
        website_url: Option<String>,
        /// What it does with data.
        privacy_policy_url: Option<String>,
        /// On what terms it is used.
        terms_of_service_url: Option<String>,
        /// Its colour.
        brand_color: Option<String>,
        /// What to ask first.
        default_prompt: Option<String>,
        /// Its icon where one writes.
        composer_icon_url: Option<String>,
        /// Its logo.
        logo_url: Option<String>,
        /// How it looks.
        screenshot_urls: Vec<String>,
    }
}

impl PluginInterface {
    /// What to ask first, if it is short enough to be shown: 128 characters, and not blank.
    #[must_use]
    pub fn usable_default_prompt(&self) -> Option<&str> {
        let prompt = self.default_prompt.as_deref()?;
        (!prompt.trim().is_empty() && prompt.chars().count() <= 128).then_some(prompt)
    }
}

open_struct! {
    /// Something that a plugin can do.
    #[derive(Eq)]
    pub PluginSkill {
        /// Its name.
        name: String,
        /// What it does.
        description: String,
        /// How it is shown.
        interface: Option<PluginSkillInterface>,
    }
}

open_struct! {
    /// How a skill is shown.
    #[derive(Eq)]
    pub PluginSkillInterface {
        /// The name to show.
        display_name: Option<String>,
        /// What it does, in a line.
        short_description: Option<String>,
        /// Its colour.
        brand_color: Option<String>,
        /// What to ask first.
        default_prompt: Option<String>,
        /// Its icon, small.
        icon_small_url: Option<String>,
        /// Its icon, large.
        icon_large_url: Option<String>,
    }
}
