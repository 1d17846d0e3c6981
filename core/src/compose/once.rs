//! Services that are to run once: migrations, what makes buckets, what sets the owner of a volume.
//!
//! Compose starts such a service like any other, and an end with 0 is as good as going on. What is live here is
//! kept running, so it has to be known which ones end. Where others wait for that, it is; of the rest, those are
//! taken for such that nothing starts again, that nobody can ask for anything, and of which the restart policy, the
//! command or the name says so. A label has the last word.

use super::notes::Notes;
use super::service::Draft;
use super::tree::{Field, Node};
use super::{From, Service, units};
use crate::argv::Argv;
use crate::health::{HealthCheck, Probe};
use crate::limits;

/// The label by which a service says whether it ends by itself.
pub(super) const LABEL: &str = "hythe.once";

/// Names of services that do one thing, as parts of their names.
const NAMES: [&str; 26] = [
    "bootstrap",
    "buckets",
    "chown",
    "createbucket",
    "createbuckets",
    "flyway",
    "init",
    "initdb",
    "initialize",
    "initializer",
    "initializr",
    "liquibase",
    "makebuckets",
    "migrate",
    "migration",
    "migrations",
    "migrator",
    "mkbucket",
    "mkbuckets",
    "permissions",
    "perms",
    "provisioner",
    "seed",
    "seeder",
    "seeds",
    "setup",
];
/// Programs that do one thing.
const PROGRAMS: [&str; 17] = [
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "createdb",
    "install",
    "ln",
    "mc",
    "mkdir",
    "mongorestore",
    "mv",
    "openssl",
    "pg_restore",
    "psql",
    "rm",
    "tar",
    "touch",
];
/// Commands that only say that those before them are done.
const LAST_WORDS: [&str; 5] = [":", "echo", "exit", "printf", "true"];
/// Words of a command that changes a database and ends.
const CHANGES: [&str; 11] = [
    "createsuperuser",
    "db:create",
    "db:migrate",
    "db:prepare",
    "db:push",
    "db:schema:load",
    "db:seed",
    "db:setup",
    "loaddata",
    "migrate",
    "seed",
];
/// The same in two words that follow one another.
const CHANGES_IN_TWO: [(&str, &str); 5] = [
    ("alembic", "upgrade"),
    ("db", "migrate"),
    ("db", "push"),
    ("db", "upgrade"),
    ("migrate", "up"),
];
/// Programs that wait for ever, whatever runs them is called.
const STAYS: [&str; 3] = ["cat", "sleep", "tail"];
/// Words of a command that goes on.
const GOES_ON: [&str; 16] = [
    "beat",
    "consumer",
    "daemon",
    "dev",
    "gunicorn",
    "hypercorn",
    "listen",
    "runserver",
    "scheduler",
    "serve",
    "server",
    "start",
    "uvicorn",
    "watch",
    "web",
    "worker",
];
/// What runs a script by its name: `run` behind it says nothing of whether that ends.
const RUNNERS: [&str; 14] = [
    "bun", "cargo", "deno", "dotnet", "go", "hatch", "npm", "pdm", "pipenv", "pnpm", "poetry",
    "rye", "uv", "yarn",
];
/// Images of programs that do one thing, whatever they are told.
const TOOLS: [&str; 6] = ["atlas", "dbmate", "flyway", "liquibase", "mc", "migrate"];
/// Images whose own command goes on, in files that give them no port.
const SERVERS: [&str; 13] = [
    "cassandra",
    "elasticsearch",
    "mariadb",
    "memcached",
    "minio",
    "mongo",
    "mysql",
    "nats",
    "nginx",
    "postgres",
    "rabbitmq",
    "redis",
    "valkey",
];
/// Shells, which are given a script by `-c`.
const SHELLS: [&str; 5] = ["ash", "bash", "dash", "sh", "zsh"];

/// When the engine starts a service again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// However it ended.
    Always,
    /// When it failed.
    OnFailure,
    /// Never.
    Never,
}

/// What of a service says whether it ends by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// What its label says.
    pub(super) said: Option<bool>,
    /// Whether somebody can ask it for something: it has a port, an address or a check.
    pub(super) serves: bool,
    /// When it is started again.
    again: Again,
    /// How often at the most, where that is said.
    most: Option<u16>,
    /// Where that is said.
    at: Option<(u64, String)>,
}

impl Ends {
    /// Whether nothing is to start it again.
    pub(super) fn is_never(&self) -> bool {
        self.again == Again::Never
    }

    /// `restart_policy` under `deploy`, which goes before `restart`.
    pub(super) fn policy(&mut self, at: &str, node: &Node) {
        self.again = ends_by(node).unwrap_or(Again::Always);
        self.most = node.get("max_attempts").and_then(units::number);
        self.at = ends_by(node).map(|_| (node.line, at.to_owned()));
    }
}

