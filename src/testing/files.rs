//! The files of the Codex backend, and the signed URLs at which their content arrives.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde_json::json;

use super::asked::Asked;
use super::backend::Backend;
use super::reply::Reply;
use super::route::{Receiver, Reception, Way, routes};
use super::world::{World, random};
use crate::api::files::request;

routes! {
    /// A file is announced, and gets a signed URL.
    CREATE_FILE = Way::codex(&request::CREATE, create);
    /// The content of a file arrives at its signed URL.
    PUT_FILE = Way::receiving(&request::PUT, put).at("/upload/{file_id}");
    /// A file whose content has arrived is finished.
    FINALIZE_FILE = Way::codex(&request::FINALIZE, finalize);
}

/// How much of a file's content is kept; of a larger one only the size.
const KEPT_CONTENT: u64 = 16 << 20;

/// What a signed URL must never see.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "chatgpt-account-id",
    "cookie",
    "openai-organization",
    "openai-project",
    "x-openai-fedramp",
    "x-openai-internal-codex-residency",
];

/// The files that clients created.
#[derive(Debug, Default, Clone)]
struct Files {
    files: Vec<StoredFile>,
    finalize_retries: u32,
}

/// A file as the server has it.
#[derive(Clone)]
pub struct StoredFile {
    id: String,
    account_id: String,
    file_name: String,
    size: u64,
    signature: String,
    received: Option<Received>,
    retries_left: u32,
    finalized: bool,
}

#[derive(Clone)]
struct Received {
    size: u64,
    content: Option<Bytes>,
}

impl StoredFile {
    /// The id that the server gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The account it belongs to.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// The name the client gave it.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The size the client announced, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The size of what was received completely, in bytes.
    #[must_use]
    pub fn received_size(&self) -> Option<u64> {
        self.received.as_ref().map(|received| received.size)
    }

    /// What was received, unless it is larger than 16 MiB.
    #[must_use]
    pub fn content(&self) -> Option<Bytes> {
        self.received.as_ref()?.content.clone()
    }

    /// Whether the client asked for it to be finalized, and it was.
    #[must_use]
    pub fn is_finalized(&self) -> bool {
        self.finalized
    }
}

impl fmt::Debug for StoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredFile")
            .field("id", &self.id)
            .field("file_name", &self.file_name)
            .field("size", &self.size)
            .field("received_size", &self.received_size())
            .field("finalized", &self.finalized)
            .finish_non_exhaustive()
    }
}

fn create(world: &mut World, asked: &Asked<'_>) -> Reply {
    let body = asked.json();
    let invalid = |message| Reply::error(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message);
    let Some(file_name) = body["file_name"].as_str().filter(|name| !name.is_empty()) else {
        return invalid("`file_name` is missing");
    };
    let Some(size) = body["file_size"].as_u64() else {
        return invalid("`file_size` is missing");
    };
    if size > 512 << 20 {
        return invalid("`file_size` is over the limit");
    }
    if body["use_case"] != "codex" {
        return invalid("`use_case` is not known");
    }
    let id = format!("file_{}", random());
    let signature = random();
    let upload_url = format!("{}/upload/{id}?se=2099-01-01&sig={signature}", world.origin);
    let files = world.of::<Files>();
    files.files.push(StoredFile {
        id: id.clone(),
        account_id: asked.account_id.to_owned(),
        file_name: file_name.to_owned(),
        size,
        signature,
        received: None,
        retries_left: files.finalize_retries,
        finalized: false,
    });
    Reply::json(&json!({ "file_id": id, "upload_url": upload_url }))
}

/// Checks the head of a `PUT`; the receiver knows how much of the content is to be kept.
fn put(world: &mut World, asked: &Asked<'_>) -> Reception {
    let refuse = |status, code, message| Err(Reply::error(status, code, message).header("x-ms-request-id", "blob-1"));
    let id = asked.id("file_id");
    let Some(file) = world.of::<Files>().files.iter().find(|file| file.id == id) else {
        return refuse(StatusCode::NOT_FOUND, "BlobNotFound", "no such upload");
    };
    for credential in CREDENTIALS {
        if asked.headers.contains_key(credential) {
            return refuse(StatusCode::BAD_REQUEST, "CredentialsOnSignedUrl", "credentials came to a signed URL");
        }
    }
    if asked.query("sig") != Some(&file.signature) {
        return refuse(StatusCode::FORBIDDEN, "AuthenticationFailed", "the signature does not fit");
    }
    if asked.header("x-ms-blob-type") != Some("BlockBlob") {
        return refuse(StatusCode::BAD_REQUEST, "MissingRequiredHeader", "`x-ms-blob-type` is not `BlockBlob`");
    }
    if asked.header("content-length").and_then(|length| length.parse().ok()) != Some(file.size) {
        return refuse(StatusCode::BAD_REQUEST, "InvalidHeaderValue", "`content-length` is not the announced size");
    }
    let kept = (file.size <= KEPT_CONTENT).then(BytesMut::new);
    Ok(Box::new(Upload { id: id.to_owned(), size: 0, kept }))
}

fn finalize(world: &mut World, asked: &Asked<'_>) -> Reply {
    let (id, origin) = (asked.id("file_id"), world.origin.clone());
    let mut files = world.of::<Files>().files.iter_mut();
    let Some(file) = files.find(|file| file.id == id && file.account_id == asked.account_id) else {
        return Reply::error(StatusCode::NOT_FOUND, "file_not_found", "no such file");
    };
    if file.received_size() != Some(file.size) {
        return Reply::json(&json!({ "status": "error", "error_message": "the content is not there" }));
    }
    if file.retries_left > 0 {
        file.retries_left -= 1;
        return Reply::json(&json!({ "status": "retry" }));
    }
    file.finalized = true;
    let download_url = format!("{origin}/download/{id}?sig={}", random());
    Reply::json(&json!({
        "status": "success",
        "download_url": download_url,
        "file_name": file.file_name,
        "mime_type": mime_type(&file.file_name),
        "file_size_bytes": file.size,
    }))
}

/// Content that is being received.
struct Upload {
    id: String,
    size: u64,
    kept: Option<BytesMut>,
}

impl Receiver for Upload {
    fn take(&mut self, chunk: &[u8]) {
        self.size += chunk.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(chunk);
        }
    }

    fn finish(self: Box<Self>, world: &mut World) -> Reply {
        if let Some(file) = world.of::<Files>().files.iter_mut().find(|file| file.id == self.id) {
            let content = self.kept.map(BytesMut::freeze);
            file.received = Some(Received { size: self.size, content });
        }
        Reply::empty(StatusCode::CREATED)
    }
}

fn mime_type(file_name: &str) -> &'static str {
    match file_name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("md") => "text/markdown",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Files of the Codex backend.
impl Backend {
    /// How often the server answers `retry` before an uploaded file is ready. Default 0.
    pub fn set_finalize_retries(&self, retries: u32) {
        self.world().of::<Files>().finalize_retries = retries;
    }

    /// The files that were created, in order.
    #[must_use]
    pub fn files(&self) -> Vec<StoredFile> {
        self.world().of::<Files>().files.clone()
    }
}
