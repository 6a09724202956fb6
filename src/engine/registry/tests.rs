//! Ids, phases, and the bytes that wait.

use super::*;
use std::collections::HashSet;

#[test]
fn the_first_ids_read_1_2_3_and_none_comes_twice() {
    let registry = Registry::new(0, 1, 2000);
    let mut ids = IdAllocator::default();
    let mut seen = HashSet::new();
    for round in 0..20_000_u64 {
        let id = ids.take(&registry).unwrap();
        if round < 1000 {
            assert_eq!(id, round + 1);
        }
        assert!(seen.insert(id), "{id} came twice");
        assert!(registry.standing(id).is_some());
        ids.give_back(&registry, id);
        assert!(registry.standing(id).is_none());
    }
    assert!(seen.iter().max() < Some(&(1 << 20)));
}

#[test]
fn reactors_share_out_the_ids() {
    let registries: Vec<_> = (0..3).map(|reactor| Registry::new(reactor, 3, 10)).collect();
    let mut all = HashSet::new();
    for (reactor, registry) in registries.iter().enumerate() {
        let mut ids = IdAllocator::default();
        for _ in 0..10 {
            let id = ids.take(registry).unwrap();
            assert_eq!(reactor_of(id, 3), reactor);
            assert!(all.insert(id));
        }
    }
    assert_eq!(all, (1..=30).collect());
}

#[test]
fn a_connection_can_have_one_id_after_the_other() {
    for reactors in [1, 3] {
        let registry = Registry::new(reactors - 1, reactors, 10);
        let mut ids = IdAllocator::default();
        let first = ids.take(&registry).unwrap();
        registry.note_queued(first, 7);
        let second = ids.renew(&registry, first).unwrap();
        assert!(registry.standing(first).is_none());
        assert_eq!(registry.standing(second).unwrap().queued, 7);
        assert_eq!(registry.slot_of(first), registry.slot_of(second));
        assert_eq!(reactor_of(second, reactors as u64), reactors - 1);
        registry.sub_queued(first, 7);
        ids.give_back(&registry, second);
        assert_eq!(ids.live(), 0);
        let all: HashSet<ConnId> = (0..5000)
            .map(|_| {
                let id = ids.take(&registry).unwrap();
                ids.give_back(&registry, id);
                id
            })
            .collect();
        assert!(all.len() == 5000 && !all.contains(&first) && !all.contains(&second));
    }
}

#[test]
fn a_full_registry_says_so() {
    let registry = Registry::new(0, 1, 1);
    let mut ids = IdAllocator::default();
    let taken: Vec<_> = std::iter::from_fn(|| ids.take(&registry)).collect();
    assert_eq!(taken.len(), SEGMENT);
    ids.give_back(&registry, taken[7]);
    assert_eq!(ids.take(&registry), Some(SEGMENT as u64 + 8));
    assert_eq!(ids.take(&registry), None);
}

#[test]
fn queued_bytes_are_counted_and_bounded() {
    let registry = Registry::new(0, 1, 10);
    let mut ids = IdAllocator::default();
    let id = ids.take(&registry).unwrap();
    assert_eq!(registry.add_queued(id, 5, 10).unwrap_err().unwrap().phase, Phase::Shut);
    assert!(registry.change_phase(id, Phase::Shut, Phase::Open));
    assert!(registry.add_queued(id, 9, 10).is_ok());
    assert!(registry.add_queued(id, 9, 10).is_ok());
    assert_eq!(registry.add_queued(id, 9, 10).unwrap_err().unwrap().queued, 18);
    registry.sub_queued(id, 9);
    assert_eq!(registry.standing(id).unwrap().queued, 9);
    ids.give_back(&registry, id);
    assert!(registry.add_queued(id, 1, 10).unwrap_err().is_none());
    registry.sub_queued(id, 9);
    assert_eq!(registry.open().count(), 0);
}

#[test]
fn a_refused_push_is_noted_once() {
    let registry = Registry::new(0, 1, 10);
    let mut ids = IdAllocator::default();
    let id = ids.take(&registry).unwrap();
    assert!(registry.change_phase(id, Phase::Shut, Phase::Open));
    registry.note_queued(id, 7);
    for _ in 0..2 {
        assert!(!registry.is_refused(id));
        assert_eq!(registry.note_refused(id), Some(id));
        assert_eq!(registry.note_refused(id), None);
        assert!(registry.is_refused(id));
        registry.forget_refused(id);
    }
    assert_eq!(registry.note_refused(id), Some(id));
    let standing = registry.standing(id).unwrap();
    assert_eq!((standing.phase, standing.queued), (Phase::Open, 7));
    assert!(registry.change_phase(id, Phase::Open, Phase::Closing));
    assert!(!registry.is_refused(id));
    ids.give_back(&registry, id);
    assert_eq!(registry.note_refused(id), None);
}
