//! Topics: which connections of one reactor get what is published under a name.
//!
//! Any thread may subscribe a connection, and publish. Who gets a message is settled when it is published, not when it is
//! sent: so what a thread publishes reaches all that it had subscribed before, and also those that it takes off after.
//! The list of a topic's subscribers is made for the first message after a change and shared by all until the next
//! change, so that a message to many costs the publisher no more than one to a few.
//!
//! A connection that closes is taken off its topics when it can get nothing more: in poll mode that is when the host has
//! handled what came before its end.
//!
//! A topic is there as long as it has subscribers, and a connection is in here as long as it has topics. What a connection
//! leaves behind is found by way of its own topics, however many others there are.

use super::registry::ConnId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest name of a topic, in bytes.
pub const NAME_MAX: usize = 255;

/// The topics of one reactor.
#[derive(Debug, Default)]
pub struct Topics {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    topics: HashMap<Arc<str>, Topic>,
    of: HashMap<ConnId, HashSet<Arc<str>>>,
}

#[derive(Debug, Default)]
struct Topic {
    subscribers: HashSet<ConnId>,
    /// The same, for those who publish.
    list: Option<Arc<[ConnId]>>,
}

/// Why a connection was not subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSubscribed {
    /// It is not open.
    Closed,
    /// It has as many topics as it may have.
    Full,
}

/// Who gets a message.
#[derive(Debug, Clone)]
pub struct Recipients {
    /// All subscribers of the topic.
    pub list: Arc<[ConnId]>,
    /// How many of them get the message.
    pub count: usize,
    /// The list was made for this message.
    pub is_first: bool,
}

impl Topics {
    /// Subscribes a connection to a topic, unless it is already, or has `most` topics. `is_open` is asked once nothing can
    /// come in between: a connection that closes later is taken off by [`Topics::leave`].
    ///
    /// # Errors
    /// Why it was not.
    pub fn subscribe(
        &self,
        conn: ConnId,
        topic: &str,
        most: usize,
        is_open: impl FnOnce() -> bool,
    ) -> Result<(), NotSubscribed> {
        let mut table = self.lock();
        if !is_open() {
            return Err(NotSubscribed::Closed);
        }
        let Table { topics, of } = &mut *table;
        let own = of.get(&conn);
        if own.is_some_and(|own| own.contains(topic)) {
            return Ok(());
        }
        if own.map_or(0, HashSet::len) >= most {
            return Err(NotSubscribed::Full);
        }
        let name = topics.get_key_value(topic).map_or_else(|| Arc::from(topic), |(name, _)| Arc::clone(name));
        of.entry(conn).or_default().insert(Arc::clone(&name));
        topics.entry(name).or_default().add(conn);
        Ok(())
    }

    /// Takes a connection off a topic, if it is subscribed to it.
    pub fn unsubscribe(&self, conn: ConnId, topic: &str) {
        let mut table = self.lock();
        let Some(own) = table.of.get_mut(&conn) else { return };
        if own.remove(topic) {
            if own.is_empty() {
                table.of.remove(&conn);
            }
            table.take_off(conn, topic);
        }
    }

    /// Takes a connection that is gone off all its topics.
    pub fn leave(&self, conn: ConnId) {
        let mut table = self.lock();
        for topic in table.of.remove(&conn).into_iter().flatten() {
            table.take_off(conn, &topic);
        }
    }

    /// Who gets a message that is published now, to all subscribers but `except`. `None` if there is nobody.
    #[must_use]
    pub fn recipients(&self, topic: &str, except: ConnId) -> Option<Recipients> {
        let mut table = self.lock();
        let topic = table.topics.get_mut(topic)?;
        let count = topic.subscribers.len() - usize::from(topic.subscribers.contains(&except));
        let is_first = topic.list.is_none();
        (count > 0).then(|| Recipients { list: topic.list(), count, is_first })
    }

    /// How many connections are subscribed to a topic.
    #[must_use]
    pub fn subscribers(&self, topic: &str) -> usize {
        self.lock().topics.get(topic).map_or(0, |topic| topic.subscribers.len())
    }

