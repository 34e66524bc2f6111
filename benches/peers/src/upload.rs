//! Uploading a large file: throughput.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Failure;
use crate::clients::{self, Bare, Reading};
use crate::rounds::{self, Arm, ratio};
use crate::server::Server;

const ROUNDS: usize = 20;
const SIZE_MIB: usize = 256;

pub fn run() -> Result<(), Failure> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    let path = write_file(&folder, SIZE_MIB)?;
    let runtime = Runtime::new()?;
    let bare = Bare::new(&server.origin)?;
    let client = clients::codex(&server.origin)?;
    let peer = clients::async_openai(&server.origin);

    let mut arms = [
        Arm::new("bare reqwest, 256 KiB buffer", || {
            timed(|| runtime.block_on(bare.upload(&path, Reading::LargeBuffer)))
        }),
        Arm::new("bare reqwest again (noise)", || timed(|| runtime.block_on(bare.upload(&path, Reading::LargeBuffer)))),
        Arm::new("bare reqwest, `Body::from(File)`", || {
            timed(|| runtime.block_on(bare.upload(&path, Reading::AsReqwestDoes)))
        }),
        Arm::new("codex-backend", || timed(|| runtime.block_on(clients::upload_by_codex(&client, &path)))),
        Arm::new("async-openai, multipart", || {
            timed(|| runtime.block_on(clients::upload_by_async_openai(&peer, &path)))
        }),
    ];
    rounds::run(&mut arms, ROUNDS);

    println!("### Uploading {SIZE_MIB} MiB: {ROUNDS} rounds\n");
    println!("| arm | MiB/s | throughput against bare reqwest (of fastest) |");
    println!("| --- | --- | --- |");
    for arm in &arms {
        let against = ratio(arm, &arms[0]);
        let speed = SIZE_MIB as f64 / arm.median();
        println!("| {} | {speed:.0} | {:.3} ({:.3}) |", arm.name, 1.0 / against.median, 1.0 / against.of_lowest);
    }
    println!();
    Ok(())
}

/// A file of that size, in the page cache.
pub fn write_file(folder: &TempDir, size_mib: usize) -> Result<PathBuf, Failure> {
    let path = folder.path().join(format!("{size_mib}-mib"));
    let mut file = File::create(&path)?;
    let block = vec![b'x'; 1 << 20];
    for _ in 0..size_mib {
        file.write_all(&block)?;
    }
    Ok(path)
}

fn timed(upload: impl FnOnce() -> Result<(), Failure>) -> f64 {
    let start = Instant::now();
    upload().expect("an upload that succeeds");
    start.elapsed().as_secs_f64()
}
