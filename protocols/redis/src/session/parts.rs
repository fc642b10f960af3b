use std::sync::Arc;

use tidegate_redis_wire::reply::Version;

use crate::layout::Node;
use crate::scatter::{Asker, ScanStep, Scatter};

/// A command that goes to several servers, and what they have answered so far.
#[derive(Debug)]
pub(super) struct Parts {
    what: What,
    replies: Vec<Vec<u8>>,
    /// So many have not answered yet.
    missing: usize,
}

/// What goes where.
#[derive(Debug)]
enum What {
    /// Pieces, each to who has its bucket.
    Pieces(Scatter),
    /// The same to all of these.
    All(Scatter, Vec<Arc<Node>>),
    /// A step of a scan, at one of so many servers.
    Scan(ScanStep, Arc<Node>, usize),
}

/// Where a part goes.
#[derive(Debug, Clone)]
pub(super) enum PartTo {
    /// To who has this bucket.
    Bucket(u16),
    /// To this server.
    Node(Arc<Node>),
}

impl Parts {
    pub(super) fn pieces(scatter: Scatter) -> Self {
        let count = scatter.pieces().len();
        Self::of(What::Pieces(scatter), count)
    }

    pub(super) fn all(scatter: Scatter, nodes: Vec<Arc<Node>>) -> Self {
        let count = nodes.len();
        Self::of(What::All(scatter, nodes), count)
    }

    pub(super) fn scan(step: ScanStep, node: Arc<Node>, servers: usize) -> Self {
        Self::of(What::Scan(step, node, servers), 1)
    }

    fn of(what: What, count: usize) -> Self {
        Self {
            what,
            replies: vec![Vec::new(); count],
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

    /// Where it is sent.
    pub(super) fn to(&self, part: usize) -> Option<PartTo> {
        match &self.what {
            What::Pieces(scatter) => scatter.pieces().nth(part).map(|(bucket, _)| PartTo::Bucket(bucket)),
            What::All(_, nodes) => nodes.get(part).cloned().map(PartTo::Node),
            What::Scan(_, node, _) => Some(PartTo::Node(Arc::clone(node))),
        }
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
