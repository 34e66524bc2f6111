//! A file as the OpenAI API describes it.

use crate::wire::{open_enum, open_struct};

open_enum! {
    /// The purpose of a file.
    OpenAiFilePurpose {
        /// For assistants.
        Assistants = "assistants",
        /// The requests of a batch.
        Batch = "batch",
        /// For fine-tuning.
        FineTune = "fine-tune",
        /// Images for models.
        Vision = "vision",
        /// Any input for models.
        UserData = "user_data",
        /// For evaluations.
        Evals = "evals",
    }
}

open_struct! {
    /// A file of the OpenAI API.
    #[derive(Eq)]
    pub OpenAiFile {
        /// Its id.
        id: String,
        /// Its name.
        filename: String,
        /// Its size in bytes.
        bytes: u64,
        /// When it was created, in seconds since 1970.
        created_at: i64,
        /// When it expires, in seconds since 1970.
        expires_at: Option<i64>,
        /// Its purpose.
        purpose: Option<OpenAiFilePurpose>,
        /// The state of its processing, as the server writes it.
        status: Option<String>,
    }
}
