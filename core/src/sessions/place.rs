//! Where an address is, as far as that is known without asking anybody: networks that are nowhere in particular by name, and
//! the rest from a file of the operator's (MaxMind DB, GeoIP2 or GeoLite2 City or Country). For people to know their own
//! sessions again; nothing is decided by it.

use crate::kernel::error::{Error, Kind, Result};
use maxminddb::{Reader, geoip2};
use serde::Serialize;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Place {
    /// `loopback`, `private`, `link_local`, `shared` (RFC 6598), `documentation`, or `public`.
    pub network: &'static str,
    /// ISO 3166-1 code, where a file names it.
    pub country: Option<String>,
    /// The country's name in English, where a file names it.
    pub country_name: Option<String>,
    /// The city's name in English, where a file names it.
    pub city: Option<String>,
}

/// Looks addresses up. Cheap to clone; without a file it knows networks only.
#[derive(Clone, Default)]
pub struct Places(Option<Arc<Reader<Vec<u8>>>>);

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.0.as_ref().map(|file| &file.metadata().database_type);
        f.debug_tuple("Places").field(&name).finish()
    }
}

impl Places {
    /// Reads the file.
    ///
    /// # Errors
    /// `geo.unreadable`: it cannot be read, or is no such file.
    pub fn open(file: &Path) -> Result<Self> {
        let read = Reader::open_readfile(file).map_err(|error| unreadable(file, &error))?;
        Ok(Self(Some(Arc::new(read))))
    }

    /// Where `ip` is.
    pub fn of(&self, ip: IpAddr) -> Place {
        let ip = ip.to_canonical();
        let network = network(ip);
        let mut place = Place {
            network,
            ..Place::default()
        };
        if network != "public" {
            return place;
        }
        // what is broken in the file is not known
        let found = self.0.as_ref().and_then(|file| {
            let found = file.lookup(ip).ok()?;
            found.decode::<geoip2::City<'_>>().ok().flatten()
        });
        if let Some(found) = found {
            place.country = found.country.iso_code.map(str::to_owned);
            place.country_name = found.country.names.english.map(str::to_owned);
            place.city = found.city.names.english.map(str::to_owned);
        }
        place
    }
}

fn unreadable(file: &Path, error: &maxminddb::MaxMindDbError) -> Error {
    Error::new(
        Kind::Invalid,
        "geo.unreadable",
        format!("{} cannot be read as a MaxMind database: {error}", file.display()),
    )
}

/// What kind of network an address is of (RFC 6890).
fn network(ip: IpAddr) -> &'static str {
    match ip {
        _ if ip.is_loopback() => "loopback",
        IpAddr::V4(ip) if ip.is_private() => "private",
        IpAddr::V4(ip) if ip.is_link_local() => "link_local",
        IpAddr::V4(ip) if ip.is_documentation() => "documentation",
        IpAddr::V4(ip) if ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64 => "shared",
        IpAddr::V6(ip) if ip.is_unique_local() => "private",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "link_local",
        IpAddr::V6(ip) if is_documentation(ip) => "documentation",
        _ => "public",
    }
}

/// RFC 3849.
fn is_documentation(ip: Ipv6Addr) -> bool {
    ip.segments()[..2] == [0x2001, 0xdb8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A MaxMind database (format 2.0) that knows one IPv4 network, `192.88.0.0/16`.
    fn database() -> Vec<u8> {
        let prefix: [u8; 2] = [192, 88];
        let nodes: u32 = 16;
        let mut file = Vec::new();
        for bit in 0..nodes {
            let one = prefix[(bit / 8) as usize] >> (7 - bit % 8) & 1;
            // the last node leads to the first record of the data, 16 bytes behind the tree
            let on = if bit + 1 < nodes { bit + 1 } else { nodes + 16 };
            for side in 0..2 {
                let to = if side == one { on } else { nodes };
                file.extend_from_slice(&to.to_be_bytes()[1..]);
            }
        }
        file.extend_from_slice(&[0; 16]);
        let names = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
        let mut country = map(&[
            ("iso_code", text("DE")),
            ("names", map(&[("en", text("Germany"))])),
        ]);
        let mut data = vec![0xe2];
        data.extend(text("city"));
        data.extend(names("Berlin"));
        data.extend(text("country"));
        data.append(&mut country);
        file.extend(data);
        file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        file.extend(map(&[
            ("binary_format_major_version", vec![0xa1, 2]),
            ("binary_format_minor_version", vec![0xa1, 0]),
            ("build_epoch", vec![0x01, 0x02, 1]),
            ("database_type", text("Test-City")),
            ("description", map(&[("en", text("test"))])),
            ("ip_version", vec![0xa1, 4]),
            ("languages", vec![0x00, 0x04]),
            ("node_count", vec![0xc1, 16]),
            ("record_size", vec![0xa1, 24]),
        ]));
        file
    }

    fn text(text: &str) -> Vec<u8> {
        let mut out = vec![0x40 | u8::try_from(text.len()).unwrap()];
        if text.len() >= 29 {
            out = vec![0x5d, u8::try_from(text.len() - 29).unwrap()];
        }
        out.extend_from_slice(text.as_bytes());
        out
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0xe0 | u8::try_from(entries.len()).unwrap()];
        for (name, value) in entries {
            out.extend(text(name));
            out.extend_from_slice(value);
        }
        out
    }

    fn places() -> Places {
        Places(Some(Arc::new(Reader::from_source(database()).unwrap())))
    }

    #[test]
    fn networks_that_are_nowhere_in_particular_are_named_and_need_no_file() {
        for (ip, network) in [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("::ffff:10.1.2.3", "private"),
            ("192.168.0.9", "private"),
            ("fd00::1", "private"),
            ("fe80::1", "link_local"),
            ("169.254.1.1", "link_local"),
            ("100.64.0.1", "shared"),
            ("100.128.0.1", "public"),
            ("203.0.113.9", "documentation"),
            ("2001:db8::1", "documentation"),
            ("9.9.9.9", "public"),
        ] {
            let place = Places::default().of(ip.parse().unwrap());
            assert_eq!((place.network, place.country), (network, None), "{ip}");
        }
    }

    #[test]
    fn the_operators_file_names_city_and_country_and_of_what_it_does_not_know_nothing_is_said() {
        let known = places().of("192.88.7.1".parse().unwrap());
        assert_eq!(known.city.as_deref(), Some("Berlin"));
        assert_eq!(known.country.as_deref(), Some("DE"));
        assert_eq!(known.country_name.as_deref(), Some("Germany"));
        for unknown in ["192.89.0.1", "8.8.8.8", "2606:4700::1"] {
            let place = places().of(unknown.parse().unwrap());
            assert_eq!((place.network, place.city, place.country), ("public", None, None));
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_its_name() {
        let refused = Places::open(Path::new("/nonexistent.mmdb")).unwrap_err();
        assert_eq!(refused.code, "geo.unreadable");
        assert!(refused.detail.contains("/nonexistent.mmdb"));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_never_a_panic(at in 0_usize..400, byte: u8, ip: [u8; 4]) {
            let mut file = database();
            let at = at % file.len();
            file[at] = byte;
            if let Ok(file) = Reader::from_source(file) {
                Places(Some(Arc::new(file))).of(IpAddr::from(ip));
                Places(None).of(IpAddr::from(ip));
            }
        }
    }
}
