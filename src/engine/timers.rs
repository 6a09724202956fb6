//! Coarse deadlines of many connections: a wheel of lists that is only turned when the reactor is awake anyway or the
//! next list is due.
//!
//! A connection stands in the wheel once, at its nearest deadline. When a deadline moves further off, as it does with
//! every byte that arrives, nothing is done here: the entry comes up at its old time, the connection looks at its real
//! deadline, and enters itself again. That makes a busy connection cost nothing per message.
//!
//! The lists stand in one block of memory, which is used again and again. A list of its own for each tick, which grew with a crowd
//! and was given back behind it, left a hole of another size each time, between what lived longer: a megabyte for each 70,000
//! connections that came and went.
//!
//! An entry has the slot of the connection and not its id, for it is smaller so. It may outlive the connection, and then lead
//! to another one in that slot, which finds that it has nothing to do.

/// A point in time, in ticks. It wraps after 497 days, and points are compared by their distance.
pub type Tick = u32;

/// Milliseconds in a tick.
pub const TICK_MS: u64 = 10;

const SLOTS: usize = 1024;

/// Deadlines further off than this are rounded up to a multiple of [`COARSE`], so that many come up together.
const FAR: Tick = 100;
const COARSE: Tick = 25;

/// The tick that this many milliseconds lie in.
#[must_use]
pub const fn tick_of(ms: u64) -> Tick {
    (ms / TICK_MS) as Tick
}

/// The millisecond that a tick not far from `now_ms` began with: as far back as ticks go before they wrap.
#[must_use]
pub const fn ms_of(tick: Tick, now_ms: u64) -> u64 {
    let ahead = tick.wrapping_sub(tick_of(now_ms));
    // It may have been another thread that looked at the clock, a little later.
    let now = now_ms / TICK_MS + if ahead <= FAR { ahead as u64 } else { 0 };
    now.saturating_sub((now as Tick).wrapping_sub(tick) as u64) * TICK_MS
}

/// The ticks in this time, at least one.
#[must_use]
pub fn ticks_in(time: std::time::Duration) -> Tick {
    Tick::try_from(time.as_millis().div_ceil(u128::from(TICK_MS))).unwrap_or(Tick::MAX / 4).clamp(1, Tick::MAX / 4)
}

/// Ticks from `now` until `then`; 0 if that is past.
#[must_use]
pub const fn until(then: Tick, now: Tick) -> Tick {
    let distance = then.wrapping_sub(now);
    if distance > Tick::MAX / 2 { 0 } else { distance }
}

/// A connection, by its slot, and when it comes up.
pub type Entry = (u32, Tick);

/// An entry in its list.
#[derive(Debug, Clone, Copy)]
struct Node {
    entry: Entry,
    /// The one that was entered before it, or [`NONE`].
    next: u32,
}

/// No node.
const NONE: u32 = u32::MAX;

/// With no more nodes than this the block is not made smaller.
const KEPT_NODES: usize = 1024;

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    /// The last entry of each list.
    slots: Box<[u32]>,
    nodes: Vec<Node>,
    /// The first of the nodes that are free, each of which leads to the next.
    free: u32,
    /// The tick whose list was taken last.
    turned: Tick,
    entries: usize,
    /// The tick of the first list that has entries, if that is known.
    first: Option<Tick>,
}

