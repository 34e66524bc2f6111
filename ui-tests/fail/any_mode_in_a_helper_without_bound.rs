//~ E0277: `M` is not known to be the mode of a client
//~ label: any mode will do, but `M` must be one
//~ note: with the bound `M: Mode`

use codex_backend::{Client, FeaturedPlugins};

fn featured<M>(client: &Client<M>) -> FeaturedPlugins {
    FeaturedPlugins::new(client)
}

fn main() {}
