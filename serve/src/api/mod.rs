//! What comes over the wire and what goes out: requests as OpenAI and llama.cpp spell them, checked field by field, and answers as their
//! clients read them.

pub mod chat;
pub mod choices;
pub mod completion;
pub mod fields;
pub mod log_probs;
pub mod refusal;
pub mod settings;
pub mod tokens;
pub mod usage;

pub use chat::ChatRequest;
pub use completion::CompletionRequest;
pub use fields::Fields;
pub use refusal::{ErrorCode, Refusal};
pub use settings::{Settings, Stream};
pub use usage::Usage;
