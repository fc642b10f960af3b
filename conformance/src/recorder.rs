use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_chain::{Exchange, ExchangeId, Factory, Flow, Interest, Need, Outcome, Part, Reply, Transform, Verdict};

/// A step that keeps everything that it is shown, and does what its [`Script`] says.
#[derive(Clone)]
pub struct Recorder {
    seen: Arc<Mutex<BTreeMap<ExchangeId, Seen>>>,
    pushes: Arc<Mutex<Vec<Vec<u8>>>>,
    interest: Interest,
    script: Script,
}

/// Decides about a request, of which it sees the bytes.
pub type Decide = dyn Fn(&[u8], &mut dyn Exchange) -> Flow + Send + Sync;

/// What a recorder decides.
#[derive(Clone)]
pub struct Script {
    /// Of a request.
    pub request: Arc<Decide>,
    /// Of a part of a reply.
    pub reply: Arc<dyn Fn(Part<'_>) -> Reply + Send + Sync>,
}

/// One exchange, as it was shown.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The request's bytes.
    pub request: Vec<u8>,
    /// How many statements the facts named.
    pub statements: usize,
    /// The request was longer than what is held.
    pub truncated: bool,
    /// The parts of the reply.
    pub parts: Vec<Vec<u8>>,
    /// A part was a stretch of a longer message.
    pub cut: bool,
    /// How it ended: `Some(None)` well, else with this code.
    pub end: Option<Option<String>>,
}

impl Script {
    /// Lets everything go on.
    pub fn pass() -> Self {
        Self {
            request: Arc::new(|_, _| Flow::Next { reply: Need::Body }),
            reply: Arc::new(|_| Reply::Pass),
        }
    }

    /// Decides about requests; wants the replies to those that go on.
    #[must_use]
    pub fn on_request(self, decide: impl Fn(&[u8], &mut dyn Exchange) -> Flow + Send + Sync + 'static) -> Self {
        let request = Arc::new(decide);
        Self { request, ..self }
    }

    /// Decides about parts of replies.
    #[must_use]
    pub fn on_reply(self, decide: impl Fn(Part<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let reply = Arc::new(decide);
        Self { reply, ..self }
    }
}

impl Recorder {
    /// Wants to be shown everything.
    pub fn new(script: Script) -> Self {
        let interest = Interest {
            request: Need::Body,
            reply: Need::Body,
            push: Need::Body,
        };
        Self {
            seen: Arc::default(),
            pushes: Arc::default(),
            interest,
            script,
        }
    }

    /// The exchanges so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.locked().values().cloned().collect()
    }

    /// How many exchanges have ended.
    pub fn ended(&self) -> usize {
        self.locked().values().filter(|seen| seen.end.is_some()).count()
    }

    /// What answered no request, so far.
    pub fn pushes(&self) -> Vec<Vec<u8>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As the only step of a chain.
    pub fn chain(&self) -> Vec<Arc<dyn Factory>> {
        vec![Arc::new(self.clone())]
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<ExchangeId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Factory for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn interest(&self) -> Interest {
        self.interest
    }

    fn step(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Transform for Recorder {
    fn interest(&self) -> Interest {
        self.interest
    }

    fn on_request(&mut self, id: ExchangeId, exchange: &mut dyn Exchange) -> Flow {
        let bytes = exchange.request().to_vec();
        let facts = exchange.facts();
        let (statements, truncated) = (facts.statements.len(), facts.flags.truncated);
        {
            let mut all = self.locked();
            let seen = all.entry(id).or_default();
            seen.request.extend_from_slice(&bytes);
            seen.statements += statements;
            seen.truncated |= truncated;
        }
        (self.script.request)(&bytes, exchange)
    }

    fn resume(&mut self, _: ExchangeId, _: &mut dyn Exchange, _: Verdict) -> Flow {
        Flow::Next { reply: Need::Body }
    }

    fn on_push(&mut self, part: Part<'_>) -> Reply {
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        pushes.push(part.bytes.to_vec());
        Reply::Pass
    }

    fn on_reply(&mut self, id: ExchangeId, part: Part<'_>) -> Reply {
        {
            let mut all = self.locked();
            let seen = all.entry(id).or_default();
            seen.parts.push(part.bytes.to_vec());
            seen.cut |= part.is_cut;
            match part.end {
                Some(Outcome::Done) => seen.end = Some(None),
                Some(Outcome::Failed(code)) => seen.end = Some(Some(code.to_owned())),
                None => {}
            }
        }
        (self.script.reply)(part)
    }
}
