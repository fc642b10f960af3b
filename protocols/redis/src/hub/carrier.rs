use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tidegate_net::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::Hub;
use super::board::LinkId;
use super::hear::HearError;
use super::intake::Intake;
use super::link::Link;

/// How many reads one wake-up may do before others get their turn.
const TURNS: usize = 16;

/// How many messages it may lay into inboxes before that, as far as one read allows.
const DELIVERIES: u64 = 20_000;

/// Keeps a link's connection open for as long as somebody needs it.
pub(super) async fn run(hub: Rc<Hub>, id: LinkId, link: Rc<Link>) {
    let rules = hub.rules;
    let mut failures = 0_u32;
    loop {
        link.begin();
        match hub.opener.open(&link.spot).await {
            Ok(stream) => {
                let opened = Instant::now();
                hub.connected(id, &link);
                let end = carry(&hub, id, &link, stream).await;
                note(&hub, &link, &end);
                hub.lost(id, &link);
                if opened.elapsed() >= rules.beat {
                    failures = 0;
                }
            }
            Err(refusal) => {
                hub.unreachable(id, &refusal);
                failures = failures.max(1);
            }
        }
        if hub.forget(id, &link) {
            return;
        }
        if let Some(retry) = failures.checked_sub(1) {
            tokio::time::sleep(rules.backoff.wait(retry)).await;
        }
        failures = failures.saturating_add(1);
    }
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("nobody listens any more")]
    Idle,
    #[error("its server is not to be used any more")]
    HungUp,
    #[error("the server closed it")]
    Closed,
    #[error("the server has said nothing for {0:?}")]
    Silent(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hear(#[from] HearError),
}

fn note(hub: &Hub, link: &Link, end: &End) {
    match end {
        End::Idle => return,
        End::HungUp => tracing::info!(cluster = %hub.cluster, at = ?link.spot, reason = %end,
            "the connection that listens for clients is replaced"),
        _ => tracing::warn!(cluster = %hub.cluster, at = ?link.spot, reason = %end,
            "the connection that listens for clients was lost; all is subscribed to again, messages may be missed"),
    }
    hub.tally.losses.set(hub.tally.losses.get() + 1);
}

async fn carry(hub: &Rc<Hub>, id: LinkId, link: &Link, stream: Stream) -> End {
    let mut carrier = Carrier {
        hub,
        id,
        link,
        stream,
        out: Vec::new(),
        written: 0,
        intake: Intake::default(),
        beat: Box::pin(sleep(hub.rules.beat)),
        beats: 0,
        idle: None,
        again: None,
        refused: 0,
    };
    match poll_fn(|cx| carrier.poll(cx)).await {
        Ok(end) | Err(end) => end,
    }
}

/// A link's socket and how far it is.
struct Carrier<'h> {
    hub: &'h Rc<Hub>,
    id: LinkId,
    link: &'h Link,
    stream: Stream,
    out: Vec<u8>,
    /// So much of that is written.
    written: usize,
    intake: Intake,
    beat: Pin<Box<Sleep>>,
    /// So often it was asked for a sign of life since it last said something. What is counted is not time, which goes on
    /// for a core that stands still.
    beats: u32,
    /// Since when nobody needs it.
    idle: Option<Instant>,
    /// When what was refused is asked for again.
    again: Option<Pin<Box<Sleep>>>,
    /// How often in a row that was so.
    refused: u32,
}

impl Carrier<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, End>> {
        self.link.set_waker(cx);
        let start = self.hub.tally.deliveries.get();
        for _ in 0..TURNS {
            if self.link.hangs_up() {
                return Poll::Ready(Ok(End::HungUp));
            }
            self.flush(cx)?;
            if let Poll::Ready(end) = self.keep_time(cx) {
                return Poll::Ready(Ok(end));
            }
            match self.read(cx)? {
                Poll::Ready(Some(end)) => return Poll::Ready(Ok(end)),
                Poll::Ready(None) if self.hub.tally.deliveries.get() - start > DELIVERIES => break,
                Poll::Ready(None) => {}
                // Whatever came to be said meanwhile woke this task.
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once; `Some` at the end of the stream.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<End>>, End> {
        let length = match self.stream.poll_read(cx, self.intake.space())? {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(0) => return Ok(Poll::Ready(Some(End::Closed))),
            Poll::Ready(length) => length,
        };
        self.beats = 0;
        self.intake.filled(length);
        while let Some(frame) = self.intake.next().map_err(HearError::from)? {
            self.hub.heard(self.id, self.link, frame)?;
        }
        if let Some(start) = self.intake.outgrown(self.hub.buffer.get()) {
            self.hub.outgrown(self.id, start);
        }
        Ok(Poll::Ready(None))
    }

    /// Writes what there is, as far as the socket takes it.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.link.take_unsent(&mut self.out);
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.poll_write(cx, rest)? {
                Poll::Pending => return Ok(()),
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(taken) => self.written += taken,
            }
        }
        self.written = 0;
        self.out = Vec::new();
        match self.stream.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Does what is due; ready when the connection is to end.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let rules = self.hub.rules;
        if self
            .again
            .as_mut()
            .is_some_and(|again| again.as_mut().poll(cx).is_ready())
        {
            self.again = None;
            self.link.wants_again.set(false);
            self.hub.again(self.id);
        }
        if self.again.is_none() && self.link.wants_again.get() {
            let again = self.again.insert(Box::pin(sleep(rules.backoff.wait(self.refused))));
            self.refused = self.refused.saturating_add(1);
            if again.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        ready!(self.beat.as_mut().poll(cx));
        let now = Instant::now();
        self.beat.as_mut().reset(now + rules.beat);
        self.beats = self.beats.saturating_add(1);
        if rules.beat.saturating_mul(self.beats) > rules.patience {
            return Poll::Ready(End::Silent(rules.patience));
        }
        self.idle = self.hub.is_idle(self.id).then(|| self.idle.unwrap_or(now));
        if self
            .idle
            .is_some_and(|since| now.saturating_duration_since(since) >= rules.linger)
        {
            return Poll::Ready(End::Idle);
        }
        if self.again.is_none() {
            self.refused = 0;
        }
        self.link.ping();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
