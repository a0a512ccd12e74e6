//! Slots at the leader, and the queues of those who wait for one. Pure.
//!
//! Each lane has a queue of its own; lanes take turns. So a lane with a thousand waiting requests
//! costs another lane at most one turn for each request.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::shares::Shares;

/// At which end of its lane somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A request on its first try.
    Back,
    /// A request that had a slot and was refused: it has waited already.
    Front,
}

/// A number of slots, shared by lanes `K`, with waiters `W`.
pub(crate) struct Slots<K, W> {
    shares: Shares<K>,
    queues: HashMap<K, VecDeque<(u64, W)>>,
    turns: VecDeque<K>,
}

impl<K: Eq + Hash + Copy, W> Slots<K, W> {
    /// All free, nobody waits.
    pub(crate) fn new(capacity: u64) -> Self {
        Self { shares: Shares::new(capacity), queues: HashMap::new(), turns: VecDeque::new() }
    }

    /// Takes a slot at once, when one is free for this lane and nobody of the lane waits.
    pub(crate) fn take(&mut self, lane: K) -> bool {
        !self.queues.contains_key(&lane) && self.shares.take(lane, 1)
    }

    /// Adds somebody to the lane's queue. `id` must be unlike that of all others who wait.
    pub(crate) fn wait(&mut self, lane: K, id: u64, waiter: W, place: Place) {
        let queue = self.queues.entry(lane).or_insert_with(|| {
            self.turns.push_back(lane);
            VecDeque::new()
        });
        match place {
            Place::Back => queue.push_back((id, waiter)),
            Place::Front => queue.push_front((id, waiter)),
        }
    }

    /// Takes somebody out of the queue, who may have left it already.
    pub(crate) fn forget(&mut self, lane: K, id: u64) {
        let Some(queue) = self.queues.get_mut(&lane) else { return };
        queue.retain(|(waiting, _)| *waiting != id);
        if queue.is_empty() {
            self.queues.remove(&lane);
            self.turns.retain(|turn| *turn != lane);
        }
    }

    /// Gives a slot back; then [`Self::next`] says who gets it.
    pub(crate) fn give_back(&mut self, lane: K) {
        self.shares.give_back(lane, 1);
    }

    /// Takes a slot for the next in turn whose lane may have one.
    pub(crate) fn next(&mut self) -> Option<(K, W)> {
        for _ in 0..self.turns.len() {
            let lane = self.turns.pop_front()?;
            if !self.shares.take(lane, 1) {
                self.turns.push_back(lane);
                continue;
            }
            let queue = self.queues.get_mut(&lane)?;
            let (_, waiter) = queue.pop_front()?;
            if queue.is_empty() {
                self.queues.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
            return Some((lane, waiter));
        }
        None
    }

    /// How many slots are taken.
    pub(crate) fn used(&self) -> u64 {
        self.shares.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lanes_take_turns() {
        let mut slots = Slots::new(1);
        assert!(slots.take('x'));
        for (id, lane) in "aaab".chars().enumerate() {
            slots.wait(lane, id as u64, id, Place::Back);
        }
        let mut order = Vec::new();
        let mut last = 'x';
        for _ in 0..4 {
            slots.give_back(last);
            let (lane, id) = slots.next().unwrap();
            order.push(id);
            last = lane;
        }
        assert_eq!(order, [0, 3, 1, 2]);
    }

    #[test]
    fn who_had_a_slot_goes_to_the_front() {
        let mut slots = Slots::new(1);
        slots.wait('a', 1, 1, Place::Back);
        slots.wait('a', 2, 2, Place::Front);
        assert_eq!(slots.next(), Some(('a', 2)));
    }

    #[test]
    fn nobody_overtakes_his_own_lane() {
        let mut slots = Slots::new(2);
        slots.wait('a', 1, (), Place::Back);
        assert!(!slots.take('a'));
        assert!(slots.take('b'));
    }

    #[test]
    fn forty_slow_logins_leave_a_slot_for_others() {
        let mut slots: Slots<char, u64> = Slots::new(36);
        for id in 0..40 {
            if !slots.take('a') {
                slots.wait('a', id, id, Place::Back);
            }
        }
        assert!(slots.take('b'));
        assert_eq!(slots.next(), None);
    }

    proptest! {
        /// Whoever waits gets a slot when all others give theirs back, whatever happened before.
        #[test]
        fn everybody_is_served(
            capacity in 1u64..12,
            steps in prop::collection::vec((0u8..4, 0u8..4), 0..120),
        ) {
            let mut slots = Slots::new(capacity);
            let mut holding: Vec<u8> = Vec::new();
            let mut waiting: Vec<(u8, u64)> = Vec::new();
            for (id, (lane, what)) in steps.into_iter().enumerate() {
                let id = id as u64;
                match what {
                    0 if !holding.is_empty() => slots.give_back(holding.remove(0)),
                    1 if !waiting.is_empty() => {
                        let (lane, id) = waiting.remove(0);
                        slots.forget(lane, id);
                    }
                    _ if slots.take(lane) => holding.push(lane),
                    _ => {
                        slots.wait(lane, id, id, Place::Back);
                        waiting.push((lane, id));
                    }
                }
                while let Some((lane, id)) = slots.next() {
                    holding.push(lane);
                    waiting.retain(|(_, waiting)| *waiting != id);
                }
                prop_assert_eq!(slots.used(), holding.len() as u64);
                prop_assert!(slots.used() <= capacity);
            }
            while let Some(lane) = holding.pop() {
                slots.give_back(lane);
                while let Some((lane, id)) = slots.next() {
                    holding.push(lane);
                    waiting.retain(|(_, waiting)| *waiting != id);
                }
            }
            prop_assert!(waiting.is_empty());
            prop_assert!(slots.queues.is_empty() && slots.turns.is_empty());
        }
    }
}
