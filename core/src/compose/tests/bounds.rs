//! Nothing that a file comes to is without an end.

use std::fmt::Write as _;

use super::given;
use crate::compose::*;

#[test]
fn what_has_no_end_is_refused() {
    let many: String = (0..=limits::MOST_SERVICES).fold("services:\n".into(), |mut text, n| {
        writeln!(text, "  s{n}: {{image: x}}").unwrap();
        text
    });
    assert!(read(&many, &given()).unwrap_err().to_string().contains("more than 100 services"));
    let deep =
        format!("x-a: {}1{}\nservices: {{a: {{image: x}}}}\n", "[".repeat(60), "]".repeat(60));
    assert!(read(&deep, &given()).is_err());
    let large = "#".repeat(MOST_BYTES + 1);
    assert!(read(&large, &given()).unwrap_err().to_string().contains("512 KiB"));
    let mut bomb = String::from("x-0: &a0 [z, z, z, z, z, z, z, z, z, z]\n");
    for n in 1..9 {
        let row = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "x-{n}: &a{n} [{row}]").unwrap();
    }
    bomb.push_str("services: {a: {image: x}}\n");
    assert!(read(&bomb, &given()).is_err());
    let notes: String = (0..500).fold("services:\n  a:\n    image: x\n".into(), |mut text, n| {
        writeln!(text, "    zz{n}: 1").unwrap();
        text
    });
    let left = read(&notes, &given()).unwrap().left;
    assert!(left.len() < 310 && left.last().unwrap().why.contains("more are not taken"));
}

#[test]
fn all_that_a_file_comes_to_has_a_bound() {
    let large = "x".repeat(200 * 1024);
    let with = |name: &str, value: &str| {
        let mut given = given();
        given.variables.insert(name.into(), value.into());
        given
    };
    let services = |of: &str| {
        (0..40).fold(String::from("services:\n"), |mut text, n| {
            writeln!(text, "  s{n}: {{image: x, {of}}}").unwrap();
            text
        })
    };
    let why = |read: Result<Composed, Bad>| read.unwrap_err().why;
    let filled = services("environment: {A: \"${LARGE}\", B: \"${LARGE}\"}");
    assert!(why(read(&filled, &with("LARGE", &large))).contains("larger than 8 MiB"));
    // The same by a text that has a name, and by files of variables.
    let named = services("environment: {A: *large}");
    let named = format!("x-large: &large {large}{large}\n{named}");
    assert!(read(&named, &given()).is_err());
    let mut files = given();
    files.files.insert("large.env".into(), format!("A={large}\n"));
    let read_by_all = why(read(&services("env_file: [large.env, large.env]"), &files));
    assert!(read_by_all.contains("large.env") && read_by_all.contains("8 MiB"), "{read_by_all}");
    let doubled: String = (0..64).fold(format!("A={large}\n"), |mut text, n| {
        writeln!(text, "A{n}=${{A}}").unwrap();
        text
    });
    assert!(variables_of(&doubled, &BTreeMap::new()).unwrap_err().contains("8 MiB"));

    let names: Vec<String> = (0..33).map(|n| format!("{n}.env")).collect();
    let many = format!("services: {{a: {{image: x, env_file: [{}]}}}}\n", names.join(", "));
    assert!(why(read(&many, &given())).contains("at most 32 files"));
    let list = |from: u32| {
        let names: Vec<String> = (from..from + 22).map(|n| format!("{n}.env")).collect();
        names.join(", ")
    };
    let [a, b, c] = [0, 22, 44].map(list);
    let many = format!(
        "services: {{a: {{env_file: [{a}]}}, b: {{env_file: [{b}]}}, c: {{env_file: [{c}]}}}}"
    );
    assert!(wanted(&many, &given()).unwrap_err().why.contains("66 other files, and at most 64"));
    files.files = (0..193).map(|n| (format!("{n}.env"), String::new())).collect();
    assert!(why(read("services: {a: {image: x}}", &files)).contains("193 other files"));
    let mounts: String = (0..257).fold(String::new(), |mut text, n| {
        write!(text, "./f:/{n}, ").unwrap();
        text
    });
    let many = format!("services: {{a: {{image: x, volumes: [{mounts}]}}}}\n");
    assert!(why(read(&many, &given())).contains("services.a.volumes: more than 256"));
    let mounted = |mounted: BTreeMap<String, Mounted>| {
        let given = Given { mounted, ..given() };
        assert!(wanted("services: {a: {image: x}}", &given).is_err());
        why(read("services: {a: {image: x}}", &given))
    };
    let many = (0..257).map(|n| (format!("f{n}"), Mounted::Nothing)).collect();
    assert!(mounted(many).contains("257 other files"));
    let files = (0..65).map(|n| n.to_string()).collect();
    let large = BTreeMap::from([("conf".to_owned(), Mounted::Folder(files))]);
    assert!(mounted(large).contains("at most 64 files are named: conf"));
}
