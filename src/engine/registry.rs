//! Who is connected: the one table that every thread may read.
//!
//! A connection's id says where its slot is, and the slot holds the id back, so that an id that is no longer there is
//! told from one that is, without a lock and without a hash. The ids of a registry are `generation × capacity + slot`,
//! woven with those of the other reactors and counted from 1: the first connections are 1, 2, 3, and none is ever
//! given out again.
//!
//! Beside the id a slot holds the phase of the connection and the bytes that wait to be sent to it. It also holds some bits of
//! the id once more, beside the phase: between finding a slot and changing its phase it may have passed to another id. Whoever hands over
//! bytes adds them first and looks second; each addition is undone exactly once, by whoever sends or drops the bytes.
//! So the sum is right at any time, even when a slot has passed to another connection in between. One bit says that a
//! push was refused, for which the host is to hear when there is room again.

use super::timers::Tick;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// The id of a connection, from 1 to below 2^63.
pub type ConnId = u64;

/// What may be done with a connection at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Not open yet, or on its way out: nothing may be sent.
    Shut = 0,
    /// Open: messages may be sent.
    Open = 1,
    /// A plain HTTP request waits for its response.
    Request = 2,
    /// The host has begun to close it, and may still cut it.
    Closing = 3,
    /// The response to a plain HTTP request is being streamed.
    Streaming = 4,
    /// An upgrade waits for a decision.
    Deciding = 5,
    /// An upgrade was accepted or a response begun, and the reactor is not bound yet to see that first.
    Claimed = 6,
    /// The peer has closed it, and the host has not taken yet what came before that. It is open again when the host takes it.
    Leaving = 7,
}

const PHASE_SHIFT: u32 = 60;
const REFUSED: u64 = 1 << (PHASE_SHIFT - 1);
/// The low bits of the generation, by which a change of phase sees whether the slot still has the id that it was asked for.
const GENERATION_SHIFT: u32 = 40;
const GENERATION: u64 = REFUSED - (1 << GENERATION_SHIFT);
const QUEUED: u64 = (1 << GENERATION_SHIFT) - 1;
const SEGMENT: usize = 1024;

/// Slots that may lie free before the oldest of them is used again. It keeps the ids of a small server small.
const SPARE_SLOTS: usize = 1024;

#[derive(Debug, Default)]
struct Slot {
    /// The id of the connection that is here, or 0.
    id: AtomicU64,
    /// The phase in the top bits, whether a push was refused, and the queued bytes below.
    state: AtomicU64,
    /// When it opened.
    opened: AtomicU32,
    /// When it was last heard of.
    heard: AtomicU32,
}

/// The connections of one reactor, as seen by all threads.
#[derive(Debug)]
pub struct Registry {
    segments: Box<[OnceLock<Box<[Slot]>>]>,
    /// A power of two.
    capacity: u64,
    reactor: u64,
    reactors: u64,
    /// How many connections are open. For a moment it may be one too few.
    open: AtomicI64,
    /// How many have ever opened.
    opened: AtomicU64,
}

/// What a slot said.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The phase.
    pub phase: Phase,
    /// Bytes that wait to be sent.
    pub queued: u64,
}

impl Standing {
    fn from_bits(bits: u64) -> Self {
        let phase = match bits >> PHASE_SHIFT {
            1 => Phase::Open,
            2 => Phase::Request,
            3 => Phase::Closing,
            4 => Phase::Streaming,
            5 => Phase::Deciding,
            6 => Phase::Claimed,
            7 => Phase::Leaving,
            _ => Phase::Shut,
        };
        Self { phase, queued: bits & QUEUED }
    }
}

/// Which of `reactors` reactors has the connection of this id.
#[inline]
#[must_use]
pub fn reactor_of(id: ConnId, reactors: u64) -> usize {
    if reactors == 1 { 0 } else { (id.wrapping_sub(1) % reactors) as usize }
}

impl Registry {
    /// A registry for `reactor` of `reactors`, with room for at least `most` connections.
    #[must_use]
    pub fn new(reactor: usize, reactors: usize, most: u64) -> Self {
        let capacity = most.max(1).next_multiple_of(SEGMENT as u64).next_power_of_two();
        let segments = (0..capacity as usize / SEGMENT).map(|_| OnceLock::new()).collect();
        let (reactor, reactors) = (reactor as u64, reactors as u64);
        Self { segments, capacity, reactor, reactors, open: AtomicI64::new(0), opened: AtomicU64::new(0) }
    }

    /// The slot that the connection of this id has or had.
    #[inline]
    #[must_use]
    pub fn slot_of(&self, id: ConnId) -> usize {
        let local = if self.reactors == 1 { id.wrapping_sub(1) } else { id.wrapping_sub(1) / self.reactors };
        (local & (self.capacity - 1)) as usize
    }

