#!/bin/sh
# Clean release builds of a program that uploads a file, with codex-backend and with async-openai, in turn on this
# machine, and the number of crates that each one needs.
#
#   benches/build_time.sh [ROUNDS]      default 2
set -eu

rounds=${1:-2}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# project NAME DEPENDENCY: a package whose program is on standard input.
project() {
    mkdir -p "$work/$1/src"
    cat > "$work/$1/src/main.rs"
    cat > "$work/$1/Cargo.toml" <<MANIFEST
[workspace]
[package]
name = "hello"
version = "0.0.0"
edition = "2024"
[dependencies]
$2
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
MANIFEST
    cargo fetch --quiet --manifest-path "$work/$1/Cargo.toml"
}

# seconds NAME: a build from nothing.
seconds() {
    rm -rf "$work/target"
    start=$(date +%s.%N)
    CARGO_TARGET_DIR="$work/target" cargo build --release --offline --quiet --manifest-path "$work/$1/Cargo.toml"
    end=$(date +%s.%N)
    echo "$start $end" | awk '{ printf "%.1f", $2 - $1 }'
}

# crates NAME: the packages that the normal dependencies of the program come to, tokio-macros of its own included.
crates() {
    cargo tree --offline --manifest-path "$work/$1/Cargo.toml" -e normal --prefix none --no-dedupe |
        sed 's/ (\*)$//' | grep -v '^hello ' | sort -u | grep -c .
}

project codex-backend "codex-backend = { path = \"$root\" }" <<'PROGRAM'
use codex_backend::{ChatGptTokens, Client, OpenAiFileUpload};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build()?;
    println!("{}", OpenAiFileUpload::new(&client).path("hello.txt").await?.uri());
    Ok(())
}
PROGRAM

project async-openai 'async-openai = { version = "=0.43.0", features = ["responses", "file"] }' <<'PROGRAM'
use async_openai::types::files::{CreateFileRequestArgs, FilePurpose};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = CreateFileRequestArgs::default().file("hello.txt").purpose(FilePurpose::UserData).build()?;
    println!("{}", async_openai::Client::new().files().create(request).await?.id);
    Ok(())
}
PROGRAM

printf '### Clean release build: %s rounds, %s processors\n\n' "$rounds" "$(nproc)"
echo '| round | codex-backend | async-openai | ratio |'
echo '| --- | --- | --- | --- |'
for round in $(seq "$rounds"); do
    if [ $((round % 2)) -eq 1 ]; then
        ours=$(seconds codex-backend)
        theirs=$(seconds async-openai)
    else
        theirs=$(seconds async-openai)
        ours=$(seconds codex-backend)
    fi
    echo "$round $ours $theirs" | awk '{ printf "| %d | %.1f s | %.1f s | %.2f |\n", $1, $2, $3, $2 / $3 }'
done
echo "| crates in the normal dependency tree | $(crates codex-backend) | $(crates async-openai) | |"
