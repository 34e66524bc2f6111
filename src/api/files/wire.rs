//! The bodies of requests and answers of an upload.

use serde::{Deserialize, Serialize};

use crate::wire::read_member;

/// `POST /files`.
#[derive(Debug, Serialize)]
pub(super) struct CreateRequest<'a> {
    pub(super) file_name: &'a str,
    pub(super) file_size: u64,
    pub(super) use_case: &'static str,
}

#[derive(Deserialize)]
pub(super) struct CreateAnswer {
    pub(super) file_id: String,
    pub(super) upload_url: String,
}

/// `POST /files/{file_id}/uploaded`.
#[derive(Deserialize)]
pub(super) struct FinalizeAnswer {
    pub(super) status: String,
    pub(super) download_url: Option<String>,
    // What is only told must not lose an upload that is done.
    #[serde(default, deserialize_with = "read_member")]
    pub(super) file_name: Option<String>,
    #[serde(default, deserialize_with = "read_member")]
    pub(super) mime_type: Option<String>,
    #[serde(default, deserialize_with = "read_member")]
    pub(super) error_message: Option<String>,
}
