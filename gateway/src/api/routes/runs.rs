//! Commands that are run once: begin, list, attach, read what one wrote, stop.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hythe_actors::runs::{self, Prepared, RunError, Wanted};
use hythe_core::app::{App as Machine, AppCommand};
use hythe_core::argv::Argv;
use hythe_core::deployment::StageName;
use hythe_core::ids::{AppId, RunId};
use hythe_core::limits;
use hythe_core::names::{EnvName, EnvValue};
use hythe_core::one_off::{OneOff, OneOffEnd};
use hythe_core::time::Millis;
use hythe_core::wire::run::TerminalSize;
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CreateRun, Run, RunList};
use crate::api::errands::Outcome;
use crate::api::extract::{SecretJson, Which};
use crate::api::idempotency::{Asked, Once, mark_replayed, once};
use crate::api::plane::With;
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::relay;
use crate::api::{settings, socket};

/// Names that Hythe sets.
const OWN: [&str; 4] = ["PORT", "HYTHE_APP", "HYTHE_DEPLOYMENT", "HYTHE_RUN"];

/// Lists the commands of an app that run now
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/runs", operation_id = "list_runs", tag = "runs",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The runs", body = RunList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<RunList>, Problem> {
    let (id, app) = state.app(&app)?;
    let items = app.one_offs.iter().map(|(run, one_off)| shown(id, *run, one_off)).collect();
    Ok(axum::Json(RunList { items }))
}

fn shown(app: AppId, run: RunId, one_off: &OneOff) -> Run {
    let OneOff { deployment, worker, command, terminal, detached, until } = one_off;
    Run {
        id: run.uuid(),
        app_id: app.uuid(),
        deployment: deployment.uuid(),
        worker: worker.uuid(),
        program: command.program.to_string(),
        arguments: command.arguments,
        terminal: *terminal,
        detached: *detached,
        asked_at: present::minted_at(run).into(),
        until: (*until).into(),
    }
}

/// Runs a command once, in a container of its own
///
/// Of the app's live version: its image, environment, network and limits. That it is run, by whom, and
/// how it ends are events of the app; they have the program's name and how many arguments it was given,
/// not what these say. A detached one runs when this is answered, and what it writes is kept for three
/// days after its end. Any other one begins when somebody attaches (`GET …/attach`), which has to be
/// within 30 seconds. An app has at most 8 at once, a worker 16.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/runs", operation_id = "create_run", tag = "runs",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = CreateRun,
    responses((status = 201, description = "The run", body = Run), WriteProblems)
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    SecretJson(body): SecretJson<CreateRun>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    let (id, _) = state.app(&app)?;
    let wanted = wanted(id, &body.value)?;
    begun(&state, &asked, once, wanted, |run, one_off| AppCommand::RunCommand { run, one_off })
        .await
}

/// Begins a run, or answers as before where this was asked before.
pub(super) async fn begun(
    state: &ApiState,
    asked: &Asked,
    once: Option<Once>,
    wanted: Wanted,
    command: impl FnOnce(RunId, Box<OneOff>) -> AppCommand,
) -> Result<Response, Problem> {
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(again(state, RunId::new(before.resource))?));
    }
    let app = wanted.app;
    state.shows(|| Ok(!is_promoted_soon(state, app))).await?;
    let run = RunId::new(Uuid::now_v7());
    let control = state.control();
    let prepared = runs::prepare(control, run, wanted).map_err(unfit)?;
    let claim = once.as_ref().map(|once| once.claim(run.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    let hold = control.runs().begin(run);
    let command = command(run, Box::new(prepared.one_off.clone()));
    if let Err(error) = state.command::<Machine>(app.uuid(), command, state.meta(asked), with).await
    {
        let before = state.before_or(once.as_ref(), error).await?;
        return Ok(mark_replayed(again(state, RunId::new(before.resource))?));
    }
    let answer = (StatusCode::CREATED, axum::Json(shown(app, run, &prepared.one_off)));
    if prepared.opening.detached {
        opened(state, &prepared).await?;
    } else {
        control.runs().wait(hold, prepared);
    }
    Ok(answer.into_response())
}

/// Whether its first version went live a moment ago, and the app has not heard of it.
fn is_promoted_soon(state: &ApiState, app: AppId) -> bool {
    state.see(|sight| {
        let app = sight.view.apps.get(&app).and_then(|app| app.state.active());
        let rolling = app.filter(|app| app.live.is_none()).and_then(|app| app.rolling);
        let attempt = rolling.and_then(|id| sight.view.deployments.get(&id)?.state.attempt());
        attempt.is_some_and(|attempt| attempt.stage.name() == StageName::Live)
    })
}

/// The answer to a repeated request.
fn again(state: &ApiState, run: RunId) -> Result<Response, Problem> {
    let (app, one_off) = open_run(state, run).ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "this command was run before and has ended; the events say how",
        )
    })?;
    Ok((StatusCode::CREATED, axum::Json(shown(app, run, &one_off))).into_response())
}

