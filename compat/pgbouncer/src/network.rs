use std::fmt;
use std::net::IpAddr;

/// A network of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// From an address and the length of its mask. None where the address has bits outside of it: such a network holds
    /// nobody (`hba.c`, `bad_mask`, `match_inet4`).
    pub(crate) fn with_length(address: &str, length: &str) -> Result<Option<Self>, String> {
        let address = ip(address)?;
        // C's `strtoul` makes 0 of nothing.
        let found = if length.is_empty() {
            Some(0)
        } else {
            length.parse().ok()
        };
        let found = found.filter(|length| *length <= width(address));
        let length = found.ok_or_else(|| format!("`{length}`: the length of a mask is expected, as in 10.0.0.0/8"))?;
        Ok(Self { address, length }.whole())
    }

    /// From an address and a mask that is written as one.
    pub(crate) fn with_mask(address: &str, mask: &str) -> Result<Option<Self>, String> {
        let address = ip(address)?;
        let wrong = || format!("`{mask}`: a mask is expected, as 255.0.0.0");
        let found = ip(mask).map_err(|_| wrong())?;
        if found.is_ipv4() != address.is_ipv4() {
            return Err(wrong());
        }
        let length = left(found).leading_ones();
        Ok(Self { address, length }.whole())
    }

    fn whole(self) -> Option<Self> {
        (left(self.address) & !mask(self.length) == 0).then_some(self)
    }
}

/// Whether a mask has bits behind its first missing one.
pub(crate) fn has_holes(mask: &str) -> bool {
    ip(mask).is_ok_and(|mask| left(mask).leading_ones() != left(mask).count_ones())
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}`: an IP address or `all` is expected"))
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The bits of an address from the left.
fn left(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let shown =
            |found: Result<Option<Network>, String>| found.map(|network| network.map(|network| network.to_string()));
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(shown(Network::with_length("10.0.0.0", "8")), is("10.0.0.0/8"));
        assert_eq!(shown(Network::with_length("::", "0")), is("::/0"));
        assert_eq!(shown(Network::with_length("0.0.0.0", "")), is("0.0.0.0/0"));
        assert_eq!(
            shown(Network::with_mask("127.0.0.0", "255.255.255.0")),
            is("127.0.0.0/24")
        );
        assert_eq!(shown(Network::with_mask("ff00::", "ff00::")), is("ff00::/8"));
        assert_eq!(shown(Network::with_length("192.168.1.1", "0")), Ok(None));
        for (address, length) in [
            ("10.0.0.0", "33"),
            ("10.0.0.0", "x"),
            ("10.0.0", "8"),
            ("host", "8"),
            ("::", "129"),
        ] {
            assert!(Network::with_length(address, length).is_err(), "{address}/{length}");
        }
        for (address, mask) in [("10.0.0.0", "ff::"), ("10.0.0.0", "8")] {
            assert!(Network::with_mask(address, mask).is_err(), "{address} {mask}");
        }
        assert!(has_holes("255.0.255.0") && !has_holes("255.255.0.0") && !has_holes("x"));
    }
}