/// When a `restart_policy` starts a service again, where it is not always.
pub(super) fn ends_by(node: &Node) -> Option<Again> {
    match node.get("condition").and_then(Node::text).as_deref() {
        Some("none") => Some(Again::Never),
        Some("on-failure") => Some(Again::OnFailure),
        Some(_) | None => None,
    }
}

/// `restart`.
pub(super) fn restart(at: &str, field: &Field, ends: &mut Ends, notes: &mut Notes) {
    let text = field.node.text().unwrap_or_default();
    let (policy, most) = text.split_once(':').unwrap_or((&text, ""));
    ends.most = most.parse().ok();
    ends.again = match policy {
        "always" | "unless-stopped" => Again::Always,
        "no" | "false" => Again::Never,
        "on-failure" => Again::OnFailure,
        _ => {
            notes.left(field.line, at, "it is always, unless-stopped, on-failure or no");
            return;
        }
    };
    ends.at = Some((field.line, at.to_owned()));
}

/// What others ask of a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// They wait for it to have ended.
    pub(super) to_end: bool,
    /// They wait for it to be well.
    pub(super) to_be_well: bool,
}

/// Why a service is taken for one that ends, where it is. The second says whether somebody said so. `told_apart`:
/// whether there are services that are started again, so that it says something of one that it is not.
pub(super) fn why(draft: &Draft, asked: Asked, told_apart: bool) -> Option<(&'static str, bool)> {
    let Ends { said, serves, again, most: _, at: _ } = &draft.ends;
    match said {
        Some(true) => return Some(("for it says so", true)),
        Some(false) => return None,
        None if asked.to_end => return Some(("for others wait for it to end", true)),
        None => {}
    }
    if *serves || asked.to_be_well || *again == Again::Always {
        return None;
    }
    let commands = commands(&draft.service);
    if does_one_thing(&commands) {
        return Some(("for its command is one that ends", false));
    }
    if commands.last().is_some_and(|words| is_of(words, &STAYS)) {
        return None;
    }
    if TOOLS.contains(&image_of(&draft.service)) {
        return Some(("for its image is of a program that ends", false));
    }
    // The first of a cluster is often called its seed.
    if is_server(&draft.service) {
        return None;
    }
    if goes_on(&commands) {
        return None;
    }
    let name = draft.service.name.as_str().to_ascii_lowercase();
    if name.split(['-', '_', '.']).any(|part| NAMES.contains(&part)) {
        return Some(("for its name says so", false));
    }
    let never = told_apart && *again == Again::Never;
    (never && may_end(&draft.service, &commands))
        .then_some(("for nothing is to start it again", false))
}

/// Whether a service that nothing is to start again may be meant to end: it is a program of its own, and none that is
/// known to go on.
fn may_end(service: &Service, commands: &[Vec<String>]) -> bool {
    let own = match &service.from {
        From::Build(_) => true,
        From::Image(_) => service.command.is_some() || service.entrypoint.is_some(),
    };
    own && !goes_on(commands) && !SERVERS.contains(&image_of(service))
}

/// Whether the last of them has a word of what goes on.
fn goes_on(commands: &[Vec<String>]) -> bool {
    let Some(last) = commands.last() else { return false };
    let of_server = last.windows(2).any(|two| match two {
        [one, other] => other == "run" && !RUNNERS.contains(&program_of(one)),
        _ => false,
    });
    of_server || is_of(last, &GOES_ON) || last.iter().any(|word| GOES_ON.contains(&word.as_str()))
}

/// Whether it is a server that its image starts.
fn is_server(service: &Service) -> bool {
    let own = service.command.is_some() || service.entrypoint.is_some();
    !own && SERVERS.contains(&image_of(service))
}

/// The last part of the name of its image; empty for one that is built.
fn image_of(service: &Service) -> &str {
    match &service.from {
        From::Build(_) => "",
        From::Image(image) => {
            program_of(image.as_str()).split([':', '@']).next().unwrap_or_default()
        }
    }
}

/// Makes a service one that ends.
pub(super) fn becomes(draft: &mut Draft) {
    let Draft { service, ends, .. } = draft;
    service.once = true;
    if ends.again == Again::OnFailure {
        let most = limits::MOST_ONCE_RETRIES;
        service.retries = ends.most.unwrap_or(most).min(most);
    }
    service.routed = false;
    service.replicas = 1;
    // Its end shows that it is well; what it may take until then is as much as a release command may.
    let most = service
        .health
        .start_within
        .map_or(limits::HOOK_WITHIN, |most| most.max(limits::HOOK_WITHIN));
    service.health =
        HealthCheck { probe: Probe::None, start_within: Some(most), ..HealthCheck::default() };
}