/// Has the worker begin; where it does not, that is how the run ended.
async fn opened(state: &ApiState, prepared: &Prepared) -> Result<runs::Passage, Problem> {
    let opened = Box::pin(runs::open(state.control(), prepared)).await;
    if opened.is_err() {
        let (app, run) = (prepared.opening.app, prepared.opening.run);
        runs::ended(state.control(), app, run, OneOffEnd::NotStarted).await;
    }
    opened.map_err(unfit)
}

fn unfit(error: RunError) -> Problem {
    match error {
        RunError::Unfit(why) => Problem::new(Kind::Conflict, why),
        RunError::Unavailable(why) => Problem::new(Kind::Unavailable, why),
    }
}

fn wanted(app: AppId, body: &CreateRun) -> Result<Wanted, Problem> {
    let CreateRun { command, env, terminal, detach, no_entrypoint, timeout_ms } = body;
    let words = command.iter().map(|word| word.reveal().to_owned()).collect();
    let command = Argv::new(words).map_err(|bad| Problem::field("command", bad.to_string()))?;
    let mut variables = Vec::with_capacity(env.len());
    let mut bytes = 0;
    for (name, value) in env {
        let name: EnvName = settings::text("env", name)?;
        if OWN.contains(&name.as_str()) {
            return Err(Problem::field("env", format!("{name} is set by Hythe; leave it out")));
        }
        EnvValue::new(value.reveal()).map_err(|bad| Problem::field("env", bad.to_string()))?;
        bytes += name.as_str().len() + value.reveal().len();
        variables.push((name, value.reveal().to_owned()));
    }
    if variables.len() > limits::MOST_ENV || bytes > limits::MOST_ENV_BYTES {
        let (most, most_bytes) = (limits::MOST_ENV, limits::MOST_ENV_BYTES / 1024);
        let why = format!("\"env\" has at most {most} variables and {most_bytes} KiB");
        return Err(Problem::field("env", why));
    }
    if *detach && terminal.is_some() {
        let why = "nobody sits at the terminal of a detached command; leave one of them out";
        return Err(Problem::field("terminal", why));
    }
    let within = timeout_ms.map_or(limits::ONE_OFF_WITHIN, Millis);
    if within < Millis::seconds(1) || within > limits::ONE_OFF_WITHIN_MOST {
        let most = limits::ONE_OFF_WITHIN_MOST.0;
        let why = format!("\"timeout_ms\" is 1000 to {most}; got {}", within.0);
        return Err(Problem::field("timeout_ms", why));
    }
    Ok(Wanted {
        app,
        command,
        variables,
        terminal: terminal.map(|size| TerminalSize { columns: size.columns, rows: size.rows }),
        detached: *detach,
        bare: *no_entrypoint,
        within,
    })
}

fn id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_not_an_id| no_such_run())
}

fn no_such_run() -> Problem {
    Problem::not_found("no command of this id runs; the app's events tell of those that have ended")
}

fn open_run(state: &ApiState, run: RunId) -> Option<(AppId, OneOff)> {
    state.control().read(|view| {
        let mut apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        apps.find_map(|(id, app)| Some((id, app.one_offs.get(&run)?.clone())))
    })
}

