//! Uploading large files: peak resident memory, each upload in a process of its own.

use std::path::Path;
use std::process::Command;

use tokio::runtime::Runtime;

use crate::Failure;
use crate::clients::{self, Bare, Reading};
use crate::server::Server;
use crate::upload::write_file;

const REPEATS: usize = 5;
const SIZES_MIB: [usize; 2] = [256, 512];
const ARMS: [(&str, &str); 3] =
    [("codex", "codex-backend"), ("bare", "bare reqwest, 256 KiB buffer"), ("async-openai", "async-openai, multipart")];

pub fn run() -> Result<(), Failure> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    println!("### Peak memory above idle, uploading: the highest of {REPEATS} processes\n");
    println!("| arm | file of {} MiB | file of {} MiB |", SIZES_MIB[0], SIZES_MIB[1]);
    println!("| --- | --- | --- |");
    let paths = [write_file(&folder, SIZES_MIB[0])?, write_file(&folder, SIZES_MIB[1])?];
    for (arm, name) in ARMS {
        let peaks = [highest(arm, &server.origin, &paths[0])?, highest(arm, &server.origin, &paths[1])?];
        println!("| {name} | {:.1} MiB | {:.1} MiB |", peaks[0], peaks[1]);
    }
    println!();
    Ok(())
}

fn highest(arm: &str, origin: &str, path: &Path) -> Result<f64, Failure> {
    let mut highest = 0.0_f64;
    for _ in 0..REPEATS {
        let child = Command::new(std::env::current_exe()?).args(["upload-once", arm, origin]).arg(path).output()?;
        let growth = String::from_utf8(child.stdout)?;
        let growth: f64 = growth.trim().parse().map_err(|_| String::from_utf8_lossy(&child.stderr).into_owned())?;
        highest = highest.max(growth / 1024.0);
    }
    Ok(highest)
}

/// The child process: prints by how many KiB its peak is above what it held before the upload.
pub fn upload_once(arm: &str, origin: &str, path: &Path) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let idle;
    match arm {
        "codex" => {
            let client = clients::codex(origin)?;
            idle = status_kib("VmRSS:")?;
            runtime.block_on(clients::upload_by_codex(&client, path))?;
        }
        "bare" => {
            let bare = Bare::new(origin)?;
            idle = status_kib("VmRSS:")?;
            runtime.block_on(bare.upload(path, Reading::LargeBuffer))?;
        }
        "async-openai" => {
            let client = clients::async_openai(origin);
            idle = status_kib("VmRSS:")?;
            runtime.block_on(clients::upload_by_async_openai(&client, path))?;
        }
        _ => return Err("no such arm".into()),
    }
    println!("{}", status_kib("VmHWM:")?.saturating_sub(idle));
    Ok(())
}

/// The peak of this process.
pub fn peak_resident_kib() -> Result<u64, Failure> {
    status_kib("VmHWM:")
}

pub fn status_kib(name: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
