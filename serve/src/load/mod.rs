//! Load for a server, ours or anybody's that speaks OpenAI's API: many clients that ask and take times. What the times amount to, and how they
//! are shown, is the caller's business.

mod address;
mod asked;
mod client;
mod error;
mod events;
mod plan;
mod words;

pub use address::Address;
pub use asked::Asked;
pub use client::Client;
pub use error::{Error, Result};
pub use plan::{Arrivals, Plan};
