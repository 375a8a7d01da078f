//! Sends what is due: takes rows up, posts them signed, and writes down how it came out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use storage::Webhooks;
use storage::webhooks::{Attempt, Claim, Outcome};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::addresses::Reach;
use super::client::{Answer, Client, Error};
use super::schedule::Schedule;
use crate::tls;

/// Requests at once to the operator's webhooks. Users' take nothing of that.
pub(super) const OPERATORS_MAX: usize = 16;

/// Requests at once to all users' webhooks.
pub(super) const USERS_MAX: usize = 64;

/// Requests at once to one user's webhooks: receivers that hang hold up their owner's alone, and it
/// takes many accounts to hold up other users.
pub(super) const OF_USER_MAX: usize = 4;

/// How long a receiver may take. Standard Webhooks recommends 15 to 30 s.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How long a webhook is nobody else's: an attempt and a database that takes its time.
const CLAIMED_FOR: Duration = Duration::from_secs(60);

/// How often to look for rows that have become due, or that another process has written.
const POLL: Duration = Duration::from_secs(1);

/// How often the log is pruned, and what it forgets.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// See the module.
pub(super) struct Dispatcher {
    webhooks: Webhooks,
    sender: Sender,
    wake: Arc<Notify>,
    sending: JoinSet<()>,
    /// Whose webhook a request goes to; `None`: the operator's.
    owners: HashMap<Id, Option<String>>,
}

/// How many requests run, by whose webhooks they go to.
#[derive(Debug, Default)]
struct Running {
    operators: usize,
    users: usize,
    of_user: HashMap<String, usize>,
}

impl Running {
    fn of<'a>(owners: impl IntoIterator<Item = &'a Option<String>>) -> Self {
        let mut running = Self::default();
        for owner in owners {
            running.admit(owner.as_deref());
        }
        running
    }

    /// Counts one more request, where there is room for it.
    fn admit(&mut self, owner: Option<&str>) -> bool {
        let Some(owner) = owner else {
            let room = self.operators < OPERATORS_MAX;
            self.operators += usize::from(room);
            return room;
        };
        let of_user = self.of_user.entry(owner.to_owned()).or_default();
        let room = self.users < USERS_MAX && *of_user < OF_USER_MAX;
        self.users += usize::from(room);
        *of_user += usize::from(room);
        room
    }
}

/// What one attempt needs.
#[derive(Clone)]
struct Sender {
    webhooks: Webhooks,
    /// For the operator's webhooks.
    anywhere: Client,
    /// For everybody else's.
    users: Client,
    schedule: Schedule,
}

impl Dispatcher {
    pub(super) fn new(
        webhooks: Webhooks,
        tls: &tls::client::Config,
        schedule: Schedule,
        users_reach: Reach,
        wake: Arc<Notify>,
    ) -> Self {
        let sender = Sender {
            webhooks: webhooks.clone(),
            anywhere: Client::new(tls.clone(), Reach::Anywhere),
            users: Client::new(tls.clone(), users_reach),
            schedule,
        };
        Self {
            webhooks,
            sender,
            wake,
            sending: JoinSet::new(),
            owners: HashMap::new(),
        }
    }

    /// Sends until `closing` turns true. Attempts under way are then cut off; they are due again
    /// when their claims are over.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut prune_at = Instant::now();
        loop {
            if prune_at <= Instant::now() {
                prune_at = Instant::now() + PRUNE_EVERY;
                self.prune().await;
            }
            self.take_up().await;
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                Some(ended) = self.sending.join_next_with_id() => {
                    let id = match &ended {
                        Ok((id, ())) => *id,
                        Err(error) => {
                            tracing::error!(%error, "a delivery failed by a fault of this server");
                            error.id()
                        }
                    };
                    self.owners.remove(&id);
                }
                () = self.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn take_up(&mut self) {
        let mut running = Running::of(self.owners.values());
        let now = SystemTime::now();
        let admit = |owner: Option<&str>| running.admit(owner);
        let claims = self.webhooks.claim(now, now + CLAIMED_FOR, admit);
        match claims.await {
            Ok(claims) => {
                for claim in claims {
                    let owner = claim.owner.clone();
                    let task = self.sending.spawn(self.sender.clone().deliver(claim));
                    self.owners.insert(task.id(), owner);
                }
            }
            Err(error) => tracing::warn!(%error, "webhooks wait for the database"),
        }
    }

    async fn prune(&self) {
        match self.webhooks.prune(SystemTime::now() - KEPT_FOR).await {
            Ok(0) => {}
            Ok(deliveries) => tracing::info!(deliveries, "old deliveries of webhooks forgotten"),
            Err(error) => tracing::warn!(%error, "the log of webhooks is not pruned yet"),
        }
    }
}

impl Sender {
    async fn deliver(self, claim: Claim) {
        let client = match claim.owner {
            None => &self.anywhere,
            Some(_) => &self.users,
        };
        let headers = headers(&claim, SystemTime::now());
        let body = claim.event.payload.clone();
        let answered = client.post(&claim.url, headers, body, ANSWER_MAX).await;
        let attempt = attempt(answered);
        let now = SystemTime::now();
        let outcome = match attempt.error {
            None => Outcome::Delivered,
            Some(_) => self.schedule.after(claim.attempt, now),
        };
        log(&claim, &attempt, outcome);
        if let Err(error) = self.webhooks.finish(&claim, &attempt, outcome, now).await {
            // It is due again when the claim is over.
            tracing::warn!(delivery = %claim.id, %error, "the outcome of a delivery cannot be written");
        }
    }
}

/// The headers of Standard Webhooks 1.0.0 for an attempt at `now`.
fn headers(claim: &Claim, now: SystemTime) -> HeaderMap {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let unix_s = since.map_or(0, |since| since.as_secs());
    let event = &claim.event;
    let signature = claim.secret.sign(&event.id, unix_s, &event.payload);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", event.id.as_str()),
        ("webhook-timestamp", &unix_s.to_string()),
        ("webhook-signature", &signature),
    ] {
        let value = HeaderValue::from_str(value).expect("letters, digits and base64 make a header");
        headers.insert(name, value);
    }
    headers
}

fn attempt(answered: Result<Answer, Error>) -> Attempt {
    match answered {
        Ok(Answer { status, text }) => Attempt {
            status: Some(status.as_u16()),
            error: (!status.is_success()).then(|| format!("the answer was {status}")),
            answer: (!text.is_empty()).then_some(text),
        },
        Err(error) => Attempt {
            error: Some(error.to_string()),
            ..Attempt::default()
        },
    }
}

fn log(claim: &Claim, attempt: &Attempt, outcome: Outcome) {
    let Claim {
        id,
        webhook,
        event,
        attempt: number,
        ..
    } = claim;
    let event_type = event.event_type;
    let error = attempt.error.as_deref();
    match outcome {
        Outcome::Delivered => {
            tracing::debug!(%webhook, delivery = %id, event = %event_type, attempt = number, "webhook told");
        }
        Outcome::Retry(_) => {
            tracing::info!(%webhook, delivery = %id, event = %event_type, attempt = number, error, "webhook not told yet");
        }
        Outcome::Failed => {
            tracing::warn!(%webhook, delivery = %id, event = %event_type, attempt = number, error, "webhook not told: given up");
        }
    }
}
