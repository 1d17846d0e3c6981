//! The parts' log files: bounded, and read when a part has ended.
//!
//! Parts write to the file itself, not through a pipe: they go on when `hythe up` is killed. So it
//! is cut from outside: copied, then emptied (they append, so the next line goes to the beginning).
//! What is written between the two is lost, which is why the journal is elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::DataDir;
use super::part::PartName;

/// One file grows to this; the one before it is kept.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// From one look at the sizes to the next.
const EVERY: Duration = Duration::from_secs(5);
/// How far back last words are looked for.
const TAIL_BYTES: u64 = 8 * 1024;
/// The longest last word.
const MOST_LINE: usize = 400;

/// Opens a log for a part to append to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// How long it is now; 0 where there is none.
pub(super) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// The last lines written after a mark, without control characters.
pub(super) fn last_lines(path: &Path, mark: u64, most: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        // It was emptied since the mark: everything in it is newer.
        let mark = if mark > length { 0 } else { mark };
        file.seek(SeekFrom::Start(mark.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(most)..]
        .iter()
        .map(|line| line.chars().filter(|c| !c.is_control()).take(MOST_LINE).collect())
        .collect()
}

/// Keeps the logs of all parts within their bound, for ever.
pub(super) async fn keep_bounded(dir: DataDir) {
    loop {
        tokio::time::sleep(EVERY).await;
        for part in PartName::ALL {
            let path = dir.log_file(part);
            if length(&path) > MOST_BYTES {
                // A full disk is the likeliest reason: emptying is then all the more right.
                let rotated = tokio::task::spawn_blocking(move || rotate(&path)).await;
                if let Ok(Err(error)) = rotated {
                    tracing::warn!(%part, %error, "a log file could not be cut");
                }
            }
        }
    }
}

fn rotate(path: &Path) -> io::Result<()> {
    let copied = std::fs::copy(path, before(path));
    OpenOptions::new().write(true).open(path)?.set_len(0)?;
    copied.map(|_| ())
}

fn before(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_cut_under_the_hands_of_its_writer() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("edge.log");
        let mut writer = open(&path).unwrap();
        writer.write_all(b"one\n\x1b[31mtwo\n").unwrap();
        assert_eq!(last_lines(&path, 0, 9), ["one", "[31mtwo"]);
        assert_eq!(last_lines(&path, 4, 9), ["[31mtwo"]);
        assert_eq!(last_lines(&path, 0, 1), ["[31mtwo"]);
        rotate(&path).unwrap();
        writer.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
        assert!(std::fs::read_to_string(before(&path)).unwrap().starts_with("one\n"));
        assert_eq!(last_lines(&path, 12, 9), ["three"], "the mark is of before");
        assert!(last_lines(&home.path().join("none"), 0, 9).is_empty());
    }
}
