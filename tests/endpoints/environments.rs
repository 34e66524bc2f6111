//! The environments of cloud tasks: listed, found for a repository, chosen.

use codex_backend::ErrorKind;
use codex_backend::environments::GitHubRepository;
use codex_backend::testing::{Backend, Fault, Route};

use crate::support::{client, guard};

#[test]
fn addresses_of_remotes() {
    for (address, expected) in [
        ("git@github.com:openai/codex.git", Some("openai/codex")),
        ("org-123@github.com:o/r", Some("o/r")),
        ("https://github.com/o/r.git", Some("o/r")),
        ("http://github.com/o/r", Some("o/r")),
        ("git://github.com/o/r.git", Some("o/r")),
        ("github.com/o/r", Some("o/r")),
        // The official tool knows neither of these two, though git does.
        ("ssh://git@github.com/o/r", Some("o/r")),
        ("https://user@github.com/o/r", Some("o/r")),
        ("ssh://git@ssh.github.com:443/o/r.git", Some("o/r")),
        ("git@ssh.github.com:o/r.git", Some("o/r")),
        ("https://www.github.com/o/r", Some("o/r")),
        ("https://user:pass@github.com:443/o/r", Some("o/r")),
        ("ssh+git://git@github.com:22/o/r", Some("o/r")),
        ("github.com:o/r", Some("o/r")),
        ("api.github.com:o/r", None),
        // The official tool takes `r/extra` for the name of a repository.
        ("https://github.com/o/r/extra", None),
        ("https://github.com.evil.test/o/r", None),
        ("git@evil.test:github.com/o/r", None),
        ("https://gitlab.com/o/r", None),
        ("file:///srv/github.com/o/r", None),
        ("/srv/github.com/o", None),
        ("https://github.com/o", None),
        ("", None),
    ] {
        let parsed = GitHubRepository::parse(address).map(|repository| repository.to_string());
        assert_eq!(parsed.as_deref(), expected, "{address}");
    }
}

#[tokio::test]
async fn an_environment_is_resolved_by_id_then_by_label() {
    let backend = Backend::start().unwrap();
    backend.add_environment("acme/web", "confusing", "acme/other");
    backend.add_environment("env_x1", "Same", "acme/x");
    let environments = client(&backend).cloud_environments();
    assert_eq!(guard(environments.resolve(" acme/web ")).await.unwrap().id, "acme/web");
    assert_eq!(guard(environments.resolve("ACME/API")).await.unwrap().id, "env_api");
    assert_eq!(guard(environments.resolve("same")).await.unwrap().id, "env_x1");
    backend.add_environment("env_x2", "same", "acme/x");
    let error = guard(environments.resolve("same")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AmbiguousEnvironment);
    assert!(error.to_string().contains("env_x1, env_x2"), "{error}");
    assert_eq!(guard(environments.resolve("none")).await.unwrap_err().kind(), ErrorKind::EnvironmentNotFound);
}

#[tokio::test]
async fn detection_prefers_the_repositories_then_a_label_then_a_pin_then_the_busiest() {
    let backend = Backend::start().unwrap();
    let environments = client(&backend).cloud_environments();
    let api = [GitHubRepository::new("acme", "api")];
    let none = [GitHubRepository::new("acme", "none")];
    assert_eq!(guard(environments.detect(&api, None)).await.unwrap().id, "env_api");
    assert_eq!(guard(environments.detect(&none, None)).await.unwrap().id, "env_web");
    assert_eq!(guard(environments.detect(&none, Some("ACME/api"))).await.unwrap().id, "env_api");
    let unpinned = r#"[{"id":"a","task_count":2},{"id":"b","task_count":5},{"id":"c","task_count":5},{"id":"d"}]"#;
    backend.inject(Route::LIST_ENVIRONMENTS, Fault::status(200).body(unpinned));
    assert_eq!(guard(environments.detect(&none, None)).await.unwrap().id, "c");
    // A repository that cannot be asked about is skipped.
    backend.inject(Route::LIST_REPOSITORY_ENVIRONMENTS, Fault::status(404));
    assert_eq!(guard(environments.detect(&api, None)).await.unwrap().id, "env_web");
    backend.inject(Route::LIST_ENVIRONMENTS, Fault::status(200).body("[]"));
    assert_eq!(guard(environments.detect(&none, None)).await.unwrap_err().kind(), ErrorKind::EnvironmentNotFound);
}

#[tokio::test]
async fn the_merged_list_has_each_environment_once() {
    let backend = Backend::start().unwrap();
    backend.add_environment("env_b", "Beta", "acme/beta");
    let environments = client(&backend).cloud_environments();
    let by_repository = r#"[{"id":"env_b","label":"Better","is_pinned":null},{"id":"env_only","label":"alpha"}]"#;
    backend.inject(Route::LIST_REPOSITORY_ENVIRONMENTS, Fault::status(200).body(by_repository));
    let repositories = [GitHubRepository::new("acme", "beta")];
    let merged = guard(environments.merged(&repositories)).await.unwrap();
    let ids: Vec<&str> = merged.iter().map(|environment| environment.id.as_str()).collect();
    assert_eq!(ids, ["env_web", "env_api", "env_only", "env_b"]);
    assert_eq!(merged[3].label.as_deref(), Some("Better"));
    assert_eq!(merged[3].repository, Some(repositories[0].clone()));
    assert_eq!(merged[1].repository, None);

    // Without the list, those of the repositories are better than nothing; without them it is an error.
    backend.inject(Route::LIST_ENVIRONMENTS, Fault::status(403).times(2));
    assert_eq!(guard(environments.merged(&repositories)).await.unwrap().len(), 1);
    assert_eq!(guard(environments.merged(&[])).await.unwrap_err().kind(), ErrorKind::Forbidden);
}
