//! The catalogue of models of the Codex backend, as it is received.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::wire::{null_as_default, open_enum, open_struct};

/// The models that the Codex backend offers an account.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::models::RefreshStrategy;
///
/// let catalogue = client.codex_models().catalogue(RefreshStrategy::Online).await?;
/// // A dated or otherwise longer name is the model whose slug it starts with.
/// assert_eq!(catalogue.find("gpt-test-2026-04-01").map(|model| model.slug.as_str()), Some("gpt-test"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCatalogue {
    models: Vec<ModelInfo>,
    /// As received, for the file.
    raw: Vec<Value>,
    etag: Option<String>,
    unreadable: usize,
}

impl ModelCatalogue {
    /// An entry that cannot be read does not lose the others.
    pub(super) fn new(raw: Vec<Value>, etag: Option<String>) -> Self {
        let models: Vec<ModelInfo> = raw
            .iter()
            .filter_map(|model| serde_json::from_value(model.clone()).ok())
            .filter(|model: &ModelInfo| !model.slug.is_empty())
            .collect();
        let unreadable = raw.len() - models.len();
        if unreadable > 0 {
            tracing::warn!(unreadable, "entries of the catalogue of models cannot be read");
        }
        Self { models, raw, etag, unreadable }
    }

    pub(super) fn raw(&self) -> &[Value] {
        &self.raw
    }

    /// All models, in the order in which they came.
    #[must_use]
    pub fn models(&self) -> &[ModelInfo] {
        &self.models
    }

    /// The catalogue's version, as text.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// How many entries could not be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// The models to show to users, in display order.
    #[must_use]
    pub fn presented(&self) -> Vec<&ModelInfo> {
        let mut shown: Vec<&ModelInfo> = self.by_priority();
        shown.retain(|model| model.visibility == Some(ModelVisibility::List));
        shown
    }

    /// The model to use if none is chosen: the first one that is shown to users, else the first.
    #[must_use]
    pub fn default_model(&self) -> Option<&ModelInfo> {
        let by_priority = self.by_priority();
        let shown = by_priority.iter().find(|model| model.visibility == Some(ModelVisibility::List));
        shown.or(by_priority.first()).copied()
    }

    /// The model with this name: the one with the longest slug that the name starts with. If there is none and the name
    /// has the form `namespace/name`, the part after the slash is looked up.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&ModelInfo> {
        let longest = |name: &str| {
            let fitting = self.models.iter().filter(|model| name.starts_with(&model.slug));
            fitting.max_by_key(|model| model.slug.len())
        };
        longest(name).or_else(|| {
            let (namespace, rest) = name.split_once('/')?;
            let is_word = !namespace.is_empty() && namespace.chars().all(|c| c.is_alphanumeric() || c == '_');
            longest(rest).filter(|_| is_word && !rest.contains('/'))
        })
    }

    /// The model with this name, or assumed properties of a model that the catalogue does not contain.
    #[must_use]
    pub fn find_or_assume(&self, name: &str) -> ModelInfo {
        self.find(name).cloned().unwrap_or_else(|| ModelInfo {
            slug: name.to_owned(),
            display_name: name.to_owned(),
            priority: 99,
            visibility: Some(ModelVisibility::None),
            context_window: Some(272_000),
            truncation_policy: Some(TruncationPolicy { mode: "bytes".to_owned(), limit: 10_000 }),
            ..ModelInfo::default()
        })
    }

    fn by_priority(&self) -> Vec<&ModelInfo> {
        let mut models: Vec<&ModelInfo> = self.models.iter().collect();
        models.sort_by_key(|model| model.priority);
        models
    }
}

open_enum! {
    /// Whether a model is shown to users.
    ModelVisibility {
        /// Shown.
        List = "list",
        /// Usable, but not shown.
        Hide = "hide",
        /// Not for users.
        None = "none",
    }
}

