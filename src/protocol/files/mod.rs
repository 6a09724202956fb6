//! Static files over HTTP, without input or output: which file a path means ([`FilePath`]), of what type it is
//! ([`media_type`]), and which answer a request for it gets, given its size and age ([`answer()`], RFC 9110 sections 13 and
//! 14).
//!
//! Whether there is such a file is looked up by the caller, who also sends it.

mod answer;
mod media;
mod path;
mod range;

pub use answer::{Answer, Facts, answer};
pub use media::media_type;
pub use path::FilePath;
