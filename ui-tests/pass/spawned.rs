use codex_backend::{ChatGptTokens, Client, OpenAiFileUpload};

fn is_static<T: Send + 'static>(_: T) {}

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    is_static(async move {
        let files = OpenAiFileUpload::new(&client);
        let uploads = [files.path("a.txt"), files.bytes("b.txt", "b")];
        let report = client.usage().get().await;
        (files.many(uploads).await, report)
    });
}
