//! What is known of each WebSocket besides its id: where it comes from, and what it was opened for.
//!
//! Any thread may ask at any time, the reactor at work or not, so that this stands beside the connections, under a lock that
//! is taken when one opens, when one goes, and by those who ask. It is kept small, for there may be a hundred thousand
//! idle ones: an IPv4 address stands in its entry, and what many have in common is there once.
//!
//! A connection is put in while it is in the registry and taken out before it leaves that. So whoever finds its id in the
//! registry, with the lock held, finds here what belongs to it and to no other.

use super::registry::{ConnId, Phase, Registry};
use super::request::Request;
use super::timers::Tick;
use crate::sys::socket::Peer;
use std::collections::HashMap;
use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of a longer path only the beginning is kept, in bytes.
const PATH_MAX: usize = 1024;

const SEGMENT: usize = 1024;

/// What many connections have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Our end.
    pub local: Peer,
    /// The path of the request.
    pub path: CString,
    /// The subprotocol that was chosen, empty if none was.
    pub subprotocol: CString,
}

/// All that is known of a connection.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Whom it comes from.
    pub remote: Peer,
    /// What it has in common with others.
    pub place: Arc<Place>,
    /// When it opened.
    pub opened: Tick,
    /// When it was last heard of.
    pub heard: Tick,
    /// Bytes that wait to be sent.
    pub queued: u64,
}

/// What is known of the connections of one reactor.
#[derive(Debug, Default)]
pub struct FactTable {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By slot.
    entries: Vec<Box<[Entry]>>,
    places: Places,
    /// Addresses that are too long for an entry.
    long: Slab<Ipv6Addr>,
}

/// One connection. Not aligned, because that would cost each two bytes.
#[derive(Debug, Default, Clone, Copy)]
#[repr(C, packed(2))]
struct Entry {
    /// The number of its place, and in the top bits which kind of address it has. 0 if nobody is here.
    place: u32,
    /// An IPv4 address, or where the IPv6 one is.
    address: u32,
    port: u16,
}

const KIND_SHIFT: u32 = 30;
const V4: u32 = 1;
const V6: u32 = 2;
const UNIX: u32 = 3;

impl FactTable {
    /// Puts in what the request of a connection says that is about to open, unless that is gone.
    pub fn put(&self, registry: &Registry, conn: ConnId, request: &Request, now: Tick) {
        let mut table = self.lock();
        if registry.standing(conn).is_some() {
            registry.note_opened(conn, now);
            let path = request.path().to_bytes();
            let place = Place {
                local: request.local(),
                path: CString::new(&path[..path.len().min(PATH_MAX)]).unwrap_or_default(),
                subprotocol: request.subprotocol().to_owned(),
            };
            table.put(registry.slot_of(conn), request.remote(), place);
        }
    }

    /// Takes a connection out that is about to leave the registry.
    pub fn remove(&self, slot: usize) {
        self.lock().remove(slot);
    }

    /// What is known of a connection that the host knows as open, or has begun to close.
    pub fn get(&self, registry: &Registry, conn: ConnId) -> Option<Facts> {
        let table = self.lock();
        let standing =
            registry.standing(conn).filter(|s| matches!(s.phase, Phase::Open | Phase::Closing | Phase::Leaving))?;
        let (opened, heard) = registry.times(conn)?;
        let (remote, place) = table.get(registry.slot_of(conn))?;
        Some(Facts { remote, place, opened, heard, queued: standing.queued })
    }

    /// Whom the connection in a slot comes from, if it has opened. For the reactor, which knows who is there.
    pub fn remote(&self, slot: usize) -> Option<Peer> {
        self.lock().get(slot).map(|(remote, _)| remote)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // What a panic could leave half done is a place that is never given back.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn put(&mut self, slot: usize, remote: Peer, place: Place) {
        self.remove(slot);
        while self.entries.len() <= slot / SEGMENT {
            self.entries.push(vec![Entry::default(); SEGMENT].into());
        }
        let (kind, address, port) = match remote {
            Peer::Tcp(SocketAddr::V4(remote)) => (V4, u32::from(*remote.ip()), remote.port()),
            Peer::Tcp(SocketAddr::V6(remote)) => (V6, self.long.add(*remote.ip()), remote.port()),
            Peer::Unix => (UNIX, 0, 0),
        };
        let place = self.places.enter(place) | kind << KIND_SHIFT;
        self.entries[slot / SEGMENT][slot % SEGMENT] = Entry { place, address, port };
    }

