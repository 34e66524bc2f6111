//! Uploads through `OpenAiFileUpload` to the embedded backend: real sockets, real files.

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
mod pace;
mod progress;
mod replay;
mod secrets;
mod server;
mod support;
mod wire;
