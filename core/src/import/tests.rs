//! What people move over with, and what becomes of it.

use super::*;

fn imported(files: &[(&str, &str)]) -> Imported {
    import(&texts(files), None)
}

fn texts(files: &[(&str, &str)]) -> FileTexts {
    files.iter().map(|(name, text)| (*name, FileText::Text((*text).to_owned()))).collect()
}

/// Why something was left, by its key.
fn why<'a>(imported: &'a Imported, key: &str) -> &'a str {
    let left = imported.left.iter().find(|left| left.key == key);
    &left.unwrap_or_else(|| panic!("{key} was not left: {imported:#?}")).why
}

fn takes(imported: &Imported, key: &str) {
    let taken = imported.taken.iter().any(|taken| taken.key == key);
    assert!(taken, "{key} was not taken: {imported:#?}");
}

fn wish(command: &[&str], replicas: Option<u16>) -> ProcessWish {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    ProcessWish { command: Some(command), replicas }
}

#[test]
fn fly() {
    let got = imported(&[(
        "fly.toml",
        r#"
app = "shop-1234"
primary_region = "fra"
kill_signal = "SIGTERM"
kill_timeout = 20

[build]
dockerfile = "ops/Dockerfile"
build-target = "release"
[build.args]
RUBY = "3.3"

[deploy]
release_command = "bin/rails db:migrate"

[env]
PORT = "3000"
WORKERS = 2

[processes]
app = "bin/rails server -b 0.0.0.0"
worker = "bin/jobs"

[http_service]
internal_port = 3000
force_https = true
auto_stop_machines = "stop"
[[http_service.checks]]
grace_period = "10s"
interval = "30s"
timeout = "500ms"
method = "GET"
path = "/up"

[mounts]
source = "data"
destination = "/data"

[[vm]]
memory = "1gb"
cpus = 2
cpu_kind = "shared"
"#,
    )]);
    assert_eq!(got.build.dockerfile.as_deref(), Some("ops/Dockerfile"));
    let app = &got.app;
    assert_eq!((app.target.as_deref(), app.port), (Some("release"), Some(3000)));
    assert_eq!(app.args["RUBY"], "3.3");
    assert_eq!(app.command.as_ref().unwrap().join(" "), "bin/rails server -b 0.0.0.0");
    assert_eq!(app.health_path.as_deref(), Some("/up"));
    let times = (app.health_interval_ms, app.health_timeout_ms, app.health_start_within_ms);
    assert_eq!(times, (Some(30_000), Some(500), Some(10_000)));
    assert_eq!(app.stop_within_ms, Some(20_000));
    assert_eq!((app.memory_bytes, app.cpu_millis), (Some(1 << 30), Some(2_000)));
    assert_eq!(got.env, [("PORT", "3000"), ("WORKERS", "2")].map(owned).into());
    assert_eq!(app.release_command.as_ref().unwrap(), &["bin/rails", "db:migrate"]);
    assert_eq!(app.processes, [("worker".to_owned(), wish(&["bin/jobs"], None))].into());
    for key in ["mounts.source", "vm[0].cpu_kind"] {
        assert!(!why(&got, key).is_empty());
    }
    assert!(why(&got, "mounts.source").contains("--volume"));
    takes(&got, "http_service.checks[0].method");
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

const RENDER: &str = "
services:
  - type: worker
    name: jobs
    runtime: node
    startCommand: node jobs.js
  - type: web
    name: shop
    runtime: node
    repo: https://git.example/shop
    branch: main
    rootDir: apps/shop
    plan: starter
    buildCommand: npm ci && npm run build
    startCommand: npm start
    preDeployCommand: npm run migrate
    healthCheckPath: /healthz
    numInstances: 2
    envVars:
      - key: MODE
        value: live
      - key: API_KEY
        sync: false
      - key: DATABASE_URL
        fromDatabase: { name: db, property: connectionString }
      - fromGroup: shared
databases:
  - name: db
";

#[test]
fn render_takes_the_service_with_an_address() {
    let got = imported(&[("render.yaml", RENDER)]);
    assert_eq!(got.build.build.as_deref(), Some("npm ci && npm run build"));
    assert_eq!(got.build.start.as_deref(), Some("npm start"));
    assert_eq!(got.app.context.as_deref(), Some("apps/shop"));
    assert_eq!(got.app.replicas, Some(2));
    assert_eq!(got.env, [("MODE", "live")].map(owned).into());
    assert!(why(&got, "services[0]").contains("--service jobs"));
    assert!(why(&got, "services[1].envVars[1]").contains("hythe env set APP API_KEY=-"));
    assert!(why(&got, "services[1].envVars[2]").contains("DATABASE_URL"));
    assert_eq!(got.app.release_command.as_ref().unwrap(), &["npm", "run", "migrate"]);
    for key in ["services[1].envVars[3]", "databases"] {
        assert!(!why(&got, key).is_empty());
    }
}

#[test]
fn render_takes_the_service_that_is_named() {
    let texts = texts(&[("render.yaml", RENDER)]);
    let got = import(&texts, Some("jobs"));
    assert_eq!(got.build.start.as_deref(), Some("node jobs.js"));
    assert!(why(&got, "services[0].type").contains("has to listen"));
    let got = import(&texts, Some("shpo"));
    assert!(why(&got, "services").contains("there are: jobs, shop"));
    assert_eq!(got.build, BuildWishes::default());
}

#[test]
fn render_takes_workers_that_are_built_from_the_same() {
    let got = imported(&[(
        "render.yaml",
        "services:\n- type: web\n  name: shop\n  runtime: node\n  buildCommand: npm ci\n  \
         startCommand: npm start\n- type: worker\n  name: jobs\n  runtime: node\n  branch: main\n  \
         buildCommand: npm ci\n  startCommand: node jobs.js\n  numInstances: 2\n  envVars:\n  \
         - key: QUEUE\n    value: low\n- type: worker\n  name: other\n  runtime: docker\n",
    )]);
    let jobs = ("jobs".to_owned(), wish(&["node", "jobs.js"], Some(2)));
    assert_eq!(got.app.processes, [jobs].into());
    assert_eq!(got.build.start.as_deref(), Some("npm start"));
    for key in ["type", "name", "runtime", "branch", "buildCommand", "startCommand"] {
        takes(&got, &format!("services[1].{key}"));
    }
    assert!(why(&got, "services[1].envVars").contains("hythe env set"));
    assert!(why(&got, "services[2]").contains("--service other"));
}

#[test]
fn what_runs_beside_web_may_stand_in_our_own_file() {
    let text = "[build]\nstart = \"x\"\n[processes.worker]\ncommand = \"jobs --all\"\n\
                replicas = 0\n[processes.clock]\nreplicas = 1\n\
                [hooks]\nrelease = \"migrate\"\npost_deploy = \"warm up\"\n[static]\nserve = false\n";
    let got = imported(&[("hythe.toml", text), ("Procfile", "worker: other\n")]);
    let worker = ("worker".to_owned(), wish(&["jobs", "--all"], Some(0)));
    assert_eq!(got.app.processes, [worker].into());
    assert_eq!(got.app.release_command.as_ref().unwrap(), &["migrate"]);
    assert_eq!(got.app.post_deploy_command.as_ref().unwrap(), &["warm", "up"]);
    assert_eq!(got.build, BuildWishes::default(), "builds read it by themselves");
    takes(&got, "build");
    takes(&got, "static");
    assert!(got.left.iter().all(|left| !left.key.starts_with("static")), "{got:#?}");
    assert!(why(&got, "worker").contains("said before"));
    assert!(why(&got, "processes.clock.replicas").contains("what it runs"));
}

#[test]
fn there_are_only_so_many_processes() {
    let lines: String = (0..99).map(|n| format!("p{n}: run\n")).collect();
    let got = imported(&[("Procfile", &lines)]);
    assert_eq!(got.app.processes.len(), crate::limits::MOST_PROCESSES);
    assert!(why(&got, "p98").contains("at most 16"));
}

#[test]
fn render_of_docker() {
    let got = imported(&[(
        "render.yaml",
        "services:\n- type: web\n  runtime: docker\n  dockerfilePath: ./ops/Dockerfile\n  \
         dockerContext: .\n  dockerCommand: ./serve --port $PORT\n  maxShutdownDelaySeconds: 60\n",
    )]);
    assert_eq!(got.build.dockerfile.as_deref(), Some("ops/Dockerfile"));
    assert_eq!(got.app.context, None);
    assert_eq!(got.app.command.unwrap(), ["sh", "-c", "./serve --port $PORT"]);
    assert_eq!(got.app.stop_within_ms, Some(60_000));
}

#[test]
fn a_cron_service_of_render_beside_a_web_is_a_cron_job_of_it() {
    let got = imported(&[(
        "render.yaml",
        "services:\n  - type: web\n    name: shop\n    runtime: node\n    repo: https://git.example/shop\n\
        \x20 - type: cron\n    name: Tidy\n    runtime: node\n    schedule: '30 3 * * *'\n\
        \x20   startCommand: node tidy.js\n    buildCommand: npm ci\n\
        \x20 - type: cron\n    name: no time\n    runtime: node\n    startCommand: x\n\
        \x20 - type: cron\n    name: other\n    repo: https://git.example/other\n    schedule: '@daily'\n",
    )]);
    let tidy = CronWish {
        schedule: "30 3 * * *".into(),
        command: ["node", "tidy.js"].map(str::to_owned).into(),
    };
    assert_eq!(got.app.crons, [("tidy".to_owned(), tidy)].into());
    for key in ["schedule", "startCommand", "runtime", "type"] {
        takes(&got, &format!("services[1].{key}"));
    }
    assert!(why(&got, "services[1].buildCommand").contains("image"));
    assert!(why(&got, "services[2].startCommand").contains("hythe cron set"));
    assert!(why(&got, "services[3]").contains("--service other"));
}

#[test]
fn railway_in_both_forms() {
    let json = r#"{"$schema":"x","build":{"builder":"NIXPACKS","buildCommand":"make"},
        "deploy":{"startCommand":"./app","healthcheckPath":"/up","healthcheckTimeout":120,
        "numReplicas":3,"restartPolicyType":"ON_FAILURE","cronSchedule":"0 * * * *",
        "preDeployCommand":["./migrate"]}}"#;
    let toml = "[build]\nbuilder = \"NIXPACKS\"\nbuildCommand = \"make\"\n[deploy]\n\
        startCommand = \"./app\"\nhealthcheckPath = \"/up\"\nhealthcheckTimeout = 120\n\
        numReplicas = 3\nrestartPolicyType = \"ON_FAILURE\"\ncronSchedule = \"0 * * * *\"\n\
        preDeployCommand = [\"./migrate\"]\n";
    for file in [("railway.json", json), ("railway.toml", toml)] {
        let got = imported(&[file]);
        assert_eq!(got.build.build.as_deref(), Some("make"));
        assert_eq!(got.build.start.as_deref(), Some("./app"));
        assert_eq!(got.app.health_start_within_ms, Some(120_000));
        assert_eq!(got.app.replicas, Some(3));
        assert_eq!(got.app.release_command.as_ref().unwrap(), &["./migrate"]);
        for key in ["deploy.restartPolicyType", "deploy.cronSchedule"] {
            assert!(!why(&got, key).is_empty());
        }
    }
}

