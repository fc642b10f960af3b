use std::rc::Rc;
use std::time::Duration;

use tidegate_postgres_wire::backend::{ParameterStatus, Status, read_ready};
use tidegate_postgres_wire::{Frame, frontend};

use crate::dial::{cancel, next_frame};
use crate::plan::ClusterRules;
use crate::server::{Server, ServerLease};
use crate::settings::restated;

/// How long a connection may take to become clean.
const LIMIT: Duration = Duration::from_secs(5);

/// Makes a connection clean that a client has left in some state, so that it can be given back: an open transaction is rolled back,
/// a session's state is discarded. One that is still at work for the client is closed, and
/// cancelled unless the client has asked for the end itself. `Err` when the
/// connection is to be closed.
pub(crate) async fn clean(rules: &ClusterRules, mut lease: ServerLease) -> Result<ServerLease, ServerLease> {
    let is_at_rest = lease.expected.is_settled()
        && lease.out.is_empty()
        && lease.held.is_empty()
        && lease.cursor.at_boundary()
        && lease.cancels.get() == 0;
    let is_replication = lease.started.get("replication").is_some();
    if !is_at_rest {
        let (endpoint, process, secret) = (Rc::new(lease.endpoint.clone()), lease.process, lease.secret.clone());
        if !lease.expected.is_quiet() && !lease.may_finish {
            let _ = cancel(rules, &endpoint, process, &secret).await;
        }
        lease.because("its client left it at work");
        return Err(lease);
    }
    let needs_reset = lease.pinned || lease.tainted;
    if is_replication || (needs_reset && rules.reset_query.is_empty()) {
        return Err(lease);
    }
    let mut out = Vec::new();
    let mut answers = 0;
    if lease.status != Status::Idle {
        frontend::query(&mut out, b"ROLLBACK");
        answers += 1;
    }
    if needs_reset {
        frontend::query(&mut out, rules.reset_query.as_bytes());
        answers += 1;
        if !rules.connect_query.is_empty() {
            frontend::query(&mut out, rules.connect_query.as_bytes());
            answers += 1;
        }
        if let Some(sql) = restated(lease.started.iter(), |name| lease.base.get(name).is_some()) {
            frontend::query(&mut out, sql.as_bytes());
            answers += 1;
        }
    }
    if answers > 0 {
        match tokio::time::timeout(LIMIT, ask(&mut lease, &out, answers)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(lease),
        }
    }
    if needs_reset {
        lease.settings = Rc::clone(&lease.started);
        lease.prepared.clear();
        lease.stale.clear();
        lease.unnamed_of = 0;
        (lease.pinned, lease.held_for_good) = (false, false);
        lease.tainted = false;
    }
    lease.entered = None;
    Ok(lease)
}

/// Says it, and waits for the answers; `false` when something goes wrong.
async fn ask(server: &mut Server, out: &[u8], mut answers: usize) -> bool {
    if server.stream.write_all(out).await.is_err() {
        return false;
    }
    let mut held = Vec::new();
    while answers > 0 {
        let Ok(Some((Frame { kind, body }, length))) = next_frame(&mut server.stream, &mut held).await else {
            return false;
        };
        match kind {
            b'E' => return false,
            b'S' => {
                if let Ok(status) = ParameterStatus::read(body) {
                    server.report(&status);
                }
            }
            b'Z' => {
                answers -= 1;
                match read_ready(body) {
                    Ok(status) => server.status = status,
                    Err(_) => return false,
                }
            }
            _ => {}
        }
        held.drain(..length);
    }
    held.is_empty() && server.status == Status::Idle
}
