//! A push: taken in, recorded, and told of until its deployment is over.
//!
//! What comes first is kept first: the objects, the files among the uploads, then source and request in
//! one append, then the branch. Dying before the append, nothing was pushed; after it, everything was.

use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _, stream};
use hythe_actors::aggregate::CommandError;
use hythe_actors::pushes::{Held, Sent};
use hythe_core::app::{App, AppCommand, AppSettings};
use hythe_core::ids::{AppId, CorrelationId, DeploymentId};
use hythe_core::limits;
use hythe_core::names::{AppName, BranchName, CommitId};
use hythe_core::push::{self, PushOptions, Verdict};
use hythe_core::record::{Actor, Meta};
use hythe_core::source::{Pushed, Source};
use uuid::Uuid;

use super::band::{self, Band, came};
use super::head::{self, Head};
use super::{answer, is_of_git, named, refusal, tip, watch};
use crate::api::ApiState;
use crate::api::layers::RequestId;
use crate::api::plane::{self, With};
use crate::api::problem::{Kind, Problem};

const SERVICE: &str = "git-receive-pack";
/// How long nothing may come of a push.
const SILENCE: Duration = Duration::from_secs(60);
/// How long an app that has too much to do is asked again.
const AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// What is to be deployed.
struct Push {
    /// The app; a new one where there was none.
    app: AppId,
    name: AppName,
    fresh: bool,
    branch: BranchName,
    commit: CommitId,
    options: PushOptions,
    /// The repository that the app was deployed from before.
    repository: Option<String>,
    request: Uuid,
}

/// Takes a push.
pub(super) async fn receive(
    State(state): State<ApiState>,
    Path(segment): Path<String>,
    Extension(RequestId(request)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let begun = async {
        is_of_git(&headers, SERVICE)?;
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(Kind::UnsupportedMediaType, "send the push as it is"));
        }
        let name = named(&segment)?;
        let mut pieces = body.into_data_stream().boxed();
        let (head, rest) = read(&mut pieces).await?;
        Ok((name, head, stream::once(async { Ok(rest) }).chain(pieces)))
    };
    let (name, head, pack) = match begun.await {
        Ok(begun) => begun,
        Err(problem) => return refusal(&problem),
    };
    let (band, body) = band::open(head.side_band, head.report);
    let response = answer(SERVICE, "result", body);
    if head.updates.is_empty() {
        // Asked only whether it may.
        drop(band);
        return response;
    }
    take(state, request, name, head, band, Box::pin(pack)).await;
    response
}

type Piece = Result<Bytes, axum::Error>;

/// What a push begins with, and the bytes after it that came already.
async fn read(pieces: &mut (impl Stream<Item = Piece> + Unpin)) -> Result<(Head, Bytes), Problem> {
    let malformed = |why: &str| Problem::new(Kind::Malformed, why);
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        if let Some((head, length)) = head::parse(&bytes).map_err(malformed)? {
            return Ok((head, Bytes::from(bytes.split_off(length))));
        }
        if bytes.len() > limits::MOST_PUSH_HEAD {
            return Err(malformed("a push begins with fewer references; push one: HEAD:main"));
        }
        let piece = tokio::time::timeout(SILENCE, pieces.next()).await;
        match piece {
            Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            Ok(Some(Err(_)) | None) | Err(_) => return Err(malformed("the push broke off")),
        }
    }
}

/// Reads what still comes, so that who sends it hears the answer.
async fn drain(mut pack: impl Stream<Item = Piece> + Unpin) {
    let mut left = limits::MOST_PUSH_BYTES;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(SILENCE, pack.next()).await {
        left = left.saturating_sub(piece.len() as u64);
        if left == 0 {
            return;
        }
    }
}

