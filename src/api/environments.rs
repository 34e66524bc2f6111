//! The environments in which [cloud tasks](crate::tasks) run.
//!
//! Everything is reached through [`CloudEnvironments`], for a `Client<CodexBackend>`.
//! [`list`](CloudEnvironments::list) gets all of them, [`resolve`](CloudEnvironments::resolve) the one that a user names, and
//! [`detect`](CloudEnvironments::detect) the one that fits the repository in a working tree.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! for environment in client.cloud_environments().list().await? {
//!     println!("{} {}", environment.id, environment.label.as_deref().unwrap_or_default());
//! }
//! # Ok(()) }
//! ```

mod github;

use std::collections::HashMap;

pub use self::github::GitHubRepository;
use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::error::{Error, ErrorKind};
use crate::wire::open_struct;

operations! {
    for CloudEnvironments;
    LIST: "environments.list" = GET "{prefix}/environments", Safe, Bounded;
    BY_REPOSITORY: "environments.by_repository" = GET "{prefix}/environments/by-repo/github/{owner}/{repo}", Safe, Bounded;
}

endpoint! {
    /// The environments in which cloud tasks run. Accepts a `Client<CodexBackend>`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::CloudEnvironments;
    ///
    /// let environments = CloudEnvironments::new(&client);
    /// let chosen = environments.resolve("acme/web").await?;
    /// assert_eq!(chosen.id, "env_web");
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `environments` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("cloud environment"))]
    pub CloudEnvironments by new, cloud_environments where CodexBackend: Accepts<CloudEnvironments>
}

impl CloudEnvironments {
    /// All environments, in the backend's order. `GET {prefix}/environments`.
    pub fn list(&self) -> ApiRequest<Vec<CloudEnvironment>> {
        self.request(&LIST).list()
    }

    /// The environments of a repository. `GET {prefix}/environments/by-repo/github/{owner}/{repo}`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::environments::GitHubRepository;
    ///
    /// let repository = GitHubRepository::parse("git@github.com:acme/web.git").expect("an address at GitHub");
    /// let environments = client.cloud_environments().by_repository(&repository).await?;
    /// assert_eq!(environments[0].id, "env_web");
    /// # Ok(()) }
    /// ```
    pub fn by_repository(&self, repository: &GitHubRepository) -> ApiRequest<Vec<CloudEnvironment>> {
        let request = self.request(&BY_REPOSITORY);
        request.segment("owner", &repository.owner).segment("repo", &repository.name).list()
    }

