use std::fmt;

use subtle::ConstantTimeEq;

use crate::Version;

/// Where a session lives: which gateway node, which of its cores, which place there.
///
/// It travels as BackendKeyData's process id: 6 bits of node, 6 of core, 19 of slot plus one. That fills the 31 bits
/// which keep the id positive, as drivers expect of a process id, and the "plus one" keeps it from being zero, which
/// libpq takes for "no backend". All 32 bits of the short secret are left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CancelAddress {
    node: u8,
    core: u8,
    slot: u32,
}

const SLOT_BITS: u32 = 19;
const CORE_BITS: u32 = 6;
/// The sign bit, which no session's process id has: another gateway has sent this cancel on.
const SENT_ON: i32 = i32::MIN;

impl CancelAddress {
    /// Nodes are below this.
    pub const NODES: u8 = 64;
    /// Cores are below this.
    pub const CORES: u8 = 64;
    /// Slots are below this.
    pub const SLOTS: u32 = (1 << SLOT_BITS) - 1;

    /// `None` when a part is beyond its bound.
    pub fn new(node: u8, core: u8, slot: u32) -> Option<Self> {
        (node < Self::NODES && core < Self::CORES && slot < Self::SLOTS).then_some(Self { node, core, slot })
    }

    /// From a CancelRequest's process id; `None` when no gateway gave it out.
    pub fn decode(process: i32) -> Option<Self> {
        let bits = u32::try_from(process).ok()?;
        let part = |shift: u32| u8::try_from((bits >> shift) & 63).ok();
        let slot = (bits & Self::SLOTS).checked_sub(1)?;
        Self::new(part(SLOT_BITS + CORE_BITS)?, part(SLOT_BITS)?, slot)
    }

    /// As a process id: above zero.
    pub fn process(self) -> i32 {
        let bits =
            (u32::from(self.node) << (SLOT_BITS + CORE_BITS)) | (u32::from(self.core) << SLOT_BITS) | (self.slot + 1);
        i32::try_from(bits).unwrap_or(i32::MAX)
    }

    /// The process id of a cancel that goes on to the gateway which it names. The mark on it keeps that one from sending
    /// it on again, so that gateways which name each other in a circle do not do so for ever.
    pub fn sent_on(process: i32) -> i32 {
        process | SENT_ON
    }

    /// A CancelRequest's process id without the mark, and whether it had it.
    pub fn received(process: i32) -> (i32, bool) {
        (process & !SENT_ON, process & SENT_ON != 0)
    }

    /// The gateway node.
    pub fn node(self) -> u8 {
        self.node
    }

    /// The core on that node.
    pub fn core(self) -> u8 {
        self.core
    }

    /// The session's place on that core.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

/// What a session was told in BackendKeyData.
#[derive(Clone, Copy)]
pub struct CancelKey {
    address: CancelAddress,
    secret: [u8; 32],
    /// 4 or 32.
    len: u8,
}

impl CancelKey {
    /// A key for a session: 4 random bytes up to protocol 3.1, 32 from 3.2 on. `random` fills its argument.
    pub fn new(address: CancelAddress, version: Version, random: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = [0; 32];
        random(&mut secret);
        Self {
            address,
            secret,
            len: if version.has_long_cancel_keys() { 32 } else { 4 },
        }
    }

    /// Where the session lives.
    pub fn address(&self) -> CancelAddress {
        self.address
    }

    /// BackendKeyData's first field.
    pub fn process(&self) -> i32 {
        self.address.process()
    }

    /// BackendKeyData's second field.
    pub fn secret(&self) -> &[u8] {
        self.secret.get(..usize::from(self.len)).unwrap_or(&self.secret)
    }

    /// Whether a CancelRequest means this session. Takes as long for a near miss as for a far one.
    pub fn matches(&self, process: i32, secret: &[u8]) -> bool {
        self.process() == process && bool::from(self.secret().ct_eq(secret))
    }
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CancelKey")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        let last = CancelAddress::SLOTS - 1;
        for (node, core, slot) in [(0, 0, 0), (63, 63, last), (1, 0, 7), (0, 63, 1), (5, 9, last)] {
            let address = CancelAddress::new(node, core, slot).unwrap();
            assert!(address.process() > 0);
            assert_eq!(CancelAddress::decode(address.process()), Some(address));
        }
        assert!(CancelAddress::new(64, 0, 0).is_none());
        assert!(CancelAddress::new(0, 64, 0).is_none());
        assert!(CancelAddress::new(0, 0, CancelAddress::SLOTS).is_none());
    }

    #[test]
    fn what_is_sent_on_is_marked() {
        bolero::check!().with_type::<i32>().cloned().for_each(|process| {
            let (plain, _) = CancelAddress::received(process);
            let sent = CancelAddress::sent_on(plain);
            assert!(plain >= 0 && CancelAddress::decode(sent).is_none());
            assert_eq!(CancelAddress::received(plain), (plain, false));
            assert_eq!(CancelAddress::received(sent), (plain, true));
        });
    }

    #[test]
    fn decodes_any_process_id() {
        bolero::check!().with_type::<i32>().cloned().for_each(|process| {
            if let Some(address) = CancelAddress::decode(process) {
                assert_eq!(address.process(), process);
            }
        });
        assert_eq!(CancelAddress::decode(0), None);
        assert_eq!(CancelAddress::decode(-1), None);
        assert!(CancelAddress::decode(i32::MAX).is_some());
    }

    #[test]
    fn matches_only_itself() {
        let address = CancelAddress::new(1, 2, 3).unwrap();
        for (version, len) in [(Version::V3_0, 4), (Version::V3_2, 32)] {
            let key = CancelKey::new(address, version, |bytes| bytes.fill(0xa5));
            assert_eq!(key.secret().len(), len);
            assert!(key.matches(key.process(), &[0xa5].repeat(len)));
            assert!(!key.matches(key.process() + 1, &[0xa5].repeat(len)));
            assert!(!key.matches(key.process(), &[0xa5].repeat(len + 1)));
            assert!(!key.matches(key.process(), &[0xa5].repeat(len - 1)));
            assert!(!format!("{key:?}").contains("165"));
        }
    }
}
