//! How many requests one client address may make.
//!
//! The generic cell rate algorithm: of each address only the moment is kept at which it would have
//! used up what it is due. Invariants: an address that was idle for long enough takes no room; the
//! room for all of them is bounded, and those beyond it share one allowance.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hythe_core::edge::Rate;

/// Cores seldom wait for each other with so many locks.
const SHARDS: usize = 32;
/// Addresses kept at once, for each lock.
const MOST: usize = 2_048;
const SECOND: u64 = 1_000_000_000;

/// The limit of one app.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    used_up: HashMap<Client, u64>,
    /// When it was last looked through for those that were idle.
    swept: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    /// A household or a machine has a whole network of this size.
    V6(u64),
    /// All for whom there is no room.
    Others,
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.into()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let parts = [a, b, c, d].map(u64::from);
                Self::V6(parts.into_iter().fold(0, |all, part| (all << 16) | part))
            }
        }
    }
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { rate, hasher: RandomState::new(), shards }
    }

    /// Whether it is one of this rate.
    pub(crate) fn is(&self, rate: Rate) -> bool {
        self.rate == rate
    }

    /// Lets a request in, or says after how long another one would be.
    pub(crate) fn admit(&self, address: IpAddr, now_ns: u64) -> Result<(), Duration> {
        let each = SECOND / u64::from(self.rate.per_second.max(1));
        let ahead = each.saturating_mul(u64::from(self.rate.burst.saturating_sub(1)));
        let client = Client::of(address);
        let index = usize::try_from(self.hasher.hash_one(client) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(index) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let full =
            |shard: &Shard| shard.used_up.len() >= MOST && !shard.used_up.contains_key(&client);
        // Not with each request: whoever comes from many addresses would have all others wait.
        if full(&shard) && now_ns >= shard.swept.saturating_add(SECOND) {
            shard.swept = now_ns;
            shard.used_up.retain(|_, used_up| *used_up > now_ns);
        }
        let client = if full(&shard) { Client::Others } else { client };
        let used_up = shard.used_up.entry(client).or_default();
        let from = (*used_up).max(now_ns);
        let wait = from.saturating_sub(now_ns).saturating_sub(ahead);
        if wait > 0 {
            return Err(Duration::from_nanos(wait));
        }
        *used_up = from.saturating_add(each);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_burst_is_let_in_and_then_so_many_a_second() {
        let limiter = Limiter::new(Rate { per_second: 10, burst: 5 });
        let one = address(1);
        let mut now = SECOND;
        for _ in 0..5 {
            assert_eq!(limiter.admit(one, now), Ok(()));
        }
        assert_eq!(limiter.admit(one, now), Err(Duration::from_millis(100)));
        assert_eq!(limiter.admit(address(2), now), Ok(()), "others are not concerned");
        let mut let_in = 0;
        for _ in 0..1_000 {
            now += SECOND / 100;
            let_in += u32::from(limiter.admit(one, now).is_ok());
        }
        assert!((99..=101).contains(&let_in), "{let_in} in ten seconds");
        now += 10 * SECOND;
        assert_eq!((0..10).filter(|_| limiter.admit(one, now).is_ok()).count(), 5);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_mapped_addresses_as_ipv4() {
        let limiter = Limiter::new(Rate { per_second: 1, burst: 1 });
        let admits = |text: &str| limiter.admit(text.parse().unwrap(), SECOND).is_ok();
        assert!(admits("2001:db8::1") && !admits("2001:db8::2") && admits("2001:db8:0:1::1"));
        assert!(admits("192.0.2.1") && !admits("::ffff:192.0.2.1"));
    }

    #[test]
    fn many_addresses_take_bounded_room() {
        let limiter = Limiter::new(Rate { per_second: 1, burst: 1 });
        for n in 0..300_000 {
            let _ = limiter.admit(address(n), SECOND);
        }
        let kept = |limiter: &Limiter| -> usize {
            limiter.shards.iter().map(|shard| shard.lock().unwrap().used_up.len()).sum()
        };
        assert!(kept(&limiter) <= SHARDS * (MOST + 1));
        // Those beyond share one allowance, and the room is had again later.
        for n in 0..300_000 {
            let _ = limiter.admit(address(1_000_000 + n), 100 * SECOND);
        }
        assert!(kept(&limiter) <= SHARDS * (MOST + 1));
        assert_eq!(limiter.admit(address(7), 200 * SECOND), Ok(()));
    }
}
