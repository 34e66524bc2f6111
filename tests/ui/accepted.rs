//! Programs that are right: that they compile is what is tested, and that they do what they say.

#![allow(let_underscore_drop, reason = "what is made is not used")]

/// Agents where clients and providers are kept.
mod agents {
    use std::sync::Arc;

    use codex_backend::auth::{AgentIdentity, LazyAgent, RegisteredAgent};
    use codex_backend::{AuthProvider, Client, CodexBackend};

    struct Fleet {
        agents: Vec<RegisteredAgent>,
    }

    fn client(agent: LazyAgent) -> Client<CodexBackend> {
        Client::builder().agent_identity(agent).build().unwrap()
    }

    fn erased(identity: &AgentIdentity) -> Arc<dyn AuthProvider<Route = CodexBackend>> {
        Arc::new(identity.lazy())
    }

    async fn clients(fleet: Fleet) -> Vec<Client<CodexBackend>> {
        let clients = fleet.agents.into_iter().map(|agent| Client::builder().agent_identity(agent).build().unwrap());
        clients.collect()
    }

    #[test]
    fn compiles() {
        fn is_sendable<T: Clone + Send + Sync + 'static>() {}
        is_sendable::<RegisteredAgent>();
        is_sendable::<LazyAgent>();
        is_sendable::<AgentIdentity>();
        let _ = (client, erased, clients);
    }
}

mod client_in_a_struct {
    use std::sync::Arc;

    use codex_backend::{ChatGptTokens, Client, CodexBackend, CodexClient, OpenAiFileUpload};

    struct App {
        client: Client<CodexBackend>,
        files: OpenAiFileUpload,
    }

    static SHARED: std::sync::OnceLock<CodexClient> = std::sync::OnceLock::new();

    #[test]
    fn compiles() {
        let client: CodexClient = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
        let app = Arc::new(App { files: OpenAiFileUpload::new(&client), client: client.clone() });
        std::thread::spawn(move || drop((app.client.clone(), app.files.clone()))).join().unwrap();
        SHARED.set(client).unwrap();
    }
}

mod endpoints_kept {
    use codex_backend::request::WithRaw;
    use codex_backend::tasks::TaskListItem;
    use codex_backend::usage::UsageReport;
    use codex_backend::{ApiRequest, Client, CloudTasks, CodexBackend, Connectors, PagedRequest};

    /// Handles and requests are kept without naming a mode, and go to other tasks.
    struct App {
        tasks: CloudTasks,
        connectors: Connectors,
        usage: ApiRequest<WithRaw<UsageReport>>,
        list: PagedRequest<TaskListItem>,
    }

    fn app(client: &Client<CodexBackend>) -> App {
        App {
            tasks: client.cloud_tasks(),
            connectors: client.connectors(),
            usage: client.usage().get().with_raw(),
            list: client.cloud_tasks().list(),
        }
    }

    async fn run(app: App) {
        let App { tasks, connectors, usage, list } = app;
        tokio::spawn(async move {
            let _ = (usage.await, connectors.directory().await, tasks.wait("task_e_1").await, list.all().await);
        });
    }

    #[test]
    fn compiles() {
        let _ = (app, run);
    }
}

mod featured_plugins_of_any_client {
    use codex_backend::mode::Accepts;
    use codex_backend::{AnyClient, Client, CodexBackend, FeaturedPlugins, NoAuth, OpenAiApi};

    fn each(backend: &Client<CodexBackend>, api: &Client<OpenAiApi>, anyone: &Client<NoAuth>) -> [FeaturedPlugins; 3] {
        [FeaturedPlugins::new(backend), api.featured_plugins(), FeaturedPlugins::new(anyone)]
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

    #[test]
    fn compiles() {
        let _ = (each, of_any, generic::<NoAuth>);
    }
}

mod generic_helper {
    use codex_backend::mode::{Accepts, Mode};
    use codex_backend::{ChatGptTokens, Client, NoAuth, OpenAiFileUpload, Usage};

    fn uploader<M: Accepts<OpenAiFileUpload>>(client: &Client<M>) -> OpenAiFileUpload {
        OpenAiFileUpload::new(client)
    }

