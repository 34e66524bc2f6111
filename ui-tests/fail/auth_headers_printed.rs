//~ E0277: `AuthHeaders` doesn't implement `std::fmt::Display`

use codex_backend::auth::AuthHeaders;

fn log(headers: &AuthHeaders) {
    println!("{headers}");
}

fn main() {}
