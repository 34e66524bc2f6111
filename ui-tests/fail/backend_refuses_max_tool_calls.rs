//~ E0277: the Codex backend refuses the parameter `max_tool_calls` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `max_tool_calls`
//~ note: the backend would answer `Unsupported parameter: max_tool_calls`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.max_tool_calls(2).stream());
}