    fn both<M>(client: &Client<M>) -> (OpenAiFileUpload, Usage)
    where
        M: Accepts<OpenAiFileUpload> + Accepts<Usage>,
    {
        (client.file_upload(), client.usage())
    }

    fn name<M: Mode>(_: &Client<M>) -> &'static str {
        M::NAME
    }

    #[test]
    fn compiles() {
        let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
        let _ = (uploader(&client), both(&client));
        let none: Client<NoAuth> = Client::builder().without_credentials().build().unwrap();
        assert_eq!((name(&client), name(&none)), ("CodexBackend", "NoAuth"));
    }
}

mod narrowing {
    use codex_backend::{AnyClient, ChatGptTokens, Client, CodexBackend, OpenAiApi, OpenAiFileUpload, WrongMode};

    fn configured(key: Option<&str>) -> AnyClient {
        match key {
            Some(key) => Client::builder().api_key(key).build().unwrap().into(),
            None => Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap().into(),
        }
    }

    #[test]
    fn compiles() {
        let client: Client<CodexBackend> = configured(None).into_codex_backend().unwrap();
        let _ = OpenAiFileUpload::new(&client);

        let wrong: WrongMode = configured(Some("sk-example")).into_codex_backend().unwrap_err();
        let back: Client<OpenAiApi> = wrong.into_client().try_into().unwrap();
        drop(back);

        match configured(None) {
            AnyClient::Codex(client) => drop(client.file_upload()),
            AnyClient::OpenAi(client) => drop(client),
            _ => unreachable!(),
        }
    }
}

mod provider_of_ones_own {
    use std::sync::Arc;

    use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal};
    use codex_backend::{AuthProvider, Client, CodexBackend, OpenAiApi};

    struct Vault;

    impl AuthProvider for Vault {
        type Route = CodexBackend;

        fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::boxed(async move {
                let _ = (context.now(), context.base_url());
                AuthHeaders::new(1).with_bearer(&"token".into())
            })
        }

        fn refused<'a>(&'a self, refusal: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
            AuthFuture::ready(Ok(if refusal.generation == 1 { AuthRecovery::Retry } else { AuthRecovery::GiveUp }))
        }
    }

    struct Key;

    impl AuthProvider for Key {
        type Route = OpenAiApi;

        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"key".into()))
        }
    }

    #[test]
    fn compiles() {
        let _: Client<CodexBackend> = Client::builder().provider(Vault).build().unwrap();
        let erased: Arc<dyn AuthProvider<Route = CodexBackend>> = Arc::new(Vault);
        let _: Client<CodexBackend> = Client::builder().provider(erased).build().unwrap();
        let boxed: Box<dyn AuthProvider<Route = CodexBackend>> = Box::new(Vault);
        let _: Client<CodexBackend> = Client::builder().provider(boxed).build().unwrap();
        let _: Client<OpenAiApi> = Client::builder().provider(Key).build().unwrap();
    }
}

/// What each mode takes, compiles.
mod responses_of_both_modes {
    use codex_backend::responses::{ResponseRequest, ResponseStream};
    use codex_backend::{CodexClient, Error, OpenAiClient};

    async fn backend(client: &CodexClient) -> Result<ResponseStream, Error> {
        let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
        tokio::spawn(request.session_id("id").compressed().stream()).await.unwrap()
    }

    async fn api(client: &OpenAiClient) -> Result<String, Error> {
        let request = client.openai_responses().create("gpt-5.5", "Hello").temperature(0.2).store(false);
        let whole = request.clone().send().await?;
        drop(request.stream().await?);
        Ok(whole.output_text())
    }

    /// A helper of either mode.
    async fn text<M>(request: ResponseRequest<M>) -> Result<String, Error> {
        Ok(request.prompt_cache_key("key").stream().await?.collect().await?.text())
    }

    #[test]
    fn compiles() {
        let _ = (backend, api, text::<codex_backend::CodexBackend>, text::<codex_backend::OpenAiApi>);
    }
}

mod spawned {
    use codex_backend::{ChatGptTokens, Client, OpenAiFileUpload};

    fn is_static<T: Send + 'static>(_: T) {}

