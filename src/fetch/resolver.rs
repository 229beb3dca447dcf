//! Resolves host names, so that no server leads to a more private place than its own by a name.
//!
//! The hosts that the user names, the server and a proxy, may have any address. Every other host is one that a server named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use crate::place::{Place, place_of, place_of_name, place_of_v4, place_of_v6};

/// Resolves the names of hosts.
pub(super) struct Resolver {
    /// The place of the server.
    from: Place,
    /// The hosts that the user names.
    named: Vec<String>,
}

impl Resolver {
    /// Returns the resolver for requests to this server and to hosts that it names.
    pub(super) fn new(base: &Url) -> Self {
        let proxies = Matcher::from_system();
        let proxy = |url: &str| Some(proxies.intercept(&url.parse().ok()?)?.uri().host()?.to_owned());
        let asked = [proxy(base.as_str()), proxy("https://host.invalid/"), base.host_str().map(str::to_owned)];
        Self { from: place_of(base), named: asked.into_iter().flatten().collect() }
    }

    /// Returns the place that addresses of this name may be of, or one that is more public.
    fn bound(&self, name: &str) -> Place {
        let is_named = self.named.iter().any(|named| named.eq_ignore_ascii_case(name));
        if is_named { Place::ThisMachine } else { self.from }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let bound = self.bound(name.as_str());
        Box::pin(async move {
            let name = name.as_str();
            // Not all systems know that these names are reserved for this machine.
            let addresses: Vec<SocketAddr> = if place_of_name(name) == Place::ThisMachine {
                [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(|ip| (ip, 0).into()).into()
            } else {
                tokio::net::lookup_host((name, 0)).await?.collect()
            };
            let allowed = allowed(bound, &addresses);
            if allowed.is_empty() && !addresses.is_empty() {
                return Err(io::Error::other(format!("`{name}` leads into a private network")).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses whose place is no more private than this.
fn allowed(bound: Place, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let place = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => place_of_v4(ip.octets()),
        IpAddr::V6(ip) => place_of_v6(ip.segments()),
    };
    addresses.iter().copied().filter(|address| bound.may_lead_to(place(address))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(base: &str, name: &str) -> Result<Vec<IpAddr>, String> {
        let resolver = Resolver::new(&Url::parse(base).unwrap());
        let addresses = resolver.resolve(name.parse().unwrap()).await.map_err(|error| error.to_string())?;
        Ok(addresses.map(|address| address.ip()).collect())
    }

    #[tokio::test]
    async fn a_server_leads_to_this_machine_by_no_name() {
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for name in ["localhost", "x.localhost", "localhost."] {
            for base in ["https://civitai.com/api/v1", "https://nas.lan/api/v1"] {
                let refused = resolved(base, name).await.unwrap_err();
                assert_eq!(refused, format!("`{name}` leads into a private network"));
            }
            assert_eq!(resolved("http://127.0.0.1:1/api/v1", name).await.unwrap(), here);
            assert_eq!(resolved(&format!("http://{name}/api/v1"), name).await.unwrap(), here);
        }
    }

    #[test]
    fn addresses_are_taken_by_their_place() {
        let all = ["8.8.8.8", "10.0.0.1", "127.0.0.1", "[::1]", "[fd00::1]", "[2606:4700::1]", "[::ffff:10.0.0.1]"];
        let all = all.map(|ip| format!("{ip}:0").parse().unwrap());
        assert_eq!(allowed(Place::Public, &all), [all[0], all[5]]);
        assert_eq!(allowed(Place::Private, &all), [all[0], all[1], all[4], all[5], all[6]]);
        assert_eq!(allowed(Place::ThisMachine, &all), all);
    }

    #[test]
    fn hosts_that_the_user_names_may_be_anywhere() {
        let resolver = Resolver::new(&Url::parse("https://mirror.example/api/v1").unwrap());
        assert_eq!(resolver.bound("Mirror.example"), Place::ThisMachine);
        assert_eq!(resolver.bound("files.mirror.example"), Place::Public);
    }
}
