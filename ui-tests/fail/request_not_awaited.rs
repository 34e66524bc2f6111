//~ E0277: the `?` operator can only be applied to values that implement `Try`
//~ label: the `?` operator cannot be applied to type `ApiRequest<UsageReport>`

use codex_backend::usage::UsageReport;
use codex_backend::{CodexClient, Error};

async fn usage(client: &CodexClient) -> Result<UsageReport, Error> {
    let usage = client.usage().get()?;
    Ok(usage)
}

fn main() {}
