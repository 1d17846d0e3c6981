//! A backup in a file, and the machine that it came from gone.

use std::os::unix::fs::PermissionsExt;

use hythe_tests::installation::hythe;

use crate::server::{Server, offline};

const CANARY: &str = "canary-5d1e-of-the-environment";

#[test]
fn a_file_from_a_server_that_runs_makes_the_same_server_elsewhere() {
    let mut server = Server::start();
    let key = server.path("keep-me.key");
    let key = key.to_str().unwrap();
    let made = offline(&["backup", "key", key, "--json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    server.create_app("shop");
    let set = server.run(&["env", "set", "shop", &format!("TOKEN={CANARY}")]);
    assert_eq!(set.code, 0, "{}", set.err);
    let before = server.run(&["status"]);
    assert!(before.out.contains("no backup was ever made"), "{}", before.out);

    let file = server.path("hythe.age");
    let file = file.to_str().unwrap();
    let made = server.json(&["backup", file, "--key-file", key]);
    let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    assert_eq!(made["bytes"].as_u64(), Some(bytes.len() as u64));
    let verified = offline(&["backup", "verify", file, "--key-file", key, "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    let verified = verified.json();
    assert_eq!((&verified["head"], &verified["secrets"]), (&made["head"], &serde_json::json!(1)));
    let events = server.events();
    assert!(events.contains("installation.backup_made"), "{events}");
    let status = server.status();
    assert_eq!(status["backup"]["made"]["head"], made["head"]);
    server.create_app("after-the-backup");

    // Wrong key, no key, a file that is cut short, a folder that is in use.
    let target = server.path("elsewhere");
    let target = target.to_str().unwrap();
    let restore = |file: &str, more: &[&str]| {
        offline(&[&["restore", file, "--data", target][..], more].concat())
    };
    let other = server.path("other.key");
    let other = other.to_str().unwrap();
    assert_eq!(offline(&["backup", "key", other]).code, 0);
    assert_eq!(offline(&["backup", "key", other]).code, 1, "a key is never overwritten");
    let refused = restore(file, &["--key-file", other]);
    assert!(refused.code == 1 && refused.err.contains("another key"), "{}", refused.err);
    let refused = restore(file, &[]);
    assert!(refused.code == 2 && refused.err.contains("--key-file"), "{}", refused.err);
    let cut = server.path("cut.age");
    std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    let refused = restore(cut.to_str().unwrap(), &["--key-file", key]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let data = server.data();
    let data = data.to_str().unwrap().to_owned();
    let over = |more: &[&str]| {
        offline(&[&["restore", file, "--key-file", key, "--data", &data][..], more].concat())
    };
    assert!(over(&[]).err.contains("--replace"));
    assert!(over(&["--replace"]).err.contains("stop that server"));

    server.kill();
    let refused = over(&["--replace"]);
    assert!(refused.err.contains("older") && refused.err.contains("--replace-newer"));
    let back = restore(file, &["--key-file", key, "--json"]);
    assert_eq!(back.code, 0, "{}", back.err);
    let back = back.json();
    assert_eq!(back["head"], made["head"]);
    assert_eq!(back["state_compared"], serde_json::json!(true));
    let (head, state) = Server::replayed(target.as_ref());
    assert_eq!(
        (Some(head), Some(state.as_str())),
        (back["head"].as_u64(), back["state_hash"].as_str())
    );

    // The machine is gone; the new one has the token, the apps and the secrets.
    let token = server.token();
    std::fs::remove_dir_all(server.data()).unwrap();
    std::fs::rename(target, server.data()).unwrap();
    server.up();
    assert_eq!(server.token(), token);
    let apps = server.run(&["app", "ls", "--json"]).out;
    assert!(apps.contains("shop") && !apps.contains("after-the-backup"), "{apps}");
    let env = server.run(&["env", "ls", "shop", "--json"]).out;
    assert!(env.contains("TOKEN"), "{env}");
    assert!(server.events().contains("installation.restored"));
    let said = server.run(&["status"]).out;
    assert!(said.contains("restored"), "{said}");
    server.kill();
    let verified = offline(&["journal", "verify", "--data", &data]);
    assert!(verified.code == 0 && verified.out.contains("1 secrets"), "{}", verified.out);
}

#[test]
fn a_server_that_is_stopped_is_backed_up_with_the_key_that_lies_there() {
    let mut server = Server::start();
    server.create_app("shop");
    let data = server.data();
    let (data, file) = (data.to_str().unwrap().to_owned(), server.path("b.age"));
    let file = file.to_str().unwrap();
    let running = offline(&["backup", file, "--data", &data]);
    assert!(running.code == 1 && running.err.contains("is using it"), "{}", running.err);
    assert!(!std::path::Path::new(file).exists());
    server.kill();
    let made = offline(&["backup", file, "--data", &data]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("backup.key") && made.err.contains("keep a copy"), "{}", made.err);
    let key = server.data().join("backup.key");
    // The key itself may come from the environment.
    let text = std::fs::read_to_string(&key).unwrap();
    let verified = hythe()
        .args(["backup", "verify", file])
        .env("HYTHE_BACKUP_KEY", text.lines().last().unwrap())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    // In place, over the same server: it is moved aside and kept.
    let state = Server::replayed(data.as_ref());
    let back = offline(&["restore", file, "--data", &data, "--replace", "--json"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(Server::replayed(data.as_ref()), state);
    let aside = back.json()["aside"].as_str().unwrap().to_owned();
    assert_eq!(Server::replayed(aside.as_ref()), state);
    server.up();
}
