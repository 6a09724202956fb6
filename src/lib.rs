//! wspush
pub mod engine;
pub mod error;
pub mod ffi;
pub mod options;
pub mod protocol;
pub mod server;
pub mod sys;
