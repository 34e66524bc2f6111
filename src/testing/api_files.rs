//! The files of the OpenAI API, and its uploads in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::accounts::random;
use super::recorded::Route;
use super::server::Reply;

#[derive(Debug, Default)]
pub(super) struct ApiFiles {
    /// In the order in which they were made.
    files: Vec<(Value, Bytes)>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug)]
struct Upload {
    announced: Value,
    parts: BTreeMap<String, Bytes>,
    cancelled: bool,
}

impl ApiFiles {
    pub(super) fn answer(
        &mut self,
        route: Route,
        id: Option<&str>,
        query: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Reply {
        match (route, id) {
            (Route::CREATE_OPENAI_FILE, _) => self.create(headers, body),
            (Route::LIST_OPENAI_FILES, _) => self.list(query),
            (Route::CREATE_OPENAI_UPLOAD, _) => self.begin(body),
            (Route::ADD_OPENAI_UPLOAD_PART, Some(id)) => self.add_part(id, headers, body),
            (Route::COMPLETE_OPENAI_UPLOAD, Some(id)) => self.complete(id, body),
            (Route::CANCEL_OPENAI_UPLOAD, Some(id)) => match self.uploads.get_mut(id) {
                Some(upload) => {
                    upload.cancelled = true;
                    Reply::json(&json!({ "id": id, "object": "upload", "status": "cancelled" }))
                }
                None => not_found("upload", id),
            },
            (_, Some(id)) => {
                let Some(at) = self.files.iter().position(|(file, _)| file["id"] == id) else {
                    return not_found("File", id);
                };
                match route {
                    Route::DELETE_OPENAI_FILE => {
                        self.files.remove(at);
                        Reply::json(&json!({ "id": id, "object": "file", "deleted": true }))
                    }
                    Route::READ_OPENAI_FILE => {
                        Reply::bytes(StatusCode::OK, "application/octet-stream", self.files[at].1.clone())
                    }
                    _ => Reply::json(&self.files[at].0),
                }
            }
            _ => not_found("File", ""),
        }
    }

    fn create(&mut self, headers: &HeaderMap, body: &Bytes) -> Reply {
        let Some(parts) = parts_of(headers, body) else { return invalid("the body is no form") };
        let text = |name: &str| {
            let part = parts.iter().find(|part| part.name == name)?;
            String::from_utf8(part.content.to_vec()).ok()
        };
        let Some(file) = parts.iter().find(|part| part.name == "file" && part.file_name.is_some()) else {
            return invalid("'file' is a required property");
        };
        let Some(purpose) = text("purpose") else { return invalid("'purpose' is a required property") };
        let seconds = text("expires_after[seconds]").and_then(|seconds| seconds.parse::<u64>().ok());
        if seconds.is_some_and(|seconds| !(3600..=2_592_000).contains(&seconds)) {
            return invalid("'expires_after[seconds]' is out of range");
        }
        let file_name = file.file_name.clone().unwrap_or_default();
        Reply::json(&self.keep(&file_name, &purpose, file.content.clone(), seconds))
    }

    fn keep(&mut self, file_name: &str, purpose: &str, content: Bytes, expires_after: Option<u64>) -> Value {
        const NOW: u64 = 1_777_000_000;
        let file = json!({
            "id": format!("file-{}", random()), "object": "file", "bytes": content.len(), "created_at": NOW,
            "expires_at": expires_after.map(|after| NOW + after), "filename": file_name, "purpose": purpose,
            "status": "processed",
        });
        self.files.push((file.clone(), content));
        file
    }

    /// Two on a page, the newest first.
    fn list(&self, query: &str) -> Reply {
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let purpose = parameter("purpose");
        let files = self.files.iter().rev().map(|(file, _)| file);
        let files: Vec<&Value> =
            files.filter(|file| purpose.is_none_or(|purpose| file["purpose"] == purpose)).collect();
        let after = parameter("after").and_then(|after| files.iter().position(|file| file["id"] == after));
        let start = after.map_or(0, |at| at + 1);
        let page = &files[start..files.len().min(start + 2)];
        let last_id = page.last().map(|file| &file["id"]);
        let has_more = start + page.len() < files.len();
        Reply::json(&json!({ "object": "list", "data": page, "last_id": last_id, "has_more": has_more }))
    }

    fn begin(&mut self, body: &Bytes) -> Reply {
        let announced: Value = serde_json::from_slice(body).unwrap_or_default();
        for name in ["filename", "purpose", "mime_type"] {
            if !announced[name].is_string() {
                return invalid(&format!("'{name}' is a required property"));
            }
        }
        if !announced["bytes"].is_u64() {
            return invalid("'bytes' is a required property");
        }
        let id = format!("upload_{}", random());
        self.uploads.insert(id.clone(), Upload { announced, parts: BTreeMap::new(), cancelled: false });
        Reply::json(&json!({ "id": id, "object": "upload", "status": "pending" }))
    }

    fn add_part(&mut self, id: &str, headers: &HeaderMap, body: &Bytes) -> Reply {
        let Some(upload) = self.uploads.get_mut(id).filter(|upload| !upload.cancelled) else {
            return not_found("upload", id);
        };
        let data = parts_of(headers, body).and_then(|parts| parts.into_iter().find(|part| part.name == "data"));
        let Some(data) = data else { return invalid("'data' is a required property") };
        if data.content.len() > 64 << 20 {
            return invalid("the part is too large");
        }
        let part_id = format!("part_{}", random());
        upload.parts.insert(part_id.clone(), data.content);
        Reply::json(&json!({ "id": part_id, "object": "upload.part", "upload_id": id }))
    }

    fn complete(&mut self, id: &str, body: &Bytes) -> Reply {
        let Some(upload) = self.uploads.get(id).filter(|upload| !upload.cancelled) else {
            return not_found("upload", id);
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut content = BytesMut::new();
        for part_id in body["part_ids"].as_array().into_iter().flatten() {
            let Some(part) = part_id.as_str().and_then(|part_id| upload.parts.get(part_id)) else {
                return invalid("no such part");
            };
            content.extend_from_slice(part);
        }
        if upload.announced["bytes"] != content.len() {
            return invalid("the parts are not as long together as was announced");
        }
        let (name, purpose) = (upload.announced["filename"].clone(), upload.announced["purpose"].clone());
        let file = self.keep(name.as_str().unwrap_or(""), purpose.as_str().unwrap_or(""), content.freeze(), None);
        Reply::json(&json!({ "id": id, "object": "upload", "status": "completed", "file": file }))
    }
}

fn not_found(what: &str, id: &str) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "not_found", &format!("No such {what} object: {id}"))
}

