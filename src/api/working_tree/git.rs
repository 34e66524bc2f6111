//! Runs `git` in a working tree.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;

use super::error::GitError;
use crate::environment::Environment;

/// What git needs of the environment: where programs, its settings and temporary files are. Everything else may be a secret,
/// or a variable that changes what git does.
const VARIABLES: [&str; 20] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "TMPDIR",
    "TMP",
    "TEMP",
    "LD_LIBRARY_PATH",
    // How macOS finds the git of its developer tools.
    "DEVELOPER_DIR",
    // Windows.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
];

const OWN_VARIABLES: [(&str, &str); 6] = [
    // What it says is read.
    ("LC_ALL", "C"),
    ("LANGUAGE", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    // A blob that is not here is not fetched, since configuration may name the program that fetches.
    ("GIT_NO_LAZY_FETCH", "1"),
    // The same for versions before 2.44.
    ("GIT_ALLOW_PROTOCOL", "none"),
];

/// Settings that would start a program, or change what a diff does.
const SETTINGS: [&str; 5] = [
    "apply.ignoreWhitespace=no",
    "core.attributesFile=/dev/null",
    // An empty value switches it off in every version; older ones take any other for a program.
    "core.fsmonitor=",
    "core.hooksPath=/dev/null",
    "merge.default=text",
];

/// What git does itself where no merge driver is configured.
const TEXT_MERGE: &str = "git merge-file --quiet --marker-size=%L -L ours -L base -L theirs %A %O %B";

/// The program, and the folder it runs in.
#[derive(Debug, Clone)]
pub(super) struct Git {
    program: PathBuf,
    root: PathBuf,
    pub(super) allows_filters: bool,
}

/// The programs that the configuration names for attributes and hooks.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// Settings that put nothing, or git itself, in their place.
    overrides: Vec<OsString>,
    /// The names of the filters, unless they are allowed.
    pub(super) filters: HashSet<Vec<u8>>,
}

/// What came of running it.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Ran {
    /// The error where git does not answer a question about its configuration.
    pub(super) fn not_run(&self, command: &str) -> GitError {
        let said = String::from_utf8_lossy(&self.stderr).trim().to_owned();
        GitError::NotRun { command: command.to_owned(), source: io::Error::other(said) }
    }
}

impl Git {
    pub(super) async fn at_root_of(folder: &Path, program: PathBuf) -> Result<Self, GitError> {
        let git = Self { program, root: folder.to_owned(), allows_filters: false };
        let not_a_tree = |said: String| GitError::NotAWorkingTree { folder: folder.to_owned(), said };
        if !folder.is_dir() {
            return Err(not_a_tree("it is not a folder".to_owned()));
        }
        let ran = git.run(&["rev-parse", "--show-toplevel"], None).await?;
        let root = path_in(ran.stdout.strip_suffix(b"\n").unwrap_or(&ran.stdout));
        if ran.code != Some(0) || root.as_os_str().is_empty() {
            return Err(not_a_tree(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
        }
        Ok(Self { root, ..git })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The programs that git would start for the attributes of a path, and for hooks that stand in its configuration.
    pub(super) async fn programs(&self) -> Result<Programs, GitError> {
        let arguments = ["config", "--null", "--name-only", "--get-regexp", r"^(filter|merge|hook)\..*\."];
        let ran = self.run(&arguments, None).await?;
        // One where nothing is found.
        if !matches!(ran.code, Some(0 | 1)) {
            return Err(ran.not_run("config"));
        }
        let mut programs = Programs::default();
        for key in ran.stdout.split(|byte| *byte == 0).filter(|key| !key.is_empty()) {
            let (Some(start), Some(end)) = (memchr::memchr(b'.', key), memchr::memrchr(b'.', key)) else { continue };
            let overridden: &[(&str, &str)] = match (&key[..start], &key[end + 1..]) {
                (b"filter", _) if !self.allows_filters => {
                    programs.filters.insert(key[start + 1..end].to_vec());
                    &[("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")]
                }
                (b"merge", b"driver") => &[("driver", TEXT_MERGE)],
                (b"hook", _) => &[("enabled", "false")],
                _ => continue,
            };
            if key.contains(&b'=') {
                let name = String::from_utf8_lossy(key);
                let source = io::Error::other(format!("the setting `{name}` has a name that cannot be overridden"));
                return Err(GitError::NotRun { command: "apply".to_owned(), source });
            }
            for (variable, value) in overridden {
                let setting = [&key[..=end], variable.as_bytes(), b"=", value.as_bytes()].concat();
                programs.overrides.extend(["-c".into(), path_in(&setting).into_os_string()]);
            }
        }
        Ok(programs)
    }

    pub(super) async fn run(&self, arguments: &[&str], input: Option<Bytes>) -> Result<Ran, GitError> {
        self.run_without(&Programs::default(), arguments, input).await
    }

    /// Runs to its end on the blocking pool, even if the future is dropped.
    pub(super) async fn run_without(
        &self,
        programs: &Programs,
        arguments: &[&str],
        input: Option<Bytes>,
    ) -> Result<Ran, GitError> {
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        let mut command = Command::new(&self.program);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.args(&programs.overrides).args(arguments).current_dir(&self.root);
        let environment = Environment::process();
        command.env_clear().envs(OWN_VARIABLES);
        command.envs(VARIABLES.iter().filter_map(|name| Some((name, environment.value(name)?))));
        let ran = tokio::task::spawn_blocking(move || run_to_end(command, input)).await;
        match ran.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
            Ok(ran) => Ok(ran),
            // The system says the same where the folder to run in is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.root.is_dir() => {
                let said = "it is not there any more".to_owned();
                Err(GitError::NotAWorkingTree { folder: self.root.clone(), said })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(GitError::GitNotFound { program: self.program.clone() })
            }
            Err(source) => Err(GitError::NotRun { command: name, source }),
        }
    }
}

/// The path that git printed, which need not be text.
pub(super) fn path_in(printed: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return <OsString as std::os::unix::ffi::OsStringExt>::from_vec(printed.to_vec()).into();
    #[cfg(not(unix))]
    return String::from_utf8_lossy(printed).into_owned().into();
}

fn run_to_end(mut command: Command, input: Option<Bytes>) -> io::Result<Ran> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Written beside the reading: a program that answers before it has read all would otherwise wait for ever.
    let writer = child.stdin.take().zip(input).map(|(mut stdin, input)| {
        // It may end without reading its input; its code then tells.
        std::thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let output = child.wait_with_output()?;
    if let Some(writer) = writer
        && writer.join().is_err()
    {
        return Err(io::Error::other("the input could not be written"));
    }
    Ok(Ran { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
}
