//! Archives as people send them, and as nobody should.

use std::io::Write as _;

use tar::{Builder, EntryType, Header};

use super::*;

/// Entries as they would not let themselves be made: path, kind, what a link says, content.
type Row<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

fn archive(rows: &[Row<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (path, kind, target, content) in rows {
        let mut header = Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o6755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn unpacked(bytes: &[u8], bounds: Bounds) -> (tempfile::TempDir, Result<Unpacked, UnpackError>) {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("tree");
    fs::create_dir(&folder).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let done = unpack(file, &folder, bounds, &CancellationToken::new());
    let beside: Vec<_> = fs::read_dir(above.path()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing is written beside the folder");
    (above, done)
}

#[test]
fn files_folders_and_links_come_out_as_they_went_in() {
    let rows: &[Row<'_>] = &[
        ("./", EntryType::Directory, "", b""),
        ("./a/run", EntryType::Regular, "", b"#!/bin/sh"),
        ("a/again", EntryType::Link, "./a/run", b""),
        ("a/link", EntryType::Symlink, "../b/file", b""),
        ("b/file", EntryType::Regular, "", b"text"),
        ("b/", EntryType::Directory, "", b""),
        (".git/config", EntryType::Regular, "", b"x"),
        ("a/.git", EntryType::Regular, "", b"gitdir: /"),
    ];
    let plain = archive(rows);
    for bytes in [gzip(&plain), plain] {
        let (above, done) = unpacked(&bytes, Bounds::default());
        assert_eq!(done.unwrap(), Unpacked { bytes: 22, entries: 5 });
        let tree = above.path().join("tree");
        assert_eq!(fs::read(tree.join("a/again")).unwrap(), b"#!/bin/sh");
        assert_eq!(fs::read_link(tree.join("a/link")).unwrap(), Path::new("../b/file"));
        assert!(!tree.join(".git").exists() && !tree.join("a/.git").exists());
        let mode = fs::metadata(tree.join("a/run")).unwrap().permissions();
        let mode = std::os::unix::fs::PermissionsExt::mode(&mode);
        assert_eq!(mode & 0o7000, 0, "no bit but those of reading, writing and running");
    }
}

#[test]
fn what_is_hostile_is_refused_by_name() {
    let file = EntryType::Regular;
    let link = EntryType::Symlink;
    let rows: &[(&[Row<'_>], &str)] = &[
        (&[("../x", file, "", b"x")], "leads out of the folder"),
        (&[("a/../../x", file, "", b"x")], "leads out of the folder"),
        (&[("/etc/x", file, "", b"x")], "begins with /"),
        (&[("a\nb", file, "", b"x")], "control character"),
        (&[("a\u{7f}", file, "", b"x")], "control character"),
        (&[("a", link, "/etc", b"")], "leads out of the folder: /etc"),
        (&[("a", link, "..", b"")], "leads out of the folder"),
        (&[("b/a", link, "../../x", b"")], "leads out of the folder"),
        (&[("b/a", link, "c/../../..", b"")], "leads out of the folder"),
        (&[("a", link, "", b"")], "leads out of the folder"),
        (&[("a/b/s", link, "../..", b""), ("t", link, "a/b/s/../x", b"")], "leads out"),
        (&[("a", link, "b", b""), ("a/x", file, "", b"x")], "no folder"),
        (&[("a", file, "", b"x"), ("a/x", file, "", b"x")], "no folder"),
        (&[("a", link, "b", b""), ("a", file, "", b"x")], "more than once"),
        (&[("a", file, "", b"x"), ("./a", file, "", b"y")], "more than once"),
        (&[("a", EntryType::Link, "/etc/passwd", b"")], "begins with /"),
        (&[("a", EntryType::Link, "../x", b"")], "leads out of the folder"),
        (&[("a", EntryType::Link, "b", b"")], "did not come before"),
        (&[("l", link, "b", b""), ("a", EntryType::Link, "l", b"")], "did not come before"),
        (&[("a", EntryType::Char, "", b"")], "is a device"),
        (&[("a", EntryType::Block, "", b"")], "is a device"),
        (&[("a", EntryType::Fifo, "", b"")], "is a pipe"),
        (&[(".git/a", EntryType::GNUSparse, "", b"")], "is a sparse file"),
        (&[(".", file, "", b"x")], "has no name"),
        (&[], "nothing in it"),
    ];
    for (rows, expected) in rows {
        let (_, done) = unpacked(&archive(rows), Bounds::default());
        let why = done.unwrap_err().to_string();
        assert!(why.contains(expected), "{rows:?}: {why}");
    }
    for bytes in [&b""[..], b"hello, this is no archive", &[0x1f, 0x8b, 9, 9, 9]] {
        let (_, done) = unpacked(bytes, Bounds::default());
        assert!(matches!(done, Err(UnpackError::NoArchive(_))), "{done:?}");
    }
}

#[test]
fn what_is_too_much_is_refused_however_well_it_is_packed() {
    let bounds = Bounds { bytes: 1_000_000, entries: 3 };
    let zeros = vec![0; 600_000];
    let file = EntryType::Regular;
    let large = archive(&[("a", file, "", &zeros), ("b", file, "", &zeros)]);
    let again = archive(&[("a", file, "", &zeros), ("b", EntryType::Link, "a", b"")]);
    let many = archive(&["a", "b", "c", "d"].map(|path| (path, file, "", &b""[..])));
    for (bytes, expected) in [(large, "MiB"), (again, "MiB"), (many, "more than 3 entries")] {
        let (_, done) = unpacked(&gzip(&bytes), bounds);
        let why = done.unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
    let named = archive(&[("x", EntryType::GNULongName, "", &zeros), ("a", file, "", b"x")]);
    let (_, done) = unpacked(&gzip(&named), Bounds::default());
    let why = done.unwrap_err().to_string();
    assert!(why.contains("64 KiB that say what one entry is"), "{why}");
    let (_, done) = unpacked(&archive(&[("a/b/c/d/e", file, "", b"x")]), bounds);
    let why = done.unwrap_err().to_string();
    assert!(why.contains("3 folders"), "{why}");
    let cut = archive(&[("a", file, "", &zeros)]);
    let (_, done) = unpacked(&cut[..10_000], bounds);
    assert!(done.is_err());
    let long = "a/".repeat(limits::MOST_UPLOAD_PATH);
    assert!(parts(&long).is_err() && parts(&"b".repeat(256)).is_err());
}

/// What describes an entry must not hide in what only seems to be the content of a file.
#[test]
fn an_entry_has_one_size() {
    let zeros = vec![0; 100_000];
    let file = EntryType::Regular;
    let hidden = archive(&[("l", EntryType::GNULongName, "", &zeros), ("b", file, "", b"x")]);
    for (kind, said, expected) in [
        (EntryType::XHeader, &b"9 size=0\n"[..], "a, which has two sizes"),
        (EntryType::XHeader, b"9 size=x\n", "a, which has two sizes"),
        (EntryType::XHeader, b"9 path=a\n9 size=0\n", "two sizes"),
        (EntryType::XGlobalHeader, b"9 size=0\n", "one size"),
    ] {
        let bytes = archive(&[("p", kind, "", said), ("a", file, "", &hidden)]);
        let (_, done) = unpacked(&bytes, Bounds::default());
        let why = done.unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
    // As tar writes a sparse file where it writes attributes, too.
    let map = b"22 GNU.sparse.major=1\n";
    let sparse = archive(&[("p", EntryType::XHeader, "", map), ("a", file, "", b"x")]);
    let (_, done) = unpacked(&sparse, Bounds::default());
    assert!(done.unwrap_err().to_string().contains("a, which is a sparse file"));
    let same = archive(&[("p", EntryType::XHeader, "", b"9 size=1\n"), ("a", file, "", b"x")]);
    let (_, done) = unpacked(&same, Bounds::default());
    assert_eq!(done.unwrap(), Unpacked { bytes: 1, entries: 1 });
}

#[test]
fn one_that_is_called_off_stops() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&archive(&[("a", EntryType::Regular, "", b"x")])).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let done = unpack(file, folder.path(), Bounds::default(), &cancel);
    assert!(matches!(done, Err(UnpackError::Cancelled)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
