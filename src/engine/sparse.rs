//! A table of what few connections have, by their slots. With its last entry it gives its memory back.
//!
//! It is beside the connections, so that one that has nothing of the kind takes no byte for it, and a look into an empty
//! table is one comparison.

use std::collections::HashMap;

/// Entries by slot.
#[derive(Debug)]
pub struct Sparse<T> {
    by_slot: HashMap<usize, T>,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { by_slot: HashMap::new() }
    }
}

impl<T> Sparse<T> {
    /// Whether there is no entry.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    /// The entry of a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<&T> {
        if self.by_slot.is_empty() { None } else { self.by_slot.get(&slot) }
    }

    /// Whether a slot has an entry.
    #[inline]
    #[must_use]
    pub fn contains(&self, slot: usize) -> bool {
        self.get(slot).is_some()
    }

    /// Gives a slot this entry.
    pub fn insert(&mut self, slot: usize, value: T) {
        self.by_slot.insert(slot, value);
    }

    /// Removes the entries that are not to be kept, which the function may change.
    pub fn retain(&mut self, mut keeps: impl FnMut(&mut T) -> bool) {
        self.by_slot.retain(|_, value| keeps(value));
        if self.by_slot.is_empty() {
            self.by_slot = HashMap::new();
        }
    }

    /// Removes the entry of a slot, if there is one.
    #[inline]
    pub fn remove(&mut self, slot: usize) {
        if !self.by_slot.is_empty() && self.by_slot.remove(&slot).is_some() && self.by_slot.is_empty() {
            self.by_slot = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_its_memory_back_with_its_last_entry() {
        let mut table = Sparse::default();
        for slot in 0..1000 {
            table.insert(slot, slot * 2);
        }
        assert!(table.by_slot.capacity() >= 1000);
        for slot in (0..1000).rev() {
            assert_eq!(table.get(slot), Some(&(slot * 2)));
            table.remove(slot);
            table.remove(slot);
            assert!(!table.contains(slot));
        }
        assert_eq!(table.by_slot.capacity(), 0);
    }
}
