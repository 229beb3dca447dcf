//! The place of a host in the network, as far as its name shows: this machine, a private network, or the public one. Pure.

use url::{Host, Url};

/// Ends of names that no public name server answers for.
const PRIVATE_ENDS: &[&str] = &["corp", "home", "home.arpa", "internal", "intranet", "lan", "local", "localdomain"];

/// The place of a host. A place that is more private compares as less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// This machine: a loopback or the unspecified address, `localhost` and names below it.
    ThisMachine,
    /// A network that the public one does not reach: private, link-local, shared, reserved and multicast addresses, and names
    /// without a public ending.
    Private,
    /// Every other host.
    Public,
}

impl Place {
    /// Returns true when a server of this place may send a client on to that place: its own, or the public one.
    pub fn may_lead_to(self, target: Place) -> bool {
        self == target || target == Place::Public
    }
}

/// Returns the place of a URL's host. The URL is parsed, so decimal, octal and shortened addresses are addresses here.
pub fn place_of(url: &Url) -> Place {
    match url.host() {
        Some(Host::Domain(name)) => place_of_name(name),
        Some(Host::Ipv4(address)) => place_of_v4(address.octets()),
        Some(Host::Ipv6(address)) => place_of_v6(address.segments()),
        None => Place::ThisMachine,
    }
}

/// Returns the place of a host by its name alone; a name server may lead a public name anywhere.
pub fn place_of_name(name: &str) -> Place {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ends_in = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if name.is_empty() || ends_in("localhost") {
        return Place::ThisMachine;
    }
    let is_private = !name.contains('.') || PRIVATE_ENDS.iter().any(|end| ends_in(end));
    if is_private { Place::Private } else { Place::Public }
}

/// Returns the place of an IPv4 address.
pub fn place_of_v4(octets: [u8; 4]) -> Place {
    match octets {
        [0, 0, 0, 0] | [127, ..] => Place::ThisMachine,
        [10, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private,
        // Shared by providers, protocol assignments, documentation, benchmarks.
        [100, 64..=127, ..] | [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Place::Private
        }
        // This network, multicast, reserved.
        [0, ..] | [224..=255, ..] => Place::Private,
        _ => Place::Public,
    }
}

/// Returns the place of an IPv6 address. One that stands for an address of IPv4 has that one's place, but only a mapped one
/// is this machine: the others leave it.
pub fn place_of_v6(segments: [u16; 8]) -> Place {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        place_of_v4([a, b, c, d])
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Place::ThisMachine,
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // Translated (NAT64), and tunneled (6to4).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low).max(Place::Private),
        // Documentation, and Teredo, whose address of IPv4 is veiled.
        [0x2001, 0xdb8 | 0, ..] => Place::Private,
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Private,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(url: &str) -> Place {
        place_of(&Url::parse(url).unwrap())
    }

    #[test]
    fn each_spelling_of_a_host_has_its_place() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "x.localhost",
            "x.localhost.",
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.255.255.254",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "%31%32%37.0.0.1",
            "①②⑦.0.0.1",
            "0.0.0.0",
            "0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ] {
            assert_eq!(place(&format!("https://{host}/x")), Place::ThisMachine, "{host}");
        }
        for host in [
            "0.1.2.3",
            "10.0.0.1",
            "10.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "3232235521",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:c0a8:1::]",
            "[100::1]",
            "nas",
            "nas.",
            "nas.lan",
            "printer.local",
            "metadata.google.internal",
            "metadata.google.internal.",
            "router.home.arpa",
        ] {
            assert_eq!(place(&format!("https://{host}/x")), Place::Private, "{host}");
        }
        for host in [
            "civitai.com",
            "civitai.com.",
            "localhost.example.com",
            "notlocalhost.com",
            "127.0.0.1.example.com",
            "lan.example.com",
            "plan.com",
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "169.253.0.1",
            "198.20.0.1",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
        ] {
            assert_eq!(place(&format!("https://{host}/x")), Place::Public, "{host}");
        }
    }

    #[test]
    fn a_server_leads_to_its_own_place_or_to_the_public_one() {
        use Place::{Private, Public, ThisMachine};
        for (from, to, may) in [
            (Public, Public, true),
            (Public, Private, false),
            (Public, ThisMachine, false),
            (Private, Public, true),
            (Private, Private, true),
            (Private, ThisMachine, false),
            (ThisMachine, Public, true),
            (ThisMachine, Private, false),
            (ThisMachine, ThisMachine, true),
        ] {
            assert_eq!(from.may_lead_to(to), may, "{from:?} {to:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_of_ipv4_has_one_place_in_all_its_spellings(octets: [u8; 4]) {
            let ([a, b, c, d], bits) = (octets, u32::from_be_bytes(octets));
            let (expected, dotted) = (place_of_v4(octets), format!("{a}.{b}.{c}.{d}"));
            for host in [
                bits.to_string(),
                format!("{bits:#x}"),
                format!("0{bits:o}"),
                format!("{a:#x}.0{b:o}.{}", u16::from_be_bytes([c, d])),
                format!("[::ffff:{dotted}]"),
                dotted,
            ] {
                prop_assert_eq!(place(&format!("https://{host}/")), expected, "{}", host);
            }
        }
    }
}
