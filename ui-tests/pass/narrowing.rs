use codex_backend::{AnyClient, ChatGptTokens, Client, CodexBackend, OpenAiApi, OpenAiFileUpload, WrongMode};

fn configured(key: Option<&str>) -> AnyClient {
    match key {
        Some(key) => Client::builder().api_key(key).build().unwrap().into(),
        None => Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap().into(),
    }
}

fn main() {
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