#[test]
fn heroku_and_dokku() {
    let got = imported(&[
        (
            "app.json",
            r#"{"name":"Shop","env":{"A":"1","SECRET":{"generator":"secret"},
            "B":{"description":"b","value":"2"}},
            "formation":{"web":{"quantity":2,"size":"standard-1x"},"worker":{"quantity":3,"size":"x"},"idle":{"quantity":1}},
            "healthchecks":{"web":[{"type":"startup","path":"/up","attempts":4,"timeout":5,
            "wait":2,"uptime":3}]},
            "cron":[{"command":"rake tidy","schedule":"@daily"},{"command":"x","schedule":"soon"},
            {"command":"y"}],"addons":["heroku-postgresql"],
            "scripts":{"postdeploy":"rake seed","dokku":{"postdeploy":"bin/warm-up"}},"buildpacks":[{"url":"heroku/ruby"}]}"#,
        ),
        (
            "Procfile",
            "web: puma\nworker: jobs $Q\nClock: tick\nBad name: x\n# a: comment\n\
          release: rake db:migrate\n",
        ),
    ]);
    assert_eq!(got.env, [("A", "1"), ("B", "2")].map(owned).into());
    let app = &got.app;
    assert_eq!((app.replicas, app.health_retries), (Some(2), Some(4)));
    assert_eq!((app.health_timeout_ms, app.health_interval_ms), (Some(5_000), Some(2_000)));
    for key in [
        "env.SECRET",
        "formation.idle.quantity",
        "formation.worker.size",
        "healthchecks.web[0].uptime",
        "cron[1].command",
        "cron[1].schedule",
        "cron[2].command",
        "addons",
        "scripts.postdeploy",
        "buildpacks[0].url",
        "Bad name",
    ] {
        assert!(!why(&got, key).is_empty());
    }
    takes(&got, "web");
    takes(&got, "formation.worker.quantity");
    takes(&got, "cron[0].command");
    takes(&got, "cron[0].schedule");
    let tidy =
        CronWish { schedule: "@daily".into(), command: ["rake", "tidy"].map(str::to_owned).into() };
    assert_eq!(app.crons, [("job-1".to_owned(), tidy)].into());
    let processes = [
        ("worker".to_owned(), wish(&["sh", "-c", "jobs $Q"], Some(3))),
        ("clock".to_owned(), wish(&["tick"], None)),
    ];
    assert_eq!(app.processes, processes.into());
    assert_eq!(app.release_command.as_ref().unwrap(), &["rake", "db:migrate"]);
    assert_eq!(app.post_deploy_command.as_ref().unwrap(), &["bin/warm-up"]);
}

