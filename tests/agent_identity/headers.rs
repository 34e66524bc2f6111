//! One signature a second, and how it comes to each attempt.

use codex_backend::RetryPolicy;
use codex_backend::auth::AuthHeaders;
use codex_backend::testing::{Fault, Route};
use futures_util::FutureExt;

use super::support::{Stage, agent_123, seconds, usage};

fn authorization(headers: &AuthHeaders) -> &http::HeaderValue {
    headers.iter().find(|(name, _)| *name == "authorization").unwrap().1
}

#[tokio::test]
async fn within_a_second_the_same_bytes_and_in_the_next_others() {
    let stage = Stage::new();
    let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
    let fetch = || client.auth_headers().now_or_never().expect("at hand").unwrap();
    let (one, same) = (fetch(), fetch());
    // The very same buffer: nothing was signed again.
    let bytes = |headers: &AuthHeaders| authorization(headers).as_bytes().as_ptr();
    assert_eq!(bytes(&one), bytes(&same));
    stage.clock.advance(seconds(1));
    let next = fetch();
    assert_ne!(authorization(&one), authorization(&next));
    assert_eq!(bytes(&next), bytes(&fetch()));
    assert!(next.iter().all(|(_, value)| value.is_sensitive()));
}

#[tokio::test]
async fn each_attempt_is_signed_for_its_own_moment() {
    let stage = Stage::new();
    let policy = RetryPolicy::default().base_delay(seconds(4)).max_delay(seconds(4));
    let builder = stage.backend.client().clock(stage.clock.clone()).retry_policy(policy);
    let agent = agent_123().register(&stage.context()).await.unwrap();
    let client = builder.agent_identity(agent).build().unwrap();
    stage.backend.inject(Route::GET_USAGE, Fault::status(503).header("retry-after", "4"));
    let call = tokio::spawn(async move { usage(&client).await });
    stage.clock.until_asleep_for(seconds(4)).await;
    stage.clock.advance(seconds(4));
    call.await.unwrap().unwrap();
    let requests = stage.backend.requests_to(Route::GET_USAGE);
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].header("authorization"), requests[1].header("authorization"));
}
