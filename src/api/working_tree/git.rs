//! Runs `git` in a working tree.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;

use super::error::GitError;

/// What tells git which repository is meant (`git rev-parse --local-env-vars`): set where this program runs in a hook.
const REPOSITORY_VARIABLES: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The program, and the folder it runs in.
#[derive(Debug, Clone)]
pub(super) struct Git {
    program: PathBuf,
    root: PathBuf,
}

/// What came of running it.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Git {
    pub(super) async fn at_root_of(folder: &Path, program: PathBuf) -> Result<Self, GitError> {
        let git = Self { program, root: folder.to_owned() };
        let not_a_tree = |said: String| GitError::NotAWorkingTree { folder: folder.to_owned(), said };
        if !folder.is_dir() {
            return Err(not_a_tree("it is not a folder".to_owned()));
        }
        let ran = git.run(&["rev-parse", "--show-toplevel"], None).await?;
        let root = path_in(ran.stdout.trim_ascii_end());
        if ran.code != Some(0) || root.as_os_str().is_empty() {
            return Err(not_a_tree(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
        }
        Ok(Self { root, ..git })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs to its end on the blocking pool, even if the future is dropped.
    pub(super) async fn run(&self, arguments: &[&str], input: Option<Bytes>) -> Result<Ran, GitError> {
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.root);
        // The folder says which repository is meant, not what the process happens to run in.
        for variable in REPOSITORY_VARIABLES {
            command.env_remove(variable);
        }
        // What it says is read.
        command.env("LC_ALL", "C").env("LANGUAGE", "C").env("GIT_TERMINAL_PROMPT", "0");
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
fn path_in(printed: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(printed.to_vec()).into();
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
