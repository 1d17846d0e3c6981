//! Places that the server writes to by itself: an object store that speaks S3, and folders.

use hythe_tests::object_store::{ObjectStore, SECRET_KEY};
use serde_json::json;

use crate::server::{Server, offline, wait_until};

#[test]
fn an_object_store_takes_backups_by_hand_by_schedule_and_the_mirror() {
    let (mut server, store) = (Server::start(), ObjectStore::start());
    server.create_app("shop");
    let key = server.path("k.key");
    let key = key.to_str().unwrap();
    assert_eq!(offline(&["backup", "key", key]).code, 0);

    let by_hand = store.url("by/hand");
    let made = server.json(&["backup", &by_hand, "--key-file", key]);
    assert_eq!(made["to"], json!(by_hand));
    let verified = offline(&["backup", "verify", &by_hand, "--key-file", key, "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert_eq!(verified.json()["head"], made["head"]);

    let regular = store.url("regular");
    let args = ["backup", "schedule", "--to", &regular, "--every", "1h", "--keep", "3"];
    let set = server.json(&[&args[..], &["--key-file", key]].concat());
    assert_eq!((&set["every_ms"], &set["keep"]), (&json!(3_600_000), &json!(3)));
    wait_until("the schedule has made one", || {
        server.status()["backup"]["made"]["to"] == json!(regular)
    });

    let mirror = store.url("mirror");
    let set = server.run(&["backup", "mirror", &mirror, "--key-file", key]);
    assert_eq!(set.code, 0, "{}", set.err);
    for n in 0..5 {
        server.create_app(&format!("app-{n}"));
    }
    wait_until("the mirror has everything", || {
        let status = server.status();
        status["backup"]["mirror"]["head"] == status["journal"]["head"]
    });
    let head = server.status()["journal"]["head"].as_u64().unwrap();
    assert!(!store.holds("hythe_"), "no token lies there in the clear");
    assert!(!server.events().contains(SECRET_KEY), "no credential is in an event");
    server.kill();
    std::fs::remove_dir_all(server.data()).unwrap();
    let data = server.data();
    let args =
        ["restore", "--mirror", &mirror, "--key-file", key, "--data", data.to_str().unwrap()];
    let back = offline(&[&args[..], &["--json"]].concat());
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(back.json()["head"].as_u64(), Some(head));
    // It goes on mirroring, and making backups, as what it was.
    server.up();
    wait_until("the mirror has everything again", || {
        let status = server.status();
        status["backup"]["mirror"]["head"] == status["journal"]["head"]
    });
    assert!(server.events().contains("installation.restored"));
    let off = server.run(&["backup", "mirror", "off"]);
    assert_eq!(off.code, 0, "{}", off.err);
    let off = server.run(&["backup", "schedule", "off"]);
    assert_eq!(off.code, 0, "{}", off.err);
    assert!(server.run(&["backup", "show"]).out.contains("schedule    none"));
}

#[test]
fn what_cannot_be_used_is_refused_at_once_with_what_to_do() {
    let (server, store) = (Server::start(), ObjectStore::start());
    let missing = format!("file://{}", server.path("missing").display());
    let wrong_bucket = store.url("x").replace("backups", "nobody");
    let relative = "file://relative".to_owned();
    let with_secret = "s3://key:hush@bucket/x".to_owned();
    for (to, code, word) in [
        (&missing, 2, "no such folder"),
        (&wrong_bucket, 2, "nobody"),
        (&relative, 2, "absolute"),
        (&with_secret, 2, "environment"),
    ] {
        let refused = server.run(&["backup", "mirror", to]);
        assert_eq!(refused.code, code, "{to}: {}", refused.err);
        assert!(refused.err.contains(word), "{to}: {}", refused.err);
        assert!(!refused.err.contains("hush"), "{}", refused.err);
        let refused = server.run(&["backup", "schedule", "--to", to]);
        assert!(refused.code == code && refused.err.contains(word), "{to}: {}", refused.err);
    }
    let failed = server.run(&["backup", &missing]);
    assert!(failed.code == 1 && failed.err.contains("no such folder"), "{}", failed.err);
    assert!(server.events().contains("installation.backup_failed"));
    assert!(server.run(&["status"]).out.contains("the last backup failed"));
    let empty = server.folder("empty");
    let key = server.data().join("backup.key");
    let key = key.to_str().unwrap();
    for args in [["restore", &empty], ["restore", "--mirror"]] {
        let mut args = args.to_vec();
        if args[1] == "--mirror" {
            args.push(&empty);
        }
        let data = server.path("new");
        args.extend(["--key-file", key, "--data"]);
        let refused = offline(&[&args[..], &[data.to_str().unwrap()]].concat());
        assert!(refused.code == 1 && refused.err.contains("there is no"), "{}", refused.err);
        assert!(!data.join("journal").exists());
    }
}
