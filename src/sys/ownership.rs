//! A value that one thread at a time owns, in a state of which other threads can see what the owner does.
//!
//! It is what a lock is, and more: who wants the value says so in the very word that the owner changes when it gives the
//! value up. So there is no moment in which one thread misses that the value is free and the other that it is wanted.
//! The owner may say in the same word that it sleeps, so that who wants something of it knows whether to wake it.

use super::sync::{AtomicBool, AtomicU32, Exclusive};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Somebody owns the value.
const OWNED: u32 = 1;
/// Somebody else wants it.
const WANTED: u32 = 2;

/// What is known of the owner.
#[derive(Debug, Default)]
pub struct Standing {
    /// The bits above.
    owner: AtomicU32,
    /// The owner sleeps, and is to be woken.
    asleep: AtomicBool,
}

/// What the owner was at when somebody wanted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There was none.
    Nobody,
    /// It looks before it sleeps or gives the value up.
    Awake,
    /// It slept, and is for the caller, and nobody else, to wake.
    Asleep,
}

impl Standing {
    /// Says that the owner is about to sleep. `false` if the value is wanted. It must then look whether there is any other
    /// reason not to.
    #[must_use]
    pub fn begin_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.owner.load(Ordering::SeqCst) & WANTED == 0
    }

    /// Says that the owner is up again.
    pub fn end_sleep(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the owner is to give the value up.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.owner.load(Ordering::Relaxed) & WANTED != 0
    }

    /// Says that the value is wanted no longer.
    pub fn forget_wanted(&self) {
        if self.is_wanted() {
            self.owner.fetch_and(!WANTED, Ordering::SeqCst);
        }
    }

    /// Whether there is an owner.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owner.load(Ordering::SeqCst) & OWNED != 0
    }

    /// Looks for the owner, behind something that it has to see before it sleeps or gives the value up.
    #[must_use]
    pub fn find(&self) -> Found {
        if self.is_owned() { self.find_owner() } else { Found::Nobody }
    }

    fn find_owner(&self) -> Found {
        // Of several that find it asleep, one is the first.
        let asleep = self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst);
        if asleep { Found::Asleep } else { Found::Awake }
    }

    fn try_own(&self) -> bool {
        let seen = self.owner.load(Ordering::Relaxed);
        seen & OWNED == 0 && self.owner.compare_exchange(seen, OWNED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    fn own_or_want(&self) -> Result<(), Found> {
        let mut seen = self.owner.load(Ordering::Relaxed);
        loop {
            let next = if seen & OWNED == 0 { OWNED } else { OWNED | WANTED };
            match self.owner.compare_exchange(seen, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) if seen & OWNED == 0 => return Ok(()),
                Ok(_) => return Err(self.find_owner()),
                Err(other) => seen = other,
            }
        }
    }

    /// Whether somebody wants the value.
    fn give_up(&self) -> bool {
        self.owner.swap(0, Ordering::SeqCst) & WANTED != 0
    }
}

/// A value and its standing.
pub struct Ownership<T> {
    standing: Arc<Standing>,
    value: Exclusive<T>,
}

// SAFETY: the value is only reached through `Owned`, of which there is one at a time: it is made when the bit `OWNED` of the
// standing changes from 0 to 1, and that changes back when it is dropped. Both changes are `SeqCst`, so that what one owner
// did is seen by the next.
unsafe impl<T: Send> Sync for Ownership<T> {}

/// The value in the hands of its owner.
pub struct Owned<'a, T> {
    ownership: &'a Ownership<T>,
    /// It belongs to the thread that took it, as the guard of a lock does.
    _of_thread: std::marker::PhantomData<*const ()>,
}

impl<T> Ownership<T> {
    /// A value that nobody owns, of which others know by `standing`.
    #[must_use]
    pub fn new(standing: Arc<Standing>, value: T) -> Self {
        Self { standing, value: Exclusive::new(value) }
    }

    /// The value, if nobody owns it.
    #[must_use]
    pub fn try_own(&self) -> Option<Owned<'_, T>> {
        self.standing.try_own().then(|| self.owned())
    }

    /// The same. If somebody owns it, that is told to give it up, and the one that does tells with [`Owned::give_up`].
    ///
    /// # Errors
    /// What the owner is at.
    pub fn own_or_want(&self) -> Result<Owned<'_, T>, Found> {
        self.standing.own_or_want().map(|()| self.owned())
    }

    fn owned(&self) -> Owned<'_, T> {
        self.value.note_use();
        Owned { ownership: self, _of_thread: std::marker::PhantomData }
    }
}