/// What there is to know of one that is taken for such.
pub(super) fn told(because: &str, is_said: bool) -> String {
    let else_say = if is_said {
        String::new()
    } else {
        format!("; if it keeps running, label it {LABEL}: \"false\"")
    };
    format!(
        "it runs once, {because}: what waits for it goes live when it has ended with code 0, and it runs again \
         when something of it is changed{else_say}"
    )
}

/// What there is to know of when one is started again that is kept running.
pub(super) fn kept_running(ends: &Ends, notes: &mut Notes) {
    let Some((line, at)) = &ends.at else { return };
    match ends.again {
        Again::Unsaid | Again::Always => {}
        Again::OnFailure => {
            notes.left(*line, at, "what is live is started again however it ended");
        }
        Again::Never => notes.left(
            *line,
            at,
            format!(
                "what is live is kept running; to end it: `hythe stop`. One that ends by itself is labelled \
                 {LABEL}: \"true\""
            ),
        ),
    }
}

/// The commands that a service runs, one after the other, as far as that can be read: those of a script that a shell
/// is given, or its own.
fn commands(service: &Service) -> Vec<Vec<String>> {
    let words = |argv: &Option<Argv>| argv.as_ref().map(|argv| argv.words().to_vec());
    let own = [words(&service.entrypoint), words(&service.command)];
    let words: Vec<String> = own.into_iter().flatten().flatten().collect();
    let is_shell = words.first().is_some_and(|program| SHELLS.contains(&program_of(program)));
    let script = words
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
    let script = script.filter(|_| is_shell).and_then(|at| words.get(at + 1));
    let Some(script) = script else {
        // They do not part commands without a shell, but were meant to.
        let all = words.split(|word| matches!(word.as_str(), "&" | "&&" | ";"));
        return all.filter(|words| !words.is_empty()).map(<[String]>::to_vec).collect();
    };
    let lines = script.split(['\n', ';']).flat_map(parted);
    let lines = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// What stands between `&` and `&&` of a line; those of redirections, as in `2>&1`, part nothing.
fn parted(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|later| later.find('&')).map(|at| from + at) {
        let (before, behind) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..));
        let behind = behind.unwrap_or_default();
        if before.ends_with(['>', '<']) || behind.starts_with('>') {
            from = at + 1;
            continue;
        }
        found.push(before);
        rest = behind.strip_prefix('&').unwrap_or(behind);
        from = 0;
    }
    found.push(rest);
    found
}

/// Whether the last of them is one that ends.
fn does_one_thing(commands: &[Vec<String>]) -> bool {
    let Some(last) = commands.last() else { return false };
    let changes = |word: &String| {
        CHANGES.contains(&word.as_str())
            || word.starts_with("migrate:")
            || word.ends_with(":migrate")
    };
    let in_two = last.windows(2).any(|two| match two {
        [one, other] => CHANGES_IN_TWO.contains(&(program_of(one), other.as_str())),
        _ => false,
    });
    is_of(last, &PROGRAMS)
        || commands.len() > 1 && is_of(last, &LAST_WORDS)
        || last.iter().any(changes)
        || in_two
}

/// Whether the program of a command is one of these.
fn is_of(words: &[String], programs: &[&str]) -> bool {
    let mut words = words.iter().map(String::as_str).skip_while(|word| *word == "exec");
    words.next().is_some_and(|program| programs.contains(&program_of(program)))
}

