//! Accounts: which accounts a user may choose from, the user's profile and settings, messages of the workspace.
//!
//! Everything is reached through [`Accounts`], for a `Client<CodexBackend>`. To switch accounts, take an id from
//! [`check`](Accounts::check) and build another client with it
//! ([`ChatGptTokens::account_id`](crate::ChatGptTokens::account_id)): a client has one account.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let found = client.accounts().check().await?;
//! let ids: Vec<&str> = found.accounts.iter().map(|account| account.id.as_str()).collect();
//! assert!(ids.contains(&found.default_account_id.as_deref().unwrap()));
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;

use http::header::CACHE_CONTROL;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::wire::{Wire, open_enum, open_struct};

operations! {
    for Accounts;
    CHECK: "accounts.check" = GET "{prefix}/accounts/check", Safe, Bounded;
    PROFILE: "accounts.profile" = GET "{prefix}/profiles/me", Safe, Bounded;
    WORKSPACE_MESSAGES: "accounts.workspace_messages" = GET "{prefix}/workspace-messages", Safe, Bounded;
    USER_SETTINGS: "accounts.user_settings" = GET "{prefix}/settings/user", Safe, Bounded;
    SEND_NUDGE_EMAIL: "accounts.send_nudge_email" = POST "{prefix}/accounts/send_add_credits_nudge_email", Never, Bounded;
}

endpoint! {
    /// The user's accounts at the Codex backend, and what belongs to the user: profile, settings, messages. Accepts a
    /// `Client<CodexBackend>`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::Accounts;
    ///
    /// let found = Accounts::new(&client).check().await?;
    /// for account in &found.accounts {
    ///     println!("{} {}", account.id, account.name.as_deref().unwrap_or("(no name)"));
    /// }
    /// assert_eq!(found.default_account_id.as_deref(), Some("acct-embedded"));
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `accounts`, `profiles` and `settings` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("organization", "workspace", "profile"))]
    pub Accounts by new, accounts where CodexBackend: Accepts<Accounts>
}

impl Accounts {
    /// The accounts that the user can choose from. `GET {prefix}/accounts/check`.
    #[doc(alias("account switch", "organization"))]
    pub fn check(&self) -> ApiRequest<AccountsCheck> {
        self.request(&CHECK).json()
    }

    /// The user's usage statistics: tokens by day, streaks. `GET {prefix}/profiles/me`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let stats = client.accounts().profile().await?.stats;
    /// assert_eq!(stats.current_streak_days, Some(3));
    /// # Ok(()) }
    /// ```
    pub fn profile(&self) -> ApiRequest<Profile> {
        self.request(&PROFILE).json()
    }

    /// The messages of the workspace to its members. `GET {prefix}/workspace-messages`, with `Cache-Control: no-store`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// for message in client.accounts().workspace_messages().await?.messages {
    ///     println!("{}", message.message_body);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn workspace_messages(&self) -> ApiRequest<WorkspaceMessages> {
        self.request(&WORKSPACE_MESSAGES).header(CACHE_CONTROL, "no-store").json()
    }

    /// The user's settings. `GET {prefix}/settings/user`, with `Cache-Control: no-cache, no-store`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let settings = client.accounts().user_settings().await?;
    /// assert!(!settings.commit_attribution_enabled);
    /// # Ok(()) }
    /// ```
    pub fn user_settings(&self) -> ApiRequest<UserSettings> {
        self.request(&USER_SETTINGS).header(CACHE_CONTROL, "no-cache, no-store").json()
    }

    /// Has the backend send an e-mail to the owner of the workspace that asks for more credits or a higher limit.
    /// `POST {prefix}/accounts/send_add_credits_nudge_email`.
    ///
    /// **Each request may send one e-mail**, so it is never retried, whatever the retry policy says. Only after a 401,
    /// which the backend answers before it does anything, it is sent once more with fresh credentials.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::accounts::NudgeEmail;
    ///
    /// client.accounts().send_nudge_email(NudgeEmail::Credits).await?;
    /// assert_eq!(backend.nudge_emails(), ["credits"]);
    /// # Ok(()) }
    /// ```
    pub fn send_nudge_email(&self, about: NudgeEmail) -> ApiRequest<()> {
        self.request(&SEND_NUDGE_EMAIL).body(&NudgeEmailRequest { credit_type: about }).status_only()
    }
}

/// What an e-mail to the owner of the workspace asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NudgeEmail {
    /// More credits.
    Credits,
    /// A higher usage limit.
    UsageLimit,
}

#[derive(Serialize)]
struct NudgeEmailRequest {
    credit_type: NudgeEmail,
}

