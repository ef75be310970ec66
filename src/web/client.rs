//! Who asks: the client's address, through the proxies that are trusted.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::WebState;
use super::listen::Peer;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Addresses of X-Forwarded-For that are looked at: nobody has more proxies in a row.
const HOPS: usize = 16;

/// The address behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// The browser's address; the peer's where nobody trusted says otherwise.
    pub(super) address: IpAddr,
    /// How it came.
    pub(super) way: Way,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client itself.
    Direct,
    /// Through a trusted proxy.
    Trusted,
    /// Through a proxy that is not trusted: the client's address is not known.
    Untrusted,
}

impl Client {
    /// The client of a request from `peer`.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
        let peer = peer.to_canonical();
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        if !is_trusted(peer) {
            let forwarded = headers.contains_key(FORWARDED_FOR) || headers.contains_key("forwarded");
            return Client { address: peer, way: if forwarded { Way::Untrusted } else { Way::Direct } };
        }
        let hops: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = Client { address: peer, way: Way::Direct };
        for hop in hops.iter().rev().take(HOPS) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = Client { address: address.to_canonical(), way: Way::Trusted };
            if !is_trusted(client.address) {
                break;
            }
        }
        client
    }

    /// Whether `/healthz` and `/metrics` are for this client.
    pub(super) fn may_probe(self, metrics_from: &[IpNet]) -> bool {
        let near = self.address.is_loopback() || metrics_from.iter().any(|network| network.contains(&self.address));
        near && self.way != Way::Untrusted
    }
}

impl FromRequestParts<WebState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Infallible> {
        // Without a peer (a test that forgot it) the client is nobody: 0.0.0.0 is neither loopback nor trusted.
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Client::of(peer, &parts.headers, &state.config().trusted_proxies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: Option<&str>, expected: (&str, Way)) {
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = forwarded {
            headers.insert(FORWARDED_FOR, forwarded.parse().unwrap());
        }
        let trusted = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let client = Client::of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(client, Client { address: expected.0.parse().unwrap(), way: expected.1 });
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("203.0.113.7", None, ("203.0.113.7", Way::Direct));
        check("203.0.113.7", Some("127.0.0.1"), ("203.0.113.7", Way::Untrusted));
        check("127.0.0.1", None, ("127.0.0.1", Way::Direct));
        check("127.0.0.1", Some("203.0.113.7"), ("203.0.113.7", Way::Trusted));
        check("127.0.0.1", Some("127.0.0.1, 203.0.113.7, 10.1.1.1"), ("203.0.113.7", Way::Trusted));
        check("::ffff:127.0.0.1", Some("nonsense"), ("127.0.0.1", Way::Direct));
    }
}
