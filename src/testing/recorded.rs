use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// The requests that the embedded backend tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `POST /backend-api/files`
    CreateFile,
    /// `PUT` to a signed URL
    PutFile,
    /// `POST /backend-api/files/{id}/uploaded`
    FinalizeFile,
    /// `GET /backend-api/wham/usage`
    GetUsage,
    /// `POST /oauth/token` with JSON: a refresh token is redeemed
    RefreshToken,
    /// `GET /backend-api/wham/agent-identities/jwks`
    AgentKeys,
    /// `POST /backend-api/v1/agent/register`
    RegisterAgent,
    /// `POST /backend-api/v1/agent/{agent_runtime_id}/task/register`
    RegisterTask,
    /// `POST /oauth/token` with a form: the identity of a workload is exchanged
    ExchangeIdentity,
    /// `POST /oauth/revoke`
    RevokeToken,
    /// `GET /backend-api/v1/user-auth-credential/whoami`
    Whoami,
    /// `GET /backend-api/wham/rate-limit-reset-credits`
    ListResetCredits,
    /// `POST /backend-api/wham/rate-limit-reset-credits/consume`
    RedeemResetCredit,
    /// `POST /backend-api/wham/usage/thread_usage/query`
    QueryThreadUsage,
    /// `GET /backend-api/wham/accounts/check`
    CheckAccounts,
    /// `GET /backend-api/wham/profiles/me`
    GetProfile,
    /// `POST /backend-api/wham/accounts/send_add_credits_nudge_email`
    SendNudgeEmail,
    /// `GET /backend-api/wham/workspace-messages`
    ListWorkspaceMessages,
    /// `GET /backend-api/wham/settings/user`
    GetUserSettings,
    /// `GET /backend-api/wham/tasks/list`
    ListTasks,
    /// `GET /backend-api/wham/tasks/{task_id}`
    GetTask,
    /// `GET /backend-api/wham/tasks/{task_id}/turns/{turn_id}/sibling_turns`
    ListSiblingTurns,
    /// `POST /backend-api/wham/tasks`
    CreateTask,
    /// `GET /backend-api/wham/environments`
    ListEnvironments,
    /// `GET /backend-api/wham/environments/by-repo/github/{owner}/{repo}`
    ListRepositoryEnvironments,
    /// `GET /backend-api/connectors/directory/list`
    ListConnectors,
    /// `GET /backend-api/connectors/directory/list_workspace`
    ListWorkspaceConnectors,
    /// `POST /backend-api/ps/apps/batch`
    BatchApps,
    /// `GET /backend-api/accounts/{account_id}/settings`
    GetWorkspaceSettings,
    /// `GET /backend-api/ps/plugins/list`
    ListPlugins,
    /// `GET /backend-api/ps/plugins/installed`
    ListInstalledPlugins,
    /// `GET /backend-api/ps/plugins/{plugin_id}`
    GetPlugin,
    /// `GET /backend-api/plugins/featured`, the one route that needs no credentials
    ListFeaturedPlugins,
    /// `GET /backend-api/wham/config/requirements`
    GetRequirements,
    /// `GET /backend-api/wham/config/bundle`
    GetConfigBundle,
    /// `POST /backend-api/codex/responses`, `POST /v1/responses`
    CreateResponse,
    /// `POST /backend-api/codex/responses/compact`, `POST /v1/responses/compact`
    CompactResponse,
    /// `GET /v1/responses/{id}`
    RetrieveResponse,
    /// `DELETE /v1/responses/{id}`
    DeleteResponse,
    /// `POST /v1/responses/{id}/cancel`
    CancelResponse,
    /// `GET /v1/responses/{id}/input_items`
    ListInputItems,
    /// `POST /v1/responses/input_tokens`
    CountInputTokens,
    /// `GET /backend-api/codex/models`, `GET /v1/models`
    ListModels,
    /// `GET /v1/models/{id}`
    RetrieveModel,
    /// `POST /v1/files`
    CreateApiFile,
    /// `GET /v1/files`
    ListApiFiles,
    /// `GET /v1/files/{id}`
    RetrieveApiFile,
    /// `GET /v1/files/{id}/content`
    ReadApiFile,
    /// `DELETE /v1/files/{id}`
    DeleteApiFile,
    /// `POST /v1/uploads`
    CreateApiUpload,
    /// `POST /v1/uploads/{id}/parts`
    AddApiUploadPart,
    /// `POST /v1/uploads/{id}/complete`
    CompleteApiUpload,
    /// `POST /v1/uploads/{id}/cancel`
    CancelApiUpload,
}

