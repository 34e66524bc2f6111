//! The examples as a user runs them: as programs, with their output, their exit code, and nothing configured.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::testing::{Backend, Route, ScriptedResponse};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

#[test]
fn upload_file_runs_with_nothing_configured_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "hello").unwrap();

    let output = run(example("upload_file").arg(&path));

    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains("backend embedded in this program"), "{output:?}");
    let lines = stdout_lines(&output);
    assert_eq!(lines.len(), 1);
    let id = lines[0]["file_id"].as_str().unwrap();
    let expected = serde_json::json!({
        "file_id": id,
        "uri": format!("sediment://{id}"),
        "file_name": "notes.txt",
        "file_size_bytes": 5,
        "mime_type": "text/plain",
    });
    assert_eq!(lines[0], expected);
}

#[test]
fn upload_file_ignores_a_token_that_lies_about_unless_told() {
    let output = run(example("upload_file").arg("Cargo.toml").env("CODEX_BACKEND_ACCESS_TOKEN", "lying about"));
    assert!(output.status.success() && stderr(&output).contains("embedded"), "{output:?}");
}

#[test]
fn upload_file_goes_where_the_environment_says() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let token = backend.issue_access_token("acct-gov");

    let output = run(configured(&backend, &token)
        .env("CODEX_BACKEND_ACCOUNT_ID", "acct-gov")
        .env("CODEX_BACKEND_FEDRAMP", "true")
        .args(["Cargo.toml", "README.md"]));

    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout_lines(&output).len(), 2);
    assert_eq!(stderr(&output), "");
    assert_eq!(backend.files().iter().filter(|file| file.is_finalized()).count(), 2);
    let created = &backend.requests_to(Route::CREATE_FILE)[0];
    assert_eq!(created.header("chatgpt-account-id"), Some("acct-gov"));
    assert_eq!(created.header("originator"), Some("upload_file"));
}