/// Takes in what comes; what follows from that goes on by itself, whoever stays to hear it.
async fn take(
    state: ApiState,
    request: Uuid,
    name: AppName,
    head: Head,
    band: Band,
    pack: impl Stream<Item = Piece> + Unpin + Send,
) {
    // From here on the branch stands still: what is judged is what will be built upon.
    let app =
        state.app(name.as_str()).ok().map_or_else(|| AppId::new(Uuid::now_v7()), |(id, _)| id);
    let held = state.control().pushes().hold_soon(app).await;
    let there = state.app(name.as_str()).ok().filter(|(id, _)| *id == app);
    let tip = match &there {
        Some((id, _)) => tip(&state, *id).await,
        None => None,
    };
    let source = there.as_ref().and_then(|(_, app)| app.settings.source.as_ref());
    let at = tip.as_ref().map(|tip| &tip.commit);
    let verdicts = push::judge(&head.updates, &name, push::branch_of(source), at);
    let mut wanted = None;
    let refused: Vec<Option<String>> = verdicts
        .into_iter()
        .map(|verdict| match verdict {
            Verdict::Deploy { branch, commit } => {
                wanted = Some((branch, commit));
                None
            }
            Verdict::Refuse(why) => Some(why),
        })
        .collect();
    let all = |why: String| came(&head.updates, &refused, &Err(why));
    let Some((branch, commit)) = wanted else {
        drop(held);
        drain(pack).await;
        let nothing = all(String::new());
        tokio::spawn(async move { band.report(Ok(()), &nothing).await });
        return;
    };
    let preview = there.as_ref().is_some_and(|(_, app)| app.preview.is_some());
    let options = match PushOptions::read(&head.options) {
        Ok(_) if preview => {
            Err(format!("{name} is a preview: its commits come from its pull request"))
        }
        read => read,
    };
    let (options, held) = match (options, held) {
        (Ok(options), Some(held)) => (options, held),
        (options, held) => {
            drop(held);
            drain(pack).await;
            let busy = || format!("somebody else pushes to {name} at this moment; push again soon");
            let all = all(options.err().unwrap_or_else(busy));
            tokio::spawn(async move { band.report(Ok(()), &all).await });
            return;
        }
    };
    let sent = Sent { commit: commit.clone(), shallow: head.shallow.clone() };
    let (pushes, uploads) = (state.control().pushes(), state.control().uploads());
    if let Err(error) = pushes.receive(&held, uploads, &sent, pack).await {
        let why = error.to_string();
        let all = all(why.clone());
        tokio::spawn(async move {
            band.say(&format!("=====! {why}")).await;
            band.report(Err("failed"), &all).await;
        });
        return;
    }
    let repository = source.and_then(Source::git).map(|git| git.repository.to_string());
    let fresh = there.is_none();
    let push = Push { app, name, fresh, branch, commit, options, repository, request };
    tokio::spawn(async move {
        let outcome = match record(&state, &push, &band, held).await {
            Ok(_) if push.options.detach => Ok(()),
            Ok(deployment) => watch::watch(&state, deployment, &band).await,
            Err(why) => {
                band.say(&format!("=====! {why}")).await;
                Err(why)
            }
        };
        band.report(Ok(()), &came(&head.updates, &refused, &outcome)).await;
    });
}

/// Keeps the files, and puts the push into the journal.
async fn record(
    state: &ApiState,
    push: &Push,
    band: &Band,
    held: Held,
) -> Result<DeploymentId, String> {
    let Push { app, name, fresh, branch, commit, options, repository, request } = push;
    let (pushes, uploads) = (state.control().pushes(), state.control().uploads());
    let kept = pushes.keep(&held, uploads, commit).await.map_err(|error| error.to_string())?;
    let meta = Meta {
        at: state.now(),
        actor: Actor::Owner,
        correlation: CorrelationId::new(*request),
        causation: None,
    };
    let failed = |error: CommandError| plane::problem(error).detail;
    if *fresh {
        let (id, settings) = (*app, Box::new(AppSettings::default()));
        let create = AppCommand::Create { id, name: name.clone(), settings };
        insist(state, *app, create, &meta).await.map_err(|error| match error {
            CommandError::ClaimTaken { .. } => {
                format!("somebody else made {name} at this moment; push again")
            }
            other @ (CommandError::Rejected(_)
            | CommandError::Busy { .. }
            | CommandError::NoRoom(_)
            | CommandError::Unavailable(_)) => failed(other),
        })?;
        band.say(&format!("-----> {name} is a new app")).await;
    }
    let deployment = DeploymentId::new(Uuid::now_v7());
    let pushed =
        Pushed { branch: branch.clone(), commit: commit.clone(), upload: kept.upload.clone() };
    let command = AppCommand::Push { deployment, pushed, no_cache: options.no_cache };
    insist(state, *app, command, &meta).await.map_err(failed)?;
    // It is pushed now. Where the branch does not follow, it does so when somebody asks for it.
    let newest = state.see(|sight| push::tip(sight.view, *app).cloned());
    if let Err(error) = pushes.follow(&held, newest.as_ref()).await {
        tracing::warn!(%app, %error, "the branch of an app does not follow its pushes");
    }
    drop(held);
    let short = commit.as_str().get(..10).unwrap_or_default();
    band.say(&format!("-----> {name}: {short} \u{201c}{}\u{201d}", kept.subject)).await;
    if let Some(repository) = repository {
        let text =
            format!("       it was deployed from {repository}; from now on from what is pushed");
        band.say(&text).await;
    }
    Ok(deployment)
}

/// Gives the app a command, and again where it has too much to do.
async fn insist(
    state: &ApiState,
    app: AppId,
    command: AppCommand,
    meta: &Meta,
) -> Result<(), CommandError> {
    let until = Instant::now() + AGAIN_WITHIN;
    loop {
        let given =
            state.command::<App>(app.uuid(), command.clone(), meta.clone(), With::default()).await;
        match given {
            Err(CommandError::Busy { retry_after }) if Instant::now() + retry_after < until => {
                tokio::time::sleep(retry_after).await;
            }
            done => return done.map(drop),
        }
    }
}
