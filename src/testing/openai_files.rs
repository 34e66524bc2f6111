//! The files of the OpenAI API, and its uploads in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde_json::{Value, json};

use super::asked::Asked;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::{World, random};
use crate::api::openai_files;
use crate::api::openai_files::large;

routes! {
    /// A file is uploaded at once.
    CREATE_OPENAI_FILE = Way::openai(&openai_files::CREATE, create);
    /// The files, page by page.
    LIST_OPENAI_FILES = Way::openai(&openai_files::LIST, list);
    /// What is known of a file.
    RETRIEVE_OPENAI_FILE = Way::openai(&openai_files::RETRIEVE, retrieve);
    /// The content of a file.
    READ_OPENAI_FILE = Way::openai(&openai_files::CONTENT, read);
    /// A file is deleted.
    DELETE_OPENAI_FILE = Way::openai(&openai_files::DELETE, delete);
    /// An upload in parts begins.
    CREATE_OPENAI_UPLOAD = Way::openai(&large::CREATE, begin);
    /// A part of an upload arrives.
    ADD_OPENAI_UPLOAD_PART = Way::openai(&large::PART, add_part);
    /// The parts of an upload become a file.
    COMPLETE_OPENAI_UPLOAD = Way::openai(&large::COMPLETE, complete);
    /// An upload is given up.
    CANCEL_OPENAI_UPLOAD = Way::openai(&large::CANCEL, cancel);
}

#[derive(Debug, Default, Clone)]
struct Files {
    /// In the order in which they were made.
    files: Vec<(Value, Bytes)>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Clone)]
struct Upload {
    announced: Value,
    parts: BTreeMap<String, Bytes>,
    cancelled: bool,
}

fn create(world: &mut World, asked: &Asked<'_>) -> Reply {
    let Some(parts) = parts_of(asked) else { return invalid("the body is no form") };
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
    Reply::json(&world.of::<Files>().keep(&file_name, &purpose, file.content.clone(), seconds))
}

fn retrieve(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Files>().answer(asked, |files, at| Reply::json(&files[at].0))
}

fn read(world: &mut World, asked: &Asked<'_>) -> Reply {
    world
        .of::<Files>()
        .answer(asked, |files, at| Reply::bytes(StatusCode::OK, "application/octet-stream", files[at].1.clone()))
}

fn delete(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Files>().answer(asked, |files, at| {
        files.remove(at);
        Reply::json(&json!({ "id": asked.id("file_id"), "object": "file", "deleted": true }))
    })
}

/// Two on a page, the newest first.
fn list(world: &mut World, asked: &Asked<'_>) -> Reply {
    let purpose = asked.query("purpose");
    let files = world.of::<Files>().files.iter().rev().map(|(file, _)| file);
    let files: Vec<&Value> = files.filter(|file| purpose.is_none_or(|purpose| file["purpose"] == purpose)).collect();
    let after = asked.query("after").and_then(|after| files.iter().position(|file| file["id"] == after));
    let start = after.map_or(0, |at| at + 1);
    let page = &files[start..files.len().min(start + 2)];
    let last_id = page.last().map(|file| &file["id"]);
    let has_more = start + page.len() < files.len();
    Reply::json(&json!({ "object": "list", "data": page, "last_id": last_id, "has_more": has_more }))
}

fn begin(world: &mut World, asked: &Asked<'_>) -> Reply {
    let announced = asked.json();
    for name in ["filename", "purpose", "mime_type"] {
        if !announced[name].is_string() {
            return invalid(&format!("'{name}' is a required property"));
        }
    }
    if !announced["bytes"].is_u64() {
        return invalid("'bytes' is a required property");
    }
    let id = format!("upload_{}", random());
    let upload = Upload { announced, parts: BTreeMap::new(), cancelled: false };
    world.of::<Files>().uploads.insert(id.clone(), upload);
    Reply::json(&json!({ "id": id, "object": "upload", "status": "pending" }))
}

fn add_part(world: &mut World, asked: &Asked<'_>) -> Reply {
    let id = asked.id("upload_id");
    let Some(upload) = world.of::<Files>().uploads.get_mut(id).filter(|upload| !upload.cancelled) else {
        return not_found("upload", id);
    };
    let data = parts_of(asked).and_then(|parts| parts.into_iter().find(|part| part.name == "data"));
    let Some(data) = data else { return invalid("'data' is a required property") };
    if data.content.len() > 64 << 20 {
        return invalid("the part is too large");
    }
    let part_id = format!("part_{}", random());
    upload.parts.insert(part_id.clone(), data.content);
    Reply::json(&json!({ "id": part_id, "object": "upload.part", "upload_id": id }))
}

fn complete(world: &mut World, asked: &Asked<'_>) -> Reply {
    let (id, files) = (asked.id("upload_id"), world.of::<Files>());
    let Some(upload) = files.uploads.get(id).filter(|upload| !upload.cancelled) else {
        return not_found("upload", id);
    };
    let body = asked.json();
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
    let file = files.keep(name.as_str().unwrap_or(""), purpose.as_str().unwrap_or(""), content.freeze(), None);
    Reply::json(&json!({ "id": id, "object": "upload", "status": "completed", "file": file }))
}
fn cancel(world: &mut World, asked: &Asked<'_>) -> Reply {
    let id = asked.id("upload_id");
    let Some(upload) = world.of::<Files>().uploads.get_mut(id) else {
        return not_found("upload", id);
    };
    upload.cancelled = true;
    Reply::json(&json!({ "id": id, "object": "upload", "status": "cancelled" }))
}

impl Files {
    /// An answer about the file that is asked for, if it is there.
    fn answer(&mut self, asked: &Asked<'_>, answer: impl Fn(&mut Vec<(Value, Bytes)>, usize) -> Reply) -> Reply {
        let id = asked.id("file_id");
        match self.files.iter().position(|(file, _)| file["id"] == id) {
            Some(at) => answer(&mut self.files, at),
            None => not_found("File", id),
        }
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
fn parts_of(asked: &Asked<'_>) -> Option<Vec<Part>> {
    let boundary = asked.header("content-type")?.strip_prefix("multipart/form-data; boundary=")?;
    let (opening, delimiter) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let mut rest = asked.body.clone();
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
