//! The task that owns a router's socket: connects, lets a session run, and tries again for as long as the link is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::unreachable;
use super::hello::{self, Ready};
use super::link::{Haste, Known, Link, Order, Shared};
use super::pace::Pace;
use super::session::Session;
use super::transport;
use crate::clock::{Clock, Timestamp};
use crate::domain::api::Api;
use crate::entropy::Entropy;
use crate::gate::router_api::{ApiFault, ApiState};

/// The task of one link.
pub(super) struct Task {
    /// The router's name, for the log.
    name: String,
    api: Api,
    pace: Pace,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    /// Orders that were taken while there was no connection.
    waiting: Vec<Order>,
    failing: Option<Failing>,
}

/// A connection that does not come about.
struct Failing {
    since: Timestamp,
    fault: ApiFault,
    /// How long the last pause was meant to be.
    pause: Duration,
}

impl Task {
    pub(super) fn new(
        name: String,
        link: &Link,
        orders: mpsc::Receiver<Order>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let shared = Arc::clone(&link.shared);
        let (api, pace) = (link.api.clone(), link.pace);
        Self { name, api, pace, clock, entropy, shared, orders, waiting: Vec::new(), failing: None }
    }

    /// Runs until the link is let go; whoever still waits then is told so.
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        stop.run_until_cancelled(async {
            while !self.is_unwanted() {
                let fault = match self.connect().await {
                    Ok(ready) => self.serve(ready).await,
                    Err(fault) => fault,
                };
                let pause = self.failed(fault);
                self.rest(pause).await;
            }
        })
        .await;
    }

    /// Whether nobody is left who could ask.
    fn is_unwanted(&self) -> bool {
        self.orders.is_closed() && self.orders.is_empty() && self.waiting.is_empty()
    }

    async fn connect(&mut self) -> Result<Ready, ApiFault> {
        let (api, limit) = (&self.api, self.pace.connect);
        let connecting = async { hello::say(transport::open(api).await?, api).await };
        let late = |_| Err(unreachable(format_args!("no connection within {} s", limit.as_secs_f32())));
        tokio::time::timeout(limit, connecting).await.unwrap_or_else(late)
    }

    async fn serve(&mut self, ready: Ready) -> ApiFault {
        *self.shared.known() = Known::default();
        self.failing = None;
        tracing::info!(router = %self.name, version = %ready.version, "logged in to the router's API");
        self.shared.state.send_replace(ApiState::Up {
            since: self.clock.now(),
            version: ready.version.clone(),
            identity: ready.identity.clone(),
            local: ready.local,
        });
        let waiting = std::mem::take(&mut self.waiting);
        Session::new(ready, &self.shared, self.pace).run(waiting, &mut self.orders).await
    }

    /// Tells whoever waits; gives the pause before the next try.
    fn failed(&mut self, fault: ApiFault) -> Duration {
        let before = self.failing.take();
        let is_news = before.as_ref().is_none_or(|failing| failing.fault != fault);
        // One that is let go on purpose is no failure.
        if is_news && !self.shared.stop.is_cancelled() {
            tracing::warn!(router = %self.name, error = %fault, "no connection to the router's API");
        }
        let doubled = before.as_ref().map_or(self.pace.retry, |failing| failing.pause.saturating_mul(2));
        let pause = doubled.min(self.pace.retry_max);
        let now = self.clock.now();
        let since = before.map_or(now, |failing| failing.since);
        let shortened = self.shortened(pause);
        self.shared.state.send_replace(ApiState::Failing { since, fault: fault.clone(), next: now + shortened });
        while let Ok(order) = self.orders.try_recv() {
            self.waiting.push(order);
        }
        self.waiting.drain(..).for_each(|order| order.sink.fail(fault.clone()));
        self.failing = Some(Failing { since, fault, pause });
        shortened
    }

    /// Between a half and the whole of a pause, so that routers behind one broken line do not come back all at once.
    fn shortened(&self, pause: Duration) -> Duration {
        let [random] = self.entropy.bytes();
        let half = pause / 2;
        half + half * u32::from(random) / 255
    }

    /// Until the next try: when the pause is over, or when somebody asks, who does not wait for that.
    async fn rest(&mut self, pause: Duration) {
        let began = Instant::now();
        loop {
            let order = tokio::select! {
                () = tokio::time::sleep_until(began + pause) => return,
                order = self.orders.recv() => order,
            };
            match (order, self.failing.as_ref()) {
                (None, _) => return,
                (Some(order), Some(Failing { fault: fault @ ApiFault::LogIn(_), .. }))
                    if order.haste == Haste::Usual && began.elapsed() < self.pace.refused =>
                {
                    order.sink.fail(fault.clone());
                }
                (Some(order), _) => {
                    self.waiting.push(order);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::SettableClock;
    use crate::domain::api::{ApiAddress, OldLogIn, Trust};
    use crate::secret::Secret;

    /// The lowest or the highest random bytes.
    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn task(random: u8) -> Task {
        let api = Api {
            address: ApiAddress { host: "192.0.2.1".to_owned(), port: None },
            user: "radgram".to_owned(),
            password: Secret::new("s3cret"),
            trust: Trust::Plain,
            old_log_in: OldLogIn::Refused,
        };
        let (link, orders) = Link::new(api, Pace::default(), CancellationToken::new());
        let clock = Arc::new(SettableClock::new(NOW));
        Task::new("edge".to_owned(), &link, orders, clock, Arc::new(Always(random)))
    }

    fn pauses(random: u8) -> Vec<u128> {
        let mut task = task(random);
        (0..8).map(|_| task.failed(unreachable("refused")).as_millis()).collect()
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        assert_eq!(pauses(255), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(pauses(0), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn the_state_says_since_when_and_until_when() {
        let mut task = task(255);
        task.failed(unreachable("refused"));
        task.failed(ApiFault::OldLogIn);
        let expected = ApiState::Failing { since: NOW, fault: ApiFault::OldLogIn, next: NOW + Duration::from_secs(2) };
        assert_eq!(*task.shared.state.borrow(), expected);
    }
}