    /// How many topics a connection is subscribed to.
    #[must_use]
    pub fn topics_of(&self, conn: ConnId) -> usize {
        self.lock().of.get(&conn).map_or(0, HashSet::len)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // What a panic could leave half done is a subscription in one of the two maps, which does no harm.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take_off(&mut self, conn: ConnId, topic: &str) {
        let Some(left) = self.topics.get_mut(topic) else { return };
        left.subscribers.remove(&conn);
        left.list = None;
        if left.subscribers.is_empty() {
            self.topics.remove(topic);
        }
    }
}

impl Topic {
    fn add(&mut self, conn: ConnId) {
        self.subscribers.insert(conn);
        self.list = None;
    }

    fn list(&mut self) -> Arc<[ConnId]> {
        let subscribers = &self.subscribers;
        Arc::clone(self.list.get_or_insert_with(|| subscribers.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(topics: &Topics, conn: ConnId, topic: &str) {
        topics.subscribe(conn, topic, usize::MAX, || true).unwrap();
    }

    fn recipients(topics: &Topics, topic: &str, except: ConnId) -> Vec<ConnId> {
        let Some(Recipients { list, count, .. }) = topics.recipients(topic, except) else { return Vec::new() };
        let mut recipients: Vec<ConnId> = list.iter().copied().filter(|&conn| conn != except).collect();
        assert_eq!(recipients.len(), count);
        recipients.sort_unstable();
        recipients
    }

    #[test]
    fn a_message_is_for_those_who_are_subscribed_when_it_is_published() {
        let topics = Topics::default();
        for conn in 1..=3 {
            subscribe(&topics, conn, "news");
            subscribe(&topics, conn, "news");
        }
        subscribe(&topics, 3, "weather");
        let before = topics.recipients("news", 0).unwrap();
        topics.unsubscribe(2, "news");
        topics.unsubscribe(2, "news");
        assert_eq!((before.list.len(), before.count), (3, 3));
        assert_eq!(recipients(&topics, "news", 0), [1, 3]);
        assert_eq!(recipients(&topics, "news", 1), [3]);
        assert_eq!(recipients(&topics, "weather", 1), [3]);
        assert!(topics.recipients("weather", 3).is_none());
        assert!(topics.recipients("nothing", 0).is_none());
        subscribe(&topics, 2, "news");
        assert_eq!(recipients(&topics, "news", 0), [1, 2, 3]);
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let topics = Topics::default();
        for topic in 0..1000 {
            subscribe(&topics, 1, &topic.to_string());
        }
        subscribe(&topics, 2, "7");
        assert_eq!((topics.topics_of(1), topics.topics_of(2), topics.subscribers("7")), (1000, 1, 2));
        topics.leave(1);
        topics.leave(1);
        assert_eq!((topics.topics_of(1), topics.subscribers("7"), topics.subscribers("8")), (0, 1, 0));
        topics.unsubscribe(2, "7");
        let table = topics.lock();
        assert!(table.topics.is_empty() && table.of.is_empty());
    }

    #[test]
    fn a_connection_that_is_closed_or_has_enough_topics_gets_no_more() {
        let topics = Topics::default();
        assert_eq!(topics.subscribe(1, "a", 2, || false), Err(NotSubscribed::Closed));
        topics.subscribe(1, "a", 2, || true).unwrap();
        topics.subscribe(1, "b", 2, || true).unwrap();
        assert_eq!(topics.subscribe(1, "c", 2, || true), Err(NotSubscribed::Full));
        topics.subscribe(1, "a", 2, || true).unwrap();
        assert_eq!((topics.topics_of(1), topics.subscribers("c")), (2, 0));
    }

    #[test]
    fn the_list_is_made_once_for_many_messages() {
        let topics = Topics::default();
        subscribe(&topics, 1, "a");
        let (first, second) = (topics.recipients("a", 0).unwrap(), topics.recipients("a", 7).unwrap());
        assert!(first.is_first && !second.is_first && Arc::ptr_eq(&first.list, &second.list));
    }
}
