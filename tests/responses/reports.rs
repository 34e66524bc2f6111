//! Inputs on which other clients failed, and what a user expects of them.

use std::path::Path;

use codex_backend::responses::{CollectedResponse, ModelResponse, ResponseStream};

use super::support::guard;

fn report(name: &str) -> String {
    std::fs::read_to_string(Path::new("tests/data/reports").join(name)).unwrap()
}

async fn collected(name: &str) -> CollectedResponse {
    let stream = ResponseStream::from_transcript(report(name));
    guard(stream.collect()).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn a_counter_that_is_not_told_does_not_cost_the_answer() {
    for name in ["01-usage-null-counter.txt", "01b-usage-missing-counter.txt", "01c-usage-empty.txt"] {
        let answer = collected(name).await;
        assert_eq!((answer.text().as_str(), answer.usage(), answer.items.len()), ("four", None, 1), "{name}");
    }
    let whole: ModelResponse = serde_json::from_str(&report("01d-usage-null-counter-whole.json")).unwrap();
    assert_eq!((whole.output_text().as_str(), whole.usage), ("four", None));
}
