//! Reads a stream five times and prints the peak resident memory of a process that holds nothing but codex-backend: the
//! other program of this package carries the code of all that is compared. `bench serve` prints an origin to read from.

use codex_backend::responses::ResponseEventKind;
use codex_backend::transport::Environment;
use codex_backend::Client;
use futures_util::StreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = std::env::args().nth(1).ok_or("usage: read_stream <origin>")?;
    let builder = Client::builder().openai_base_url(format!("{origin}/v1/50007")).application("bench", "1.0");
    let client = builder.environment(Environment::empty()).api_key("sk-bench").build()?;
    let (mut events, mut length) = (0, 0);
    for _ in 0..5 {
        let mut stream = client.openai_responses().create("gpt-5.5", "hello").store(false).stream().await?;
        while let Some(event) = stream.next().await {
            if let ResponseEventKind::OutputTextDelta(piece) = event?.kind {
                length += piece.delta.len();
            }
            events += 1;
        }
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak is told")?;
    println!("{events} events, {length} bytes of text, peak resident memory {}", peak.trim());
    Ok(())
}
