//! What services mount from beside the file and from a machine: what becomes a volume, what comes in as texts, and
//! what is left.

use super::told;
use crate::compose::*;

/// What lies in the folder of the tests: folders with their files, and which of those are short texts.
fn given(folder: &str) -> Given {
    let files = |names: &[&str]| -> Mounted {
        Mounted::Folder(names.iter().map(ToString::to_string).collect())
    };
    let mounted = [
        ("none", Mounted::Nothing),
        ("data", Mounted::Nothing),
        ("a.b", Mounted::Nothing),
        ("a/b", Mounted::Nothing),
        ("app.yml", Mounted::Nothing),
        ("app", files(&["conf.ini"])),
        ("app/uploads", files(&["seed.sql"])),
        ("app/src", files(&["main.js"])),
        ("app/node_modules", Mounted::Large),
        ("certs", files(&[".gitkeep"])),
        ("conf.d", files(&["site.conf", "snippets/tls.conf", ".gitignore"])),
        ("deploy/data", Mounted::Nothing),
        ("dist", Mounted::Nothing),
        ("functions", files(&["hello.ts"])),
        ("html", files(&["index.html", "logo.png"])),
        ("logo.png", Mounted::File),
        ("many", Mounted::Large),
        ("pages", files(&["README.md", "index.md", ".gitignore"])),
        ("pg", files(&["PG_VERSION", "base/1"])),
        ("run.sh", Mounted::File),
        ("seeded/data", files(&["seed.json"])),
    ];
    let texts = [
        ("app/conf.ini", "on"),
        ("app/uploads/seed.sql", "seed"),
        ("conf.d/site.conf", "site"),
        ("conf.d/snippets/tls.conf", "tls"),
        ("functions/hello.ts", "hello"),
        ("html/index.html", "<p>"),
        ("pages/README.md", "read"),
        ("pages/index.md", "page"),
        ("pg/PG_VERSION", "16"),
        ("run.sh", "#!/bin/sh\n"),
        ("seeded/data/seed.json", "{}"),
    ];
    Given {
        mounted: mounted.into_iter().map(|(path, there)| (path.to_owned(), there)).collect(),
        files: texts.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect(),
        folder: folder.to_owned(),
        ..Given::default()
    }
}