#[test]
fn upload_file_says_in_one_line_what_is_wrong() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    let revoked = backend.issue_access_token("acct-1");
    backend.revoke_access_token(&revoked);
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("huge.bin");
    std::fs::File::create(&huge).unwrap().set_len((512 << 20) + 1).unwrap();

    let huge = huge.to_str().unwrap();
    for (token, path, said) in [
        (&token, "no-such-file.pdf", "no file at `no-such-file.pdf`"),
        (&token, ".", "is a directory"),
        (&token, huge, "512 MiB"),
        (&revoked, "Cargo.toml", "Sign in again"),
    ] {
        let output = run(configured(&backend, token).arg(path));
        let line = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("upload_file: ") && line.contains(said), "{line}");
        assert!(!line.contains(token.expose_secret()) && output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn upload_file_uploads_what_it_can_and_still_fails() {
    let output = run(example("upload_file").args(["README.md", "missing.pdf", "Cargo.toml"]));
    assert_eq!(output.status.code(), Some(1));
    let lines = stdout_lines(&output);
    assert_eq!(
        lines.iter().map(|line| line["file_name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["README.md", "Cargo.toml"]
    );
}

#[test]
fn upload_file_refuses_what_it_does_not_understand() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    for (command, said) in [
        (&mut example("upload_file"), "no file given"),
        (example("upload_file").args(["--lvie", "README.md"]), "unknown option `--lvie`"),
        (example("upload_file").args(["--live", "README.md"]), "CODEX_BACKEND_ACCESS_TOKEN"),
        (configured(&backend, &token).env("CODEX_BACKEND_FEDRAMP", "yes").arg("README.md"), "CODEX_BACKEND_FEDRAMP"),
        (configured(&backend, &token).env("CODEX_BACKEND_ACCOUNT_ID", "acct-2").arg("README.md"), "acct-2"),
        (configured(&backend, &token).env("CODEX_BACKEND_BASE_URL", "https://evil.test").arg("README.md"), "evil.test"),
    ] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains(said), "{said}: {output:?}");
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn upload_file_takes_the_official_tools_credentials() {
    let backend = Backend::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let expired = backend.issue_auth_json("acct-1", Duration::ZERO);
    std::fs::write(home.path().join("auth.json"), expired).unwrap();
    let command = &mut example("upload_file");
    let output = run(command
        .env("CODEX_BACKEND_BASE_URL", backend.codex_base_url())
        .env("CODEX_HOME", home.path())
        .arg("README.md"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
}

#[test]
fn whoami_tells_whose_credentials_are_found_without_a_secret_and_without_a_request() {
    let backend = Backend::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("auth.json");
    let auth_json = backend.issue_auth_json("acct-1", Duration::from_secs(3600));
    std::fs::write(&path, &auth_json).unwrap();
    let configured = || {
        let mut command = example("whoami");
        command.env("CODEX_BACKEND_BASE_URL", backend.codex_base_url()).env("CODEX_HOME", home.path());
        command
    };
    let output = run(configured().arg("--json"));
    let shown = &stdout_lines(&output)[0];
    assert_eq!(shown["source"], path.to_str().unwrap());
    assert_eq!((&shown["mode"], &shown["account_id"]), (&"chatgpt".into(), &"acct-1".into()));
    assert_eq!((&shown["plan_type"], &shown["is_fedramp"]), (&"pro".into(), &false.into()));
    assert!(shown["email"].is_null() && shown["expires_at"].as_str().unwrap().ends_with('Z'), "{shown}");

    let document: Value = serde_json::from_str(&auth_json).unwrap();
    for output in [output, run(&mut configured())] {
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        for secret in ["access_token", "refresh_token", "id_token"] {
            let secret = document["tokens"][secret].as_str().unwrap();
            assert!(!String::from_utf8_lossy(&output.stdout).contains(secret), "{output:?}");
        }
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn whoami_shows_no_end_where_it_is_out_of_reach() {
    let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":1900000000000}"#);
    for argument in ["--json", "--live"] {
        let mut command = example("whoami");
        command.env("CODEX_BACKEND_ACCESS_TOKEN", format!("e30.{claims}.c2ln"));
        let output = run(command.args(["--live", argument]));
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("\"expires_at\":null") || shown.contains("expires   unknown"), "{shown}");
    }
}

#[test]
fn whoami_says_what_to_do_where_nothing_is_found() {
    let output = run(example("whoami").arg("--live"));
    assert_eq!(output.status.code(), Some(1));
    let line = stderr(&output);
    assert!(line.contains("no credentials were found") && line.contains("Sign in"), "{line}");
    assert!(line.contains("OPENAI_API_KEY is skipped"), "{line}");
    let output = run(&mut example("whoami"));
    assert!(output.status.success() && stderr(&output).contains("nothing is configured"), "{output:?}");
}

#[test]
fn whoami_tells_of_a_broken_file_also_where_nothing_else_is_configured() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("auth.json"), "{").unwrap();
    let output = run(example("whoami").env("CODEX_HOME", home.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("auth.json are broken"), "{output:?}");
}

#[test]
fn auth_only_prints_the_answer() {
    let output = run(&mut example("auth_only"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout_lines(&output)[0]["plan_type"], "plus");
}

#[test]
fn agent_runs_with_nothing_configured_and_says_so() {
    for arguments in [&["README.md"][..], &[]] {
        let output = run(example("agent").args(arguments));
        assert!(output.status.success(), "{output:?}");
        assert!(stderr(&output).contains("backend embedded in this program"), "{output:?}");
        let shown = String::from_utf8(output.stdout).unwrap();
        for line in [
            "agent     agent-",
            "key       ssh-ed25519 ",
            "uploaded  sediment://",
            "plan      plus",
            "used      37 % of 5 h",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
    }
}

#[test]
fn agent_and_whoami_take_the_jwt_of_either_variable() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let jwt = backend.issue_agent_jwt("acct-gov");
    for variable in ["CODEX_ACCESS_TOKEN", "CODEX_AGENT_IDENTITY"] {
        let configured = |name| {
            let mut command = example(name);
            command.env("CODEX_BACKEND_BASE_URL", backend.codex_base_url()).env(variable, jwt.expose_secret());
            command
        };
        let output = run(configured("agent").arg("README.md"));
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("account   acct-gov"), "{output:?}");
        let output = run(configured("whoami").arg("--json"));
        let shown = &stdout_lines(&output)[0];
        assert_eq!((&shown["mode"], &shown["source"]), (&"agentIdentity".into(), &variable.into()));
        assert_eq!((&shown["account_id"], &shown["is_fedramp"]), (&"acct-gov".into(), &true.into()));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("eyJ"), "{output:?}");
    }
    assert_eq!(backend.files().len(), 2);
}

#[test]
fn agent_keeps_a_new_agent_beside_a_sign_in_and_takes_a_stored_one() {
    let backend = Backend::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("auth.json");
    std::fs::write(&path, backend.issue_auth_json("acct-1", Duration::from_secs(3600))).unwrap();
    let configured = |arguments: &[&str]| {
        let mut command = example("agent");
        command.env("CODEX_BACKEND_BASE_URL", backend.codex_base_url()).env("CODEX_HOME", home.path()).args(arguments);
        run(&mut command)
    };
    for _ in 0..2 {
        let output = configured(&["--new", "README.md"]);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(backend.requests_to(Route::REGISTER_AGENT).len(), 1);
    assert_eq!(backend.requests_to(Route::REGISTER_TASK).len(), 1);
    assert!(configured(&["README.md"]).status.success());
    std::fs::remove_file(&path).unwrap();
    let output = configured(&["README.md"]);
    assert!(stderr(&output).contains("there is neither a JWT nor"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&configured(&["--nwe"])).contains("unknown option `--nwe`"));
}

#[test]
fn usage_draws_a_bar_for_each_window_or_prints_the_answer() {
    let output = run(&mut example("usage"));
    assert!(output.status.success() && stderr(&output).contains("embedded"), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "plan             plus",
        "5 hours          [#########---------------]  37 %  ",
        "Code review: no limit",
        "credits          12.50",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.lines().any(|line| line.starts_with("week") && line.contains("2026")), "{text}");
    let output = run(example("usage").arg("--json"));
    assert_eq!(stdout_lines(&output)[0]["rate_limit"]["primary_window"]["used_percent"], 37);
}

#[test]
fn tasks_are_listed_shown_started_awaited_and_applied() {
    let listed = run(example("tasks").args(["list", "--limit", "2"]));
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("task_e_4     pending ") && text.contains("task_e_3     ready "), "{text}");

    let shown = run(example("tasks").args(["show", "https://chatgpt.com/codex/tasks/task_e_1"]));
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("> Do 1") && text.contains("Done."), "{text}");

    let created = run(example("tasks").args(["create", "acme/api", "Fix it", "--best-of", "2"]));
    let text = String::from_utf8(created.stdout).unwrap();
    assert!(text.contains("/codex/tasks/task_e_5 in acme/api"), "{text}");
    let refused = run(example("tasks").args(["create", "nowhere", "Fix it"]));
    assert!(!refused.status.success() && stderr(&refused).contains("no environment `nowhere`"), "{refused:?}");

    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        assert!(Command::new("git").args(arguments).current_dir(&folder).status().unwrap().success());
    };
    git(&["init", "-q"]);
    std::fs::write(folder.path().join("README.md"), "# Sample\n").unwrap();
    git(&["add", "."]);
    let read = || std::fs::read_to_string(folder.path().join("README.md")).unwrap();
    let checked = run(example("tasks").args(["apply", "task_e_1", "--check"]).current_dir(&folder));
    assert!(checked.status.success() && read() == "# Sample\n", "{checked:?}");
    let applied = run(example("tasks").args(["apply", "task_e_1"]).current_dir(&folder));
    assert_eq!(String::from_utf8(applied.stdout).unwrap(), "applied   README.md\n");
    assert_eq!(read(), "# Sample\nMore.\n");
    let again = run(example("tasks").args(["diff", "task_e_1", "--attempt", "2"]));
    assert!(!again.status.success() && stderr(&again).contains("no attempt 2"), "{again:?}");
}

#[test]
fn connectors_are_listed() {
    let output = run(example("connectors").arg("--json"));
    let names: Vec<Value> = stdout_lines(&output).iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, ["Google Drive", "Slack"]);
    let output = run(&mut example("connectors"));
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("featured plugins: plugin_2\n"));
}

