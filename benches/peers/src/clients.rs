//! The clients that are compared, and the same jobs done with each.

use std::path::Path;
use std::time::Duration;

use async_openai::config::OpenAIConfig;
use async_openai::types::files::{CreateFileRequestArgs, FilePurpose};
use codex_backend::tasks::TaskListItem;
use codex_backend::transport::Environment;
use codex_backend::usage::UsageReport;
use codex_backend::{ChatGptTokens, Client, CodexBackend, OpenAiApi, OpenAiFileUpload};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::Failure;

/// As long as an access token of ChatGPT is, about.
pub const TOKEN_LENGTH: usize = 1500;
pub const ACCOUNT: &str = "9d3f0c1e-5a4b-4c8d-9e2f-7b6a5c4d3e2f";

/// What codex-backend reads ahead, so that bare reqwest is given the same.
const CHUNK: usize = 256 << 10;

pub fn token() -> String {
    "abcdefghij".repeat(TOKEN_LENGTH / 10)
}

pub fn codex(origin: &str) -> Result<Client<CodexBackend>, Failure> {
    let client = Client::builder()
        .codex_base_url(format!("{origin}/backend-api"))
        .application("bench", "1.0")
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new(token()).account_id(ACCOUNT).fedramp(true))
        .build()?;
    Ok(client)
}

/// A client of the OpenAI API at this base URL.
pub fn openai_at(base_url: &str) -> Result<Client<OpenAiApi>, Failure> {
    let builder = Client::builder().openai_base_url(base_url).application("bench", "1.0");
    Ok(builder.environment(Environment::empty()).api_key("sk-bench").build()?)
}

pub async fn upload_by_codex(client: &Client<CodexBackend>, path: &Path) -> Result<(), Failure> {
    OpenAiFileUpload::new(client).path(path).await?;
    Ok(())
}

/// Goes through the list of tasks, item by item, and counts.
pub async fn list_by_codex(client: &Client<CodexBackend>, limit: usize) -> Result<usize, Failure> {
    let (mut items, mut count) = (client.cloud_tasks().list().with_item_limit(limit).items(), 0);
    while let Some(task) = items.try_next().await? {
        count += usize::from(!task.archived);
    }
    Ok(count)
}

#[derive(Deserialize)]
struct PageOfTasks {
    items: Vec<TaskListItem>,
    cursor: Option<String>,
}

pub fn async_openai(origin: &str) -> async_openai::Client<OpenAIConfig> {
    let config = OpenAIConfig::new().with_api_base(format!("{origin}/v1")).with_api_key(token());
    async_openai::Client::with_config(config)
}

pub async fn upload_by_async_openai(client: &async_openai::Client<OpenAIConfig>, path: &Path) -> Result<(), Failure> {
    let request = CreateFileRequestArgs::default().file(path).purpose(FilePurpose::UserData).build()?;
    client.files().create(request).await?;
    Ok(())
}

/// reqwest by hand, with the settings that cost least.
pub struct Bare {
    client: reqwest::Client,
    base: String,
    headers: HeaderMap,
}

/// How bare reqwest is given a file.
#[derive(Clone, Copy)]
pub enum Reading {
    /// A `ReaderStream` with a buffer of 256 KiB.
    LargeBuffer,
    /// `reqwest::Body::from(File)`.
    AsReqwestDoes,
}

pub fn bare() -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).referer(false);
    Ok(builder.retry(reqwest::retry::never()).no_proxy().build()?)
}

impl Bare {
    pub fn new(origin: &str) -> Result<Self, Failure> {
        let client = bare()?;
        let mut headers = HeaderMap::new();
        headers.insert("originator", HeaderValue::from_static("bench"));
        headers.insert("user-agent", HeaderValue::from_static("bench/1.0 (linux; x86_64) codex-backend/0.1.0"));
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {}", token()))?);
        headers.insert("chatgpt-account-id", HeaderValue::from_static(ACCOUNT));
        headers.insert("x-openai-fedramp", HeaderValue::from_static("true"));
        Ok(Self { client, base: format!("{origin}/backend-api"), headers })
    }

    pub async fn usage(&self, limit: Option<Duration>) -> Result<UsageReport, Failure> {
        let mut request = self.client.get(format!("{}/wham/usage", self.base)).headers(self.headers.clone());
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    pub async fn list(&self, limit: usize) -> Result<usize, Failure> {
        let (mut cursor, mut count) = (None::<String>, 0);
        loop {
            let mut url = format!("{}/wham/tasks/list?limit=20&task_filter=current", self.base);
            if let Some(cursor) = &cursor {
                url = format!("{url}&cursor={cursor}");
            }
            let answer = self.client.get(url).headers(self.headers.clone()).send().await?.error_for_status()?;
            let page: PageOfTasks = serde_json::from_slice(&answer.bytes().await?)?;
            count += page.items.iter().filter(|task| !task.archived).count();
            cursor = page.cursor.filter(|_| count < limit);
            if cursor.is_none() {
                return Ok(count);
            }
        }
    }

    pub async fn upload(&self, path: &Path, reading: Reading) -> Result<(), Failure> {
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        let create = json!({ "file_name": "content", "file_size": size, "use_case": "codex" });
        let created = self.post("/files", create.to_string()).await?;
        let text = |name: &str| created[name].as_str().ok_or("the answer is not the one expected");
        let body = match reading {
            Reading::LargeBuffer => reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK)),
            Reading::AsReqwestDoes => reqwest::Body::from(file),
        };
        let put = self.client.put(text("upload_url")?).header("x-ms-blob-type", "BlockBlob");
        put.header("content-length", size).body(body).send().await?.error_for_status()?;
        self.post(&format!("/files/{}/uploaded", text("file_id")?), "{}".to_owned()).await?;
        Ok(())
    }

    async fn post(&self, path: &str, body: String) -> Result<Value, Failure> {
        let request = self.client.post(format!("{}{path}", self.base)).headers(self.headers.clone());
        let request = request.header("content-type", "application/json").body(body);
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }
}
