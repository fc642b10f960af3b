use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tidegate_cluster::Endpoint;
use tokio::time::Instant;

use crate::dial::DialError;

/// How long the others may take once one has answered.
const GRACE: Duration = Duration::from_millis(200);

/// What several servers answered to one question.
#[derive(Debug)]
pub(super) struct Survey<T> {
    pub(super) answers: Vec<(Arc<Endpoint>, T)>,
    pub(super) failures: Vec<(Arc<Endpoint>, DialError)>,
    /// How many were asked, those included who took too long.
    pub(super) asked: usize,
}

impl<T> Survey<T> {
    /// Asks servers in turn, so many at once, until one has answered; who was asked until then may still answer in a
    /// moment.
    pub(super) async fn of<F: Future<Output = Result<T, DialError>>>(
        endpoints: Vec<Arc<Endpoint>>,
        at_once: usize,
        ask: impl Fn(Arc<Endpoint>) -> F,
    ) -> Self {
        let mut survey = Self {
            answers: Vec::new(),
            failures: Vec::new(),
            asked: 0,
        };
        let mut further = endpoints.into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut until: Option<Instant> = None;
        loop {
            while until.is_none()
                && under_way.len() < at_once
                && let Some(endpoint) = further.next()
            {
                survey.asked += 1;
                let answer = ask(Arc::clone(&endpoint));
                under_way.push(async move { (endpoint, answer.await) });
            }
            let next = match until {
                None => under_way.next().await,
                Some(until) => tokio::time::timeout_at(until, under_way.next()).await.ok().flatten(),
            };
            match next {
                Some((endpoint, Ok(answer))) => {
                    survey.answers.push((endpoint, answer));
                    until.get_or_insert_with(|| Instant::now() + GRACE);
                }
                Some((endpoint, Err(error))) => survey.failures.push((endpoint, error)),
                None => return survey,
            }
        }
    }

    /// Why nobody answered.
    pub(super) fn failure(&self, whom: &str) -> String {
        match self.failures.first() {
            Some((endpoint, error)) => format!("no {whom} answers; {}: {error}", endpoint.address),
            None => format!("there is no {whom} to ask"),
        }
    }
}
