//! Reads the few files of a checkout that decide how it is built. Nothing outside of it is read,
//! wherever a link leads, and of each file only as much as was asked for.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hythe_core::detect::{FileText, FileTexts, Wanted};

/// Reads what is wanted; a file that is not there is left out.
#[must_use]
pub fn read_texts(root: &Path, wanted: &[Wanted]) -> FileTexts {
    let Ok(root) = root.canonicalize() else { return FileTexts::default() };
    let texts = wanted.iter().map(|file| (file.path.clone(), read(&root, file)));
    texts.collect()
}

fn read(root: &Path, wanted: &Wanted) -> FileText {
    let inside = root.join(&wanted.path).canonicalize().ok().filter(|real| real.starts_with(root));
    // Opening something that is no file may wait for ever.
    let Some(path) = inside.filter(|path| path.is_file()) else { return FileText::Unreadable };
    let mut bytes = Vec::new();
    let most = wanted.most_bytes as u64 + u64::from(!wanted.head);
    if File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).is_err() {
        return FileText::Unreadable;
    }
    if bytes.len() > wanted.most_bytes {
        return FileText::TooLarge;
    }
    FileText::of(&bytes, wanted.head)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_and_nothing_too_large_is_read() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), "secret").unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("fine"), "yes").unwrap();
        std::fs::write(at("large"), "x".repeat(11)).unwrap();
        std::fs::write(at("bytes"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink("fine", at("in")).unwrap();
        symlink("round", at("round")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let wanted = |path: &str, head| Wanted { path: path.to_owned(), most_bytes: 10, head };
        let text = |path, head| read(&root.path().canonicalize().unwrap(), &wanted(path, head));
        assert_eq!(text("fine", false), FileText::Text("yes".to_owned()));
        assert_eq!(text("in", false), FileText::Text("yes".to_owned()));
        assert_eq!(text("large", false), FileText::TooLarge);
        assert_eq!(text("large", true), FileText::Text("x".repeat(10)));
        for path in ["bytes", "folder", "out", "round", "pipe", "missing"] {
            assert_eq!(text(path, false), FileText::Unreadable, "{path}");
        }
    }
}