impl Wheel {
    /// An empty wheel at this time.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self { slots: vec![NONE; SLOTS].into(), nodes: Vec::new(), free: NONE, turned: now, entries: 0, first: None }
    }

    /// Enters a connection and returns the tick at which it will come up: at `deadline` or a little later, or sooner
    /// if that is further off than the wheel is round.
    pub fn enter(&mut self, slot: usize, deadline: Tick) -> Tick {
        let mut distance = until(deadline, self.turned).clamp(1, SLOTS as Tick - 1);
        if distance > FAR {
            let past = self.turned.wrapping_add(distance) % COARSE;
            distance = (distance + (COARSE - past) % COARSE).min(SLOTS as Tick - 1);
        }
        let tick = self.turned.wrapping_add(distance);
        self.link(tick as usize % SLOTS, (slot as u32, tick));
        if self.entries == 0 || self.first.is_some_and(|first| until(first, self.turned) > distance) {
            self.first = Some(tick);
        }
        self.entries += 1;
        tick
    }

    /// Moves up to `now` and gives out, through `due`, every entry that came up. Entries may be stale: the connection
    /// may be gone, or may have entered itself again for another tick.
    pub fn turn(&mut self, now: Tick, due: &mut Vec<Entry>) {
        while until(now, self.turned) > 0 {
            if self.entries == 0 {
                self.turned = now;
                return;
            }
            self.turned = self.turned.wrapping_add(1);
            let mut at = std::mem::replace(&mut self.slots[self.turned as usize % SLOTS], NONE);
            if at == NONE {
                continue;
            }
            self.first = None;
            let before = due.len();
            while let Some(node) = self.nodes.get_mut(at as usize) {
                due.push(node.entry);
                let next = std::mem::replace(&mut node.next, self.free);
                self.free = at;
                at = next;
                self.entries -= 1;
            }
            due[before..].reverse();
        }
        if self.nodes.len() > KEPT_NODES && self.entries < self.nodes.len() / 4 {
            self.compact();
        }
    }

    /// Enters an entry in a list.
    fn link(&mut self, list: usize, entry: Entry) {
        let node = Node { entry, next: self.slots[list] };
        self.slots[list] = match self.nodes.get_mut(self.free as usize) {
            Some(free) => {
                let at = std::mem::replace(&mut self.free, free.next);
                *free = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
    }

    /// Moves what there is into a smaller block.
    fn compact(&mut self) {
        let old = std::mem::replace(&mut self.nodes, Vec::with_capacity(2 * self.entries.max(KEPT_NODES / 2)));
        self.free = NONE;
        let mut entries = Vec::new();
        for list in 0..SLOTS {
            let mut at = std::mem::replace(&mut self.slots[list], NONE);
            while let Some(node) = old.get(at as usize) {
                entries.push(node.entry);
                at = node.next;
            }
            entries.drain(..).rev().for_each(|entry| self.link(list, entry));
        }
    }

    /// Milliseconds until the next entry comes up, counted from `now`; `None` if there is none.
    #[must_use]
    pub fn next_ms(&mut self, now: Tick) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        if self.first.is_none() {
            let ahead = |distance: &Tick| self.slots[self.turned.wrapping_add(*distance) as usize % SLOTS] != NONE;
            self.first = (1..SLOTS as Tick).find(ahead).map(|distance| self.turned.wrapping_add(distance));
        }
        self.first.map(|first| u64::from(until(first, now)) * TICK_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_at_their_time() {
        for start in [0, 12_345, Tick::MAX - 30] {
            let mut wheel = Wheel::new(start);
            let mut due = Vec::new();
            let soon = wheel.enter(1, start.wrapping_add(5));
            let later = wheel.enter(2, start.wrapping_add(60));
            assert_eq!(wheel.next_ms(start), Some(50));
            wheel.turn(start.wrapping_add(4), &mut due);
            assert!(due.is_empty());
            wheel.turn(start.wrapping_add(59), &mut due);
            assert_eq!(due, [(1, soon)]);
            wheel.turn(start.wrapping_add(60), &mut due);
            assert_eq!(due[1..], [(2, later)]);
            assert_eq!(wheel.next_ms(start), None);
        }
    }

    #[test]
    fn the_next_entry_is_known_whatever_came_and_went() {
        let mut wheel = Wheel::new(0);
        let mut due = Vec::new();
        wheel.enter(1, 50);
        wheel.enter(2, 20);
        wheel.enter(3, 70);
        assert_eq!(wheel.next_ms(0), Some(200));
        wheel.turn(20, &mut due);
        assert_eq!(wheel.next_ms(20), Some(300));
        wheel.enter(4, 30);
        assert_eq!(wheel.next_ms(25), Some(50));
        wheel.turn(100, &mut due);
        assert_eq!((due.len(), wheel.next_ms(100)), (4, None));
        wheel.enter(5, 140);
        assert_eq!(wheel.next_ms(100), Some(400));
    }

    #[test]
    fn far_deadlines_come_up_together_and_never_early_within_the_wheel() {
        let mut wheel = Wheel::new(7);
        let ticks: Vec<Tick> = (0..20_usize).map(|i| wheel.enter(i, 500 + i as Tick)).collect();
        for (i, tick) in ticks.iter().enumerate() {
            assert!(*tick >= 500 + i as Tick && *tick < 500 + i as Tick + COARSE);
            assert_eq!(tick % COARSE, 0);
        }
    }

    #[test]
    fn far_deadlines_across_the_wrap() {
        let start = Tick::MAX - 300;
        let mut wheel = Wheel::new(start);
        let tick = wheel.enter(1, start.wrapping_add(310));
        let mut due = Vec::new();
        wheel.turn(start.wrapping_add(309), &mut due);
        assert!(due.is_empty());
        wheel.turn(start.wrapping_add(310 + 2 * COARSE), &mut due);
        assert_eq!(due, [(1, tick)]);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_comes_up_for_another_look() {
        let mut wheel = Wheel::new(0);
        let tick = wheel.enter(1, 1_000_000);
        assert!(tick < SLOTS as Tick);
        let mut due = Vec::new();
        wheel.turn(2_000_000, &mut due);
        assert_eq!(due, [(1, tick)]);
    }

    #[test]
    fn a_crowd_that_came_and_went_leaves_its_memory_and_nothing_is_lost() {
        const CROWD: usize = 10 * KEPT_NODES;
        let mut wheel = Wheel::new(0);
        let mut due = Vec::new();
        let late = 400;
        for slot in 0..100 {
            wheel.enter(slot, late);
        }
        let mut now = 0;
        for round in 0..20 {
            (0..CROWD).for_each(|slot| {
                let _ = wheel.enter(slot, now + 1 + slot as Tick % 10);
            });
            assert!(wheel.nodes.len() <= CROWD + 100, "round {round}: {} nodes", wheel.nodes.len());
            now += 10;
            wheel.turn(now, &mut due);
            assert_eq!(due.len(), CROWD);
            due.clear();
            assert!(wheel.nodes.capacity() <= KEPT_NODES, "round {round}: room for {}", wheel.nodes.capacity());
        }
        assert_eq!(wheel.entries, 100);
        wheel.turn(late, &mut due);
        assert!(due.iter().map(|&(slot, _)| slot as usize).eq(0..100), "{due:?}");
    }

    #[test]
    fn ticks_in_times() {
        for now_ms in [0, 5, 12_345, 42_949_672_950, 42_949_672_960, 42_949_673_333, 99_949_673_337] {
            let now = now_ms / TICK_MS;
            for other in [now, now + 3, now.saturating_sub(7), now.saturating_sub(4_000_000_000)] {
                assert_eq!(ms_of(other as Tick, now_ms), other * TICK_MS, "{other} at {now}");
            }
        }
    }

    #[test]
    fn times_in_ticks() {
        assert_eq!(ticks_in(std::time::Duration::from_millis(1)), 1);
        assert_eq!(ticks_in(std::time::Duration::from_millis(201)), 21);
        assert_eq!(until(5, 9), 0);
        assert_eq!(until(2, Tick::MAX), 3);
    }
}