#[cfg(feature = "managed-config")]
#[test]
fn requirements_are_shown() {
    let output = run(&mut example("requirements"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# requirements: Base policy (req_1)\nallowed_approval_policies = [\"never\"]"), "{text}");
}

#[test]
fn every_example_waits_until_its_sign_in_is_saved() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(".settled().await?"), "{} does not end with `settled()`", path.display());
        }
    }
}

/// An example as `cargo test` built it, without any setting of the environment it runs in.
fn example(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let built: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = Command::new(built);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().to_ascii_uppercase();
        if name.starts_with("CODEX") || name.starts_with("OPENAI") || name.ends_with("_PROXY") {
            command.env_remove(&variable);
        }
    }
    command.env("CODEX_HOME", "no-such-folder");
    command
}

fn configured(backend: &Backend, token: &SecretString) -> Command {
    configured_for(example("upload_file"), backend, token)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout_lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn chat_shows_the_answer_of_either_mode_with_nothing_configured() {
    let output = run(example("chat").args(["--effort", "low", "--model", "gpt-test", "hello"]));
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains("embedded in this program"), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Hello, world\n");

    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    backend.script_response(ScriptedResponse::function_call("add", r#"{"numbers":[2,3.5]}"#));
    let output = run(configured_for(example("chat"), &backend, &token).args(["--tools", "add", "2", "and", "3.5"]));
    assert!(output.status.success(), "{output:?}");
    let requests = backend.requests_to(Route::CREATE_RESPONSE);
    assert_eq!(requests[0].json()["input"][0]["content"][0]["text"], "add 2 and 3.5");
    assert_eq!(requests[1].json()["input"][2]["output"], "5.5");
    assert_eq!(requests[0].header("originator"), Some("chat"));

    let output = run(configured_for(example("chat"), &backend, &token).args(["--json", "hello"]));
    let events = stdout_lines(&output);
    assert_eq!(events[0]["type"], "response.created");
    assert_eq!(events.last().unwrap()["type"], "response.completed");

    let broken = "data: no JSON\n\ndata: {\"type\":\"response.completed\",\ndata: \"response\":{\"id\":\"r\"}}\n\n";
    backend.script_response(ScriptedResponse::transcript(broken));
    let output = run(configured_for(example("chat"), &backend, &token).args(["--json", "hello"]));
    let events = stdout_lines(&output);
    assert_eq!((&events[0], &events[1]["response"]["id"]), (&"no JSON".into(), &"r".into()));
}

#[tokio::test]
async fn chat_and_models_go_to_the_openai_api_with_a_key() {
    let backend = Backend::start().unwrap();
    let headers = backend.client().api_key(backend.api_key()).build().unwrap().auth_headers().await.unwrap();
    let headers = http::HeaderMap::from(&headers);
    let key = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let with_key = |name: &str| {
        let mut command = example(name);
        command.env("CODEX_BACKEND_OPENAI_BASE_URL", backend.openai_base_url()).env("CODEX_API_KEY", key);
        command
    };

    backend.script_response(ScriptedResponse::function_call("add", r#"{"numbers":[2,3.5]}"#));
    let output = run(with_key("chat").args(["--effort", "low", "--tools", "add", "2", "and", "3.5"]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::str::from_utf8(&output.stdout).unwrap(), "Hello, world\n");
    assert!(!stderr(&output).contains("embedded"), "{output:?}");
    let requests = backend.requests_to(Route::CREATE_RESPONSE);
    for request in &requests {
        assert_eq!((request.target.as_str(), request.header("chatgpt-account-id")), ("/v1/responses", None));
        assert_eq!(request.header("authorization").unwrap(), format!("Bearer {key}"));
        assert_eq!((&request.json()["store"], &request.json()["reasoning"]["effort"]), (&false.into(), &"low".into()));
    }
    assert_eq!(requests[1].json()["input"][2]["output"], "5.5");

    let output = run(with_key("models").arg("--json"));
    assert!(output.status.success() && !stdout_lines(&output).is_empty(), "{output:?}");
    assert_eq!(backend.requests().last().unwrap().target, "/v1/models");

    // The address is for keys alone.
    let folder = tempfile::tempdir().unwrap();
    let auth_json = backend.issue_auth_json("acct-1", Duration::from_secs(3600));
    std::fs::write(folder.path().join("auth.json"), auth_json).unwrap();
    let mut with_tokens = example("chat");
    with_tokens.env("CODEX_BACKEND_OPENAI_BASE_URL", backend.openai_base_url()).env("CODEX_HOME", folder.path());
    let before = backend.requests().len();
    let output = run(with_tokens.arg("hello"));
    assert_eq!((output.status.code(), backend.requests().len()), (Some(1), before), "{output:?}");
    assert!(stderr(&output).contains("set CODEX_BACKEND_BASE_URL, or use --live"), "{output:?}");

    let output = run(with_key("chat").env("CODEX_API_KEY", "sk-of-nobody").arg("hello"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("replace the key") && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn chat_and_models_say_in_one_line_what_is_wrong() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    backend.script_response(ScriptedResponse::failed("context_length_exceeded", "too long"));
    let output = run(configured_for(example("chat"), &backend, &token).arg("hello"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = stderr(&output);
    assert!(line.lines().count() == 1 && line.starts_with("chat: ") && line.contains("context window"), "{line}");

    backend.revoke_access_token(&token);
    let output = run(&mut configured_for(example("models"), &backend, &token));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("Sign in again"), "{output:?}");
}

#[test]
fn models_lists_the_catalogue() {
    let output = run(example("models").arg("--json"));
    assert!(output.status.success(), "{output:?}");
    let slugs: Vec<Value> = stdout_lines(&output).iter().map(|model| model["slug"].clone()).collect();
    assert_eq!(slugs, ["gpt-test", "gpt-test-mini"]);
    let output = run(&mut example("models"));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("* gpt-test "));
}

#[test]
fn every_example_ends_quietly_when_its_reader_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let folders_left = || std::fs::read_dir(folder.path()).unwrap().count();
    for (name, arguments) in [
        ("agent", &[][..]),
        ("auth_only", &[]),
        ("chat", &["hello"]),
        ("connectors", &[]),
        ("models", &[]),
        ("requirements", &[]),
        ("tasks", &["list"]),
        ("upload_file", &["Cargo.toml"]),
        ("usage", &[]),
        ("whoami", &["--json"]),
    ] {
        let mut command = example(name);
        command.args(arguments).env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        drop(process.stdout.take());
        let output = process.wait_with_output().unwrap();
        // Where the backend is said to be.
        assert!(stderr(&output).lines().all(|line| line.contains("embedded")), "{name}: {output:?}");
        assert_eq!(folders_left(), 0, "{name}");
    }
}

fn configured_for(mut command: Command, backend: &Backend, token: &SecretString) -> Command {
    command
        .env("CODEX_BACKEND_BASE_URL", backend.codex_base_url())
        .env("CODEX_BACKEND_ACCESS_TOKEN", token.expose_secret());
    command
}