/// A model of the Codex backend. Members that are missing or `null` have their default; members that this crate does
/// not know are in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "the wire's")]
#[non_exhaustive]
pub struct ModelInfo {
    /// The name to use in requests.
    #[serde(deserialize_with = "null_as_default")]
    pub slug: String,
    /// The name to show.
    #[serde(deserialize_with = "null_as_default")]
    pub display_name: String,
    /// A sentence about it.
    pub description: Option<String>,
    /// The default reasoning effort.
    pub default_reasoning_level: Option<String>,
    /// The reasoning efforts that can be requested.
    #[serde(deserialize_with = "null_as_default")]
    pub supported_reasoning_levels: Vec<ReasoningLevel>,
    /// How it runs commands: `default`, `local`, `unified_exec`, `disabled`, `shell_command`.
    pub shell_type: Option<String>,
    /// Whether it is shown to users.
    pub visibility: Option<ModelVisibility>,
    /// Whether the OpenAI API has it, too.
    #[serde(deserialize_with = "null_as_default")]
    pub supported_in_api: bool,
    /// Its position in lists; the lowest comes first.
    #[serde(deserialize_with = "null_as_default")]
    pub priority: i32,
    /// The tiers with faster service.
    #[serde(deserialize_with = "null_as_default")]
    pub additional_speed_tiers: Vec<String>,
    /// The service tiers, in newer catalogues.
    #[serde(deserialize_with = "null_as_default")]
    pub service_tiers: Vec<ModelServiceTier>,
    /// The default service tier.
    pub default_service_tier: Option<String>,
    /// A notice for users to whom it is new.
    pub availability_nux: Option<ModelNotice>,
    /// The model that replaces it.
    pub upgrade: Option<ModelUpgrade>,
    /// The instructions that it was trained with.
    #[serde(deserialize_with = "null_as_default")]
    pub base_instructions: String,
    /// A template of instructions.
    pub model_messages: Option<ModelMessages>,
    /// Whether the verbosity can be set.
    #[serde(deserialize_with = "null_as_default")]
    pub support_verbosity: bool,
    /// The default verbosity.
    pub default_verbosity: Option<String>,
    /// Whether it can summarize its reasoning.
    #[serde(deserialize_with = "null_as_default")]
    pub supports_reasoning_summaries: bool,
    /// The default summary of its reasoning: `auto`, `concise`, `detailed`, `none`. Default `auto`.
    pub default_reasoning_summary: Option<String>,
    /// The form of the tool that edits files: `freeform`, `function`.
    pub apply_patch_tool_type: Option<String>,
    /// What its web search returns: `text`, `text_and_image`. Default `text`.
    pub web_search_tool_type: Option<String>,
    /// Whether it can search among tools.
    #[serde(deserialize_with = "null_as_default")]
    pub supports_search_tool: bool,
    /// Whether it can call several tools at once.
    #[serde(deserialize_with = "null_as_default")]
    pub supports_parallel_tool_calls: bool,
    /// Experimental tools that it supports.
    #[serde(deserialize_with = "null_as_default")]
    pub experimental_supported_tools: Vec<String>,
    /// How outputs of tools are truncated.
    pub truncation_policy: Option<TruncationPolicy>,
    /// The size of its context window, in tokens.
    pub context_window: Option<i64>,
    /// The maximum size of the context window, in tokens.
    pub max_context_window: Option<i64>,
    /// The share of the context window that a conversation may fill, in percent. Default 95.
    #[serde(deserialize_with = "null_as_all_but_a_reserve")]
    pub effective_context_window_percent: i64,
    /// The number of tokens from which a conversation should be compacted.
    pub auto_compact_token_limit: Option<i64>,
    /// The kinds of input that it accepts: `text`, `image`. Default both.
    #[serde(deserialize_with = "null_as_text_and_images")]
    pub input_modalities: Vec<String>,
    /// Whether it accepts images in their original size (`detail: original`).
    #[serde(deserialize_with = "null_as_default")]
    pub supports_image_detail_original: bool,
    /// The first version of the official tool that can use it.
    #[serde(deserialize_with = "null_as_default")]
    pub minimal_client_version: Value,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for ModelInfo {
    fn default() -> Self {
        Self {
            slug: String::new(),
            display_name: String::new(),
            description: None,
            default_reasoning_level: None,
            supported_reasoning_levels: Vec::new(),
            shell_type: None,
            visibility: None,
            supported_in_api: false,
            priority: 0,
            additional_speed_tiers: Vec::new(),
            service_tiers: Vec::new(),
            default_service_tier: None,
            availability_nux: None,
            upgrade: None,
            base_instructions: String::new(),
            model_messages: None,
            support_verbosity: false,
            default_verbosity: None,
            supports_reasoning_summaries: false,
            default_reasoning_summary: None,
            apply_patch_tool_type: None,
            web_search_tool_type: None,
            supports_search_tool: false,
            supports_parallel_tool_calls: false,
            experimental_supported_tools: Vec::new(),
            truncation_policy: None,
            context_window: None,
            max_context_window: None,
            effective_context_window_percent: CONVERSATIONS_SHARE,
            auto_compact_token_limit: None,
            input_modalities: text_and_images(),
            supports_image_detail_original: false,
            minimal_client_version: Value::Null,
            extra: Map::new(),
        }
    }
}

const CONVERSATIONS_SHARE: i64 = 95;

fn text_and_images() -> Vec<String> {
    ["text", "image"].map(str::to_owned).into()
}

fn null_as_all_but_a_reserve<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(CONVERSATIONS_SHARE))
}

