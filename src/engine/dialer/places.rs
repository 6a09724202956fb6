//! Who may connect at a time.
//!
//! A call has a place from the moment at which it begins to connect. One that nobody answers gives it back after a while, so that
//! addresses that swallow packets do not hold up those that answer: it falls *silent*. Silent calls go on, as many as the
//! descriptors of this process allow; but at an address with [`CROWD`] of them no other call begins. That leaves a server whose
//! queue is full in peace, too.

use crate::sys::process;
use crate::sys::socket::Address;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Places for calls that connect, or have just done so.
pub const PLACES: usize = 512;

/// Silent calls to one address, beyond which no other begins.
pub const CROWD: usize = 64;

/// How long a call keeps its place while nobody answers.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Silent calls at most, if there are descriptors for so many.
pub(crate) const SILENT_MAX: usize = 4096;

/// Of the descriptors that the process may have, the part that silent calls may take.
const SHARE: usize = 4;

/// The places of a dialer.
#[derive(Debug)]
pub struct Places {
    taken: Cell<usize>,
    silent: Cell<usize>,
    most_silent: usize,
    by_address: RefCell<HashMap<Address, usize>>,
    /// There is one silent call less at a crowded address.
    thinned: Cell<bool>,
}

impl Places {
    /// None taken.
    pub fn new() -> Rc<Self> {
        let most_silent = SILENT_MAX.min(process::max_descriptors() / SHARE);
        let (taken, silent, thinned) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Rc::new(Self { taken, silent, most_silent, by_address: RefCell::default(), thinned })
    }

    /// Whether another call may have one.
    pub fn has_room(&self) -> bool {
        self.taken.get() < PLACES
    }

    /// Whether so many are silent at this address that no other call is to begin.
    pub fn is_crowded(&self, address: &Address) -> bool {
        self.by_address.borrow().get(address).is_some_and(|count| *count >= CROWD)
    }

    /// Whether an address is less crowded than at the last look.
    pub fn take_thinned(&self) -> bool {
        self.thinned.take()
    }
}

/// A place, taken as long as this lives; or what is left of it once its call has fallen silent.
#[derive(Debug)]
pub struct Seat {
    places: Rc<Places>,
    silent_at: Option<Address>,
}

impl Seat {
    /// Takes one.
    pub fn take(places: &Rc<Places>) -> Self {
        places.taken.set(places.taken.get() + 1);
        Self { places: Rc::clone(places), silent_at: None }
    }

    /// Whether it counts as one.
    pub const fn is_taken(&self) -> bool {
        self.silent_at.is_none()
    }

    /// Gives the place back, for nobody answers at this address. Not if too many are silent already.
    pub fn fall_silent(&mut self, address: &Address) {
        let Places { taken, silent, by_address, most_silent, .. } = &*self.places;
        if self.silent_at.is_some() || silent.get() >= *most_silent {
            return;
        }
        taken.set(taken.get() - 1);
        silent.set(silent.get() + 1);
        *by_address.borrow_mut().entry(address.clone()).or_default() += 1;
        self.silent_at = Some(address.clone());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let places = &*self.places;
        let Some(address) = self.silent_at.take() else { return places.taken.set(places.taken.get() - 1) };
        places.silent.set(places.silent.get() - 1);
        let mut by_address = places.by_address.borrow_mut();
        if let Some(count) = by_address.get_mut(&address) {
            places.thinned.set(places.thinned.get() || *count == CROWD);
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_ones_give_their_places_back_and_crowd_their_address() {
        let places = Places::new();
        let [one, other] = ["10.0.0.1:80", "10.0.0.2:80"].map(|address| Address::Tcp(address.parse().unwrap()));
        let mut seats: Vec<Seat> = (0..PLACES).map(|_| Seat::take(&places)).collect();
        assert!(!places.has_room());
        for seat in &mut seats[..CROWD] {
            seat.fall_silent(&one);
            seat.fall_silent(&other);
        }
        assert_eq!(places.taken.get(), PLACES - CROWD);
        assert!(places.is_crowded(&one) && !places.is_crowded(&other) && !places.take_thinned());
        seats.swap_remove(0);
        assert!(!places.is_crowded(&one) && places.take_thinned() && !places.take_thinned());
        drop(seats);
        assert_eq!((places.taken.get(), places.silent.get()), (0, 0));
        assert!(places.by_address.borrow().is_empty());
    }

    #[test]
    fn there_are_never_more_silent_ones_than_descriptors_allow() {
        let places = Places::new();
        let address = Address::Tcp("10.0.0.1:80".parse().unwrap());
        let mut seats: Vec<Seat> = (0..=places.most_silent).map(|_| Seat::take(&places)).collect();
        seats.iter_mut().for_each(|seat| seat.fall_silent(&address));
        assert_eq!((places.taken.get(), places.silent.get()), (1, places.most_silent));
    }
}
