//! `hythe restore`: a server from a backup or a mirror.

use std::path::Path;

use hythe_store::backup::{Replace, restore};
use serde_json::json;

use super::super::args::RestoreArgs;
use super::super::data_dir;
use super::super::failure::{Failure, Outcome};
use super::super::format;
use super::super::output::Output;
use super::{From, blocking, key};

pub(super) async fn run(args: RestoreArgs, output: &Output) -> Outcome {
    let dir = data_dir(args.data.data.clone());
    let key = key::to_open(&args.key, Some(&dir))?;
    let replace = match (args.replace, args.replace_newer) {
        (_, true) => Replace::Newer,
        (true, false) => Replace::Older,
        (false, false) => Replace::No,
    };
    let near = std::env::temp_dir();
    let parts = From::of(&args).parts(&near, output).await?;
    make_folder(&dir)?;
    let (to, now) = (dir.clone(), format::now());
    let restored = blocking(move || restore(&to, &parts.files, &key, replace, now)).await?;
    let contents = &restored.contents;
    if output.json() {
        output.document(&json!({
            "data": dir,
            "installation": contents.installation.to_string(),
            "head": contents.head.sequence,
            "hash": contents.head.hash,
            "secrets": contents.secrets,
            "state_hash": contents.state_hash,
            "state_compared": contents.state_compared,
            "made_at": crate::api::dto::Time(contents.at).to_string(),
            "aside": restored.aside,
        }));
        return Ok(());
    }
    output.line(format_args!(
        "restored: everything up to event {} and {} secrets, as of {}",
        contents.head.sequence,
        contents.secrets,
        crate::api::dto::Time(contents.at)
    ));
    output.line(format_args!("hash of the last event: {}", contents.head.hash));
    output.line(format_args!("hash of the state:      {}", contents.state_hash));
    if contents.state_compared {
        output.note("events, claims, secrets and state are as they were in the server backed up");
    } else {
        output.note(
            "events, claims and secrets are verified; the backup does not say which state to \
             compare with",
        );
    }
    if let Some(aside) = &restored.aside {
        output.note(format_args!("what was there before lies in {}", aside.display()));
    }
    output.note(format_args!(
        "next: hythe up --data {} (and see that the old server does not run any more: two with \
         the same identity would give the same workers different orders)",
        dir.display()
    ));
    Ok(())
}

fn make_folder(dir: &Path) -> Outcome {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(|error| {
        Failure::failed(format!("failed to make the folder {}: {error}", dir.display()))
    })
}