    /// All environments, those of the repositories included: without duplicates, with the repository where known,
    /// pinned ones first, then sorted by name. One request for each repository, then one for the list. A request that
    /// fails is skipped as long as another one found something.
    ///
    /// # Errors
    ///
    /// When the request for the list fails, and no repository has an environment.
    pub async fn merged(&self, repositories: &[GitHubRepository]) -> Result<Vec<CloudEnvironment>, Error> {
        let mut merged = Merged::default();
        for repository in repositories {
            for mut environment in self.by_repository(repository).await.unwrap_or_default() {
                environment.repository = Some(repository.clone());
                merged.add(environment);
            }
        }
        match self.list().await {
            Ok(all) => all.into_iter().for_each(|environment| merged.add(environment)),
            Err(error) if merged.environments.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the list of environments could not be fetched");
            }
        }
        let mut merged = merged.environments;
        merged.sort_by_cached_key(|environment| {
            let name = environment.label.as_deref().unwrap_or_default().to_lowercase();
            (!environment.is_pinned(), name, environment.id.clone())
        });
        Ok(merged)
    }

    /// The environment that fits best: among those of the repositories, or if they have none, among all. The first of
    /// these rules that finds one decides: the one with the label, the only one, a pinned one, the one with the most
    /// tasks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # std::process::Command::new("git").args(["init", "-q"]).current_dir(&folder).status()?;
    /// use codex_backend::tasks::WorkingTree;
    ///
    /// let repositories = WorkingTree::open(folder.path()).await?.github_repositories().await?;
    /// let environment = client.cloud_environments().detect(&repositories, None).await?;
    /// # assert_eq!(environment.id, "env_web");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EnvironmentNotFound`] when there is none; otherwise when the request for the list fails.
    pub async fn detect(
        &self,
        repositories: &[GitHubRepository],
        label: Option<&str>,
    ) -> Result<CloudEnvironment, Error> {
        let mut of_repositories = Vec::new();
        for repository in repositories {
            of_repositories.extend(self.by_repository(repository).await.unwrap_or_default());
        }
        if let Some(found) = pick(of_repositories, label) {
            return Ok(found);
        }
        pick(self.list().await?, label)
            .ok_or_else(|| Error::new(ErrorKind::EnvironmentNotFound, LIST.name, "there is no environment").sent(true))
    }

    /// The environment that a user names: by its id, else by its label, ignoring case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AmbiguousEnvironment`] when several have that label, [`ErrorKind::EnvironmentNotFound`] when none
    /// has; otherwise when the request for the list fails.
    pub async fn resolve(&self, id_or_label: &str) -> Result<CloudEnvironment, Error> {
        let wanted = id_or_label.trim();
        let mut all = self.list().await?;
        if let Some(index) = all.iter().position(|environment| environment.id == wanted) {
            return Ok(all.swap_remove(index));
        }
        all.retain(|environment| environment.has_label(wanted));
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.dedup_by(|one, other| one.id == other.id);
        let fail = |kind, message: String| Err(Error::new(kind, LIST.name, message).sent(true));
        match all.len() {
            1 => Ok(all.swap_remove(0)),
            0 => fail(ErrorKind::EnvironmentNotFound, format!("there is no environment `{wanted}`")),
            _ => {
                let ids: Vec<&str> = all.iter().map(|environment| environment.id.as_str()).collect();
                let message = format!("several environments have the label `{wanted}`: {}", ids.join(", "));
                fail(ErrorKind::AmbiguousEnvironment, message)
            }
        }
    }
}

open_struct! {
    /// An environment in which cloud tasks run.
    #[derive(Eq)]
    pub CloudEnvironment {
        /// Its id.
        id: String,
        /// The name to show.
        label: Option<String>,
        /// Whether the user has pinned it.
        is_pinned: Option<bool>,
        /// The number of tasks that ran in it.
        task_count: Option<i64>,
        /// The repository through which it was found. Not part of the answer.
        #[serde(skip)]
        repository: Option<GitHubRepository>,
    }
}

impl CloudEnvironment {
    /// Whether the user has pinned it.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.is_pinned.unwrap_or(false)
    }

    fn has_label(&self, label: &str) -> bool {
        self.label.as_ref().is_some_and(|own| own.to_lowercase() == label.to_lowercase())
    }
}

/// Each environment once.
#[derive(Default)]
struct Merged {
    environments: Vec<CloudEnvironment>,
    places: HashMap<String, usize>,
}

impl Merged {
    /// Pinned if any of the duplicates is; the first name and repository are kept.
    fn add(&mut self, environment: CloudEnvironment) {
        match self.places.get(&environment.id) {
            Some(place) => {
                let known = &mut self.environments[*place];
                known.is_pinned = Some(known.is_pinned() || environment.is_pinned());
                known.label = known.label.take().or(environment.label);
                known.task_count = known.task_count.or(environment.task_count);
                known.repository = known.repository.take().or(environment.repository);
            }
            None => {
                self.places.insert(environment.id.clone(), self.environments.len());
                self.environments.push(environment);
            }
        }
    }
}

fn pick(mut from: Vec<CloudEnvironment>, label: Option<&str>) -> Option<CloudEnvironment> {
    let labelled = label.and_then(|label| from.iter().position(|environment| environment.has_label(label)));
    let index = labelled
        .or((from.len() == 1).then_some(0))
        .or_else(|| from.iter().position(CloudEnvironment::is_pinned))
        // Of several with the most tasks, the last.
        .or_else(|| (0..from.len()).max_by_key(|index| from[*index].task_count.unwrap_or(0)))?;
    Some(from.swap_remove(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_many_takes_time_in_proportion() {
        let mut merged = Merged::default();
        for number in (0..200_000).chain(0..200_000) {
            merged.add(CloudEnvironment { id: format!("env_{number}"), ..CloudEnvironment::default() });
        }
        assert_eq!(merged.environments.len(), 200_000);
    }
}
