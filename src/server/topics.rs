//! Topics: who is subscribed to what, and messages to all of them.

use super::{Server, check_text, encode};
use crate::engine::registry::ConnId;
use crate::engine::topics;
use crate::error::{Error, Result, Status};
use crate::protocol::decoder::Kind;

impl Server {
    /// Subscribes a connection to a topic, until it closes.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`, `WS_ERR_LIMIT`; `WS_ERR_ARGUMENT` for a name that is empty or too long.
    pub fn subscribe(&self, conn: ConnId, topic: &str) -> Result<()> {
        check_topic(topic)?;
        self.link(conn)?.subscribe(conn, topic)
    }

    /// Takes a connection off a topic; nothing happens if it is not subscribed to it.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`; `WS_ERR_ARGUMENT` for a name that is empty or too long.
    pub fn unsubscribe(&self, conn: ConnId, topic: &str) -> Result<()> {
        check_topic(topic)?;
        self.link(conn)?.topics.unsubscribe(conn, topic);
        Ok(())
    }

    /// Sends a message to all subscribers of a topic, but for `except`; it is encoded once. Connections with a full queue are
    /// left out, or closed, by the option `slow_client`. Returns how many are subscribed and meant.
    ///
    /// # Errors
    /// `WS_ERR_UTF8`; `WS_ERR_QUEUE_FULL` if a reactor cannot take it; `WS_ERR_ARGUMENT` for a name that is empty or too long.
    pub fn publish(&self, topic: &str, kind: Kind, payload: &[u8], except: ConnId) -> Result<usize> {
        check_topic(topic)?;
        check_text(kind, payload)?;
        let mut encoded = None;
        let (mut count, mut result) = (0, Ok(()));
        for link in &self.running()?.links {
            let Some(to) = link.topics.recipients(topic, except) else { continue };
            count += to.count;
            // Every reactor is given its copy, whatever another one says.
            let frame = match &encoded {
                Some(frame) => frame,
                None => encoded.insert(encode(kind, payload)?),
            };
            result = result.and(link.publish(frame, to, except));
        }
        result.map(|()| count)
    }

    /// How many connections are subscribed to a topic.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`; `WS_ERR_ARGUMENT` for a name that is empty or too long.
    pub fn subscribers(&self, topic: &str) -> Result<usize> {
        check_topic(topic)?;
        Ok(self.running()?.links.iter().map(|link| link.topics.subscribers(topic)).sum())
    }

    /// How many topics a connection is subscribed to: 0 once it is closed.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn topics_of(&self, conn: ConnId) -> Result<usize> {
        Ok(self.link(conn)?.topics.topics_of(conn))
    }
}

fn check_topic(topic: &str) -> Result<()> {
    if topic.is_empty() || topic.len() > topics::NAME_MAX {
        let detail = format!("a topic of {} bytes: its name has 1 to {}", topic.len(), topics::NAME_MAX);
        return Err(Error::new(Status::WS_ERR_ARGUMENT, detail));
    }
    Ok(())
}
