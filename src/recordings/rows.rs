//! What the database says of titles, as it is asked at each request of each player: at hand for a
//! moment, asked once for all who come meanwhile, and in the last known words where there is no
//! answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use packager::vod::Closed;
use tokio::sync::Semaphore;

use super::catalogue::{Entry, Error};

/// How long a row is believed: each request of a player asks for it.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// How long it is believed that there is none: a recording plays the moment it ends.
const MISSING_BELIEVED_FOR: Duration = Duration::from_millis(200);

/// How long who watches waits for a newer row. A database that works needs milliseconds; one that
/// does not is asked behind their backs.
const NEWER_WITHIN: Duration = Duration::from_millis(300);

/// Rows that are at hand, at some 300 bytes.
const ROWS_MAX: usize = 4096;

/// Questions to the database at a time, of its four connections (SQLite) or eight: unknown ids are
/// not to keep everybody else from it.
const ASKING_MAX: usize = 2;

/// Questions that wait for their turn, or for an answer. Who comes then is told to come again.
const QUESTIONS_MAX: usize = 256;

/// What is asked.
pub(super) trait Lookup: Send + Sync + 'static {
    /// What can be played by this id; `None`: nothing (yet).
    fn find(&self, id: String) -> BoxFuture<'static, Result<Option<Entry>, Error>>;
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(super) struct Rows {
    inner: Arc<Inner>,
}

struct Inner {
    lookup: Box<dyn Lookup>,
    asking: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: HashMap<String, Row>,
    questions: HashMap<String, Question>,
}

#[derive(Clone)]
struct Row {
    entry: Option<Entry>,
    /// When the database said so, or was last asked in vain.
    read: Instant,
}

/// The answer, once there is one.
type Question = Shared<BoxFuture<'static, Result<Option<Entry>, Closed>>>;

impl Row {
    fn is_believed(&self, now: Instant) -> bool {
        let believed_for = match self.entry {
            Some(_) => BELIEVED_FOR,
            None => MISSING_BELIEVED_FOR,
        };
        now.duration_since(self.read) < believed_for
    }
}

