//! A file as the OpenAI API describes it.

use crate::wire::{open_enum, open_struct};

open_enum! {
    /// What a file is for.
    OpenAiFilePurpose {
        /// Assistants.
        Assistants = "assistants",
        /// What a batch is to do.
        Batch = "batch",
        /// Training.
        FineTune = "fine-tune",
        /// Images for models.
        Vision = "vision",
        /// Anything a model is given.
        UserData = "user_data",
        /// Evaluations.
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
        /// Its size.
        bytes: u64,
        /// When it was created, in seconds since 1970.
        created_at: i64,
        /// When it expires, in seconds since 1970.
        expires_at: Option<i64>,
        /// What it is for.
        purpose: Option<OpenAiFilePurpose>,
        /// How far its processing has come.
        status: Option<String>,
    }
}
