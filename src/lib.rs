//! wspush
pub mod protocol;