fn invalid(message: &str) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, "invalid_value", message)
}

struct Part {
    name: String,
    file_name: Option<String>,
    content: Bytes,
}

/// The parts of a form, read as strictly as the standard writes them.
fn parts_of(headers: &HeaderMap, body: &Bytes) -> Option<Vec<Part>> {
    let content_type = headers.get("content-type")?.to_str().ok()?;
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
    let (opening, delimiter) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let mut rest = body.clone();
    if !rest.starts_with(opening.as_bytes()) {
        return None;
    }
    let mut rest_of_part = rest.split_off(opening.len());
    let mut parts = Vec::new();
    loop {
        let head_end = find(&rest_of_part, b"\r\n\r\n")?;
        let head = String::from_utf8(rest_of_part[..head_end].to_vec()).ok()?;
        let content = rest_of_part.slice(head_end + 4..);
        let end = find(&content, delimiter.as_bytes())?;
        let parameter = |name: &str| {
            let start = head.find(&format!(" {name}=\""))? + name.len() + 3;
            Some(head[start..].split('"').next()?.to_owned())
        };
        parts.push(Part { name: parameter("name")?, file_name: parameter("filename"), content: content.slice(..end) });
        let after = content.slice(end + delimiter.len()..);
        match &after[..] {
            b"--\r\n" => return Some(parts),
            after_bytes if after_bytes.starts_with(b"\r\n") => rest_of_part = after.slice(2..),
            _ => return None,
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}
