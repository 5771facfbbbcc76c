//! The app as a person uses it, driven by the names of its widgets, one test binary: each module is a page.

mod app;
mod benchmark;
mod chat;
mod direction;
mod fixture;
mod generate;
mod inspect;
mod server;
mod training;
mod training_device;