impl Route {
    /// The route of a request and, where its path holds one, the id.
    pub(super) fn of<'a>(method: &Method, path: &'a str, headers: &HeaderMap) -> Option<(Self, Option<&'a str>)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["backend-api", "files"]) => Some((Self::CreateFile, None)),
            ("POST", ["backend-api", "files", id, "uploaded"]) => Some((Self::FinalizeFile, Some(id))),
            ("GET", ["backend-api", "wham", "usage"] | ["api", "codex", "usage"]) => Some((Self::GetUsage, None)),
            ("POST", ["oauth", "token"]) if is_form(headers) => Some((Self::ExchangeIdentity, None)),
            ("POST", ["oauth", "token"]) => Some((Self::RefreshToken, None)),
            ("GET", ["backend-api", "wham", "agent-identities", "jwks"]) => Some((Self::AgentKeys, None)),
            ("POST", ["backend-api", "v1", "agent", "register"]) => Some((Self::RegisterAgent, None)),
            ("POST", ["backend-api", "v1", "agent", id, "task", "register"]) => Some((Self::RegisterTask, Some(id))),
            ("POST", ["oauth", "revoke"]) => Some((Self::RevokeToken, None)),
            ("GET", ["backend-api", "v1", "user-auth-credential", "whoami"]) => Some((Self::Whoami, None)),
            ("POST", ["backend-api", "codex", "responses"] | ["v1", "responses"]) => Some((Self::CreateResponse, None)),
            ("POST", ["backend-api", "codex", "responses", "compact"] | ["v1", "responses", "compact"]) => {
                Some((Self::CompactResponse, None))
            }
            ("POST", ["v1", "responses", "input_tokens"]) => Some((Self::CountInputTokens, None)),
            ("GET", ["v1", "responses", id]) => Some((Self::RetrieveResponse, Some(id))),
            ("DELETE", ["v1", "responses", id]) => Some((Self::DeleteResponse, Some(id))),
            ("POST", ["v1", "responses", id, "cancel"]) => Some((Self::CancelResponse, Some(id))),
            ("GET", ["v1", "responses", id, "input_items"]) => Some((Self::ListInputItems, Some(id))),
            ("GET", ["backend-api", "codex", "models"] | ["v1", "models"]) => Some((Self::ListModels, None)),
            ("GET", ["v1", "models", id]) => Some((Self::RetrieveModel, Some(id))),
            ("POST", ["v1", "files"]) => Some((Self::CreateApiFile, None)),
            ("GET", ["v1", "files"]) => Some((Self::ListApiFiles, None)),
            ("GET", ["v1", "files", id]) => Some((Self::RetrieveApiFile, Some(id))),
            ("GET", ["v1", "files", id, "content"]) => Some((Self::ReadApiFile, Some(id))),
            ("DELETE", ["v1", "files", id]) => Some((Self::DeleteApiFile, Some(id))),
            ("POST", ["v1", "uploads"]) => Some((Self::CreateApiUpload, None)),
            ("POST", ["v1", "uploads", id, "parts"]) => Some((Self::AddApiUploadPart, Some(id))),
            ("POST", ["v1", "uploads", id, "complete"]) => Some((Self::CompleteApiUpload, Some(id))),
            ("POST", ["v1", "uploads", id, "cancel"]) => Some((Self::CancelApiUpload, Some(id))),
            ("PUT", ["upload", id]) => Some((Self::PutFile, Some(id))),
            _ => super::endpoints::route(method, &parts).map(|(route, _)| (route, None)),
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|value| value == "application/x-www-form-urlencoded")
}

/// A request as it arrived. `Debug` hides credentials; the accessors do not.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query, as on the wire.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty for uploads of file content, which [`Backend::files`](super::Backend::files) has.
    pub body: Bytes,
    /// The route, where it is one that the server knows.
    pub route: Option<Route>,
}

impl RecordedRequest {
    /// A header's value, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: [&str; 9] = [
            "accept",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
            "originator",
            "user-agent",
            "x-ms-blob-type",
            "x-openai-fedramp",
        ];
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let shown = SHOWN.contains(&name.as_str());
                (name.as_str(), if shown { value.to_str().unwrap_or("[not text]") } else { "[hidden]" })
            })
            .collect();
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &path)
            .field("headers", &headers)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}
