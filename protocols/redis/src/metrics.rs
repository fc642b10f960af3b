use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tidegate_telemetry::{Counter, Family, Gauge, Histogram, Registry};

use crate::hub::Hub;

/// The families of Redis's metrics; handles of them are made per core, cluster and user, never per session.
#[derive(Debug)]
pub(crate) struct Families {
    commands: Family<Counter>,
    errors: Family<Counter>,
    command_time: Family<Histogram>,
    received: Family<Counter>,
    sent: Family<Counter>,
    wait_time: Family<Histogram>,
    connect_time: Family<Histogram>,
    connect_failures: Family<Counter>,
    lost: Family<Counter>,
    resent: Family<Counter>,
    messages: Family<Counter>,
    deliveries: Family<Counter>,
    topics: Family<Gauge>,
}

/// What one core counts for the clients of one cluster and user. One writer: the core's thread.
#[derive(Debug)]
pub(crate) struct UserMetrics {
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    commands: Counter,
    command_time: Histogram,
    errors: Family<Counter>,
    labels: [String; 2],
    by_code: RefCell<HashMap<&'static str, Counter>>,
}

/// What one core counts for one cluster's servers.
#[derive(Debug)]
pub(crate) struct GroupMetrics {
    pub(crate) wait_time: Histogram,
    pub(crate) connect_time: Histogram,
    pub(crate) connect_failures: Counter,
    pub(crate) lost: Counter,
    messages: Counter,
    deliveries: Counter,
    topics: Gauge,
    resent: Family<Counter>,
    cluster: String,
    by_reason: RefCell<HashMap<&'static str, Counter>>,
}

const USER: [&str; 2] = ["cluster", "user"];
const CLUSTER: [&str; 1] = ["cluster"];

impl Families {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            commands: registry.counter("tidegate_redis_commands_total", "Commands answered", &USER),
            errors: registry.counter(
                "tidegate_redis_errors_total",
                "Commands answered with an error, by its first word",
                &["cluster", "user", "code"],
            ),
            command_time: registry.histogram(
                "tidegate_redis_command_seconds",
                "Time from a command to the end of its answer",
                &USER,
            ),
            received: registry.counter("tidegate_redis_received_bytes_total", "Bytes from clients", &USER),
            sent: registry.counter("tidegate_redis_sent_bytes_total", "Bytes to clients", &USER),
            wait_time: registry.histogram(
                "tidegate_redis_wait_seconds",
                "Time that clients waited for a server connection of their own",
                &CLUSTER,
            ),
            connect_time: registry.histogram(
                "tidegate_redis_connect_seconds",
                "Time to open a server connection",
                &CLUSTER,
            ),
            connect_failures: registry.counter(
                "tidegate_redis_connect_failures_total",
                "Server connections not opened",
                &CLUSTER,
            ),
            lost: registry.counter(
                "tidegate_redis_connections_lost_total",
                "Server connections that ended by themselves while clients used them",
                &CLUSTER,
            ),
            resent: registry.counter(
                "tidegate_redis_resent_total",
                "Commands that were sent again, by reason",
                &["cluster", "reason"],
            ),
            messages: registry.counter(
                "tidegate_redis_messages_total",
                "Published messages that servers sent",
                &CLUSTER,
            ),
            deliveries: registry.counter(
                "tidegate_redis_deliveries_total",
                "Published messages laid out for clients",
                &CLUSTER,
            ),
            topics: registry.gauge(
                "tidegate_redis_topics",
                "Channels, patterns and shard channels that are subscribed to at servers",
                &CLUSTER,
            ),
        }
    }

    /// The handles for one cluster and user on one core.
    pub(crate) fn user(&self, cluster: &str, user: &str) -> Rc<UserMetrics> {
        let labels = [cluster, user];
        Rc::new(UserMetrics {
            received: self.received.handle(&labels),
            sent: self.sent.handle(&labels),
            commands: self.commands.handle(&labels),
            command_time: self.command_time.handle(&labels),
            errors: self.errors.clone(),
            labels: labels.map(str::to_owned),
            by_code: RefCell::default(),
        })
    }

    /// The handles for one cluster on one core.
    pub(crate) fn group(&self, cluster: &str) -> GroupMetrics {
        let labels = [cluster];
        GroupMetrics {
            wait_time: self.wait_time.handle(&labels),
            connect_time: self.connect_time.handle(&labels),
            connect_failures: self.connect_failures.handle(&labels),
            lost: self.lost.handle(&labels),
            messages: self.messages.handle(&labels),
            deliveries: self.deliveries.handle(&labels),
            topics: self.topics.handle(&labels),
            resent: self.resent.clone(),
            cluster: cluster.to_owned(),
            by_reason: RefCell::default(),
        }
    }
}

impl UserMetrics {
    /// Counts a command that took so long and ended well, or with an error of this code, of which there are few.
    pub(crate) fn answered(&self, took: Duration, code: Option<&'static str>) {
        self.commands.inc();
        self.command_time.record(took);
        let Some(code) = code else { return };
        let mut by_code = self.by_code.borrow_mut();
        if let Some(counter) = by_code.get(code) {
            return counter.inc();
        }
        let [cluster, user] = &self.labels;
        let counter = self.errors.handle(&[cluster, user, code]);
        counter.inc();
        by_code.insert(code, counter);
    }
}

impl GroupMetrics {
    /// Counts what hubs have done since the last time.
    pub(crate) fn heard(&self, hubs: &[Rc<Hub>]) {
        let mut topics = 0;
        for hub in hubs {
            let tally = hub.tally();
            self.messages.add(tally.messages.take());
            self.deliveries.add(tally.deliveries.take());
            self.lost.add(tally.losses.take());
            topics += i64::try_from(hub.topics()).unwrap_or(i64::MAX);
        }
        self.topics.set(topics);
    }

    /// Counts a command that is sent again.
    pub(crate) fn resent(&self, reason: &'static str) {
        let mut by_reason = self.by_reason.borrow_mut();
        let counter = by_reason
            .entry(reason)
            .or_insert_with(|| self.resent.handle(&[&self.cluster, reason]));
        counter.inc();
    }
}