    fn remove(&mut self, slot: usize) {
        let Some(segment) = self.entries.get_mut(slot / SEGMENT) else { return };
        let entry = std::mem::take(&mut segment[slot % SEGMENT]);
        if entry.kind() == V6 {
            self.long.remove(entry.address);
        }
        if entry.kind() != 0 {
            self.places.leave(entry.place());
        }
    }

    fn get(&self, slot: usize) -> Option<(Peer, Arc<Place>)> {
        let entry = self.entries.get(slot / SEGMENT)?[slot % SEGMENT];
        let ip = match entry.kind() {
            V4 => IpAddr::V4(Ipv4Addr::from(entry.address)),
            V6 => IpAddr::V6(*self.long.get(entry.address)?),
            UNIX => return Some((Peer::Unix, self.places.get(entry.place())?)),
            _ => return None,
        };
        Some((Peer::Tcp(SocketAddr::new(ip, entry.port)), self.places.get(entry.place())?))
    }
}

impl Entry {
    const fn kind(self) -> u32 {
        self.place >> KIND_SHIFT
    }

    const fn place(self) -> u32 {
        self.place & ((1 << KIND_SHIFT) - 1)
    }
}

/// Each place once, with the number of connections that are there.
#[derive(Debug, Default)]
struct Places {
    numbers: HashMap<Arc<Place>, u32>,
    all: Slab<(Arc<Place>, u32)>,
}

impl Places {
    fn enter(&mut self, place: Place) -> u32 {
        if let Some(&number) = self.numbers.get(&place) {
            if let Some((_, there)) = self.all.get_mut(number) {
                *there += 1;
            }
            return number;
        }
        let place = Arc::new(place);
        let number = self.all.add((Arc::clone(&place), 1));
        self.numbers.insert(place, number);
        number
    }

    fn leave(&mut self, number: u32) {
        let Some((_, there)) = self.all.get_mut(number) else { return };
        *there -= 1;
        if *there == 0 {
            if let Some((place, _)) = self.all.remove(number) {
                self.numbers.remove(&place);
            }
        }
    }

    fn get(&self, number: u32) -> Option<Arc<Place>> {
        self.all.get(number).map(|(place, _)| Arc::clone(place))
    }
}

/// Items by number, of which those that are free are given out again.
#[derive(Debug)]
struct Slab<T> {
    items: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    fn add(&mut self, item: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.items.push(None);
            self.items.len() as u32 - 1
        });
        self.items[number as usize] = Some(item);
        number
    }

    fn remove(&mut self, number: u32) -> Option<T> {
        let item = self.items.get_mut(number as usize)?.take();
        self.free.push(number);
        item
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.items.get(number as usize)?.as_ref()
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.items.get_mut(number as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        let local = Peer::Tcp("127.0.0.1:80".parse().unwrap());
        Place { local, path: CString::new(path).unwrap(), subprotocol: CString::default() }
    }

    fn remote(number: usize) -> Peer {
        match number % 3 {
            0 => Peer::Tcp(SocketAddr::new(Ipv4Addr::from(number as u32 * 7919).into(), number as u16)),
            1 => Peer::Tcp(SocketAddr::new(Ipv6Addr::from((number as u128 * 7919) << 60).into(), number as u16)),
            _ => Peer::Unix,
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 10);
    }

    #[test]
    fn each_slot_has_its_own_and_nothing_is_left_behind() {
        const SLOTS: usize = 3000;
        let mut table = Table::default();
        for round in 0..3 {
            for slot in 0..SLOTS {
                table.put(slot, remote(slot + round), place(&format!("/{}", slot % 10)));
            }
            assert_eq!((table.places.numbers.len(), table.places.all.items.len()), (10, 10));
            for slot in 0..SLOTS {
                let (remote_there, place_there) = table.get(slot).unwrap();
                assert_eq!((remote_there, &*place_there), (remote(slot + round), &place(&format!("/{}", slot % 10))));
            }
        }
        assert_eq!(table.long.items.len() - table.long.free.len(), SLOTS / 3);
        assert!(table.long.items.len() <= SLOTS / 3 + 1);
        for slot in 0..SLOTS {
            table.remove(slot);
            table.remove(slot);
            assert!(table.get(slot).is_none());
        }
        assert!(table.places.numbers.is_empty() && table.places.all.items.iter().all(Option::is_none));
        assert_eq!(table.long.free.len(), table.long.items.len());
        assert!(table.get(SLOTS * 10).is_none());
        table.remove(SLOTS * 10);
    }
}
