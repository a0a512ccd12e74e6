//! A capacity divided among clients so that none can take all of it. Pure.

use std::collections::HashMap;
use std::hash::Hash;

/// How many times what is still free one client may hold.
///
/// A client alone comes to 8/9 of the capacity, two greedy ones to 8/17 each, and so on: there is
/// always something left for one who holds nothing yet, and nothing lies idle that is wanted, but
/// for that reserve. (A dynamic threshold, as switches use it to share their buffers.)
const GREED: u64 = 8;

/// Who holds how much of a capacity.
pub(crate) struct Shares<K> {
    capacity: u64,
    used: u64,
    held: HashMap<K, u64>,
}

impl<K: Eq + Hash + Copy> Shares<K> {
    /// All free.
    pub(crate) fn new(capacity: u64) -> Self {
        Self { capacity, used: 0, held: HashMap::new() }
    }

    /// Takes `amount` for `client`, when there is room and it is this client's share: it holds
    /// nothing yet, or holds afterwards at most [`GREED`] times what is then free.
    pub(crate) fn take(&mut self, client: K, amount: u64) -> bool {
        let held = self.held.get(&client).copied().unwrap_or(0);
        let Some(free) = self.capacity.checked_sub(self.used + amount) else {
            return false;
        };
        if held > 0 && held + amount > GREED.saturating_mul(free) {
            return false;
        }
        self.used += amount;
        self.held.insert(client, held + amount);
        true
    }

    /// Gives back what was taken; more than was taken counts as all of it.
    pub(crate) fn give_back(&mut self, client: K, amount: u64) {
        let Some(held) = self.held.get_mut(&client) else { return };
        let amount = amount.min(*held);
        *held -= amount;
        self.used -= amount;
        if *held == 0 {
            self.held.remove(&client);
        }
    }

    /// How much is taken.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(shares: &mut Shares<u8>, client: u8) -> u64 {
        (0..1000).filter(|_| shares.take(client, 1)).count() as u64
    }

    #[test]
    fn a_client_alone_takes_eight_ninths() {
        assert_eq!(taken(&mut Shares::new(36), 1), 32);
        assert_eq!(taken(&mut Shares::new(4), 1), 3);
        assert_eq!(taken(&mut Shares::new(1), 1), 1);
    }

    #[test]
    fn what_a_greedy_client_leaves_is_there_for_others() {
        let mut shares = Shares::new(36);
        taken(&mut shares, 1);
        assert_eq!(taken(&mut shares, 2), 3);
        assert_eq!(taken(&mut shares, 3), 1);
        assert_eq!(shares.used(), 36);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut shares = Shares::new(2);
        assert!(shares.take(1, 2));
        assert!(!shares.take(2, 1));
        shares.give_back(1, 5);
        assert_eq!(shares.used(), 0);
        assert!(shares.take(2, 1));
    }

    proptest! {
        #[test]
        fn never_more_than_the_capacity_and_the_books_agree(
            capacity in 1u64..100,
            steps in prop::collection::vec((0u8..6, 1u64..20, any::<bool>()), 0..200),
        ) {
            let mut shares = Shares::new(capacity);
            for (client, amount, take) in steps {
                if take {
                    shares.take(client, amount);
                } else {
                    shares.give_back(client, amount);
                }
                prop_assert!(shares.used() <= capacity);
                prop_assert_eq!(shares.used(), shares.held.values().sum::<u64>());
            }
        }
    }
}
