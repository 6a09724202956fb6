//! How the program ends: the numbers that scripts look at.

/// The connection was closed in order, or `serve` was told to stop.
pub const DONE: u8 = 0;
/// The arguments make no sense, or a file cannot be used.
pub const USAGE: u8 = 1;
