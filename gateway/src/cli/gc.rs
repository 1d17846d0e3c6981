//! `hythe gc`.

use reqwest::Method;

use super::Context;
use super::failure::{Failure, Outcome};
use super::format;
use crate::api::dto::{Housekeeping, UploadHousekeeping, WorkerHousekeeping};

pub(super) async fn run(context: &Context, dry_run: bool) -> Outcome {
    let method = if dry_run { Method::GET } else { Method::POST };
    let found: Housekeeping = context.client.ask_long(method, &["housekeeping"]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&found);
    } else {
        found.workers.iter().for_each(|worker| show(context, worker, dry_run));
        if found.workers.is_empty() {
            output.note("no worker is heard of; nothing is known of its images");
        }
    }
    if !output.json() {
        show_uploads(context, &found.uploads, dry_run);
    }
    let failed = found.workers.iter().any(|worker| worker.failed.is_some());
    if failed { Err(Failure::failed("not every worker could be asked")) } else { Ok(()) }
}

fn show_uploads(context: &Context, uploads: &UploadHousekeeping, dry_run: bool) {
    let output = &context.output;
    if uploads.count == 0 && uploads.failed.is_none() {
        return;
    }
    let (count, size) = (uploads.count, format::bytes(uploads.bytes));
    output.line(format_args!("uploads: {count}, {size}"));
    if let Some(why) = &uploads.failed {
        output.line(format_args!("  {}", output.foreign(why)));
    }
    if uploads.going.is_empty() {
        return;
    }
    let rows = uploads.going.iter().map(|upload| {
        let used = format::ago(upload.used_at);
        vec![upload.digest.clone(), format::bytes(upload.bytes), used, upload.why.clone()]
    });
    output.table(&["UPLOAD", "SIZE", "USED", "WHY"], &rows.collect::<Vec<_>>());
    let (going, gone) = (uploads.going.len(), uploads.gone);
    if dry_run {
        output.line(format_args!("  {going} would go"));
    } else {
        output.line(format_args!("  {gone} of {going} went"));
    }
}

fn show_cache(context: &Context, worker: &WorkerHousekeeping, dry_run: bool) {
    let output = &context.output;
    if worker.cache_going.is_empty() {
        return;
    }
    let rows: Vec<_> = worker
        .cache_going
        .iter()
        .map(|cache| {
            let what = output.foreign(&cache.what);
            vec![what, format::bytes(cache.bytes), format::ago(cache.used_at), cache.why.clone()]
        })
        .collect();
    output.table(&["BUILD CACHE", "SIZE", "USED", "WHY"], &rows);
    let bytes: u64 = worker.cache_going.iter().map(|cache| cache.bytes).sum();
    let (size, all) = (format::bytes(bytes), format::bytes(worker.cache_bytes));
    if dry_run {
        output.line(format_args!("  {size} of {all} of build cache would go"));
    } else {
        let gone = format::bytes(worker.cache_gone_bytes);
        output.line(format_args!("  {gone} of build cache went"));
    }
}

fn show(context: &Context, worker: &WorkerHousekeeping, dry_run: bool) {
    let output = &context.output;
    let free = match (worker.disk_free_bytes, worker.disk_bytes) {
        (Some(free), Some(whole)) => {
            format!("; {} of {} are free", format::bytes(free), format::bytes(whole))
        }
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    output.line(format_args!(
        "{}: {} images, {}{free}",
        worker.name,
        worker.images,
        format::bytes(worker.image_bytes)
    ));
    if let Some(why) = &worker.failed {
        output.line(format_args!("  {}", output.foreign(why)));
        return;
    }
    let rows: Vec<_> = worker
        .going
        .iter()
        .map(|image| {
            let stayed = worker.stayed.iter().find(|stayed| stayed.deployment == image.deployment);
            vec![
                image.app_name.clone().unwrap_or_else(|| image.app.to_string()),
                image.deployment.to_string(),
                format::bytes(image.bytes),
                match stayed {
                    Some(stayed) => output.foreign(&format!("stayed: {}", stayed.why)),
                    None => image.why.clone(),
                },
            ]
        })
        .collect();
    if rows.is_empty() && worker.cache_going.is_empty() {
        output.line("  nothing to let go of");
        return;
    }
    show_cache(context, worker, dry_run);
    if rows.is_empty() {
        return;
    }
    output.table(&["APP", "DEPLOYMENT", "AT MOST", "WHY"], &rows);
    let bytes: u64 = worker.going.iter().map(|image| image.bytes).sum();
    let (count, size) = (rows.len(), format::bytes(bytes));
    if dry_run {
        output.line(format_args!("  {count} would go, {size} at the most"));
    } else {
        output.line(format_args!("  {} of {count} went", worker.gone.len()));
    }
}
