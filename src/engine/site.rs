//! What the reactors of a server have in common beside its options: one another, the files they serve, and whom they
//! believe.

use super::link::Link;
use super::log::{Level, Log, Logger};
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::protocol::networks::Networks;
use crate::sys::files::Directory;
use std::path::Path;
use std::sync::Arc;

/// One for all reactors of a server.
#[derive(Default)]
pub struct Site {
    /// All of them.
    pub links: Vec<Arc<Link>>,
    /// The directory whose files are served, if any are.
    pub root: Option<Directory>,
    /// Whose word on the address of a client counts.
    pub trusted: Networks,
    /// Where they write what they have to say.
    pub log: Log,
}

impl Site {
    /// What these options ask for, without reactors yet. In callback mode messages go to `logger`, and in poll mode they are
    /// events if that is wanted.
    ///
    /// # Errors
    /// `WS_ERR_VALUE` for a document root that cannot be opened, and for a PROXY protocol that nobody may speak.
    pub fn new(options: &Options, logger: Option<Arc<dyn Logger>>, is_polled: bool) -> Result<Self> {
        let trusted = Networks::new(options.trusted_proxies.iter().map(String::as_str));
        if options.proxy_protocol && trusted.is_empty() {
            let detail = "start: proxy_protocol is on, and nobody may speak it; name the proxies in trusted_proxies";
            return Err(Error::new(Status::WS_ERR_VALUE, detail));
        }
        let root =
            match options.document_root.as_str() {
                "" => None,
                path => Some(Directory::open(Path::new(path)).map_err(|error| {
                    Error::new(Status::WS_ERR_VALUE, format!("start: document_root {path}: {error}"))
                })?),
            };
        let logger = logger.filter(|_| !is_polled);
        let is_heard = logger.is_some() || is_polled && options.log_events;
        let log = Log { most: Level::named(&options.log_level).filter(|_| is_heard), logger };
        Ok(Self { links: Vec::new(), root, trusted, log })
    }
}