#[test]
fn dokku_checks_and_caprover() {
    let got = imported(&[
        ("CHECKS", "WAIT=5\nATTEMPTS=6\n# a comment\n\n//shop.example/up  Welcome\n/other\n"),
        ("captain-definition", r#"{"schemaVersion":2,"dockerfilePath":"./Dockerfile.prod"}"#),
    ]);
    let app = &got.app;
    assert_eq!(app.health_path.as_deref(), Some("/up"));
    assert_eq!((app.health_interval_ms, app.health_retries), (Some(5_000), Some(6)));
    assert!(why(&got, "line 6").contains("counts"));
    assert!(why(&got, "line 5").contains("not what it says"));
    assert_eq!(got.build.dockerfile.as_deref(), Some("Dockerfile.prod"));
}

#[test]
fn the_first_one_counts_where_two_say_different_things() {
    let got = imported(&[
        ("fly.toml", "[http_service]\ninternal_port = 3000\n[env]\nA = \"1\"\n"),
        ("railway.json", r#"{"deploy":{"numReplicas":2}}"#),
        ("app.json", r#"{"env":{"A":"2","B":"3"},"formation":{"web":{"quantity":2}}}"#),
    ]);
    assert_eq!(got.env, [("A", "1"), ("B", "3")].map(owned).into());
    assert!(why(&got, "env.A").contains("said before"));
    takes(&got, "formation.web.quantity");
}

#[test]
fn what_cannot_be_read_says_so_and_nonsense_is_left() {
    for (file, text) in [
        ("fly.toml", "app = "),
        ("render.yaml", "services: [\n"),
        ("railway.json", "{"),
        ("app.json", "nothing"),
        ("captain-definition", "[1,"),
    ] {
        let got = imported(&[(file, text)]);
        assert!(why(&got, "").contains("cannot be read"), "{file}");
        assert!(got.taken.is_empty());
    }
    let unreadable = [("fly.toml", FileText::TooLarge), ("app.json", FileText::Unreadable)];
    assert_eq!(import(&unreadable.into_iter().collect(), None).left.len(), 2);
    let got = imported(&[(
        "fly.toml",
        "kill_timeout = \"soon\"\n[[vm]]\ncpus = 99999999\nmemory = \"lots\"\n\
         [http_service]\ninternal_port = 70000\n",
    )]);
    assert_eq!((got.app, got.taken.len(), got.left.len()), (AppWishes::default(), 0, 4));
}

#[test]
fn however_much_there_is_the_notes_are_bounded() {
    let many: String = (0..20_000).map(|n| format!("\"V{n}\":{n},")).collect();
    let got = imported(&[("app.json", &format!("{{\"x\":{{{many}\"y\":1}}}}"))]);
    assert!(got.taken.len() + got.left.len() <= 1_000);
    let deep = "[".repeat(100) + &"]".repeat(100);
    let got = imported(&[("railway.json", &format!("{{\"a\":{deep}}}"))]);
    assert_eq!(got.left.len(), 1);
}

#[test]
fn what_is_not_taken_is_said_with_what_there_is_for_it() {
    let fly = "[[mounts]]\nsource = \"d\"\n[http_service]\nforce_https = true\nauto_stop_machines = \"stop\"\n";
    let railway = r#"{"build":{"watchPatterns":["apps/**"]},"deploy":{"sleepApplication":true}}"#;
    let render =
        "services:\n  - {type: web, name: a, disk: {name: d}, buildFilter: {paths: [x]}}\n";
    let rows = [
        ("fly.toml", fly, "mounts[0].source", "--volume"),
        ("fly.toml", fly, "http_service.auto_stop_machines", "--sleep-after"),
        ("fly.toml", fly, "http_service.force_https", "--https"),
        ("railway.json", railway, "build.watchPatterns", "--watch-paths"),
        ("railway.json", railway, "deploy.sleepApplication", "--sleep-after"),
        ("render.yaml", render, "services[0].disk.name", "--volume"),
        ("render.yaml", render, "services[0].buildFilter.paths", "--watch-paths"),
    ];
    for (file, text, key, part) in rows {
        let got = imported(&[(file, text)]);
        assert!(why(&got, key).contains(part), "{file}: {key}");
    }
}
