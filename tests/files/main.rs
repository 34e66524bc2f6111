//! Files: uploads through `OpenAiFileUpload`, and the files of the OpenAI API, over real sockets and with real files.

mod applications;
mod before;
mod cancel;
mod changes;
mod early;
mod faults;
mod finalize;
mod lengths;
mod many;
mod names;
mod openai_files;
mod pace;
mod progress;
mod replay;
mod secrets;
mod server;
mod support;
mod wire;