    #[test]
    fn compiles() {
        let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
        is_static(async move {
            let files = OpenAiFileUpload::new(&client);
            let uploads = [files.path("a.txt"), files.bytes("b.txt", "b")];
            let report = client.usage().get().await;
            (files.many(uploads).await, report)
        });
    }
}

/// A session is given where tokens are, by itself or shared.
mod session_as_credentials {
    use std::sync::Arc;
    use std::time::Duration;

    use codex_backend::auth::{MemoryStore, StoredCredentials};
    use codex_backend::testing::Backend;
    use codex_backend::{ChatGptSession, CodexClient};

    #[tokio::test]
    async fn authenticates() {
        let backend = Backend::start().unwrap();
        let document = backend.issue_auth_json("acct-1", Duration::from_secs(3600));
        let store = MemoryStore::new(StoredCredentials::from_json(&document).unwrap());
        let session = Arc::new(ChatGptSession::open(store).unwrap());
        let shared: CodexClient = backend.client().chatgpt(Arc::clone(&session)).build().unwrap();
        let own: CodexClient = backend.client().chatgpt(ChatGptSession::clone(&session)).build().unwrap();
        for client in [shared, own] {
            client.usage().get().await.unwrap();
        }
    }
}

/// Handles are made with whatever derefs to a client.
mod pointers_to_clients {
    use std::ops::Deref;
    use std::sync::{Arc, LazyLock, Mutex};

    use codex_backend::{ChatGptTokens, Client, CodexClient, FeaturedPlugins, OpenAiFileUpload};

    static CLIENT: LazyLock<CodexClient> = LazyLock::new(client);

    struct State(CodexClient);

    impl Deref for State {
        type Target = CodexClient;

        fn deref(&self) -> &CodexClient {
            &self.0
        }
    }

    fn client() -> CodexClient {
        Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap()
    }

    #[test]
    fn compiles() {
        let locked = Mutex::new(client());
        let _ = (OpenAiFileUpload::new(&Arc::new(client())), OpenAiFileUpload::new(&State(client())));
        let _ = (OpenAiFileUpload::new(&*CLIENT), OpenAiFileUpload::new(&CLIENT), OpenAiFileUpload::new(&&client()));
        let _ = (OpenAiFileUpload::new(&locked.lock().unwrap()), FeaturedPlugins::new(&Box::new(client())));
    }
}

/// `?` takes each error of this crate to the one of requests, and loses nothing of it.
mod one_error_for_a_program {
    use std::error::Error as _;

    use codex_backend::auth::ReauthReason;
    use codex_backend::{AnyClient, AuthError, ChatGptTokens, Client, ConfigError, Error, ErrorKind, WrongMode};

    fn narrowed() -> Result<(), Error> {
        let client: AnyClient = Client::builder().api_key("sk-secret").build()?.into();
        client.as_codex_backend()?;
        Ok(())
    }

    fn built(tokens: ChatGptTokens, url: &str) -> Result<(), Error> {
        Client::builder().codex_base_url(url).chatgpt(tokens).build()?;
        Ok(())
    }

    fn found() -> Result<(), Error> {
        let cause = std::io::Error::other("the vault is closed");
        Err(AuthError::reauth_required("the vault has no token").with_source(cause))?
    }

    #[test]
    fn keeps_the_cause() {
        let error = narrowed().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherMode);
        let wrong: &WrongMode = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!((wrong.found(), wrong.needed()), ("OpenAiApi", "CodexBackend"));
        assert!(wrong.clone().into_client().into_openai_api().is_ok());
        assert!(!format!("{error} {error:?}").contains("sk-secret"), "{error:?}");

        let error = built(ChatGptTokens::new("secret-token"), "https://elsewhere.test").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(matches!(error.config_error(), Some(ConfigError::UntrustedOrigin { .. })));
        assert!(error.to_string().contains("https://elsewhere.test") && error.source().is_none(), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret-token"), "{error:?}");

        let error = built(ChatGptTokens::new("not\na-header"), "https://chatgpt.com").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.auth_error().is_some() && !format!("{error} {error:?}").contains("a-header"), "{error:?}");

        let error = found().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::Other));
        assert!(error.needs_sign_in() && !error.may_have_been_sent() && !error.is_retryable());
        assert_eq!(error.source().unwrap().to_string(), "the vault is closed");
    }
}