impl Rows {
    pub(super) fn new(lookup: impl Lookup) -> Self {
        let inner = Inner {
            lookup: Box::new(lookup),
            asking: Semaphore::new(ASKING_MAX),
            state: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What can be played by this id.
    pub(super) async fn find(&self, id: &str) -> Result<Entry, Closed> {
        let known = self.inner.known(id);
        if let Some(row) = &known
            && row.is_believed(Instant::now())
        {
            return row.entry.clone().ok_or(Closed::NotFound);
        }
        let question = self.inner.question(id).ok_or(Closed::Unavailable);
        let Some(entry) = known.and_then(|row| row.entry) else {
            return question?.await?.ok_or(Closed::NotFound);
        };
        let newer = async { question?.await };
        match tokio::time::timeout(NEWER_WITHIN, newer).await {
            Ok(Ok(found)) => found.ok_or(Closed::NotFound),
            // Who watches watches on.
            Ok(Err(_)) | Err(_) => {
                self.inner.renew(id);
                Ok(entry)
            }
        }
    }
}

impl Inner {
    fn known(&self, id: &str) -> Option<Row> {
        self.state().rows.get(id).cloned()
    }

    /// The question that is on its way, or a new one; `None`: there are too many.
    fn question(self: &Arc<Self>, id: &str) -> Option<Question> {
        let mut state = self.state();
        if let Some(question) = state.questions.get(id) {
            return Some(question.clone());
        }
        if state.questions.len() >= QUESTIONS_MAX {
            return None;
        }
        let question = Arc::clone(self).ask(id.to_owned()).boxed().shared();
        state.questions.insert(id.to_owned(), question.clone());
        drop(state);
        // It is answered also when nobody waits any more.
        tokio::spawn(question.clone());
        Some(question)
    }

    async fn ask(self: Arc<Self>, id: String) -> Result<Option<Entry>, Closed> {
        let found = match self.asking.acquire().await {
            Ok(_turn) => self.lookup.find(id.clone()).await,
            // It is never closed.
            Err(_) => return Err(Closed::Unavailable),
        };
        let mut state = self.state();
        state.questions.remove(&id);
        match found {
            Ok(entry) => {
                let read = Instant::now();
                let row = Row {
                    entry: entry.clone(),
                    read,
                };
                state.keep(id, row);
                Ok(entry)
            }
            Err(error) => {
                drop(state);
                tracing::warn!(id, %error, "a title cannot be looked up");
                Err(Closed::Unavailable)
            }
        }
    }

    /// It was asked in vain: the next try is as long away as after an answer.
    fn renew(&self, id: &str) {
        if let Some(row) = self.state().rows.get_mut(id) {
            row.read = Instant::now();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change of it can stop half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, id: String, row: Row) {
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&id) {
            // Ids that there are not come by the thousand: they go first.
            let oldest = self
                .rows
                .iter()
                .min_by_key(|(_, row)| (row.entry.is_some(), row.read));
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.rows.remove(&oldest);
            }
        }
        self.rows.insert(id, row);
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use media_core::AssetId;
    use storage::recording::Place;
    use storage::recordings;

    use super::super::catalogue::{Door, Plays};
    use super::*;

    #[derive(Clone, Default)]
    struct Database {
        asked: Arc<AtomicUsize>,
        at_a_time_max: Arc<AtomicUsize>,
        at_a_time: Arc<AtomicUsize>,
        state: Arc<Mutex<Answers>>,
    }

    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    enum Answers {
        #[default]
        AtOnce,
        After(Duration),
        Refuses,
    }

    impl Database {
        fn now(&self, answers: Answers) {
            *self.state.lock().unwrap() = answers;
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl Lookup for Database {
        fn find(&self, id: String) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let (answers, this) = (*self.state.lock().unwrap(), self.clone());
            async move {
                let now = this.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
                this.at_a_time_max.fetch_max(now, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if let Answers::After(time) = answers {
                    tokio::time::sleep(time).await;
                }
                this.at_a_time.fetch_sub(1, Ordering::SeqCst);
                if answers == Answers::Refuses {
                    let gone = recordings::Error::UnknownStream(
                        media_core::StreamId::new("s").expect("an id"),
                    );
                    return Err(gone.into());
                }
                Ok((id == "there").then(entry))
            }
            .boxed()
        }
    }

    fn entry() -> Entry {
        Entry {
            plays: Plays {
                asset: AssetId::new("a1").expect("an id"),
                place: Place::Local,
                name: "Harbour".into(),
                subtitles: Vec::new(),
                video: None,
            },
            door: Door::Open,
        }
    }

    async fn later(time: Duration) {
        // Rows are dated by the system's own clock.
        tokio::time::sleep(time).await;
    }

    #[tokio::test]
    async fn many_viewers_at_once_are_one_question() {
        let database = Database::default();
        let rows = Rows::new(database.clone());
        let asking = (0..50).map(|_| rows.find("there"));
        for found in futures_util::future::join_all(asking).await {
            assert!(found.is_ok());
        }
        assert_eq!(database.asked(), 1);
        let unknown = (0..50).map(|_| rows.find("not-there"));
        for found in futures_util::future::join_all(unknown).await {
            assert_eq!(found.err(), Some(Closed::NotFound));
        }
        assert_eq!(database.asked(), 2);
    }

    #[tokio::test]
    async fn unknown_ids_take_few_connections_and_no_endless_queue() {
        let database = Database::default();
        database.now(Answers::After(Duration::from_millis(20)));
        let rows = Rows::new(database.clone());
        let ids: Vec<_> = (0..2 * QUESTIONS_MAX).map(|it| format!("id{it}")).collect();
        let asking = ids.iter().map(|id| rows.find(id));
        let found = futures_util::future::join_all(asking).await;
        let refused = |why| {
            found
                .iter()
                .filter(|it| it.as_ref().err() == Some(&why))
                .count()
        };
        assert_eq!(refused(Closed::NotFound), QUESTIONS_MAX);
        assert_eq!(refused(Closed::Unavailable), QUESTIONS_MAX);
        assert_eq!(database.at_a_time_max.load(Ordering::SeqCst), ASKING_MAX);
    }

    /// Each request waited for the database's time-out, five seconds after the first.
    #[tokio::test]
    async fn who_watches_does_not_wait_for_a_database_that_is_away() {
        let database = Database::default();
        let rows = Rows::new(database.clone());
        assert!(rows.find("there").await.is_ok());
        for away in [Answers::Refuses, Answers::After(Duration::from_secs(600))] {
            database.now(away);
            later(BELIEVED_FOR).await;
            let before = database.asked();
            let began = Instant::now();
            for _request in 0..20 {
                assert!(rows.find("there").await.is_ok());
            }
            // One of them waited a little; the next question is as far away as after an answer.
            assert!(began.elapsed() < BELIEVED_FOR, "{:?}", began.elapsed());
            assert!(database.asked() <= before + 1);
        }
    }

    #[tokio::test]
    async fn what_has_just_ended_is_found_at_once_by_who_asked_too_early() {
        let database = Database::default();
        let rows = Rows::new(database.clone());
        assert_eq!(rows.find("soon").await.err(), Some(Closed::NotFound));
        later(MISSING_BELIEVED_FOR).await;
        assert_eq!(rows.find("soon").await.err(), Some(Closed::NotFound));
        assert_eq!(database.asked(), 2);
    }
}
