//! Writes that are no command of an aggregate: they go on when whoever asked leaves, and under a key
//! they are run once.
//!
//! What came of one is kept in memory, for as long as the server runs: a key of them is in the journal
//! only where what they did is. All of them can be run again without harm, so a restart between two
//! tries costs work and nothing else. One that failed is forgotten: a repeat tries it again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use super::ApiState;
use super::idempotency::{Once, mark_replayed, reused};
use super::problem::{Kind, Problem};

/// How many go on at once.
const MOST_AT_ONCE: usize = 32;
/// How many are remembered, and how many bytes of answers with them.
const MOST_KEPT: usize = 256;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What one came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    status: StatusCode,
    body: Bytes,
}

type Told = Option<Result<Outcome, Problem>>;

/// The errands of a server, and what is remembered of them.
#[derive(Debug)]
pub(crate) struct Errands {
    kept: Arc<Mutex<VecDeque<Kept>>>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Kept {
    once: Once,
    id: Uuid,
    told: watch::Receiver<Told>,
}

/// One that was begun, by this request or by an earlier one of the same key.
#[derive(Debug)]
pub(crate) struct Errand {
    /// What names it.
    pub(crate) id: Uuid,
    told: watch::Receiver<Told>,
    replayed: bool,
}

impl Default for Errands {
    fn default() -> Self {
        Self { kept: Arc::default(), turns: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }
}

impl Outcome {
    /// An answer in JSON.
    pub(crate) fn of(status: StatusCode, answer: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(answer).map_err(|error| {
            tracing::error!(%error, "an answer does not encode");
            Problem::new(Kind::Internal, "see the server's log")
        })?;
        Ok(Self { status, body: body.into() })
    }

    /// As it goes out.
    pub(crate) fn response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (self.status, kind, self.body).into_response()
    }
}

impl ApiState {
    /// Begins an errand, unless it was begun before under the same key.
    ///
    /// # Errors
    /// Where another request had this key, or too many go on.
    pub(crate) async fn errand<F>(
        &self,
        once: Option<&Once>,
        work: impl FnOnce(Uuid) -> F,
    ) -> Result<Errand, Problem>
    where
        F: Future<Output = Result<Outcome, Problem>> + Send + 'static,
    {
        self.before(once).await?;
        self.errands().begin(once, work)
    }
}

impl Errands {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was begun under a key before.
    ///
    /// # Errors
    /// Where another request had this key.
    pub(crate) fn before(&self, once: Option<&Once>) -> Result<Option<Errand>, Problem> {
        let Some(once) = once else { return Ok(None) };
        find(&self.lock(), once)
    }

    /// Begins one, unless it was begun before under the same key. It goes on whoever waits for it.
    ///
    /// # Errors
    /// Where another request had this key, or too many go on.
    pub(crate) fn begin<F>(
        &self,
        once: Option<&Once>,
        work: impl FnOnce(Uuid) -> F,
    ) -> Result<Errand, Problem>
    where
        F: Future<Output = Result<Outcome, Problem>> + Send + 'static,
    {
        let mut kept = self.lock();
        if let Some(once) = once
            && let Some(errand) = find(&kept, once)?
        {
            return Ok(errand);
        }
        let busy = || {
            Problem::new(Kind::Busy, "too much of this kind is under way; try again soon")
                .retry_after(std::time::Duration::from_secs(2))
        };
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_all_taken| busy())?;
        let id = Uuid::now_v7();
        let (tell, told) = watch::channel(None);
        if let Some(once) = once {
            kept.push_back(Kept { once: once.clone(), id, told: told.clone() });
            bound(&mut kept);
        }
        drop(kept);
        let (work, all) = (work(id), Arc::clone(&self.kept));
        tokio::spawn(async move {
            // Also where it panics: then nobody was told, and it can be tried again.
            let mut unless = ForgetUnless { well: false, all, id };
            let came = work.await;
            unless.well = came.is_ok();
            // Before anybody hears of it, and tries again.
            drop(unless);
            tell.send_replace(Some(came));
            drop(turn);
        });
        Ok(Errand { id, told, replayed: false })
    }

    /// Remembers what a request came to that was no errand.
    pub(crate) fn note(&self, once: Option<&Once>, outcome: &Outcome) {
        let Some(once) = once else { return };
        let mut kept = self.lock();
        if find(&kept, once).is_ok_and(|found| found.is_none()) {
            let (_, told) = watch::channel(Some(Ok(outcome.clone())));
            kept.push_back(Kept { once: once.clone(), id: Uuid::now_v7(), told });
            bound(&mut kept);
        }
    }
}

