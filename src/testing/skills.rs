//! Skills, and their archives.

use http::StatusCode;
use serde_json::json;

use super::asked::Asked;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::skills;

routes! {
    /// The skills of a scope.
    LIST_SKILLS = Way::codex(&skills::LIST, list);
    /// The archive of a skill.
    EXPORT_SKILL = Way::codex(&skills::EXPORT, export);
}

/// A zip archive without entries.
const EMPTY_ARCHIVE: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn list(_: &mut World, asked: &Asked<'_>) -> Reply {
    match (asked.query("product_surface"), asked.query("scope")) {
        (Some(_), Some("personal")) => Reply::json(&json!({
            "hazelnuts": [{ "id": "skill_1", "name": "minutes", "description": "Writes minutes" }],
        })),
        (Some(_), Some("workspace-shared" | "all-shared" | "example")) => Reply::json(&json!({ "hazelnuts": [] })),
        _ => Reply::invalid("no `product_surface`, or an unknown `scope`"),
    }
}

fn export(_: &mut World, asked: &Asked<'_>) -> Reply {
    match asked.id("skill_id") {
        "skill_1" => Reply::bytes(StatusCode::OK, "application/zip", EMPTY_ARCHIVE),
        _ => Reply::not_found("no such skill"),
    }
}