/// A program's name without the folder that it is in.
fn program_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::Given;
    use super::super::tests::told;

    /// What is said of a service called `a` unless it says otherwise, and why it is taken for one that ends.
    const ROWS: &[(&str, Option<&str>)] = &[
        ("a: {image: x}", None),
        ("a: {image: x, command: npm start}", None),
        ("a: {build: ., restart: \"no\"}", Some("nothing is to start it again")),
        ("a: {image: x, command: go, restart: no}", Some("nothing is to start it again")),
        (
            "a: {image: x, entrypoint: go, deploy: {restart_policy: {condition: none}}}",
            Some("nothing is to start it again"),
        ),
        ("a: {image: x, restart: \"no\"}", None),
        ("a: {image: \"redis:7\", command: redis-server --save 60 1, restart: \"no\"}", None),
        ("a: {build: ., command: celery -A shop worker, restart: \"no\"}", None),
        ("a: {build: ., command: sleep infinity, restart: \"no\"}", None),
        ("a: {build: ., restart: \"no\", ports: [80]}", None),
        ("a: {build: ., restart: \"no\", expose: [80]}", None),
        ("a: {build: ., restart: \"no\", healthcheck: {test: [CMD, a]}}", None),
        ("a: {image: x, restart: on-failure}", None),
        ("a: {image: x, restart: on-failure, command: chown -R 1 /d}", Some("its command")),
        ("a: {image: x, restart: always, command: chown -R 1 /d}", None),
        ("a: {image: x, command: python manage.py migrate}", Some("its command")),
        ("a: {image: x, command: npx prisma migrate deploy}", Some("its command")),
        ("a: {image: x, command: bundle exec rake db:migrate}", Some("its command")),
        ("a: {image: x, command: alembic upgrade head}", Some("its command")),
        ("a: {image: x, command: flask db upgrade}", Some("its command")),
        ("a: {image: x, command: php artisan migrate --force}", Some("its command")),
        ("a: {image: x, command: 'sh -c \"rake db:migrate && rails server\"'}", None),
        ("a: {image: x, command: 'sh -c \"sleep 5; rake db:migrate\"'}", Some("its command")),
        ("a: {image: x, command: 'sh -c \"alembic upgrade head & uvicorn a:app\"'}", None),
        ("a: {image: x, command: alembic upgrade head && uvicorn a:app}", None),
        ("a: {image: x, command: 'sh -c \"rake db:migrate 2>&1\"'}", Some("its command")),
        ("a: {image: x, command: 'sh -c \"serve & rake db:migrate &>/log\"'}", Some("its command")),
        ("a: {image: x, command: [sh, -c, echo hello]}", None),
        (
            "a: {image: x, command: [\"sh\", \"-ec\", \"chown 1 /d\\necho done\\n\"]}",
            Some("its command"),
        ),
        (
            "a: {image: minio/mc, entrypoint: \"/bin/sh -c ' until mc alias set m http://m a b; do sleep 1; done; mc \
             mb m/b; exit 0; '\"}",
            Some("its command"),
        ),
        ("a: {image: \"quay.io/minio/mc:1\", command: mb m/b}", Some("its image")),
        ("a: {image: minio/mc, entrypoint: tail -f /dev/null}", None),
        ("create-buckets: {image: x}", Some("its name")),
        ("airflow_init: {image: x}", Some("its name")),
        ("db.init: {image: x, command: go}", Some("its name")),
        ("cassandra-seed: {image: \"cassandra:5\"}", None),
        ("mongo-setup: {image: \"mongo:8\", command: mongosh x}", Some("its name")),
        ("initial: {image: x}", None),
        ("init: {image: x, command: tail -f /dev/null}", None),
        ("seed-worker: {image: x, command: celery -A shop worker}", None),
        ("seed-worker: {image: x, command: python a.py}", Some("its name")),
        ("setup: {image: x, command: /venv/bin/gunicorn a:app}", None),
        ("setup: {image: x, command: flask run}", None),
        ("setup: {image: x, command: npm run first}", Some("its name")),
        ("init: {image: x, command: npm start}", None),
        ("init: {image: x, restart: unless-stopped}", None),
        ("init: {image: x, labels: {hythe.once: false}}", None),
        ("a: {image: x, ports: [80], labels: [hythe.once=true]}", Some("it says so")),
        (
            "setup: {image: x}\n  a: {image: y, depends_on: {setup: {condition: service_healthy}}}",
            None,
        ),
        ("setup: {image: x}\n  a: {image: y, depends_on: [setup]}", Some("its name")),
    ];

    #[test]
    fn what_ends_by_itself_is_known_by_what_is_said_of_it() {
        for (said, expected) in ROWS {
            let text = format!("services:\n  {said}\n  zz: {{image: y, restart: always}}\n");
            let told = told(&text, &Given::default());
            let once = told.contains(" once=yes ") && told.contains("it runs once, ");
            assert_eq!(once, expected.is_some(), "{text}{told}");
            assert!(expected.is_none_or(|why| told.contains(why)), "{text}{told}");
            assert!(!told.contains("routed=yes") || expected.is_none(), "{text}{told}");
        }
    }

    #[test]
    fn what_a_file_says_of_all_its_services_tells_none_apart() {
        let text =
            "services:\n  a: {build: ., restart: \"no\"}\n  b: {image: y, restart: \"no\"}\n";
        let told = told(text, &Given::default());
        assert!(!told.contains("once=yes"), "{told}");
    }

    #[test]
    fn one_that_fails_is_tried_again_where_it_says_so() {
        for (said, expected) in [
            ("restart: \"no\"", " once=yes start="),
            ("restart: on-failure", " again=6 "),
            ("restart: on-failure:2", " again=2 "),
            ("restart: on-failure:99", " again=6 "),
            ("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", " again=3 "),
        ] {
            let text =
                format!("services:\n  a:\n    image: x\n    command: chown 1 /d\n    {said}\n");
            let told = told(&text, &Given::default());
            assert!(told.contains(expected), "{text}{told}");
        }
    }

    #[test]
    fn a_label_is_yes_or_no() {
        let told =
            told("services:\n  a: {image: x, labels: {hythe.once: maybe}}\n", &Given::default());
        assert!(told.contains("services.a.labels.hythe.once: it is true or false"), "{told}");
    }
}
