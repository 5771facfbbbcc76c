//! What pages are made of: a few widgets, most of them a function that returns its `Response`. They know the tokens and nothing of
//! the app.

mod button;
mod card;
mod field;
mod figure;
#[cfg(test)]
mod gallery;
mod notice;
mod rows;
mod slider;
mod text;

pub use button::{chip, primary_button, tab};
pub use card::card;
pub use field::{typed_path, typing_in};
pub use figure::{bytes, count, duration, per_second, share};
pub use notice::{empty_state, error_card, message};
pub use rows::{ROW, ROWS_MAX, cell, cell_in, choice, filter_field, inside, rows, rule};
pub use slider::{Range, slider_row};
pub use text::{dim, section, shorten, small, title};
