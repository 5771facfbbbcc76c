//! What can be asked of the server page.

use crate::settings::ExampleKind;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerCommand {
    /// Serves the open model.
    Start,
    /// Takes no more requests, and ends when those that are there are answered.
    Stop,
    /// Ends at once, whoever is being served; also in the middle of starting.
    End,
    /// Ends a request.
    Cancel(u64),
    /// Opens the chat page in the browser.
    OpenPage,
    /// Copies the server's address.
    CopyAddress,
    /// Copies its key.
    CopyKey,
    /// Makes a new key, for the next start.
    NewKey,
    /// Shows the key, or hides it.
    ShowKey,
    /// Shows how others ask, in these words.
    Example(ExampleKind),
    /// Copies what is shown of that.
    CopyExample,
    /// Shows the panel of settings, or hides it.
    Panel,
}
