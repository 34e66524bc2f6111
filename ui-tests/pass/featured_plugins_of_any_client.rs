use codex_backend::mode::Accepts;
use codex_backend::{AnyClient, Client, CodexBackend, FeaturedPlugins, NoAuth, OpenAiApi};

fn each(backend: Client<CodexBackend>, api: Client<OpenAiApi>, anyone: Client<NoAuth>) -> [FeaturedPlugins; 3] {
    [FeaturedPlugins::new(&backend), api.featured_plugins(), FeaturedPlugins::new(&anyone)]
}

fn of_any(client: &AnyClient) -> Option<FeaturedPlugins> {
    Some(match client {
        AnyClient::Codex(client) => client.featured_plugins(),
        AnyClient::OpenAi(client) => client.featured_plugins(),
        AnyClient::Anonymous(client) => client.featured_plugins(),
        _ => return None,
    })
}

fn generic<M: Accepts<FeaturedPlugins>>(client: &Client<M>) -> FeaturedPlugins {
    client.featured_plugins()
}

fn main() {
    let _ = (each, of_any, generic::<NoAuth>);
}
