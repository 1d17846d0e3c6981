//! Backups that are cut, changed, or locked for somebody else.

use super::*;

/// Refused, with this in the message, and nothing is left in the target.
fn refused(bytes: &[u8], key: &BackupKey, word: &str) {
    let from = tempfile::tempdir().unwrap();
    let file = from.path().join("b.age");
    std::fs::write(&file, bytes).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = restore(dir.path(), &[&file], key, Replace::No, AT).unwrap_err().to_string();
    assert!(error.contains(word), "{word:?} is not in: {error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{error}");
    let looked = inspect(&[&file], key).unwrap_err().to_string();
    assert_eq!(looked, error, "looking and restoring agree");
}

#[test]
fn another_key_and_every_length_and_every_kind_of_damage_are_refused() {
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    server.backup(&key, &file);
    let whole = std::fs::read(&file).unwrap();
    refused(&whole, &BackupKey::generate(), "another key");
    let public = BackupKey::parse(key.recipient().as_str()).unwrap();
    refused(&whole, &public, "public half");
    refused(b"", &key, "");
    refused(b"{\"hythe_journal\":1}\n", &key, "no age file");
    // Every length: looked at only, which reads the same.
    let cut = server.dir.path().join("cut.age");
    for len in (0..whole.len()).step_by(7).chain(whole.len() - 64..whole.len()) {
        std::fs::write(&cut, &whole[..len]).unwrap();
        assert!(inspect(&[&cut], &key).is_err(), "{len} of {} bytes", whole.len());
    }
    refused(&whole[..whole.len() - 1], &key, "");
    refused(&whole[..whole.len() / 2], &key, "");
    for at in (0..whole.len()).step_by(11) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&cut, &flipped).unwrap();
        assert!(inspect(&[&cut], &key).is_err(), "byte {at}");
    }
    let mut longer = whole;
    longer.push(0);
    std::fs::write(&cut, &longer).unwrap();
    assert!(inspect(&[&cut], &key).is_err());
}

/// An age file with this inside.
fn sealed(inside: &[u8], key: &BackupKey) -> Vec<u8> {
    use std::io::Write as _;
    let recipient = key::recipient(key.recipient()).unwrap();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut out = encryptor.wrap_output(Vec::new()).unwrap();
    out.write_all(inside).unwrap();
    out.finish().unwrap()
}

fn opened(bytes: &[u8], key: &BackupKey) -> Vec<u8> {
    use std::io::Read as _;
    let decryptor = age::Decryptor::new_buffered(bytes).unwrap();
    let mut reader = decryptor.decrypt(std::iter::once(key.identity().unwrap() as _)).unwrap();
    let mut inside = Vec::new();
    reader.read_to_end(&mut inside).unwrap();
    inside
}

fn frames(mut inside: &[u8]) -> Vec<frame::Frame> {
    frame::read_head(&mut inside).unwrap();
    let mut frames = Vec::new();
    while !inside.is_empty() {
        frames.push(frame::read(&mut inside).unwrap());
    }
    frames
}

fn remade(frames: &[frame::Frame], key: &BackupKey) -> Vec<u8> {
    let mut inside = Vec::new();
    frame::write_head(&mut inside).unwrap();
    frames.iter().for_each(|one| frame::write(&mut inside, one).unwrap());
    sealed(&inside, key)
}

#[test]
fn a_backup_that_somebody_with_the_key_changed_does_not_add_up() {
    use frame::Frame;
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    server.backup(&key, &file);
    let inside = opened(&std::fs::read(&file).unwrap(), &key);
    let good = frames(&inside);
    let change = |with: &dyn Fn(&mut Vec<Frame>)| {
        let mut frames = good.clone();
        with(&mut frames);
        assert_ne!(frames, good);
        remade(&frames, &key)
    };
    let mut newer = inside;
    newer[16] = 2;
    refused(&sealed(&newer, &key), &key, "format 2");
    refused(&sealed(b"something else that is long enough", &key), &key, "none of Hythe's");
    // Cut at a frame and sealed anew: whole for age, and not for us.
    refused(&change(&|frames| drop(frames.pop())), &key, "cut short");
    refused(&change(&|frames| frames.push(frames[1].clone())), &key, "after its end");
    refused(&change(&|frames| drop(frames.remove(0))), &key, "beginning");
    refused(&change(&|frames| drop(frames.remove(1))), &key, "");
    refused(
        &change(&|frames| {
            let Frame::Records(records) = &mut frames[1] else { panic!("records come first") };
            records.swap(1, 2);
        }),
        &key,
        "does not follow",
    );
    refused(
        &change(&|frames| {
            let Frame::Records(records) = &mut frames[1] else { panic!("records come first") };
            records[1].payload.push(0);
        }),
        &key,
        "does not follow",
    );
    let wrong_state = change(&|frames| {
        let Some(Frame::End(end)) = frames.last_mut() else { panic!("it ends") };
        end.state = Some((View::FORMAT, [7; 32]));
    });
    refused(&wrong_state, &key, "another state");
    let outside = change(&|frames| {
        for one in frames.iter_mut() {
            if let Frame::File { name, bytes: _ } = one {
                *name = "../../etc/passwd".into();
            }
        }
    });
    refused(&outside, &key, "no backup has");
    let moved = change(&|frames| {
        for one in frames.iter_mut() {
            if let Frame::Secret { version, .. } = one {
                *version += 7;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(&file, moved).unwrap();
    let error = restore(dir.path(), &[&file], &key, Replace::No, AT).unwrap_err().to_string();
    assert!(error.contains("changed or moved"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // A state in another form than ours is not compared, and said not to be.
    let other_form = change(&|frames| {
        let Some(Frame::End(end)) = frames.last_mut() else { panic!("it ends") };
        end.state = Some((View::FORMAT + 1, [7; 32]));
    });
    std::fs::write(&file, other_form).unwrap();
    assert!(!inspect(&[&file], &key).unwrap().state_compared);
}