/// Attaches to a command that was asked for, which begins it
///
/// A WebSocket of binary messages in both directions; once for each run. A message begins with the
/// kind of its body (1 byte), 1 where its sender misses something or else 0 (1 byte), its number
/// (8 bytes; 0 where the body is not numbered), how far its sender has received, and how many of those
/// it has used up (8 bytes each), big-endian; the body follows.
///
/// Kinds to the server: 0 nothing, a sign of life; 1 end it; 2 input; 3 the input is at its end; 4 the
/// terminal's columns and rows (2 bytes each); 5 a signal (1 byte: 1, 2, 3 or 15). From the server:
/// 0; 16 output; 17 error output; 18 the end, as JSON: `{"end": …, "code": 0, "message": null}`, where
/// `code` is what to exit with. All but 0 and 1 are numbered, from 1 on in each direction, and sent
/// again until they are received; at most 16 that are not used up are under way, of at most 32 KiB
/// each. Whoever says nothing for 15 seconds is taken to be gone: the command is ended.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/attach", operation_id = "attach_run", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id")),
    responses(
        (status = 101, description = "A WebSocket: see above"),
        (status = 409, description = "The worker does not run it; the detail says why", body = Problem, content_type = "application/problem+json"),
        ReadProblems
    )
)]
pub(crate) async fn attach(
    State(state): State<ApiState>,
    Which(run): Which,
    request: Request,
) -> Result<Response, Problem> {
    let run = id(&run)?;
    upgrade_wanted(&request)?;
    // Before it begins: refused, it can be attached to again.
    let seat = relay::seat(&state)?;
    let (hold, prepared) = state.control().runs().take(run).ok_or_else(no_such_run)?;
    let passage = opened(&state, &prepared).await?;
    let records = Some((prepared.opening.app, run, hold));
    Ok(relay::relay(&state, (request, seat), passage, records).await)
}

/// Reads what a detached command wrote, from the beginning to its end
///
/// A WebSocket as that of `…/attach`, of which only signs of life go to the server. Values of secrets
/// are not masked in it.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/logs", operation_id = "run_logs", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id")),
    responses(
        (status = 101, description = "A WebSocket: see above"),
        (status = 409, description = "It was not detached, or what it wrote is gone", body = Problem, content_type = "application/problem+json"),
        ReadProblems
    )
)]
pub(crate) async fn logs(
    State(state): State<ApiState>,
    Which(run): Which,
    request: Request,
) -> Result<Response, Problem> {
    let run = id(&run)?;
    upgrade_wanted(&request)?;
    let seat = relay::seat(&state)?;
    // Of one that has ended, its worker still has what it wrote; the journal tells no more which.
    let workers = match open_run(&state, run) {
        Some((_, one_off)) => vec![one_off.worker],
        None => runs::workers(state.control()),
    };
    let mut refused = no_such_run();
    for worker in workers {
        let reader = RunId::new(Uuid::now_v7());
        match Box::pin(runs::read(state.control(), worker, run, reader)).await {
            Ok(passage) => {
                return Ok(relay::relay(&state, (request, seat), passage, None).await);
            }
            Err(error) => refused = unfit(error),
        }
    }
    Err(refused)
}

fn upgrade_wanted(request: &Request) -> Result<(), Problem> {
    if socket::wanted(request) {
        return Ok(());
    }
    Err(Problem::new(Kind::UpgradeFailed, "this is a WebSocket: ask for an upgrade"))
}

/// Ends a command that runs
///
/// With SIGTERM, and with SIGKILL where it has not ended when the app's stop time is over. Asked twice,
/// it is ended once.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/stop", operation_id = "stop_run", tag = "runs",
    params(
        ("run" = Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 202, description = "It is being ended", body = Run), WriteProblems)
)]
pub(crate) async fn stop(
    State(state): State<ApiState>,
    Which(run): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let run = id(&run)?;
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let work = |_| {
        let state = state.clone();
        async move {
            let (app, one_off) = open_run(&state, run).ok_or_else(no_such_run)?;
            Box::pin(runs::stop(state.control(), one_off.worker, run)).await.map_err(unfit)?;
            Outcome::of(StatusCode::ACCEPTED, &shown(app, run, &one_off))
        }
    };
    let mut errand = state.errand(once.as_ref(), work).await?;
    let outcome = errand.ended().await?;
    Ok(errand.answer(outcome))
}
