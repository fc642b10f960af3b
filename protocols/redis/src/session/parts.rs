use std::sync::Arc;

use tidegate_redis_wire::reply::Version;

use crate::layout::Node;
use crate::scatter::{Asker, ScanStep, Scatter};

/// A command that goes to several servers, and what they have answered so far.
#[derive(Debug)]
pub(super) struct Parts {
    what: What,
    replies: Vec<Vec<u8>>,
    /// How often the connection was lost that a part's answer was to come over.
    losses: Vec<u32>,
    /// So many have not answered yet.
    missing: usize,
}

/// What goes where.
#[derive(Debug)]
enum What {
    /// Pieces, each to who has its bucket.
    Pieces(Scatter),
    /// The same to all of these.
    All(Scatter, Vec<Member>),
    /// A step of a scan, at one of so many servers.
    Scan(ScanStep, Member, usize),
}

/// A server that a part is for.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) node: Arc<Node>,
    /// As the one that has this bucket: who has it later is asked in its place.
    pub(super) bucket: Option<u16>,
}

impl Member {
    pub(super) fn replica(node: Arc<Node>) -> Self {
        Self { node, bucket: None }
    }
}

impl Parts {
    pub(super) fn pieces(scatter: Scatter) -> Self {
        let count = scatter.pieces().len();
        Self::of(What::Pieces(scatter), count)
    }

    pub(super) fn all(scatter: Scatter, nodes: Vec<Member>) -> Self {
        let count = nodes.len();
        Self::of(What::All(scatter, nodes), count)
    }

    pub(super) fn scan(step: ScanStep, node: Member, servers: usize) -> Self {
        Self::of(What::Scan(step, node, servers), 1)
    }

    fn of(what: What, count: usize) -> Self {
        Self {
            what,
            replies: vec![Vec::new(); count],
            losses: vec![0; count],
            missing: count,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.replies.len()
    }

    /// What is sent.
    pub(super) fn bytes(&self, part: usize) -> Option<&[u8]> {
        match &self.what {
            What::Pieces(scatter) => scatter.pieces().nth(part).map(|(_, bytes)| bytes),
            What::All(scatter, _) => Some(scatter.bytes()),
            What::Scan(step, ..) => Some(step.bytes()),
        }
    }

    /// Which server it is for; `None` when that is for the bucket to say.
    pub(super) fn node(&self, part: usize) -> Option<&Arc<Node>> {
        self.member(part).map(|member| &member.node)
    }

    /// Which bucket it is for.
    pub(super) fn bucket(&self, part: usize) -> Option<u16> {
        match &self.what {
            What::Pieces(scatter) => scatter.pieces().nth(part).map(|(bucket, _)| bucket),
            _ => self.member(part)?.bucket,
        }
    }

    fn member(&self, part: usize) -> Option<&Member> {
        match &self.what {
            What::Pieces(_) => None,
            What::All(_, members) => members.get(part),
            What::Scan(_, member, _) => Some(member),
        }
    }

    /// The connection was lost that a part's answer was to come over; how often that was so.
    pub(super) fn lose(&mut self, part: usize) -> u32 {
        self.losses.get_mut(part).map_or(u32::MAX, |losses| {
            *losses += 1;
            *losses
        })
    }

    /// A stretch of a part's answer has come.
    pub(super) fn hold(&mut self, part: usize, bytes: &[u8]) {
        if let Some(reply) = self.replies.get_mut(part) {
            reply.extend_from_slice(bytes);
        }
    }

    /// What has come of a part's answer.
    pub(super) fn reply(&self, part: usize) -> &[u8] {
        self.replies.get(part).map_or(&[], Vec::as_slice)
    }

    /// Forgets what has come of a part's answer; how many bytes that was.
    pub(super) fn forget(&mut self, part: usize) -> usize {
        self.replies
            .get_mut(part)
            .map_or(0, |reply| std::mem::take(reply).len())
    }

    /// A part's answer is here as a whole; whether that was the last one.
    pub(super) fn ended(&mut self) -> bool {
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    /// Makes one answer of all of them.
    pub(super) fn merge(&self, asker: &Asker, out: &mut Vec<u8>) {
        let replies: Vec<&[u8]> = self.replies.iter().map(Vec::as_slice).collect();
        match &self.what {
            What::Pieces(scatter) | What::All(scatter, _) => scatter.merge(asker, &replies, out),
            What::Scan(step, _, servers) => {
                let reply = replies.first().copied().unwrap_or_default();
                step.finish(asker.version, *servers, reply, out);
            }
        }
    }

    /// How many bytes of answers it holds.
    pub(super) fn weight(&self) -> usize {
        self.replies.iter().map(Vec::len).sum()
    }
}

/// The answer of a scan whose server is gone: its end.
pub(super) fn end_of_scan(version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    ScanStep::end(version, &mut out);
    out
}