fn find(kept: &VecDeque<Kept>, once: &Once) -> Result<Option<Errand>, Problem> {
    let Some(found) = kept.iter().find(|kept| kept.once.same_key(once)) else { return Ok(None) };
    if !found.once.same_request(once) {
        return Err(reused());
    }
    Ok(Some(Errand { id: found.id, told: found.told.clone(), replayed: true }))
}

/// Forgets the oldest, those first that have ended.
fn bound(kept: &mut VecDeque<Kept>) {
    let bytes = |kept: &Kept| match &*kept.told.borrow() {
        Some(Ok(outcome)) => outcome.body.len(),
        Some(Err(_)) | None => 0,
    };
    while kept.len() > MOST_KEPT || kept.iter().map(bytes).sum::<usize>() > MOST_BYTES {
        // No more go on than there are turns, which is less than are kept.
        let ended = kept.iter().position(|kept| kept.told.borrow().is_some());
        if kept.remove(ended.unwrap_or(0)).is_none() {
            return;
        }
    }
}

/// Takes an errand out of what is remembered, unless it went well.
struct ForgetUnless {
    well: bool,
    all: Arc<Mutex<VecDeque<Kept>>>,
    id: Uuid,
}

impl Drop for ForgetUnless {
    fn drop(&mut self) {
        if self.well {
            return;
        }
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| kept.id != self.id);
    }
}

impl Errand {
    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Result<Outcome, Problem> {
        match self.told.wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or_else(|| Err(broke())),
            Err(_nobody_tells) => Err(broke()),
        }
    }

    /// The answer, marked where it is one to a repeat.
    pub(crate) fn answer(&self, outcome: Outcome) -> Response {
        if self.replayed { mark_replayed(outcome.response()) } else { outcome.response() }
    }
}

fn broke() -> Problem {
    Problem::new(
        Kind::Internal,
        "this is a bug in Hythe; the server's log says more, under the request's id",
    )
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn outcome(text: &str) -> Result<Outcome, Problem> {
        Outcome::of(StatusCode::OK, &text)
    }

    #[tokio::test]
    async fn one_goes_on_when_whoever_asked_leaves_and_a_repeat_joins_it() {
        let errands = Errands::default();
        let once = Once::test("key", 1);
        let (go, gone) = oneshot::channel::<()>();
        let first = errands.begin(Some(&once), |_| async move {
            gone.await.ok();
            outcome("done")
        });
        drop(first.unwrap());
        let mut second = errands.begin(Some(&once), |_| async { panic!("twice") }).unwrap();
        go.send(()).unwrap();
        let told = second.ended().await.unwrap();
        assert_eq!(&told.body[..], b"\"done\"");
        let mut third = errands.before(Some(&once)).unwrap().unwrap();
        assert_eq!(third.id, second.id);
        let answer = third.ended().await.map(|outcome| third.answer(outcome)).unwrap();
        assert_eq!(answer.headers()["idempotent-replayed"], "true");
        let other = Once::test("key", 2);
        assert!(errands.before(Some(&other)).is_err(), "another request has another key");
        assert!(errands.begin(Some(&other), |_| async { outcome("no") }).is_err());
    }

    #[tokio::test]
    async fn one_that_fails_or_panics_can_be_tried_again() {
        let errands = Errands::default();
        let once = Once::test("key", 1);
        let failed = |_| async { Err(Problem::new(Kind::Conflict, "no")) };
        let mut errand = errands.begin(Some(&once), failed).unwrap();
        assert_eq!(errand.ended().await.unwrap_err().status, 409);
        let mut errand = errands.begin(Some(&once), |_| async { panic!("on purpose") }).unwrap();
        assert_eq!(errand.ended().await.unwrap_err().status, 500);
        let mut errand = errands.begin(Some(&once), |_| async { outcome("done") }).unwrap();
        assert!(errand.ended().await.is_ok());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let errands = Errands::default();
        let long = "x".repeat(MOST_BYTES / 4);
        for n in 0..8 {
            errands.note(Some(&Once::test(&n.to_string(), n)), &outcome(&long).unwrap());
        }
        assert!(errands.lock().len() < 4);
        for n in 0..400 {
            errands.note(Some(&Once::test(&format!("k{n}"), 1)), &outcome("").unwrap());
        }
        assert_eq!(errands.lock().len(), MOST_KEPT);
        assert!(errands.before(Some(&Once::test("k399", 1))).unwrap().is_some());
        assert!(errands.before(Some(&Once::test("k0", 1))).unwrap().is_none());
    }
}
