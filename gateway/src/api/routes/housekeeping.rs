//! Housekeeping: see what may go, and let it go.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_actors::housekeeping::{self, Sweep, UploadSweep};
use hythe_core::sweep;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    DispensableCache, DispensableImage, DispensableUpload, Housekeeping, ImageThatStayed,
    UploadHousekeeping, WorkerHousekeeping,
};
use crate::api::errands::Outcome;
use crate::api::idempotency::{Asked, once};
use crate::api::problem::{Kind, Problem};

/// Shows what may go
///
/// Images that nobody can go back to any more, and build cache beyond its budget, on each worker; and
/// uploads of the server that nobody refers to.
/// Volumes are never among it.
#[utoipa::path(
    get, path = "/api/v1/housekeeping", operation_id = "get_housekeeping", tag = "server",
    responses((status = 200, description = "What may go", body = Housekeeping), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
) -> Result<axum::Json<Housekeeping>, Problem> {
    Ok(axum::Json(look(&state, false).await))
}

/// Lets go of what may go
///
/// The server does so by itself every quarter of an hour; this is for who cannot wait. Done twice
/// it is done once. It goes on when whoever asked leaves; asked again with the same key, the answer is
/// that of the first.
#[utoipa::path(
    post, path = "/api/v1/housekeeping", operation_id = "run_housekeeping", tag = "server",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    responses((status = 200, description = "What went", body = Housekeeping), WriteProblems)
)]
pub(crate) async fn run(State(state): State<ApiState>, asked: Asked) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let work = |_| {
        let state = state.clone();
        async move {
            let stopping = state.stopping().clone();
            let found = stopping.run_until_cancelled(look(&state, true)).await;
            Outcome::of(StatusCode::OK, &found.ok_or_else(stops)?)
        }
    };
    let mut errand = state.errand(once.as_ref(), work).await?;
    let outcome = errand.ended().await?;
    Ok(errand.answer(outcome))
}

fn stops() -> Problem {
    Problem::new(Kind::Unavailable, "the server stops; what is left goes once it runs again")
}

async fn look(state: &ApiState, act: bool) -> Housekeeping {
    let control = state.control();
    let swept = housekeeping::look(control, act).await;
    let workers = swept.into_iter().map(|swept| shown(state, swept)).collect();
    if act {
        housekeeping::tidy_pushes(control).await;
    }
    let budget = control.build_cache();
    Housekeeping {
        keep_versions: control.keep_versions(),
        keep_image_bytes: control.image_budget().most_bytes,
        keep_image_ms: control.image_budget().replaced_for.0,
        keep_cache_bytes: budget.most_bytes,
        keep_cache_ms: budget.unused_for.0,
        workers,
        uploads: of_uploads(housekeeping::look_at_uploads(control, act).await),
    }
}

fn of_uploads(swept: UploadSweep) -> UploadHousekeeping {
    let UploadSweep { count, bytes, going, gone, failed } = swept;
    let one = |upload: sweep::uploads::StoredUpload| DispensableUpload {
        digest: upload.digest.to_string(),
        bytes: upload.bytes,
        used_at: upload.used_at.into(),
        why: sweep::uploads::WHY.into(),
    };
    UploadHousekeeping {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        bytes,
        going: going.into_iter().map(one).collect(),
        gone: u32::try_from(gone).unwrap_or(u32::MAX),
        failed,
    }
}

fn shown(state: &ApiState, swept: Sweep) -> WorkerHousekeeping {
    let Sweep { worker, name, images, bytes, disk, going, gone, stayed, .. } = swept;
    let going = state.see(|sight| {
        let app_name = |app| {
            let app = sight.view.apps.get(&app)?.state.active()?;
            Some(app.name.to_string())
        };
        let one = |going: &hythe_core::sweep::Dispensable| DispensableImage {
            app: going.name.app,
            app_name: app_name(going.name.app),
            deployment: going.name.deployment,
            image: going.image.to_string(),
            bytes: going.bytes,
            why: going.why.says().into(),
        };
        going.iter().map(one).collect()
    });
    let stayed = stayed.into_iter();
    WorkerHousekeeping {
        id: worker,
        name: name.to_string(),
        images: u32::try_from(images).unwrap_or(u32::MAX),
        image_bytes: bytes,
        disk_bytes: disk.map(|disk| disk.whole),
        disk_free_bytes: disk.map(|disk| disk.free),
        going,
        gone: gone.into_iter().map(|name| name.deployment).collect(),
        stayed: stayed
            .map(|(name, why)| ImageThatStayed { deployment: name.deployment, why })
            .collect(),
        cache_bytes: swept.cache_bytes,
        cache_going: swept.cache_going.into_iter().map(of_cache).collect(),
        cache_gone_bytes: swept.cache_gone_bytes,
        failed: swept.failed,
    }
}

fn of_cache(going: sweep::cache::DispensableCache) -> DispensableCache {
    let sweep::cache::DispensableCache { record, why } = going;
    DispensableCache {
        id: record.id.to_string(),
        what: record.what,
        bytes: record.bytes,
        used_at: record.used_at.into(),
        why: why.says().into(),
    }
}
