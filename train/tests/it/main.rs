//! The trainer's integration tests, one binary: each module is a subject.

mod oracle;
