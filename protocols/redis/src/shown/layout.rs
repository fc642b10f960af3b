use std::fmt::Write as _;

use aws_lc_rs::digest;
use tidegate_redis_wire::reply::{self, Redirect, Version, Writer};
use tidegate_redis_wire::slot::{SLOTS, Slot};

/// A gateway as a node of the cluster that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// The host that clients connect to: an address or a name.
    pub(crate) host: String,
    /// The port that clients connect to.
    pub(crate) port: u16,
    /// Forty hexadecimal digits, made of both: the same at every gateway, and after every start.
    pub(crate) id: String,
    /// The same for the shard that it is the only node of.
    pub(crate) shard: String,
}

/// The cluster that clients are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// In an order that all gateways agree on.
    gateways: Vec<Gateway>,
    /// The place of this one.
    this: usize,
    /// Slots from, to, and the place of their gateway; in order. Slots that nobody serves are not there.
    ranges: Vec<(u16, u16, usize)>,
    over_tls: bool,
}

impl Gateway {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            id: hex(&format!("{host}:{port}")),
            shard: hex(&format!("shard of {host}:{port}")),
        }
    }
}

/// Like the random ids that nodes give themselves, which are SHA-1 sums too (`cluster.c`, `getRandomHexChars`).
fn hex(name: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes());
    digest
        .as_ref()
        .iter()
        .fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Shown {
    /// The cluster of this gateway and its peers, which may name it too; `served` are the slots, from and to, that the
    /// real cluster serves, in any order.
    pub(crate) fn new(this: &Gateway, peers: &[Gateway], served: &[(u16, u16)]) -> Self {
        let mut gateways = peers.to_vec();
        gateways.push(this.clone());
        gateways.sort_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
        gateways.dedup();
        let place = gateways.iter().position(|gateway| gateway == this).unwrap_or(0);
        Self {
            ranges: deal(&runs(served), gateways.len()),
            gateways,
            this: place,
            over_tls: false,
        }
    }

    /// Says that clients come over TLS: CLUSTER SHARDS tells of such ports by another name.
    #[must_use]
    pub(crate) fn over_tls(mut self, over_tls: bool) -> Self {
        self.over_tls = over_tls;
        self
    }

    pub(super) fn is_over_tls(&self) -> bool {
        self.over_tls
    }

    pub(super) fn this(&self) -> Option<&Gateway> {
        self.gateways.get(self.this)
    }

    /// All gateways with their slots, and whether it is this one.
    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = (&Gateway, Vec<(u16, u16)>, bool)> {
        self.gateways.iter().enumerate().map(|(place, gateway)| {
            let own = self.ranges.iter().filter(move |range| range.2 == place);
            (
                gateway,
                own.map(|range| (range.0, range.1)).collect(),
                place == self.this,
            )
        })
    }

    /// Slots from and to with their gateway, in order.
    pub(super) fn ranges(&self) -> impl ExactSizeIterator<Item = (u16, u16, Option<&Gateway>)> {
        self.ranges
            .iter()
            .map(|(first, last, place)| (*first, *last, self.gateways.get(*place)))
    }

    pub(super) fn knows(&self, id: &[u8]) -> bool {
        self.gateways.iter().any(|gateway| gateway.id.as_bytes() == id)
    }

    /// How many slots are served.
    pub(super) fn served(&self) -> usize {
        let slots = self.ranges.iter();
        slots.map(|(first, last, _)| usize::from(last - first) + 1).sum()
    }

    /// Whether all slots are served.
    pub(super) fn is_whole(&self) -> bool {
        self.served() == usize::from(SLOTS)
    }

    /// The gateway that a slot is shown at; this one for what nobody serves.
    pub(crate) fn gateway(&self, slot: Slot) -> Option<&Gateway> {
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot.number());
        let range = self.ranges.get(at).filter(|(first, _, _)| *first <= slot.number());
        let place = range.map_or(self.this, |(_, _, place)| *place);
        self.gateways.get(place)
    }

    /// Writes a redirect that came from a real node as one to a gateway, which every slot can be asked at: behind it the
    /// client's next try finds what has moved.
    pub(crate) fn redirect(&self, redirect: &Redirect<'_>, version: Version, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out, version);
        match self.gateway(redirect.slot) {
            Some(gateway) => reply::redirect(
                &mut writer,
                &Redirect {
                    host: Some(&gateway.host),
                    port: gateway.port,
                    ..*redirect
                },
            ),
            None => writer.error("TRYAGAIN the slot is on the move"),
        }
    }
}

/// Slots without overlaps, in order.
fn runs(served: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let bounded = |(first, last): &(u16, u16)| (*first, (*last).min(SLOTS - 1));
    let mut sorted: Vec<_> = served
        .iter()
        .map(bounded)
        .filter(|(first, last)| first <= last)
        .collect();
    sorted.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for (first, last) in sorted {
        match runs.last_mut() {
            Some(run) if first <= run.1 + 1 => run.1 = run.1.max(last),
            _ => runs.push((first, last)),
        }
    }
    runs
}

/// Deals slots out in equal parts, each of slots that follow one another.
fn deal(runs: &[(u16, u16)], gateways: usize) -> Vec<(u16, u16, usize)> {
    let total: usize = runs.iter().map(|(first, last)| usize::from(last - first) + 1).sum();
    // Where each gateway's part ends, counted in slots that are served.
    let end = |gateway: usize| total * (gateway + 1) / gateways.max(1);
    let (mut dealt, mut gateway, mut before) = (Vec::new(), 0, 0);
    for (first, last) in runs {
        let mut first = *first;
        while first <= *last {
            while gateway + 1 < gateways && end(gateway) <= before {
                gateway += 1;
            }
            let left = u16::try_from(end(gateway).saturating_sub(before))
                .unwrap_or(SLOTS)
                .max(1);
            let until = first.saturating_add(left - 1).min(*last);
            dealt.push((first, until, gateway));
            before += usize::from(until - first) + 1;
            first = until + 1;
        }
    }
    dealt
}
