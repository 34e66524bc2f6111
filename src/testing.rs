//! The embedded backend: a real HTTP server on loopback, inside the process, for tests of this crate and of yours.
//!
//! Feature `testing`. [`Backend`] plays the Codex backend over real sockets: it has accounts and tokens and refuses
//! others, keeps the files that are uploaded, records every request, and misbehaves on demand ([`Fault`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::OpenAiFileUpload;
//! use codex_backend::testing::{Backend, Fault, Route};
//!
//! let backend = Backend::start()?;
//! let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//!
//! // The storage fails once; the upload gets through all the same.
//! backend.inject(Route::PUT_FILE, Fault::status(503).body("busy"));
//! let file = OpenAiFileUpload::new(&client).bytes("notes.txt", "hello").await?;
//!
//! assert_eq!(backend.files()[0].content().unwrap(), "hello");
//! assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 2);
//! assert!(backend.requests_to(Route::PUT_FILE)[0].header("authorization").is_none());
//! # Ok(()) }
//! ```

mod asked;
mod backend;
mod clock;
mod fault;
#[cfg(feature = "agent-identity")]
mod jwt_key;
mod listener;
mod recorded;
mod reply;
mod route;
mod server;
mod table;
mod world;

mod accounts;
#[cfg(feature = "agent-identity")]
mod agents;
mod connectors;
mod credentials;
mod environments;
mod files;
#[cfg(feature = "managed-config")]
mod managed_config;
mod models;
mod openai_files;
mod plugins;
mod responses;
mod skills;
mod tasks;
mod usage;
mod workspace;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

pub use self::backend::Backend;
use self::backend::State;
pub use self::clock::ManualClock;
pub use self::fault::Fault;
pub use self::files::StoredFile;
use self::listener::Listener;
pub use self::recorded::RecordedRequest;
pub use self::responses::ScriptedResponse;
pub use self::route::Route;
use self::route::Row;
use self::server::serve;
use self::table::Table;
use self::world::World;

/// The rows of each family. One that is forgotten here is an unused `ROUTES` to the compiler.
const FAMILIES: &[&[Row]] = &[
    accounts::ROUTES,
    #[cfg(feature = "agent-identity")]
    agents::ROUTES,
    connectors::ROUTES,
    credentials::ROUTES,
    environments::ROUTES,
    files::ROUTES,
    #[cfg(feature = "managed-config")]
    managed_config::ROUTES,
    models::ROUTES,
    openai_files::ROUTES,
    plugins::ROUTES,
    responses::ROUTES,
    skills::ROUTES,
    tasks::ROUTES,
    usage::ROUTES,
    workspace::ROUTES,
];

fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().copied().flatten()
}

impl Route {
    /// All routes.
    pub fn all() -> impl Iterator<Item = Self> {
        rows().map(|row| row.route)
    }

    /// The operations whose requests it is for, by their names in errors and spans: one, or that of the backend and that of
    /// the OpenAI API.
    pub fn operations(self) -> impl Iterator<Item = &'static str> {
        rows().filter(move |row| row.route == self).flat_map(|row| row.ways.iter().map(|way| way.operation.name))
    }
}

impl Backend {
    /// Starts a server, with one account and one API key.
    ///
    /// # Errors
    ///
    /// When the system has no port or no thread to give.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(World::new(format!("http://{address}"))));
        let (shared, table) = (state.clone(), Arc::new(Table::new(rows())));
        let serve = move |request, reset| serve(request, shared.clone(), table.clone(), reset);
        Ok(Self::new(address, state, Listener::start(listener, serve)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn found(method: &Method, path: &str, headers: &HeaderMap) -> Option<(Route, asked::Ids)> {
        let found = Table::new(rows()).find(method, path, headers)?;
        Some((found.route, found.ids))
    }

    #[test]
    fn no_two_routes_have_one_name_or_one_place() {
        let names: BTreeSet<&str> = Route::all().map(Route::name).collect();
        let constants: BTreeSet<String> = Route::all().map(|route| format!("{route:?}")).collect();
        let count = Route::all().count();
        assert!(count > 40, "{count}");
        assert_eq!((names.len(), constants.len()), (count, count));

        let mut places = BTreeMap::new();
        for (row, way) in rows().flat_map(|row| row.ways.iter().map(move |way| (row, way))) {
            let place = (way.operation.method.as_str(), way.place(), way.is_meant.is_some());
            if let Some(other) = places.insert(place, row.route) {
                panic!("{other:?} and {:?} are both {place:?}", row.route);
            }
        }
    }

    #[test]
    fn a_path_is_found_in_both_styles_and_its_ids_are_decoded() {
        let none = HeaderMap::new();
        let find = |path: &str| found(&Method::GET, path, &none);
        for prefix in ["/backend-api/wham", "/api/codex"] {
            let turns = find(&format!("{prefix}/tasks/a%2Fb%20%C3%A9/turns/t/sibling_turns"));
            let ids = vec![("task_id", "a/b é".to_owned()), ("turn_id", "t".to_owned())];
            assert_eq!(turns, Some((Route::LIST_SIBLING_TURNS, ids)));
        }
        for path in ["/backend-api/codex/models", "/api/codex/models", "/v1/models"] {
            assert_eq!(find(path).map(|(route, _)| route), Some(Route::LIST_MODELS), "{path}");
        }
        for path in ["/backend-api/tasks/x", "/wham/tasks/x", "/v1/tasks/x", "/api/codex/tasks/x/y", "/v1", "/", ""] {
            assert_eq!(find(path), None, "{path}");
        }
        assert_eq!(found(&Method::PUT, "/v1/models", &none), None);
    }

    #[test]
    fn a_word_of_the_path_wins_over_an_id_and_what_is_meant_over_the_rest() {
        let none = HeaderMap::new();
        let route = |method, path, headers| found(method, path, headers).map(|(route, _)| route);
        assert_eq!(route(&Method::GET, "/api/codex/tasks/list", &none), Some(Route::LIST_TASKS));
        assert_eq!(
            route(&Method::GET, "/backend-api/ps/plugins/installed", &none),
            Some(Route::LIST_INSTALLED_PLUGINS)
        );
        assert_eq!(route(&Method::POST, "/oauth/token", &none), Some(Route::REFRESH_TOKEN));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let form = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
        assert_eq!(route(&Method::POST, "/oauth/token", &form), Some(Route::EXCHANGE_IDENTITY));
    }

    #[test]
    fn every_route_is_found_at_its_own_path() {
        for (row, way) in rows().flat_map(|row| row.ways.iter().map(move |way| (row, way))) {
            let (below, template) = way.place();
            let path = format!("{below}{}", template.replace("{prefix}", "/wham").replace("{codex}", "/codex"));
            let mut headers = HeaderMap::new();
            if way.is_meant.is_some() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            }
            assert_eq!(found(&way.operation.method, &path, &headers).map(|it| it.0), Some(row.route), "{path}");
        }
    }
}
