//! Backup keys on this side: made, read from a file or the environment, never from an argument.

use std::path::Path;

use hythe_store::backup::{BackupKey, key};
use serde_json::json;
use zeroize::Zeroizing;

use super::super::args::KeyArgs;
use super::super::failure::{Failure, Outcome};
use super::super::output::Output;
use super::refuse;

const VARIABLE: &str = "HYTHE_BACKUP_KEY";

/// The key that was given, if one was.
pub(super) fn given(args: &KeyArgs) -> Outcome<Option<BackupKey>> {
    let text = std::env::var(VARIABLE).ok().map(Zeroizing::new);
    if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
        let key = BackupKey::parse(&text)
            .map_err(|error| Failure::usage(format!("failed to {error} (in {VARIABLE})")))?;
        return Ok(Some(key));
    }
    let Some(file) = &args.key_file else { return Ok(None) };
    BackupKey::load(file).map(Some).map_err(|error| refuse(&error))
}

/// The key that opens a backup: the given one, or the one in a data folder.
pub(super) fn to_open(args: &KeyArgs, data: Option<&Path>) -> Outcome<BackupKey> {
    if let Some(key) = given(args)? {
        return Ok(key);
    }
    let own = data.map(|data| data.join(key::FILE)).filter(|file| file.exists());
    match own {
        Some(file) => BackupKey::load(&file).map_err(|error| refuse(&error)),
        None => Err(Failure::usage("a backup opens only with its key").hint(
            "give --key-file FILE, or the key itself in HYTHE_BACKUP_KEY. Where no key was given \
             when the backup was made, it is the file backup.key in the server's data folder",
        )),
    }
}

/// `hythe backup key FILE`.
pub(super) fn make(file: &Path, output: &Output) -> Outcome {
    let key = BackupKey::generate();
    key.create(file).map_err(|error| refuse(&error))?;
    let recipient = key.recipient();
    if output.json() {
        output.document(&json!({"file": file, "recipient": recipient.as_str()}));
    } else {
        output.line(format_args!("key:       {}", file.display()));
        output.line(format_args!("recipient: {recipient}"));
        output
            .note("keep a copy of the key away from the server: nobody opens a backup without it");
    }
    Ok(())
}
