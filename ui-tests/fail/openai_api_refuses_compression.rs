//~ E0277: the OpenAI API takes no compressed requests
//~ label: a `Client<OpenAiApi>` cannot compress what it sends
use codex_backend::Client;

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    drop(client.openai_responses().create("gpt-5.5", "Hello").compressed());
}
