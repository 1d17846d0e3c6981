//! Files that extend and include one another: what they come to as one, and what is refused.

use super::super::tests::told;
use super::super::{Given, wanted};
use super::tag;

fn given(folder: &str, files: &[(&str, &str)]) -> Given {
    let pairs = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let variables = [("TAG", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Given {
        files: pairs.collect(),
        folder: folder.to_owned(),
        variables: variables.into(),
        ..Given::default()
    }
}

type Files = &'static [(&'static str, &'static str)];

/// What a file is called here, its folder, the file and those that it names, and how each line begins that
/// is told of it.
type Row = (&'static str, &'static str, &'static str, Files, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "a service of the same file",
        "deploy",
        "services:\n  base:\n    image: x\n    command: run\n    environment: {A: \"1\", B: \"1\"}\n  a:\n    \
         extends: base\n    environment: [B=2, C=3]\n  b:\n    extends: {service: a}\n    command:\n",
        &[],
        &[
            "0 a image=x command=run health=none A=1 B=2 C=3",
            "0 b image=x health=none A=1 B=2 C=3",
            "0 base image=x command=run health=none A=1 B=1",
        ],
    ),
    (
        "a service of another file, whose paths are its own",
        "deploy",
        "services:\n  a:\n    extends: {file: ../base/common.yaml, service: web}\n    ports: [80]\n",
        &[
            (
                "base/common.yaml",
                "services:\n  web:\n    extends: root\n    build: {dockerfile: D, args: {A: \"1\"}}\n    env_file: \
                 own.env\n  root:\n    build: {context: ., args: [A=0, B=0]}\n    env_file: [../top.env]\n",
            ),
            ("base/own.env", "OWN=1\n"),
            ("top.env", "TOP=1\n"),
        ],
        &["0 a build=base dockerfile=D arg:A=1 arg:B=0 port=80 routed=yes OWN=1 TOP=1"],
    ),
    (
        "what is at one place is there once",
        "deploy",
        "services:\n  base:\n    image: x\n    volumes: [\"d:/d\", \"e:/e\"]\n    healthcheck: {test: [CMD, a, b], \
         interval: 5s}\n  a:\n    extends: base\n    volumes:\n      - {type: volume, source: e, target: /d, \
         read_only: true}\n    healthcheck: {test: [CMD, c]}\nvolumes: {d: , e: }\n",
        &[],
        &[
            "0 a image=x interval=5000 health=command [\"c\"] e:/d:ro e:/e",
            "0 base image=x interval=5000",
        ],
    ),
    (
        "dependencies of both count",
        "deploy",
        "services:\n  base: {image: x, depends_on: [db]}\n  a:\n    extends: base\n    depends_on: {c: {condition: \
         service_healthy}}\n  c: {image: c}\n  db: {image: d}\n",
        &[],
        &[
            "0 c image=c",
            "0 db image=d",
            "1 a image=x health=none after=c,db",
            "1 base image=x health=none after=db",
        ],
    ),
    (
        "what is told of another file has its name",
        "",
        "services:\n  a: {extends: {file: base.yaml, service: b}}\n",
        &[("base.yaml", "services:\n  b:\n    image: \"x:${TAG}\"\n    privileged: true\n")],
        &["0 a image=x:2 health=none", "! base.yaml:4 services.a.privileged: what a container"],
    ),
    (
        "a circle of services",
        "",
        "services:\n  a: {extends: b}\n  b:\n    extends: {file: other.yaml, service: c}\n",
        &[("other.yaml", "services:\n  c: {extends: d}\n  d: {extends: c}\n")],
        &["refused: in other.yaml, line 3: services extend one another in a circle: c → d → c"],
    ),
    (
        "a service that extends itself",
        "deploy",
        "services:\n  a: {image: x, extends: a}\n",
        &[],
        &["refused: line 2: services extend one another in a circle: a → a"],
    ),
    (
        "a service that there is not",
        "",
        "services:\n  a: {extends: {file: o.yaml, service: b}}\n",
        &[("o.yaml", "services: {}\n")],
        &["refused: line 2: services.a.extends: there is no service b in o.yaml"],
    ),
    (
        "a file that there is not",
        "deploy",
        "services:\n  a: {extends: {file: o.yaml, service: b}}\n",
        &[],
        &["refused: line 2: services.a.extends: there is no file deploy/o.yaml"],
    ),
    (
        "a file outside",
        "deploy",
        "services:\n  a: {extends: {file: ../../o.yaml, service: b}}\n",
        &[],
        &["refused: line 2: services.a.extends: ../../o.yaml leads out of the source"],
    ),
    (
        "a context of another file that leads out",
        "deploy",
        "services:\n  a: {extends: {file: ../o.yaml, service: b}}\n",
        &[("o.yaml", "services:\n  b:\n    build: ../x\n")],
        &["refused: in o.yaml, line 3: ../x leads out of the source"],
    ),
    (
        "another file that is no YAML",
        "deploy",
        "services:\n  a: {extends: {file: ../o.yaml, service: b}}\n",
        &[("o.yaml", "services: [\n")],
        &["refused: line 2: services.a.extends: o.yaml: it cannot be read as YAML"],
    ),
    (
        "tags of what is put together",
        "deploy",
        "services:\n  b: {image: x}\n  a:\n    extends: b\n    ports: !reset []\n",
        &[],
        &["refused: line 5: the tag !reset is not taken"],
    ),
    (
        "tags that are only spoken of",
        "deploy",
        "# !reset would be refused\nservices:\n  b: {image: x} # !override, too\n  a: {extends: b}\n",
        &[],
        &["0 a image=x health=none", "0 b image=x health=none"],
    ),
    (
        "files that are included",
        "deploy",
        "include:\n  - ../db/compose.yaml\n  - path: [../c/a.yaml, ../c/b.yaml]\n    project_directory: ../web\n    \
         env_file: ../c/own.env\nservices:\n  a: {image: \"a:${TAG}\", depends_on: [db]}\n",
        &[
            (
                "db/compose.yaml",
                "services:\n  db: {image: \"pg:${V:-1}\", volumes: [\"d:/d\"]}\nvolumes: {d: }\nname: theirs\n",
            ),
            ("db/.env", "V=16\n"),
            (
                "c/a.yaml",
                "services:\n  c:\n    build: .\n    environment: {T: \"${TAG}\", O: \"${OWN}\"}\n",
            ),
            ("c/b.yaml", "services:\n  c:\n    environment: {T: more}\n"),
            ("c/own.env", "OWN=own\nTAG=9\n"),
        ],
        &[
            "0 c build=web health=none O=own T=more",
            "0 db image=pg:16 health=none d:/d",
            "1 a image=a:2 health=none after=db",
        ],
    ),
    (
        "included by two, and the same",
        "deploy",
        "include: [b.yaml, c.yaml]\n",
        &[
            ("deploy/b.yaml", "include: [d.yaml]\nservices:\n  b: {image: b}\n"),
            ("deploy/c.yaml", "include: [d.yaml]\nservices:\n  c: {image: c}\n"),
            ("deploy/d.yaml", "services:\n  d: {image: d}\n"),
        ],
        &["0 b image=b health=none", "0 c image=c health=none", "0 d image=d health=none"],
    ),
    (
        "included under a name that is taken",
        "deploy",
        "include: [b.yaml]\nservices:\n  b: {image: a}\n",
        &[("deploy/b.yaml", "services:\n  b: {image: b}\n")],
        &["refused: line 1: include: services.b is in another file too"],
    ),
    (
        "files that include one another",
        "deploy",
        "include: [b.yaml]\n",
        &[("deploy/b.yaml", "include: [c.yaml]\n"), ("deploy/c.yaml", "\ninclude: [b.yaml]\n")],
        &[
            "refused: in deploy/c.yaml, line 2: files include one another in a circle: deploy/b.yaml → \
             deploy/c.yaml → deploy/b.yaml",
        ],
    ),
    (
        "an include that is none",
        "deploy",
        "include: [{pth: b.yaml}]\n",
        &[],
        &["refused: line 1: include.pth: there are path, project_directory and env_file"],
    ),
    (
        "a file of variables for it that there is not",
        "deploy",
        "include:\n  - {path: b.yaml, env_file: none.env}\n",
        &[("deploy/b.yaml", "services: {b: {image: b}}\n")],
        &["refused: line 2: include.env_file: there is no file deploy/none.env"],
    ),
    (
        "variables of its own that a file only names",
        "deploy",
        "include: [../db/compose.yaml]\nservices:\n  a: {image: a, environment: [OWN], secrets: [s]}\n",
        &[
            (
                "db/compose.yaml",
                "services:\n  db:\n    extends: {file: base.yaml, service: b}\n    environment: [OWN, TAG, NONE]\n    \
                 build: {context: ., args: {OWN: , A: b}}\n    secrets: [s]\nsecrets: {s: {environment: OWN}}\n",
            ),
            ("db/base.yaml", "services:\n  b: {environment: {FAR: }}\n"),
            ("db/.env", "OWN=own\nFAR=far\nTAG=9\n"),
        ],
        &[
            "0 a image=a health=none SECRET_FILE_s=own file:/run/secrets/s=SECRET_FILE_s",
            "0 db build=db arg:A=b arg:OWN=own health=none FAR=far OWN=own SECRET_FILE_s=own TAG=2 file:",
            "! 3 services.a.environment.OWN: it has no value here",
            "! db/compose.yaml:4 services.db.environment.NONE: it has no value here",
            "! db/compose.yaml:5 services.db.build.args: the value of OWN is kept",
        ],
    ),
    (
        "two of one name that are made from different values",
        "",
        "include: [b/c.yaml, d/c.yaml]\n",
        &[
            ("b/c.yaml", "services:\n  b: {image: b}\nsecrets: {s: {environment: V}}\n"),
            ("b/.env", "V=1\n"),
            ("d/c.yaml", "services:\n  d: {image: d}\nsecrets: {s: {environment: V}}\n"),
            ("d/.env", "V=2\n"),
        ],
        &["refused: line 1: include: secrets.s is in another file too"],
    ),
    (
        "keys of a file that is included",
        "deploy",
        "include: [b.yaml]\n",
        &[("deploy/b.yaml", "servces: {}\nservices: {b: {image: b}}\n")],
        &["0 b image=b health=none", "! deploy/b.yaml:1 servces: there is no such key"],
    ),
];

#[test]
fn several_files_come_to_one() {
    for (what, folder, text, files, expected) in ROWS {
        let told = told(text, &given(folder, files));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{what}:\n{told}");
        for (line, expected) in lines.iter().zip(*expected) {
            assert!(line.starts_with(expected), "{what}:\n{line}\n{expected}");
        }
    }
}

#[test]
fn a_tag_is_seen_wherever_it_stands_and_not_in_a_comment() {
    for (text, expected) in [
        ("a:\n  b: !reset\n", Some((2, "!reset"))),
        ("a: {A: !reset}\n", Some((1, "!reset"))),
        ("a: {\"A\":!reset ,B: 1}\n", Some((1, "!reset"))),
        ("a: [!override x]\n", Some((1, "!override"))),
        ("a: !override [80] # as they are\n", Some((1, "!override"))),
        ("a: {b: \"x # y\", c: !reset }\n", Some((1, "!reset"))),
        ("a: {b: 'it''s # y', c: !reset }\n", Some((1, "!reset"))),
        ("a: b#c !reset\n", Some((1, "!reset"))),
        ("# !reset\na: b # {c: !override}\n", None),
        ("a: !resets\nb: x!reset\n", None),
    ] {
        assert_eq!(tag(text), expected, "{text}");
    }
}

#[test]
fn what_other_files_name_is_wanted_once_they_are_there() {
    let text =
        "include: [{path: a/b.yaml}]\nservices:\n  x: {extends: {file: c.yaml, service: y}}\n";
    let of = |files: &[(&str, &str)]| {
        let wanted = wanted(text, &given("", files)).unwrap();
        let list = |names: std::collections::BTreeSet<String>| {
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        (list(wanted.files), list(wanted.variables))
    };
    assert_eq!(of(&[]), ("a/.env a/b.yaml c.yaml".into(), String::new()));
    let b = ("a/b.yaml", "services:\n  b: {image: \"${IMAGE}\", env_file: b.env}\n");
    let c = (
        "c.yaml",
        "services:\n  y: {extends: {file: d/e.yaml, service: z}, environment: [NAME]}\n",
    );
    let all = "a/.env a/b.env a/b.yaml c.yaml d/e.yaml";
    assert_eq!(of(&[b, c]), (all.into(), "IMAGE NAME".into()));
}

#[test]
fn however_files_lead_to_one_another_it_ends() {
    let itself = given("", &[("a.yaml", "include: [a.yaml]\n")]);
    assert!(wanted("include: [a.yaml]\n", &itself).is_ok());
    assert!(told("include: [a.yaml]\n", &itself).contains("a.yaml → a.yaml"));
    let deep: String = (0..20).fold("services:\n  s0: {image: x}\n".to_owned(), |text, n| {
        format!("{text}  s{}: {{extends: s{n}}}\n", n + 1)
    });
    let refused = told(&deep, &given("", &[]));
    assert!(refused.contains("more than 16 services extend"), "{refused}");
    // What is large stays within bounds, however often it is taken over.
    let large = "y".repeat(250 * 1024);
    let services: String = (0..39).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let text = format!("services:\n  base: {{image: x, environment: {{A: {large}}}}}\n{services}");
    assert!(told(&text, &given("", &[])).contains("larger than 8 MiB"));
}
