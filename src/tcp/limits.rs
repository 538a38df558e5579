//! How many TCP connections the process serves, in all and for one client address. One table for
//! all shards, because the kernel spreads the connections of one client over them; it is locked
//! when a connection is accepted or closed, never while a query is answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limits and what is open now.
#[derive(Debug)]
pub struct ConnectionLimits {
    connections_max: usize,
    per_client_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// Only clients with a connection are here, so `connections_max` bounds the table.
    by_client: HashMap<IpAddr, usize>,
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub struct Admission {
    limits: Arc<ConnectionLimits>,
    client: IpAddr,
}

impl ConnectionLimits {
    /// `connections_max` in all, `per_client_max` for one address.
    pub fn new(connections_max: usize, per_client_max: usize) -> Arc<ConnectionLimits> {
        Arc::new(ConnectionLimits {
            connections_max,
            per_client_max,
            open: Mutex::default(),
        })
    }

    /// Counts one more connection of `client`, or refuses it.
    pub fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Admission> {
        let mut open = self.lock();
        let by_client = open.by_client.get(&client).copied().unwrap_or(0);
        if open.all >= self.connections_max || by_client >= self.per_client_max {
            return None;
        }
        open.all += 1;
        open.by_client.insert(client, by_client + 1);
        Some(Admission {
            limits: Arc::clone(self),
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while holding the lock, so a poisoned table is still a right one.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.limits.lock();
        open.all -= 1;
        if let Some(count) = open.by_client.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn limits_hold_for_one_client_and_for_all() {
        let limits = ConnectionLimits::new(3, 2);
        let first = limits.admit(client(1)).expect("the first");
        let _second = limits.admit(client(1)).expect("the second");
        assert!(limits.admit(client(1)).is_none(), "the third of one client");
        let _other = limits.admit(client(2)).expect("another client");
        assert!(limits.admit(client(3)).is_none(), "the fourth of all");
        drop(first);
        assert!(limits.admit(client(1)).is_some(), "a closed one makes room");
    }

    #[test]
    fn closed_clients_leave_nothing() {
        let limits = ConnectionLimits::new(10, 10);
        drop(limits.admit(client(1)));
        assert_eq!(limits.lock().all, 0);
        assert!(limits.lock().by_client.is_empty());
    }
}