fn null_as_text_and_images<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(text_and_images))
}

impl ModelInfo {
    /// The size of the context window in tokens, from whichever member has it.
    #[must_use]
    pub fn resolved_context_window(&self) -> Option<i64> {
        self.context_window.or(self.max_context_window)
    }

    /// The number of tokens of the context window that a conversation may fill.
    #[must_use]
    pub fn effective_context_window(&self) -> Option<i64> {
        let (window, percent) = (self.resolved_context_window()?, self.effective_context_window_percent);
        Some((window / 100).saturating_mul(percent).saturating_add((window % 100).saturating_mul(percent) / 100))
    }

    /// The number of tokens from which to compact a conversation: the catalogue's value, at most 90 % of the context
    /// window.
    #[must_use]
    pub fn compact_at(&self) -> Option<i64> {
        let most = self.resolved_context_window().map(|window| window / 10 * 9 + window % 10 * 9 / 10);
        match (self.auto_compact_token_limit, most) {
            (Some(limit), Some(most)) => Some(limit.min(most)),
            (limit, most) => limit.or(most),
        }
    }
}

open_struct! {
    /// A reasoning effort that a model supports.
    #[derive(Eq)]
    pub ReasoningLevel {
        /// The effort.
        effort: String,
        /// A sentence about it.
        description: String,
    }
}

open_struct! {
    /// A service tier of a model.
    #[derive(Eq)]
    pub ModelServiceTier {
        /// Its id, to use in requests.
        id: String,
        /// The name to show.
        name: String,
        /// A sentence about it.
        description: Option<String>,
    }
}

open_struct! {
    /// A notice for users.
    #[derive(Eq)]
    pub ModelNotice {
        /// The text.
        message: String,
    }
}

open_struct! {
    /// The model that replaces another one.
    #[derive(Eq)]
    pub ModelUpgrade {
        /// Its slug.
        model: String,
        /// What changes, in Markdown.
        migration_markdown: String,
    }
}

open_struct! {
    /// A template of instructions.
    #[derive(Eq)]
    pub ModelMessages {
        /// The template; `{{ personality }}` is replaced by one of the variables.
        instructions_template: Option<String>,
        /// The variables.
        instructions_variables: Option<InstructionsVariables>,
    }
}

open_struct! {
    /// The values for `{{ personality }}`.
    #[derive(Eq)]
    pub InstructionsVariables {
        /// The default.
        personality_default: Option<String>,
        /// For a friendly model.
        personality_friendly: Option<String>,
        /// For a pragmatic model.
        personality_pragmatic: Option<String>,
    }
}

