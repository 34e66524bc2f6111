//~ E0277: a `CodexAuth` is not an auth provider: which mode it opens is known only at run time
//~ note: `.codex_auth(&auth)?` gives a builder for a `Client<CodexBackend>`

use codex_backend::{Client, CodexAuth};

fn client(auth: CodexAuth) {
    let _client = Client::builder().provider(auth).build();
}

fn main() {}