/// What a service says, and how each line begins that is told of it.
type Row = (&'static str, &'static [&'static str]);

const IMAGE: &[Row] = &[
    (
        "[./data:/var/lib/x]",
        &[
            "0 a image=x health=none folder-data:/var/lib/x",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-data of the project, which \
             outlives every version and begins with what the image has at that place",
        ],
    ),
    (
        "[{type: bind, source: ./certs/, target: /certs, bind: {create_host_path: true}}]",
        &["0 a image=x health=none folder-certs:/certs", "! 4 services.a.volumes: what is written"],
    ),
    (
        "[./a/b:/one, ./a.b:/two]",
        &[
            "0 a image=x health=none folder-a.b:/one folder-a-b-e61d99190466:/two",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-a-b-",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-a.b ",
        ],
    ),
    (
        "[./data:/a, ./data/:/b:ro]",
        &[
            "0 a image=x health=none folder-data:/a folder-data:/b:ro",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-data",
        ],
    ),
    (
        "[./certs:/certs:ro]",
        &["0 a image=x health=none", "! 4 services.a.volumes: nothing is there, and no other"],
    ),
    (
        "[./conf.d:/etc/nginx/conf.d]",
        &[
            "0 a image=x health=none CONFIG_FILE_etc_nginx_conf_d_site_conf=site \
             CONFIG_FILE_etc_nginx_conf_d_snippets_tls_conf=tls \
             file:/etc/nginx/conf.d/site.conf=CONFIG_FILE_etc_nginx_conf_d_site_conf,444 \
             file:/etc/nginx/conf.d/snippets/tls.conf=CONFIG_FILE_etc_nginx_conf_d_snippets_tls_conf,444",
            "! 4 services.a.volumes: what is written there is given to the container as a config is",
        ],
    ),
    // What the app writes there itself is lost with no container.
    (
        "[./conf.d:/etc/gitlab/, \"./functions:/etc/letsencrypt:ro\"]",
        &[
            "0 a image=x health=none CONFIG_FILE_etc_letsencrypt_hello_ts=hello \
             folder-conf-d-78cc9775c750:/etc/gitlab file:/etc/letsencrypt/hello.ts=",
            "! 4 services.a.volumes: what is written there is given",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-conf-d-",
        ],
    ),
    (
        "[./html:/usr/share/nginx/html:ro]",
        &[
            "0 a image=x health=none CONFIG_FILE_usr_share_nginx_html_index_html=<p> file:",
            "! 4 services.a.volumes: html/logo.png: it is no text of at most 64 KiB. What is needed of it belongs",
            "! 4 services.a.volumes: what is written there is given to the container as a config is",
        ],
    ),
    (
        "[./pages:/pages:ro]",
        &[
            "0 a image=x health=none CONFIG_FILE_pages_README_md=read CONFIG_FILE_pages_index_md=page file:",
            "! 4 services.a.volumes: what is written there is given",
        ],
    ),
    (
        "[./many:/many:ro]",
        &["0 a image=x health=none", "! 4 services.a.volumes: there are more files than"],
    ),
    (
        "[./many:/many]",
        &[
            "0 a image=x health=none folder-many:/many",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-many of the project, which \
             outlives every version and begins with what the image has at that place; of what is in the folder now, \
             nothing is in it.",
        ],
    ),
    // What a person wrote, by what it is called, and what a program keeps.
    (
        "[./functions:/home/deno/functions:Z]",
        &[
            "0 a image=x health=none CONFIG_FILE_home_deno_functions_hello_ts=hello file:",
            "! 4 services.a.volumes: what is written there is given",
        ],
    ),
    (
        "[./pg:/var/lib/postgresql]",
        &[
            "0 a image=x health=none folder-pg:/var/lib/postgresql",
            "! 4 services.a.volumes: what is written there is kept",
        ],
    ),
    (
        "[./functions:/config/]",
        &[
            "0 a image=x health=none folder-functions:/config",
            "! 4 services.a.volumes: what is written there is kept",
        ],
    ),
    // Short texts that the app may change are not lost with its container.
    (
        "[./functions:/home/node/.n8n, ./pages:/var/www/html/wp-content]",
        &[
            "0 a image=x health=none folder-functions:/home/node/.n8n folder-pages:/var/www/html/wp-content",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-functions of the project, \
             which outlives every version and begins with what the image has at that place; of what is in the folder \
             now, nothing is in it.",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-pages",
        ],
    ),
    (
        "[./pages:/var/www/html/config/, ./functions:/opt/adguardhome/conf]",
        &[
            "0 a image=x health=none folder-functions:/opt/adguardhome/conf folder-pages:/var/www/html/config",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-functions",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-pages",
        ],
    ),
    (
        "[./functions:/app/config]",
        &[
            "0 a image=x health=none CONFIG_FILE_app_config_hello_ts=hello file:",
            "! 4 services.a.volumes: what is written there is given",
        ],
    ),
    (
        "[./pg:/pg]",
        &[
            "0 a image=x health=none folder-pg:/pg",
            "! 4 services.a.volumes: what is written there is kept",
        ],
    ),
    (
        "[./seeded/data:/app/seeds]",
        &[
            "0 a image=x health=none folder-seeded.data:/app/seeds",
            "! 4 services.a.volumes: what is written there is kept",
        ],
    ),
    (
        "[./run.sh:/run.sh, ./logo.png:/logo.png]",
        &[
            "0 a image=x health=none CONFIG_FILE_run_sh=#!/bin/sh",
            " file:/run.sh=CONFIG_FILE_run_sh,555",
            "! 4 services.a.volumes: logo.png: it is no text",
            "! 4 services.a.volumes: what is written there is given",
        ],
    ),
    (
        "[./app.yml:/etc/app.yml]",
        &["0 a image=x health=none", "! 4 services.a.volumes: there is no such file; write one"],
    ),
    (
        "[./dist:/usr/share/nginx/html]",
        &["0 a image=x health=none", "! 4 services.a.volumes: what a build makes or fetches"],
    ),
    (
        "[.:/app, ./elsewhere:/elsewhere, ../out:/out]",
        &[
            "0 a image=x health=none",
            "! 4 services.a.volumes: folders of the machine are given to no container, and nobody",
            "! 4 services.a.volumes: it is the folder of the whole project",
            "! 4 services.a.volumes: it leads out of what is sent",
        ],
    ),
    // A machine's.
    (
        "[\"/etc/localtime:/etc/localtime:ro\", \"/etc/timezone:/etc/timezone:ro\"]",
        &[
            "0 a image=x health=none",
            "! 4 services.a.volumes: the clock of a container is one of UTC",
        ],
    ),
    (
        "[\"/var/run/docker.sock:/var/run/docker.sock:ro\"]",
        &["0 a image=x health=none", "! 4 services.a.volumes: the engine's socket is given to no"],
    ),
    (
        "[\"/proc:/host/proc:ro\", \"/:/rootfs:ro\", \"/dev/dri:/dev/dri\", \"/var/lib/docker/:/d:ro\"]",
        &["0 a image=x health=none", "! 4 services.a.volumes: it is of the machine's own system"],
    ),
    (
        "[\"/srv/shop:/data\", \"/etc/pihole/:/etc/pihole/\", \"/srv/media:/media:ro\", \"/a/../b:/b\"]",
        &[
            "0 a image=x health=none machine-srv.shop:/data machine-etc.pihole:/etc/pihole",
            "! 4 services.a.volumes: folders of the machine are given to no container: what",
            "! 4 services.a.volumes: it leads out",
            "! 4 services.a.volumes: what is written there is kept in the volume machine-etc.pihole",
            "! 4 services.a.volumes: what is written there is kept in the volume machine-srv.shop of the project, \
             which outlives every version and begins with what the image has at that place; no folder of a machine",
        ],
    ),
    ("[./data:/]", &["refused: line 4: services.a.volumes: a folder in the container"]),
    ("[./data:/d, ./a/b:/d]", &["refused: line 4: services.a.volumes: two volumes are at /d"]),
];

const BUILT: &[Row] = &[
    (
        "[./app:/srv, ./app/src:/srv/src, \"./app/node_modules:/srv/node_modules\"]",
        &[
            "0 a build=app health=none",
            "! 4 services.a.volumes: it is the app's own code",
            "! 4 services.a.volumes: what a build makes or fetches",
        ],
    ),
    (
        "[./app/uploads:/srv/uploads, ./app/src:/srv/src:ro]",
        &[
            "0 a build=app health=none folder-app.uploads:/srv/uploads",
            "! 4 services.a.volumes: app/src/main.js: it is no text",
            "! 4 services.a.volumes: what is written there is kept",
        ],
    ),
    (
        "[./app:/etc/shop]",
        &[
            "0 a build=app health=none CONFIG_FILE_etc_shop_conf_ini=on file:",
            "! 4 services.a.volumes: what is written there is given",
        ],
    ),
    (
        "[./functions:/functions, ./pages:/kept, .:/all]",
        &[
            "0 a build=app health=none CONFIG_FILE_functions_hello_ts=hello",
            "! 4 services.a.volumes: it is the app's own code",
            "! 4 services.a.volumes: what is written there is given",
            "! 4 services.a.volumes: what is written there is kept in the volume folder-pages",
        ],
    ),
];

fn check(of: &str, rows: &[Row]) {
    for (said, expected) in rows {
        let text = format!("services:\n  a:\n    {of}\n    volumes: {said}\n");
        let told = told(&text, &given(""));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{text}{told}");
        for (line, expected) in lines.iter().zip(*expected) {
            let whole = *expected == "0 a image=x health=none";
            let same = if whole { line == expected } else { line.starts_with(expected) };
            assert!(same, "{text}{line}\n{expected}");
        }
    }
}

#[test]
fn what_is_mounted_is_kept_given_or_left_by_what_it_is() {
    check("image: x", IMAGE);
    check("build: app", BUILT);
}

#[test]
fn what_one_service_keeps_all_see_that_mount_it() {
    let text = "services:\n  site:\n    image: nginx\n    volumes: [\"./none:/static:ro\", \"./conf.d:/c:ro\"]\n  web:\n    \
                image: web\n    volumes: [\"./none/:/app/static\", \"./conf.d:/data\"]\n";
    let plain = told(text, &given(""));
    let lines: Vec<&str> = plain.lines().collect();
    let site =
        "0 site image=nginx health=none folder-conf-d-78cc9775c750:/c:ro folder-none:/static:ro";
    let web =
        "0 web image=web health=none folder-none:/app/static folder-conf-d-78cc9775c750:/data";
    assert_eq!(lines.get(..2), Some(&[site, web][..]), "{plain}");
    // What is somebody's code stays that, whoever else writes to it.
    let code = "services:\n  a: {image: x, volumes: [\"./app:/kept\"]}\n  b: {build: app, volumes: [\"./app:/srv\"]}\n";
    let mut with = given("");
    with.mounted.insert("app".into(), Mounted::Large);
    let told = told(code, &with);
    assert!(told.contains("0 a image=x health=none folder-app:/kept\n"), "{told}");
    assert!(told.contains("0 b build=app health=none\n"), "{told}");
}

#[test]
fn of_a_folder_in_one_that_is_kept_it_is_said_that_they_are_apart() {
    let text = "services:\n  site:\n    image: nginx\n    volumes: [\"./data/public:/public:ro\"]\n  web:\n    image: \
                web\n    volumes: [\"./data:/app/data\", \"./database:/db\"]\n  work:\n    image: web\n    volumes: \
                [\"./data/own:/own\"]\n";
    let mut with = given("");
    for path in ["data/public", "data/own", "database"] {
        with.mounted.insert(path.into(), Mounted::Nothing);
    }
    let told = told(text, &with);
    let lines = |words: &str| {
        let of = |line: &&str| line.contains(words);
        told.lines().filter(of).map(|line| line.split(' ').nth(2).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lines("which is not seen here"), ["services.site.volumes:"], "{told}");
    let apart = lines("and neither sees the other");
    assert_eq!(apart, ["services.web.volumes:", "services.work.volumes:"], "{told}");
}

#[test]
fn the_name_of_a_volume_is_that_of_no_other() {
    let declared =
        "services: {a: {image: x, volumes: [\"./data:/d\"]}}\nvolumes: {folder-data: }\n";
    let refused = told(declared, &given(""));
    let words = "refused: line 1: services.a.volumes: what is kept in ./data would be in the volume folder-data, and";
    assert!(refused.starts_with(words), "{refused}");
    let mut with = given("");
    let long = "d".repeat(70);
    let odd = [
        format!("{long}/1"),
        format!("{long}/2"),
        "ä".into(),
        "ö".into(),
        "d d".into(),
        "d-d".into(),
    ];
    with.mounted.extend(odd.iter().map(|path| (path.clone(), Mounted::Nothing)));
    let all: String =
        odd.iter().enumerate().map(|(n, path)| format!("      - ./{path}:/m{n}\n")).collect();
    let text = format!("services:\n  a:\n    image: x\n    volumes:\n{all}");
    let composed = read(&text, &with).unwrap();
    let names: BTreeSet<&str> =
        composed.services[0].volumes.values().map(|mount| mount.volume.as_str()).collect();
    assert_eq!(names.len(), odd.len(), "{names:?}");
}

#[test]
fn a_file_in_a_folder_counts_from_there_and_writes_to_one_replica() {
    let text =
        "services: {a: {image: x, volumes: [\"./data:/d\", \".:/app\", \"..:/all\"], scale: 2}}\n";
    let told = told(text, &given("deploy"));
    assert!(told.starts_with("0 a image=x health=none folder-deploy.data:/d\n"), "{told}");
    assert_eq!(told.matches("it is the folder of the whole project").count(), 1, "{told}");
    assert!(told.contains("services.a.scale: it writes to a volume"), "{told}");
}

#[test]
fn only_texts_that_people_wrote_are_wanted() {
    let text = "services:\n  a:\n    image: x\n    volumes: [\"./conf.d:/c:ro\", \"./functions:/srv/functions\", \
                \"./pages:/p\", \"./pg:/var/lib/pg\", \
                \"./run.sh:/run.sh\", \"./seeded/data:/s\"]\n  b:\n    build: app\n    volumes: [\"./app/src:/srv/src\", \
                \"./html:/etc/html\"]\n";
    let wanted = wanted(text, &given("")).unwrap();
    let texts: Vec<&str> = wanted.texts.iter().map(String::as_str).collect();
    let expected = [
        "conf.d/site.conf",
        "conf.d/snippets/tls.conf",
        "functions/hello.ts",
        "html/index.html",
        "html/logo.png",
        "run.sh",
    ];
    assert_eq!(texts, expected);
    assert!(wanted.binds.contains("pg") && wanted.files.is_empty(), "{wanted:?}");
}