open_struct! {
    /// How outputs of tools are truncated.
    #[derive(Eq)]
    pub TruncationPolicy {
        /// The unit: `bytes` or `tokens`.
        mode: String,
        /// The maximum, in this unit.
        limit: i64,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalogue(models: Value) -> ModelCatalogue {
        ModelCatalogue::new(serde_json::from_value(models).unwrap(), None)
    }

    #[test]
    fn one_bad_entry_does_not_lose_the_others() {
        let catalogue = catalogue(json!([
            { "slug": "a", "priority": 2, "visibility": "list", "context_window": null, "of_tomorrow": {} },
            { "slug": 7 }, "text", {},
            { "slug": "b", "priority": 1, "visibility": "shown-on-mars" },
        ]));
        assert_eq!(catalogue.models().len(), 2);
        assert_eq!(catalogue.unreadable(), 3);
        assert_eq!(catalogue.models()[1].visibility, Some(ModelVisibility::Other("shown-on-mars".to_owned())));
        assert_eq!(catalogue.default_model().unwrap().slug, "a", "b comes first, and is not shown");
        assert_eq!(catalogue.presented().len(), 1);
    }

    #[test]
    fn a_name_is_the_model_with_the_longest_slug_that_it_starts_with() {
        let catalogue = catalogue(json!([{ "slug": "gpt-5" }, { "slug": "gpt-5.4-mini" }, { "slug": "gpt-5.4" }]));
        let found = |name: &str| catalogue.find(name).map(|model| model.slug.clone());
        for (name, slug) in [
            ("gpt-5.4-mini-2026", Some("gpt-5.4-mini")),
            ("gpt-5.4", Some("gpt-5.4")),
            ("gpt-5.5", Some("gpt-5")),
            ("my_space/gpt-5.4-x", Some("gpt-5.4")),
            ("a/b/gpt-5.4", None),
            ("no-word/gpt-5.4", None),
            ("/gpt-5.4", None),
            ("claude", None),
        ] {
            assert_eq!(found(name).as_deref(), slug, "{name}");
        }
        let assumed = catalogue.find_or_assume("claude");
        assert_eq!((assumed.slug.as_str(), assumed.resolved_context_window()), ("claude", Some(272_000)));
    }

    #[test]
    fn a_model_has_all_that_the_backend_tells_of_it() {
        let models = catalogue(json!([
            { "slug": "a", "shell_type": "unified_exec", "context_window": 272_150, "input_modalities": ["text"],
                "effective_context_window_percent": 50,
                "availability_nux": { "message": "new" }, "upgrade": { "model": "b", "migration_markdown": "# b" },
                "model_messages": { "instructions_template": "Be {{ personality }}.",
                    "instructions_variables": { "personality_default": null, "personality_friendly": "kind" } },
                "service_tiers": [{ "id": "fast", "name": "Fast", "description": "sooner" }],
                "apply_patch_tool_type": "freeform", "experimental_supported_tools": ["t"], "of_tomorrow": { "x": 1 } },
            { "slug": "b", "context_window": 1000, "input_modalities": null, "effective_context_window_percent": null,
                "upgrade": null, "service_tiers": null },
        ]));
        let [a, b] = models.models() else { panic!("{models:?}") };
        assert_eq!(
            (a.shell_type.as_deref(), a.apply_patch_tool_type.as_deref()),
            (Some("unified_exec"), Some("freeform"))
        );
        assert_eq!(a.upgrade.as_ref().unwrap().model, "b");
        assert_eq!(a.availability_nux.as_ref().unwrap().message, "new");
        let messages = a.model_messages.as_ref().unwrap();
        let variables = messages.instructions_variables.as_ref().unwrap();
        assert_eq!(messages.instructions_template.as_deref(), Some("Be {{ personality }}."));
        assert_eq!(variables.personality_friendly.as_deref(), Some("kind"));
        assert_eq!((a.service_tiers[0].id.as_str(), a.experimental_supported_tools.len()), ("fast", 1));
        assert_eq!((a.effective_context_window(), &a.input_modalities[..]), (Some(136_075), &["text".to_owned()][..]));
        assert_eq!(a.extra["of_tomorrow"]["x"], 1);
        assert_eq!((b.effective_context_window(), b.input_modalities.len(), b.upgrade.is_none()), (Some(950), 2, true));
        assert!(b.extra.is_empty());
        assert_eq!(serde_json::to_value(a).unwrap()["of_tomorrow"]["x"], 1);
        let nothing: ModelInfo = serde_json::from_value(json!({})).unwrap();
        assert_eq!(nothing, ModelInfo::default());
    }

    #[test]
    fn conversations_are_made_short_before_the_window_is_full() {
        let model = |window: Option<i64>, limit: Option<i64>| ModelInfo {
            max_context_window: window,
            auto_compact_token_limit: limit,
            ..ModelInfo::default()
        };
        assert_eq!(model(Some(272_000), None).compact_at(), Some(244_800));
        assert_eq!(model(Some(105), None).compact_at(), Some(94));
        assert_eq!(model(Some(100), Some(95)).compact_at(), Some(90));
        assert_eq!(model(None, Some(95)).compact_at(), Some(95));
        assert_eq!(model(None, None).compact_at(), None);
    }
}
