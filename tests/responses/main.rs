//! Responses over real sockets: the recorded transcripts, every end of a stream, requests of both modes, tools.

mod collecting;
mod ends;
mod hostile;
mod recovery;
mod reports;
mod requests;
mod robustness;
mod stored;
mod support;
mod tolerance;
mod tools;
mod transcripts;
mod waits;