impl<T> Owned<'_, T> {
    /// Gives the value up. Whether somebody wants it, who is to be told that it is free.
    #[must_use]
    pub fn give_up(self) -> bool {
        let this = std::mem::ManuallyDrop::new(self);
        this.ownership.value.note_use();
        this.ownership.standing.give_up()
    }
}

impl<T> Drop for Owned<'_, T> {
    fn drop(&mut self) {
        #[cfg(loom)]
        if std::thread::panicking() {
            return; // the model has ended
        }
        // By a panic, or because the value has come to its end: who wants it finds out by looking again.
        self.ownership.value.note_use();
        self.ownership.standing.give_up();
    }
}

impl<T> Deref for Owned<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is the one owner, see above, and lends the value for no longer than it is borrowed itself.
        unsafe { &*self.ownership.value.get() }
    }
}

impl<T> DerefMut for Owned<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { &mut *self.ownership.value.get() }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_owner_and_it_hears_that_the_value_is_wanted() {
        let standing = Arc::<Standing>::default();
        let ownership = Ownership::new(Arc::clone(&standing), 7);
        assert_eq!(standing.find(), Found::Nobody);
        let mut owned = ownership.try_own().unwrap();
        *owned += 1;
        assert!(ownership.try_own().is_none() && standing.find() == Found::Awake && !standing.is_wanted());
        assert!(standing.begin_sleep());
        assert_eq!(standing.find(), Found::Asleep);
        assert_eq!(standing.find(), Found::Awake);
        standing.end_sleep();
        assert!(standing.begin_sleep());
        assert_eq!(ownership.own_or_want().err(), Some(Found::Asleep));
        assert_eq!(ownership.own_or_want().err(), Some(Found::Awake));
        assert!(standing.is_wanted() && !standing.begin_sleep());
        assert!(owned.give_up());
        assert!(!ownership.own_or_want().ok().unwrap().give_up());
        assert_eq!(*ownership.try_own().unwrap(), 8);
    }

    #[test]
    fn who_no_longer_wants_it_says_so() {
        let standing = Arc::<Standing>::default();
        let ownership = Ownership::new(Arc::clone(&standing), ());
        let owned = ownership.try_own().unwrap();
        assert!(ownership.own_or_want().is_err());
        standing.forget_wanted();
        assert!(standing.begin_sleep() && !owned.give_up());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::sys::futex::Bell;
    use loom::thread;

    /// One thread has the value while another comes to wait for it.
    fn who_wants_it_is_told(tells: bool) {
        loom::model(move || {
            let standing = Arc::<Standing>::default();
            let ownership = Arc::new(Ownership::new(Arc::clone(&standing), 0));
            let bell = Arc::new(Bell::default());
            let waiter = {
                let (ownership, bell) = (Arc::clone(&ownership), Arc::clone(&bell));
                thread::spawn(move || {
                    loop {
                        let heard = bell.heard();
                        if let Ok(mut owned) = ownership.own_or_want() {
                            *owned += 1;
                            return owned.give_up();
                        }
                        bell.wait(heard, None);
                    }
                })
            };
            if let Some(mut owned) = ownership.try_own() {
                *owned += 1;
                if owned.give_up() && tells {
                    bell.ring();
                }
            }
            assert!(!waiter.join().unwrap(), "nobody else wants it");
        });
    }

    #[test]
    fn who_wants_the_value_is_told_that_it_is_free() {
        who_wants_it_is_told(true);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn who_is_not_told_waits_for_ever() {
        who_wants_it_is_told(false);
    }

    /// The owner is about to sleep while somebody has something for it, or wants the value.
    fn an_owner_wakes_up(looks: bool) {
        loom::model(move || {
            let standing = Arc::<Standing>::default();
            let ownership = Arc::new(Ownership::new(Arc::clone(&standing), ()));
            let (wake, free) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
            let owned = ownership.try_own().unwrap();
            let other = {
                let (ownership, wake, free) = (Arc::clone(&ownership), Arc::clone(&wake), Arc::clone(&free));
                thread::spawn(move || {
                    loop {
                        let heard = free.heard();
                        match ownership.own_or_want() {
                            Ok(owned) => return drop(owned),
                            Err(Found::Asleep) => wake.ring(),
                            Err(_) => {}
                        }
                        free.wait(heard, None);
                    }
                })
            };
            while !standing.is_wanted() {
                let heard = wake.heard();
                if standing.begin_sleep() || !looks {
                    wake.wait(heard, None);
                }
                standing.end_sleep();
            }
            if owned.give_up() {
                free.ring();
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn a_sleeping_owner_is_woken_by_who_wants_the_value() {
        an_owner_wakes_up(true);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn an_owner_that_does_not_look_before_it_sleeps_sleeps_for_ever() {
        an_owner_wakes_up(false);
    }
}