    #[inline]
    fn find(&self, id: ConnId) -> Option<&Slot> {
        let index = self.slot_of(id);
        let slot = self.segments[index / SEGMENT].get()?.get(index % SEGMENT)?;
        (id != 0 && slot.id.load(Ordering::Acquire) == id).then_some(slot)
    }

    /// How the connection of this id stands; `None` if it is gone or never was.
    #[inline]
    #[must_use]
    pub fn standing(&self, id: ConnId) -> Option<Standing> {
        let slot = self.find(id)?;
        let standing = Standing::from_bits(slot.state.load(Ordering::Acquire));
        // It may have passed to another connection in between.
        (slot.id.load(Ordering::Acquire) == id).then_some(standing)
    }

    /// Adds `bytes` to what waits for a connection, if it is open and less than `most` waits for it already.
    ///
    /// # Errors
    /// As [`Registry::add_queued_in`].
    #[inline]
    pub fn add_queued(&self, id: ConnId, bytes: u64, most: u64) -> Result<(), Option<Standing>> {
        self.add_queued_in(Phase::Open, id, bytes, most)
    }

    /// Adds `bytes` to what waits for a connection, if it is in this phase and less than `most` waits for it already.
    ///
    /// # Errors
    /// How it stands if it does not take them, or `None` if it is gone.
    #[inline]
    pub fn add_queued_in(&self, phase: Phase, id: ConnId, bytes: u64, most: u64) -> Result<(), Option<Standing>> {
        let slot = self.find(id).ok_or(None)?;
        let standing = Standing::from_bits(slot.state.fetch_add(bytes, Ordering::AcqRel));
        let same = slot.id.load(Ordering::Acquire) == id;
        if same && standing.phase == phase && standing.queued < most {
            return Ok(());
        }
        slot.state.fetch_sub(bytes, Ordering::AcqRel);
        Err(same.then_some(standing))
    }

    /// Adds `bytes` whatever the phase is: from the reactor, for what it sends itself.
    #[inline]
    pub fn note_queued(&self, id: ConnId, bytes: u64) {
        if let Some(slot) = self.find(id) {
            slot.state.fetch_add(bytes, Ordering::AcqRel);
        }
    }

    /// Takes `bytes` back that were added under this id, whether the connection still lives or not.
    #[inline]
    pub fn sub_queued(&self, id: ConnId, bytes: u64) {
        let index = self.slot_of(id);
        if let Some(segment) = self.segments[index / SEGMENT].get() {
            segment[index % SEGMENT].state.fetch_sub(bytes, Ordering::AcqRel);
        }
    }

    /// Notes that a push to a connection was refused. The id of the connection that is to be told of a drain for it, unless
    /// that was noted before.
    pub fn note_refused(&self, id: ConnId) -> Option<ConnId> {
        let slot = self.find(id)?;
        let before = slot.state.fetch_or(REFUSED, Ordering::AcqRel);
        // Should the slot have passed to another connection in between, that one is told, and nothing is lost.
        (before & REFUSED == 0).then(|| slot.id.load(Ordering::Acquire))
    }

    /// Whether a push to a connection was refused since [`Registry::forget_refused`].
    #[must_use]
    pub fn is_refused(&self, id: ConnId) -> bool {
        self.find(id).is_some_and(|slot| slot.state.load(Ordering::Acquire) & REFUSED != 0)
    }

    /// Forgets that a push was refused: what is refused from now on is noted anew.
    pub fn forget_refused(&self, id: ConnId) {
        if let Some(slot) = self.find(id) {
            slot.state.fetch_and(!REFUSED, Ordering::AcqRel);
        }
    }

    /// Notes when a connection opens.
    pub fn note_opened(&self, id: ConnId, now: Tick) {
        if let Some(slot) = self.find(id) {
            slot.opened.store(now, Ordering::Relaxed);
            slot.heard.store(now, Ordering::Relaxed);
        }
    }

    /// Notes when a connection was heard of.
    pub fn note_heard(&self, id: ConnId, now: Tick) {
        if let Some(slot) = self.find(id) {
            slot.heard.store(now, Ordering::Relaxed);
        }
    }

    /// When a connection opened, and when it was last heard of.
    #[must_use]
    pub fn times(&self, id: ConnId) -> Option<(Tick, Tick)> {
        self.find(id).map(|slot| (slot.opened.load(Ordering::Relaxed), slot.heard.load(Ordering::Relaxed)))
    }

    /// Moves a connection from one phase to another, if it is in the first. Whether it was. No push was refused in the new one.
    pub fn change_phase(&self, id: ConnId, from: Phase, to: Phase) -> bool {
        let Some(slot) = self.find(id) else { return false };
        let generation = self.generation_of(id);
        let swap = |bits: u64| {
            let is_it = Standing::from_bits(bits).phase == from && bits & GENERATION == generation;
            is_it.then_some(bits & (QUEUED | GENERATION) | (to as u64) << PHASE_SHIFT)
        };
        let changed = slot.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, swap).is_ok();
        if changed && to == Phase::Open {
            self.open.fetch_add(1, Ordering::Relaxed);
            self.opened.fetch_add(1, Ordering::Release);
        } else if changed && from == Phase::Open {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        changed
    }

