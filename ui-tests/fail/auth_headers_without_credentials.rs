//~ E0277: `NoAuth` is not a route that an auth provider can serve
//~ label: not an authenticated mode
//~ note: a client that sends no credentials is built with `Client::builder().without_credentials()`

use codex_backend::{Client, NoAuth};

async fn headers(client: Client<NoAuth>) {
    let _ = client.auth_headers().await;
}

fn main() {}
