//! How often a log-in may be tried, per client address and per name.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::account::name_key;

/// Tries that one address has at once; then one per [`ADDRESS_EVERY`].
const ADDRESS_BURST: u32 = 10;
const ADDRESS_EVERY: Duration = Duration::from_secs(30);
/// Tries that one name has at once, from wherever; then one per [`NAME_EVERY`]. More than an address has, so that one
/// stranger cannot shut an operator out.
const NAME_BURST: u32 = 30;
const NAME_EVERY: Duration = Duration::from_secs(20);
/// Addresses and names that are remembered; above it, nobody new may try until some are forgotten.
const KEYS: usize = 20_000;

/// Counts the tries.
pub(super) struct Throttle {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    names: DefaultKeyedRateLimiter<String>,
}

/// Whether a log-in may be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may.
    Now,
    /// Too many.
    Later,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            addresses: RateLimiter::keyed(quota(ADDRESS_BURST, ADDRESS_EVERY)),
            names: RateLimiter::keyed(quota(NAME_BURST, NAME_EVERY)),
        }
    }

    /// Counts a try.
    pub(super) fn count(&self, address: IpAddr, name: &str) -> Turn {
        // A name is counted only while its address may try, so that one address cannot use a name's tries up.
        if take(&self.addresses, &network(address)) == Turn::Later {
            return Turn::Later;
        }
        take(&self.names, &name_key(name.trim()))
    }
}

fn quota(burst: u32, every: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).expect("the bursts above are not zero");
    Quota::with_period(every).expect("the periods above are not zero").allow_burst(burst)
}

fn take<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Turn {
    if limiter.len() >= KEYS {
        limiter.retain_recent();
        limiter.shrink_to_fit();
        if limiter.len() >= KEYS {
            return Turn::Later;
        }
    }
    if limiter.check_key(key).is_ok() { Turn::Now } else { Turn::Later }
}

/// An IPv6 client has a whole /64 of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_its_network_have_one_allowance() {
        let throttle = Throttle::new();
        for host in 0..ADDRESS_BURST {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::try_from(host).unwrap());
            assert_eq!(throttle.count(address.into(), &format!("name {host}")), Turn::Now);
        }
        assert_eq!(throttle.count("2001:db8::ffff".parse().unwrap(), "another"), Turn::Later);
        assert_eq!(throttle.count("2001:db8:1::1".parse().unwrap(), "another"), Turn::Now);
    }

    #[test]
    fn a_name_has_one_allowance_whatever_its_case() {
        let throttle = Throttle::new();
        for host in 0..NAME_BURST {
            let address: IpAddr = format!("192.0.2.{host}").parse().unwrap();
            assert_eq!(throttle.count(address, "Root"), Turn::Now);
        }
        assert_eq!(throttle.count("192.0.2.200".parse().unwrap(), "root "), Turn::Later);
    }
}
