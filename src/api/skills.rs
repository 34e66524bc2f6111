//! Skills: those that the account may use, and their archives.
//!
//! Everything is reached through [`Skills`], for a `Client<CodexBackend>`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::skills::SkillScope;
//!
//! for skill in client.skills().list(SkillScope::Personal).await? {
//!     println!("{}: {}", skill.name, skill.description);
//! }
//! # Ok(()) }
//! ```

use bytes::Bytes;

use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::error::{Error, ErrorKind};
use crate::wire::{open_enum, open_struct};

operations! {
    for Skills;
    LIST: "skills.list" = GET "/hazelnuts", Safe, Bounded;
    EXPORT: "skills.export" = GET "/hazelnuts/{skill_id}/export", Safe, Bounded;
}

/// The longest archive that is read.
const LONGEST_ARCHIVE: usize = 50 << 20;

/// How a zip archive starts: with an entry, empty, or in parts.
const ZIP_MAGICS: [&[u8]; 3] = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"];

endpoint! {
    /// The skills of the account, to list and to download. Accepts a `Client<CodexBackend>`.
    ///
    /// Only the ChatGPT host has these routes, below `/backend-api`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::Skills;
    /// use codex_backend::skills::SkillScope;
    ///
    /// let skills = Skills::new(&client);
    /// let personal = skills.list(SkillScope::Personal).await?;
    /// let archive = skills.export(&personal[0].id).await?;
    /// assert!(archive.starts_with(b"PK"));
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `hazelnuts` routes of the Codex backend, as the official tool declares them.
    #[doc(alias("skill", "hazelnuts"))]
    pub Skills by new, skills where CodexBackend: Accepts<Skills>
}

impl Skills {
    /// The skills for Codex. `GET /hazelnuts`.
    pub fn list(&self, scope: SkillScope) -> ApiRequest<Vec<Skill>> {
        self.list_for("codex", scope, None)
    }

    /// The skills for a product (`chatgpt`, `codex`, `api`, `atlas`): all, or those that the user has enabled or disabled.
    pub fn list_for(&self, product: &str, scope: SkillScope, enabled: Option<bool>) -> ApiRequest<Vec<Skill>> {
        let request = self.request(&LIST).query("product_surface", product).query("scope", &String::from(scope));
        let enabled = enabled.map(|enabled| if enabled { "true" } else { "false" });
        request.query_if("enabled", enabled).json::<SkillListAnswer>().and_then(|answer| Ok(answer.hazelnuts))
    }

    /// The skill as a zip archive, up to 50 MiB. `GET /hazelnuts/{skill_id}/export`.
    ///
    /// It is not unpacked. What unpacks it has to refuse entries with absolute paths, with `..`, and symbolic links.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] also where the answer does not start as a zip archive does.
    pub fn export(&self, skill_id: &str) -> ApiRequest<Bytes> {
        let request = self.request(&EXPORT).segment("skill_id", skill_id);
        request.bytes_up_to(LONGEST_ARCHIVE).and_then(|archive| {
            if ZIP_MAGICS.iter().any(|magic| archive.starts_with(magic)) {
                return Ok(archive);
            }
            Err(Error::new(ErrorKind::Decode, EXPORT.name, "the answer is not a zip archive").sent(true))
        })
    }
}

open_struct! {
    SkillListAnswer {
        hazelnuts: Vec<Skill>,
    }
}

open_struct! {
    /// A skill.
    #[derive(Eq)]
    pub Skill {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// What it does.
        description: String,
    }
}

open_enum! {
    /// Which skills to list.
    SkillScope {
        /// The user's own.
        Personal = "personal",
        /// Those that are shared with the workspace.
        WorkspaceShared = "workspace-shared",
        /// All that are shared with the user.
        AllShared = "all-shared",
        /// Samples.
        Example = "example",
    }
}
