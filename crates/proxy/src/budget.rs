//! How many bytes of requests lie in the proxy, divided among clients.
//!
//! Heads and bodies have a budget each. A request that needs no waiting takes memory for its head
//! only, and must not be refused because those that wait have bodies.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::shares::Shares;

/// An amount of bytes, and who has how many of them.
pub(crate) struct Budget(Mutex<Shares<IpAddr>>);

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Shares::new(bytes))))
    }

    /// Begins to count for `client`, from 0.
    pub(crate) fn open(self: &Arc<Self>, client: IpAddr) -> Counted {
        Counted { budget: Arc::clone(self), client, bytes: 0 }
    }

    /// Takes so many bytes for `client`; `None` when there is no room for them.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr, bytes: usize) -> Option<Counted> {
        let mut counted = self.open(client);
        counted.add(bytes).then_some(counted)
    }

    fn change<R>(&self, what: impl FnOnce(&mut Shares<IpAddr>) -> R) -> R {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Bytes of a request, counted until this is dropped.
pub(crate) struct Counted {
    budget: Arc<Budget>,
    client: IpAddr,
    bytes: u64,
}

impl Counted {
    /// Takes so many more bytes; `false`, and nothing is taken, when there is no room for them.
    #[must_use]
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let taken = self.budget.change(|shares| shares.take(self.client, bytes));
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.change(|shares| shares.give_back(self.client, self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn used(budget: &Budget) -> u64 {
        budget.change(|shares| shares.used())
    }

    #[test]
    fn there_is_never_more_than_the_budget() {
        let budget = Budget::new(1000);
        let taken: Vec<_> = (0..10).map_while(|_| budget.take(A, 300)).collect();
        assert_eq!(taken.len(), 2, "a third one would leave less than a reserve");
        assert!(budget.take(B, 401).is_none());
        assert!(budget.take(B, 400).is_some());
    }

    #[test]
    fn all_that_was_added_is_given_back_and_nothing_else() {
        let budget = Budget::new(1000);
        let first = budget.take(A, 100);
        let mut second = budget.open(B);
        assert!(second.add(200) && second.add(300));
        assert!(!second.add(2000));
        assert_eq!(used(&budget), 600);
        drop(second);
        assert_eq!(used(&budget), 100);
        drop(first);
        assert_eq!(used(&budget), 0);
    }
}
