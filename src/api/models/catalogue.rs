use serde_json::Value;

use crate::limits::{open_enum, open_struct};

/// The models that the Codex backend offers an account.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::RefreshStrategy;
///
/// let catalogue = client.codex_models().catalogue(RefreshStrategy::Online).await?;
/// // A dated or otherwise longer name is the model whose slug it starts with.
/// assert_eq!(catalogue.find("gpt-test-2026-04-01").map(|model| model.slug.as_str()), Some("gpt-test"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCatalogue {
    models: Vec<ModelInfo>,
    /// As they came, for the file.
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

    /// The models to show to users, in the order in which to show them.
    #[must_use]
    pub fn presented(&self) -> Vec<&ModelInfo> {
        let mut shown: Vec<&ModelInfo> = self.by_priority();
        shown.retain(|model| model.visibility == Some(ModelVisibility::List));
        shown
    }

    /// The model to use when none is chosen: the first to show, else the first.
    #[must_use]
    pub fn default_model(&self) -> Option<&ModelInfo> {
        let by_priority = self.by_priority();
        let shown = by_priority.iter().find(|model| model.visibility == Some(ModelVisibility::List));
        shown.or(by_priority.first()).copied()
    }

    /// The model of this name: the longest slug that the name starts with. If there is none, and the name is
    /// `namespace/name`, that of the rest.
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

    /// The model of this name, or what is assumed of one that the catalogue does not know.
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
        /// It is.
        List = "list",
        /// It may be used, and is not shown.
        Hide = "hide",
        /// It is not for users.
        None = "none",
    }
}

open_struct! {
    /// A model of the Codex backend. Members that the backend leaves out or sends as `null` have their default.
    #[allow(clippy::struct_excessive_bools, reason = "the wire's")]
    pub ModelInfo {
        /// The name to ask for it by.
        slug: String,
        /// The name to show.
        display_name: String,
        /// A sentence about it.
        description: Option<String>,
        /// How long it thinks unless told.
        default_reasoning_level: Option<String>,
        /// How long it can be told to think.
        supported_reasoning_levels: Vec<ReasoningLevel>,
        /// Whether it is shown to users.
        visibility: Option<ModelVisibility>,
        /// Whether the OpenAI API has it too.
        supported_in_api: bool,
        /// Its place among those that are shown; the lowest comes first.
        priority: i32,
        /// The instructions that it was made for.
        base_instructions: String,
        /// Whether it can be told how many words to make.
        support_verbosity: bool,
        /// How many words it makes unless told.
        default_verbosity: Option<String>,
        /// Whether it can tell what it thought.
        supports_reasoning_summaries: bool,
        /// Whether it can call several tools at once.
        supports_parallel_tool_calls: bool,
        /// How outputs of tools are cut.
        truncation_policy: Option<TruncationPolicy>,
        /// How many tokens it can take in.
        context_window: Option<i64>,
        /// The most that the window can be.
        max_context_window: Option<i64>,
        /// From how many tokens on a conversation is to be made short.
        auto_compact_token_limit: Option<i64>,
        /// The kinds of input that it takes: `text`, `image`.
        input_modalities: Vec<String>,
        /// The first version of the official tool that can use it.
        minimal_client_version: Value,
    }
}

impl ModelInfo {
    /// How many tokens it can take in, from whichever member tells it.
    #[must_use]
    pub fn resolved_context_window(&self) -> Option<i64> {
        self.context_window.or(self.max_context_window)
    }

    /// From how many tokens on to make a conversation short: what the catalogue says, and no more than nine tenths of the
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
    /// How long a model can be told to think.
    #[derive(Eq)]
    pub ReasoningLevel {
        /// The effort.
        effort: String,
        /// A sentence about it.
        description: String,
    }
}

open_struct! {
    /// How outputs of tools are cut.
    #[derive(Eq)]
    pub TruncationPolicy {
        /// What is counted: `bytes` or `tokens`.
        mode: String,
        /// How many.
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