    /// The generation of an id, as it stands in the state of its slot.
    const fn generation_of(&self, id: ConnId) -> u64 {
        ((id - 1) / self.reactors / self.capacity) << GENERATION_SHIFT & GENERATION
    }

    /// Ends what may be done with a connection. Whether there was anything.
    pub fn shut(&self, id: ConnId) -> bool {
        let Some(slot) = self.find(id) else { return false };
        let generation = self.generation_of(id);
        let swap = |bits: u64| {
            let is_it = Standing::from_bits(bits).phase != Phase::Shut && bits & GENERATION == generation;
            is_it.then_some(bits & (QUEUED | GENERATION))
        };
        let before = slot.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, swap);
        if before.is_ok_and(|bits| Standing::from_bits(bits).phase == Phase::Open) {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        before.is_ok()
    }

    /// Bytes that wait to be sent, to all connections.
    #[must_use]
    pub fn queued(&self) -> u64 {
        let slots = self.segments.iter().map_while(OnceLock::get).flatten();
        slots.map(|slot| slot.state.load(Ordering::Relaxed) & QUEUED).sum()
    }

    /// Whether it is that of the first reactor.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.reactor == 0
    }

    /// The ids of all open connections, in the order of their slots.
    pub fn open(&self) -> impl Iterator<Item = ConnId> {
        let slots = self.segments.iter().map_while(OnceLock::get).flatten();
        slots.filter_map(|slot| {
            let id = slot.id.load(Ordering::Acquire);
            let standing = Standing::from_bits(slot.state.load(Ordering::Acquire));
            (id != 0 && standing.phase == Phase::Open).then_some(id)
        })
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        usize::try_from(self.open.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// How many connections have opened so far: as long as that stays the same, nobody has come.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    fn occupy(&self, index: usize, id: ConnId) {
        let segment = self.segments[index / SEGMENT].get_or_init(|| (0..SEGMENT).map(|_| Slot::default()).collect());
        let (slot, generation) = (&segment[index % SEGMENT], self.generation_of(id));
        slot.id.store(id, Ordering::Release);
        // Nothing may be done with it yet, so that nobody changes its phase in between.
        let _ =
            slot.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| Some(bits & !GENERATION | generation));
    }

    fn vacate(&self, id: ConnId) {
        let index = self.slot_of(id);
        if let Some(segment) = self.segments[index / SEGMENT].get() {
            let slot = &segment[index % SEGMENT];
            let before = slot.state.fetch_and(QUEUED, Ordering::AcqRel);
            if Standing::from_bits(before).phase == Phase::Open {
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
            slot.id.store(0, Ordering::Release);
        }
    }
}

/// Gives out the ids of a registry. The reactor has it, and nobody else.
#[derive(Debug, Default)]
pub struct IdAllocator {
    /// Slots that were used, with the generation that is next there, longest free first.
    free: VecDeque<(u32, u64)>,
    fresh: u64,
    live: usize,
}

impl IdAllocator {
    /// How many ids are in use.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.live
    }

    /// An id that was never used, entered in the registry; `None` when the registry is full.
    pub fn take(&mut self, registry: &Registry) -> Option<ConnId> {
        let crowded = self.free.len() > self.live + SPARE_SLOTS || self.fresh == registry.capacity;
        let (slot, generation) = if crowded {
            self.free.pop_front()?
        } else {
            self.fresh += 1;
            (self.fresh as u32 - 1, 0)
        };
        let local = generation * registry.capacity + u64::from(slot);
        let id = local * registry.reactors + registry.reactor + 1;
        registry.occupy(slot as usize, id);
        self.live += 1;
        Some(id)
    }

    /// The next id for the connection that has `id`, which it has no longer then. It keeps its slot. `None` if the slot
    /// has no more ids.
    pub fn renew(&mut self, registry: &Registry, id: ConnId) -> Option<ConnId> {
        let step = registry.capacity * registry.reactors;
        let next = id.checked_add(step).filter(|next| *next < 1 << 62)?;
        registry.occupy(registry.slot_of(id), next);
        Some(next)
    }

    /// Ends the use of an id.
    pub fn give_back(&mut self, registry: &Registry, id: ConnId) {
        registry.vacate(id);
        self.live -= 1;
        let local = (id - 1) / registry.reactors;
        let next = local / registry.capacity + 1;
        // 2^63 ids would take a million connections a second for 292,000 years; a slot that reached them retires.
        if next < (1 << 62) / registry.capacity / registry.reactors {
            self.free.push_back((registry.slot_of(id) as u32, next));
        }
    }
}

#[cfg(test)]
mod tests;