/// The accounts that the user can choose from, in the backend's order.
///
/// Wire: `accounts` is a list, or a map by id. A map is read in the order of `account_ordering`; entries that are not
/// in it, and entries without an `account_id`, are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AccountsAnswer")]
#[non_exhaustive]
pub struct AccountsCheck {
    /// The accounts.
    pub accounts: Vec<AccountEntry>,
    /// The order in which to show them, by id.
    pub account_ordering: Vec<String>,
    /// The account to use if the user does not choose.
    pub default_account_id: Option<String>,
}

open_struct! {
    /// One of the user's accounts.
    #[derive(Eq)]
    pub AccountEntry {
        /// Its id, which goes into the header `ChatGPT-Account-Id`.
        id: String,
        /// The name to show.
        name: Option<String>,
        /// A picture to show.
        profile_picture_url: Option<String>,
        /// `personal` or `workspace`; empty if the backend does not say.
        structure: String,
    }
}

open_struct! {
    AccountsAnswer {
        accounts: Option<ListOrMap>,
        account_ordering: Vec<String>,
        default_account_id: Option<String>,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum ListOrMap {
    List(Vec<AccountEntry>),
    Map(BTreeMap<String, MapEntry>),
}

impl Wire for ListOrMap {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = if value.is_array() { Wire::read(value).map(Self::List) } else { Wire::read(value).map(Self::Map) };
        read.map_err(D::Error::custom)
    }
}

/// What stands in the map is an account, or nothing that this crate knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MapEntry {
    account: Option<MapAccount>,
}

impl Wire for MapEntry {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let account = Value::deserialize(deserializer)?.get_mut("account").map(Value::take).filter(Value::is_object);
        account.map(Wire::read).transpose().map(|account| Self { account }).map_err(D::Error::custom)
    }
}

open_struct! {
    MapAccount {
        account_id: Option<String>,
        name: Option<String>,
        profile_picture_url: Option<String>,
        structure: String,
    }
}

impl MapEntry {
    fn entry(self) -> Option<AccountEntry> {
        let MapAccount { account_id, name, profile_picture_url, structure } = self.account?;
        Some(AccountEntry { id: account_id?, name, profile_picture_url, structure })
    }
}

impl From<AccountsAnswer> for AccountsCheck {
    fn from(answer: AccountsAnswer) -> Self {
        let AccountsAnswer { accounts, account_ordering, default_account_id } = answer;
        let accounts = match accounts {
            None => Vec::new(),
            Some(ListOrMap::List(accounts)) => accounts,
            Some(ListOrMap::Map(mut entries)) => {
                account_ordering.iter().filter_map(|id| entries.remove(id)?.entry()).collect()
            }
        };
        Self { accounts, account_ordering, default_account_id }
    }
}

open_struct! {
    /// The user's profile.
    #[derive(Eq)]
    pub Profile {
        /// The usage statistics.
        stats: ProfileStats,
    }
}

open_struct! {
    /// A user's usage statistics.
    #[derive(Eq)]
    pub ProfileStats {
        /// All tokens ever used.
        lifetime_tokens: Option<i64>,
        /// The highest number of tokens in one day.
        peak_daily_tokens: Option<i64>,
        /// The longest turn, in seconds.
        longest_running_turn_sec: Option<i64>,
        /// The number of consecutive days with usage, up to now.
        current_streak_days: Option<i64>,
        /// The highest number of consecutive days with usage.
        longest_streak_days: Option<i64>,
        /// Tokens by day.
        daily_usage_buckets: Vec<DailyUsage>,
    }
}

open_struct! {
    /// The tokens of one day.
    #[derive(Eq)]
    pub DailyUsage {
        /// The day, as the backend writes it (`2026-04-23`).
        start_date: String,
        /// The number of tokens.
        tokens: i64,
    }
}

open_struct! {
    /// The messages of a workspace to its members.
    #[derive(Eq)]
    pub WorkspaceMessages {
        /// The messages.
        messages: Vec<WorkspaceMessage>,
    }
}

open_struct! {
    /// A message of a workspace to its members.
    #[derive(Eq)]
    pub WorkspaceMessage {
        /// Its id.
        message_id: String,
        /// How it is meant to be shown.
        message_type: Option<WorkspaceMessageType>,
        /// The text.
        message_body: String,
        /// When it was written, as the backend writes it.
        created_at: Option<String>,
        /// When it was withdrawn, as the backend writes it.
        archived_at: Option<String>,
    }
}

open_enum! {
    /// How a [`WorkspaceMessage`] is meant to be shown.
    WorkspaceMessageType {
        /// One line, always visible.
        Headline = "headline",
        /// An announcement.
        Announcement = "announcement",
    }
}

open_struct! {
    /// The user's settings.
    #[derive(Eq)]
    pub UserSettings {
        /// Whether commits name the tool that made them.
        commit_attribution_enabled: bool,
    }
}
