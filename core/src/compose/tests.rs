//! Files as people have them, what each comes to, and what is told of it.

use std::fmt::Write as _;

use uuid::Uuid;

use super::*;
use crate::app::AppSettings;
use crate::container::ContentId;
use crate::ids::ProjectId;
use crate::inside::{Tmpfs, Ulimit, ValueFile};
use crate::names::{ProjectName, RepositoryUrl};
use crate::source::{GitSource, Reference, Source, UploadDigest};

fn given() -> Given {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Given {
        variables: pairs(&[("TAG", "2"), ("SECRET", "s3cret")]),
        files: pairs(&[("web.env", "A=1\nB=${TAG}\n"), ("deep/b.env", "B=deep\n")]),
        ..Given::default()
    }
}

/// A service in one line: only what is said of it.
fn line(service: &Service) -> String {
    let mut line = format!("{} {}", service.wave, service.name);
    match &service.from {
        From::Image(image) => write!(line, " image={image}").unwrap(),
        From::Build(Build { context, dockerfile, target, args }) => {
            let context = context.as_ref().map_or(".", |path| path.as_str());
            write!(line, " build={context}").unwrap();
            let some = [
                ("dockerfile", dockerfile.as_ref().map(ToString::to_string)),
                ("target", target.as_ref().map(ToString::to_string)),
            ];
            for (name, value) in some {
                value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
            }
            for (name, value) in args {
                write!(line, " arg:{name}={value}").unwrap();
            }
        }
    }
    let some = [
        ("port", service.port.map(|port| port.to_string())),
        ("routed", service.routed.then(|| "yes".to_owned())),
        ("replicas", (service.replicas != 1).then(|| service.replicas.to_string())),
        ("memory", service.memory_bytes.map(|bytes| (bytes >> 20).to_string())),
        ("cpu", service.cpu_millis.map(|millis| millis.to_string())),
        ("pids", service.processes.map(|pids| pids.to_string())),
        ("command", service.command.as_ref().map(|argv| argv.words().join("|"))),
        ("entrypoint", service.entrypoint.as_ref().map(|argv| argv.words().join("|"))),
        ("release", service.release.as_ref().map(|argv| argv.words().join("|"))),
        ("stop", service.stop_within.map(|span| span.0.to_string())),
        ("interval", service.health.interval.map(|span| span.0.to_string())),
        ("retries", service.health.retries.map(|retries| retries.to_string())),
        ("start", service.health.start_within.map(|span| span.0.to_string())),
    ];
    for (name, value) in some {
        value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
    }
    if service.health.probe != crate::health::Probe::Default {
        write!(line, " health={}", service.health.probe).unwrap();
    }
    for (name, value) in &service.env {
        write!(line, " {name}={}", value.reveal()).unwrap();
    }
    for (path, Mount { volume, read_only }) in &service.volumes {
        write!(line, " {volume}:{path}{}", if *read_only { ":ro" } else { "" }).unwrap();
    }
    line.push_str(&within(&service.inside));
    if !service.after.is_empty() {
        let after: Vec<&str> = service.after.iter().map(ServiceName::as_str).collect();
        write!(line, " after={}", after.join(",")).unwrap();
    }
    line
}

/// How a service's containers are within.
fn within(inside: &Inside) -> String {
    let mut line = String::new();
    let some = [
        ("user", inside.user.as_ref().map(ToString::to_string)),
        ("dir", inside.working_dir.as_ref().map(ToString::to_string)),
        ("read-only", inside.read_only.then(|| "yes".to_owned())),
        ("signal", inside.stop_signal.as_ref().map(ToString::to_string)),
        ("shm", inside.shm_bytes.map(|bytes| (bytes >> 20).to_string())),
        ("hostname", inside.hostname.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in some {
        value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
    }
    for (path, Tmpfs { size_bytes, mode }) in &inside.tmpfs {
        write!(line, " memory:{path}").unwrap();
        size_bytes.iter().for_each(|bytes| write!(line, ",{bytes}").unwrap());
        mode.iter().for_each(|mode| write!(line, ",{mode:o}").unwrap());
    }
    for (name, Ulimit { soft, hard }) in &inside.ulimits {
        let shown = |most: &Option<u64>| most.map_or("-".to_owned(), |most| most.to_string());
        write!(line, " {name}={}:{}", shown(soft), shown(hard)).unwrap();
    }
    for (name, address) in &inside.hosts {
        write!(line, " {name}={address}").unwrap();
    }
    for (path, ValueFile { variable, mode, uid, gid }) in &inside.files {
        write!(line, " file:{path}={variable},{mode:o}").unwrap();
        if (*uid, *gid) != (0, 0) {
            write!(line, ",{uid}:{gid}").unwrap();
        }
    }
    line
}

/// What a file comes to: a line for each service, then one for each thing that is told.
pub(super) fn told(text: &str, given: &Given) -> String {
    match read(text, given) {
        Err(bad) => format!("refused: {bad}"),
        Ok(Composed { services, idle: _, left, lines: _ }) => {
            let left = left.iter().map(|Left { file, line, key, why }| {
                let file = file.as_ref().map_or_else(String::new, |file| format!("{file}:"));
                format!("! {file}{line} {key}: {why}")
            });
            services.iter().map(line).chain(left).collect::<Vec<_>>().join("\n")
        }
    }
}

/// What a file is called here, the file, the services that it comes to, and what is told, in words that
/// each line of it has, in this order.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "one image",
        "services:\n  web:\n    image: nginx:1.27\n    ports: [\"80:80\"]\n",
        &["0 web image=nginx:1.27 port=80 routed=yes"],
        &[],
    ),
    (
        "a published port of another number",
        "services:\n  web:\n    image: nginx\n    ports:\n      - \"8080:80\"\n",
        &["0 web image=nginx port=80 routed=yes"],
        &["! 5 services.web.ports: it is not opened as port 8080"],
    ),
    (
        "ports in the long form",
        "services:\n  web:\n    image: a\n    ports:\n      - target: 3000\n        published: \"3000\"\n        \
         host_ip: 127.0.0.1\n        protocol: tcp\n        mode: host\n",
        &["0 web image=a port=3000 routed=yes"],
        &["! 7 services.web.ports.host_ip: no port of the machine"],
    ),
    (
        "a database that is published has no address",
        "services:\n  db:\n    image: postgres:16\n    ports: [\"5432:5432\"]\n",
        &["0 db image=postgres:16 port=5432"],
        &["! 4 services.db.ports: port 5432 is one of PostgreSQL"],
    ),
    (
        "unless somebody says so",
        "services:\n  a:\n    image: x\n    ports: [\"9092:9092\"]\n    labels:\n      hythe.route: 9092\n  b:\n    \
         image: x\n    ports: [\"80:80\"]\n    labels: [\"hythe.route=false\"]\n  c:\n    image: x\n    labels:\n      \
         hythe.route: true\n",
        &["0 a image=x port=9092 routed=yes", "0 b image=x port=80", "0 c image=x routed=yes"],
        &["port 9092 is one of Kafka"],
    ),
    (
        "several ports, ranges and udp",
        "services:\n  web:\n    image: a\n    ports:\n      - 3000\n      - \"9229:9229\"\n      - \"53:53/udp\"\n      - \
         \"7000-7005\"\n      - \"0\"\n      - \"127.0.0.1:8443:443\"\n",
        &["0 web image=a port=3000 routed=yes"],
        &[
            "! 6 services.web.ports: one port of a service has an address, here 3000",
            "! 7 services.web.ports: no address leads to a port of udp",
            "! 8 services.web.ports: an address leads to one port",
            "! 9 services.web.ports: it is no port",
            "! 10 services.web.ports: it is not opened as port 8443",
            "! 10 services.web.ports: one port",
        ],
    ),
    (
        "expose",
        "services:\n  api:\n    image: a\n    expose: [\"9000\", \"100-200\"]\n",
        &["0 api image=a port=9000"],
        &["! 4 services.api.expose: only single ports"],
    ),
    (
        "a build in short",
        "services:\n  web:\n    build: .\n    expose: [80]\n  api:\n    build: ./services/api/\n    expose: [80]\n",
        &["0 api build=services/api port=80", "0 web build=. port=80"],
        &[],
    ),
    (
        "a build in full",
        "services:\n  web:\n    image: registry.example/web\n    build:\n      context: web\n      dockerfile: \
         ./docker/Dockerfile.prod\n      target: release\n      args:\n        VERSION: 1.5\n        TAG:\n        \
         BUILDKIT_INLINE_CACHE: 1\n      cache_from: [a]\n      labels: {a: b}\n      contxt: x\n    expose: [1]\n",
        &[
            "0 web build=web dockerfile=docker/Dockerfile.prod target=release arg:TAG=2 arg:VERSION=1.5",
        ],
        &[
            "! 3 services.web.image: it is built",
            "! 10 services.web.build.args: the value of TAG is kept in the settings in clear text",
            "! 11 services.web.build.args.BUILDKIT_INLINE_CACHE: a build argument's name",
            "! 12 services.web.build.cache_from: what builds keep",
            "! 13 services.web.build.labels: images are",
            "! 14 services.web.build.contxt: there is no such key; do you mean context?",
        ],
    ),
    (
        "arguments as a list",
        "services:\n  web:\n    build:\n      context: .\n      args:\n        - A=1\n        - TAG\n        - NONE\n    \
         expose: [1]\n",
        &["0 web build=. arg:A=1 arg:TAG=2 port=1"],
        &[
            "! 7 services.web.build.args: the value of TAG is kept in the settings in clear text",
            "! 8 services.web.build.args.NONE: it has no value here",
        ],
    ),
    (
        "a command as a line and as words",
        "services:\n  a:\n    image: x\n    command: serve --name 'two words'\n    entrypoint: [\"/bin/run\", \"-x\"]\n  \
         b:\n    image: x\n    command: [\"sh\", \"-c\", \"echo $$HOME\"]\n    entrypoint: \"\"\n  c:\n    image: x\n    \
         command:\n",
        &[
            "0 a image=x command=serve|--name|two words entrypoint=/bin/run|-x health=none",
            "0 b image=x command=sh|-c|echo $HOME health=none",
            "0 c image=x health=none",
        ],
        &["! 9 services.b.entrypoint: an entrypoint cannot be nothing"],
    ),
    (
        "variables as a map and as a list",
        "services:\n  a:\n    image: x\n    environment:\n      N: 5\n      T: true\n      E: \"\"\n      SECRET:\n      \
         NONE:\n      F: 1.5\n  b:\n    image: x\n    environment:\n      - A=b=c\n      - SECRET\n      - 1X=2\n      - \
         PORT=3000\n",
        &[
            "0 a image=x health=none E= F=1.5 N=5 SECRET=s3cret T=true",
            "0 b image=x health=none A=b=c SECRET=s3cret",
        ],
        &[
            "! 9 services.a.environment.NONE: it has no value here",
            "! 16 services.b.environment.1X: an environment variable's name",
            "! 17 services.b.environment.PORT: it is set by Hythe",
        ],
    ),
    (
        "files of variables, and what goes before them",
        "services:\n  a:\n    image: x\n    env_file: web.env\n    environment: {A: own}\n  b:\n    image: x\n    \
         env_file:\n      - ./web.env\n      - path: deep/b.env\n      - path: none.env\n        required: false\n",
        &["0 a image=x health=none A=own B=2", "0 b image=x health=none A=1 B=deep"],
        &[],
    ),
    (
        "variables of the file itself",
        "services:\n  a:\n    image: \"x:${TAG}\"\n    command: run ${NONE} ${NONE:-usual} $$1\n",
        &["0 a image=x:2 command=run|usual|$1 health=none"],
        &["! 4 ${NONE}: it is not given and taken for empty"],
    ),
    (
        "volumes",
        "services:\n  db:\n    image: postgres\n    volumes:\n      - data:/var/lib/postgresql/data/\n      - \
         conf:/conf:ro\n      - type: volume\n        source: more\n        target: /more\n        read_only: true\n\
         volumes:\n  data:\n  conf: {}\n  more:\n    driver: local\n",
        &[
            "0 db image=postgres health=none conf:/conf:ro more:/more:ro data:/var/lib/postgresql/data",
        ],
        &[],
    ),
    (
        "mounts that are not taken",
        "services:\n  a:\n    image: x\n    volumes:\n      - ./src:/app\n      - /etc/passwd:/p:ro\n      - ~/x:/x\n      \
         - /anonymous\n      - type: bind\n        source: .\n        target: /b\n      - type: tmpfs\n        target: \
         /t\n      - theirs:/y\n      - type: npipe\n        target: /z\nvolumes:\n  theirs:\n    external: true\n",
        &["0 a image=x health=none memory:/t"],
        &[
            "! 5 services.a.volumes: folders of the machine",
            "! 6 services.a.volumes: folders of the machine",
            "! 7 services.a.volumes: folders of the machine",
            "! 8 services.a.volumes: a volume without a name",
            "! 9 services.a.volumes: folders of the machine",
            "! 14 services.a.volumes: the volume theirs is not taken",
            "! 15 services.a.volumes: there are no mounts of type npipe",
            "! 19 volumes.theirs.external: a volume that Hythe did not make",
        ],
    ),
    (
        "options of volumes",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d:nocopy\"]\nvolumes:\n  d:\n    driver: nfs\n    name: mine\n    \
         labels: {a: b}\n    drivr: x\n",
        &["0 a image=x health=none d:/d"],
        &[
            "! 4 services.a.volumes: there is no way nocopy",
            "! 7 volumes.d.driver: volumes are the engine's own",
            "! 8 volumes.d.name: a volume belongs to its project",
            "! 9 volumes.d.labels:",
            "! 10 volumes.d.drivr: there is no such key; do you mean driver?",
        ],
    ),
    (
        "dependencies as a list make an order",
        "services:\n  web:\n    image: w\n    depends_on: [api, cache]\n  api:\n    image: a\n    depends_on: [db]\n  \
         db:\n    image: d\n  cache:\n    image: c\n",
        &[
            "0 cache image=c",
            "0 db image=d",
            "1 api image=a health=none after=db",
            "2 web image=w health=none after=api,cache",
        ],
        &[],
    ),
    (
        "dependencies with conditions",
        "services:\n  web:\n    image: w\n    depends_on:\n      db:\n        condition: service_healthy\n        restart: \
         true\n      cache:\n        condition: service_started\n      none:\n        condition: service_started\n        \
         required: false\n  db:\n    image: d\n  cache:\n    image: c\n",
        &["0 cache", "0 db", "1 web image=w health=none after=cache,db"],
        &["! 7 services.web.depends_on.db.restart: it finds the other one by its name"],
    ),
    (
        "a job of the same image becomes a release command",
        "services:\n  migrate:\n    build: .\n    command: rake db:migrate\n    depends_on: [db]\n  web:\n    build: .\n    \
         ports: [80]\n    depends_on:\n      migrate:\n        condition: service_completed_successfully\n  db:\n    \
         image: d\n",
        &["0 db image=d", "1 web build=. port=80 routed=yes release=rake|db:migrate after=db"],
        &["! 2 services.migrate: it becomes the release command of web"],
    ),
    (
        "a job of another image is left",
        "services:\n  seed:\n    image: seed\n    command: go\n  web:\n    image: w\n    depends_on:\n      seed:\n        \
         condition: service_completed_successfully\n",
        &["0 web image=w health=none"],
        &["! 2 services.seed: it is to end, and an app keeps running"],
    ),
    (
        "health checks",
        "services:\n  a:\n    image: x\n    healthcheck:\n      test: [\"CMD\", \"pg_isready\", \"-q\"]\n      interval: \
         1m30s\n      retries: 5\n      start_period: 2m\n  b:\n    image: x\n    healthcheck: {test: \"curl -f \
         localhost\"}\n  c:\n    image: x\n    healthcheck: {disable: true}\n  d:\n    image: x\n    healthcheck: {test: \
         [\"NONE\"]}\n  e:\n    image: x\n    healthcheck: {test: [\"CMD-SHELL\", \"a || b\"], start_period: 1s}\n",
        &[
            "0 a image=x interval=90000 retries=5 start=120000 health=command [\"pg_isready\", \"-q\"]",
            "0 b image=x health=command [\"sh\", \"-c\", \"curl -f localhost\"]",
            "0 c image=x health=none",
            "0 d image=x health=none",
            "0 e image=x start=60000 health=command [\"sh\", \"-c\", \"a || b\"]",
        ],
        &[],
    ),
    (
        "health checks that are wrong",
        "services:\n  a:\n    image: x\n    healthcheck:\n      test: [\"curl\"]\n      interval: 10\n      retries: 0\n      \
         timeout: 1h\n      start_interval: 1s\n      intervall: 5s\n",
        &["0 a image=x health=the image's HEALTHCHECK"],
        &[
            "! 5 services.a.healthcheck.test: it begins with CMD",
            "! 6 services.a.healthcheck.interval: it is a span of time",
            "! 7 services.a.healthcheck.retries: it is 1 to",
            "! 8 services.a.healthcheck.timeout: it is a span of time",
            "! 9 services.a.healthcheck.start_interval: a check is as often",
            "! 10 services.a.healthcheck.intervall: there is no such key; do you mean interval?",
        ],
    ),
    (
        "limits and replicas",
        "services:\n  a:\n    image: x\n    deploy:\n      replicas: 3\n      resources:\n        limits: {cpus: \"0.5\", \
         memory: 256M, pids: 100}\n        reservations: {memory: 64M}\n      update_config: {order: start-first}\n      \
         restart_policy: {condition: any}\n  b:\n    image: x\n    scale: 2\n    mem_limit: 1g\n    cpus: 1.5\n    \
         pids_limit: 10\n",
        &[
            "0 a image=x replicas=3 memory=256 cpu=500 pids=100",
            "0 b image=x replicas=2 memory=1024 cpu=1500 pids=10",
        ],
        &[
            "! 8 services.a.deploy.resources.reservations: only limits count",
            "! 9 services.a.deploy.update_config:",
            "! 10 services.a.deploy.restart_policy:",
        ],
    ),
    (
        "limits that are wrong, and one replica for each volume",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d\"]\n    deploy:\n      replicas: 3\n      resources: {limits: \
         {memory: 1k, cpus: lots, pids: 0}}\nvolumes: {d: }\n",
        &["0 a image=x health=none d:/d"],
        &[
            "! 6 services.a.deploy.replicas: it writes to a volume",
            "! 7 services.a.deploy.resources.limits.cpus: it is a number",
            "! 7 services.a.deploy.resources.limits.memory: it is a size",
            "! 7 services.a.deploy.resources.limits.pids: it is a number",
        ],
    ),
    (
        "how it restarts and stops",
        "services:\n  a:\n    image: x\n    restart: unless-stopped\n    stop_grace_period: 30s\n    init: true\n  b:\n    \
         image: x\n    restart: \"no\"\n  c:\n    image: x\n    restart: on-failure:3\n    stop_grace_period: 1h\n",
        &["0 a image=x stop=30000", "0 b", "0 c"],
        &[
            "! 9 services.b.restart: what is live is kept running",
            "! 12 services.c.restart: what is live is started again",
            "! 13 services.c.stop_grace_period: it is",
        ],
    ),
    (
        "profiles",
        "services:\n  web:\n    image: w\n  debug:\n    image: d\n    profiles: [tools]\n",
        &["0 web image=w"],
        &["! 4 services.debug: it is of the profile tools"],
    ),
    (
        "what a container may not do",
        "services:\n  a:\n    image: x\n    privileged: true\n    cap_add: [SYS_ADMIN]\n    network_mode: host\n    pid: \
         host\n    devices: [/dev/sda]\n    user: root\n    working_dir: /app\n    logging: {driver: none}\n    \
         container_name: mine\n    tty: true\n    sysctls: {a: b}\n",
        &["0 a image=x health=none user=root dir=/app"],
        &[
            "! 4 services.a.privileged: what a container may do",
            "! 5 services.a.cap_add: what a container may do",
            "! 6 services.a.network_mode: no container",
            "! 7 services.a.pid: what a container may do",
            "! 8 services.a.devices: what a container may do",
            "! 11 services.a.logging:",
            "! 12 services.a.container_name: other services",
            "! 13 services.a.tty:",
            "! 14 services.a.sysctls:",
        ],
    ),
    (
        "networks and names",
        "name: theirs\nversion: \"3.8\"\nservices:\n  a:\n    image: x\n    networks: [front]\n    labels: \
         {traefik.enable: \"true\"}\nnetworks:\n  front: {}\n",
        &["0 a image=x health=none"],
        &[
            "! 1 name: the project's name",
            "! 6 services.a.networks: all services",
            "! 7 services.a.labels: labels on containers",
            "! 8 networks: all services",
        ],
    ),
    (
        "a network that is there anyway",
        "services:\n  a: {image: x}\nnetworks:\n  default:\n",
        &["0 a image=x health=none"],
        &[],
    ),
    (
        "anchors, merges and extensions",
        "x-base: &base\n  restart: always\n  environment: &env\n    A: \"1\"\n    B: \"1\"\nservices:\n  a:\n    <<: *base\n    \
         image: x\n  b:\n    <<: *base\n    image: x\n    x-note: mine\n    environment:\n      <<: *env\n      B: \"2\"\n",
        &["0 a image=x health=none A=1 B=1", "0 b image=x health=none A=1 B=2"],
        &[],
    ),
    (
        "keys that there are not",
        "services:\n  a:\n    image: x\n    enviroment: {A: b}\n    zzz: 1\nservces: {}\n",
        &["0 a image=x health=none"],
        &[
            "! 4 services.a.enviroment: there is no such key; do you mean environment?",
            "! 5 services.a.zzz: there is no such key",
            "! 6 servces: there is no such key; do you mean services?",
        ],
    ),
    ("nothing", "", &[], &["refused: line 1: it has no services"]),
    ("no services", "services: {}\n", &[], &["refused: line 1: it has no services"]),
    ("no YAML", "services:\n  a: [\n", &[], &["refused: it cannot be read as YAML"]),
    ("a list", "- a\n", &[], &["refused: line 1: it has no services"]),
    (
        "twice",
        "services:\n  a: {image: x}\n  a: {image: y}\n",
        &[],
        &["refused: it cannot be read as YAML"],
    ),
    (
        "neither image nor build",
        "services:\n  a:\n    command: x\n",
        &[],
        &["refused: line 2: services.a: it says neither image nor build"],
    ),
    (
        "no image",
        "services:\n  a:\n    image: \"no image\"\n",
        &[],
        &["refused: line 3: services.a.image: an image"],
    ),
    (
        "a name that is none",
        "services:\n  \"a b\": {image: x}\n",
        &[],
        &["refused: line 2: a service's name has letters"],
    ),
    (
        "a context that leads out",
        "services:\n  a:\n    build: ../other\n",
        &[],
        &["refused: line 3: services.a.build: ../other leads out of the source"],
    ),
    (
        "an absolute context",
        "services:\n  a:\n    build: {context: /etc}\n",
        &[],
        &["refused: line 3: services.a.build: /etc is no path within the source"],
    ),
    (
        "a context elsewhere",
        "services:\n  a:\n    build: https://github.com/a/b.git#main\n",
        &[],
        &["refused: line 3: services.a.build: a context elsewhere is not fetched"],
    ),
    (
        "a Dockerfile outside",
        "services:\n  a:\n    build: {context: web, dockerfile: ../Dockerfile}\n",
        &[],
        &["refused: line 3: services.a.build.dockerfile: a path in the repository"],
    ),
    (
        "a Dockerfile in the file",
        "services:\n  a:\n    build:\n      dockerfile_inline: FROM x\n",
        &[],
        &["refused: line 4: services.a.build.dockerfile_inline: it is not taken"],
    ),
    (
        "a file of variables that is not there",
        "services:\n  a:\n    image: x\n    env_file: none.env\n",
        &[],
        &["refused: line 4: services.a.env_file: there is no file none.env"],
    ),
    (
        "a file of variables outside",
        "services:\n  a:\n    image: x\n    env_file: ../../.ssh/config\n",
        &[],
        &["refused: line 4: services.a.env_file: ../../.ssh/config leads out"],
    ),
    (
        "a volume that is not declared",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d\"]\n",
        &[],
        &["refused: line 4: services.a.volumes: there is no volume d; declare it"],
    ),
    (
        "two volumes at one place",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d\", \"e:/d/\"]\nvolumes: {d: , e: }\n",
        &[],
        &["refused: line 4: services.a.volumes: two volumes are at /d"],
    ),
    (
        "a mount over everything",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/\"]\nvolumes: {d: }\n",
        &[],
        &["refused: line 4: services.a.volumes: a folder in the container"],
    ),
    (
        "a service that there is not",
        "services:\n  a:\n    image: x\n    depends_on: [b]\n",
        &[],
        &["refused: line 4: services.a.depends_on: there is no service b"],
    ),
    (
        "a service that is not wanted",
        "services:\n  a:\n    image: x\n    depends_on: [b]\n  b: {image: y, profiles: [p]}\n",
        &[],
        &["refused: line 4: services.a.depends_on: b is of a profile that is not wanted"],
    ),
    (
        "a circle",
        "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: \
         [a]}\n",
        &[],
        &["refused: line 2: services depend on one another in a circle: a → b → c → a"],
    ),
    (
        "a condition that there is not",
        "services:\n  a:\n    image: x\n    depends_on: {b: {condition: healthy}}\n  b: {image: y}\n",
        &[],
        &["refused: line 4: services.a.depends_on.b.condition: there is no condition healthy"],
    ),
    (
        "a variable that has to be given",
        "services:\n  a:\n    image: \"x:${V:?say which}\"\n",
        &[],
        &["refused: line 3: the variable V has to be given: say which"],
    ),
    (
        "a variable that is none",
        "services:\n  a:\n    image: x\n    command: echo $\n",
        &[],
        &["refused: line 4: a \"$\" is followed by no name"],
    ),
];

#[test]
fn each_file_comes_to_what_it_says_and_the_rest_is_told_of() {
    let given = given();
    let mut wrong = String::new();
    for (what, file, services, left) in ROWS {
        let told = told(file, &given);
        let lines: Vec<&str> = told.lines().collect();
        let expected: Vec<&str> = services.iter().chain(*left).copied().collect();
        let fits = lines.len() == expected.len()
            && lines.iter().zip(&expected).all(|(line, words)| line.contains(words));
        if !fits {
            writeln!(wrong, "{what}:\n{told}\n-- expected\n{}\n", expected.join("\n")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_goes_with_a_file_is_named_before_it_is_read() {
    let text = "services:\n  a:\n    image: x:${TAG}-${OTHER:-1}\n    env_file: [./a.env, {path: \
                \"${TAG}/b.env\"}, ../../out]\n";
    let given = Given { folder: "deploy".into(), ..given() };
    let wanted = wanted(text, &given).unwrap();
    let set = |items: &[&str]| items.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(wanted.variables, set(&["TAG", "OTHER"]));
    assert_eq!(wanted.files, set(&["deploy/a.env", "deploy/2/b.env"]));
    assert!(super::wanted("a: [", &given).is_err());
}

#[test]
fn profiles_can_be_asked_for() {
    let text = "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: y, profiles: [p, q]}\n";
    let with = |profile: &str| Given { profiles: [profile.to_owned()].into(), ..given() };
    for profile in ["q", "*"] {
        assert_eq!(read(text, &with(profile)).unwrap().services.len(), 2, "{profile}");
    }
    assert!(read(text, &with("other")).is_err());
}

#[test]
fn what_is_wrong_with_a_service_that_is_not_wanted_refuses_nothing() {
    let text = "services:\n  web: {image: w, depends_on: {debug: {condition: service_started, required: \
                false}}}\n  debug:\n    image: \"no image\"\n    profiles: [tools]\n    env_file: none.env\n    \
                secrets: [none]\n    zzz: 1\n";
    let given = given();
    let composed = read(text, &given).unwrap();
    assert_eq!(composed.services.len(), 1);
    assert!(composed.idle.contains(&ServiceName::new("debug").unwrap()));
    let told: Vec<&str> = composed.left.iter().map(|left| left.key.as_str()).collect();
    assert_eq!(told, ["services.debug"]);
    let wanted = Given { profiles: ["tools".to_owned()].into(), ..given };
    assert!(read(text, &wanted).unwrap_err().why.contains("services.debug.image"));
}

#[test]
fn what_has_no_end_is_refused() {
    let many: String = (0..=limits::MOST_SERVICES).fold("services:\n".into(), |mut text, n| {
        writeln!(text, "  s{n}: {{image: x}}").unwrap();
        text
    });
    assert!(read(&many, &given()).unwrap_err().to_string().contains("more than 40 services"));
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
fn values_that_are_kept_in_clear_text_are_named_with_their_place() {
    let text = "services:\n  a:\n    build: {context: ., args: {A: \"${SECRET}\", TAG: }}\n    command: run \
                ${SECRET} ${TAG:-x}\n    entrypoint: [\"${NONE:-sh}\"]\n    healthcheck: {test: [CMD, ok, \
                \"$SECRET\"]}\n    environment: {KEY: \"${SECRET}\"}\n";
    let read = read(text, &given()).unwrap();
    let told: Vec<String> =
        read.left.iter().map(|left| format!("{} {}", left.line, left.key)).collect();
    let build = "3 services.a.build.args";
    let command = "4 services.a.command";
    assert_eq!(told, [build, build, command, command, "6 services.a.healthcheck.test"]);
    assert!(read.left[0].why.contains("the value of SECRET is kept in the settings in clear text"));
    assert!(read.left.iter().all(|left| !left.why.contains("s3cret")), "only named");
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
    files.files = (0..65).map(|n| (format!("{n}.env"), String::new())).collect();
    assert!(why(read("services: {a: {image: x}}", &files)).contains("65 other files"));
}

const SHOP: &str = "services:\n  web:\n    build: {context: web, dockerfile: docker/D}\n    ports: [8000]\n    \
                    environment: {GREETING: hello}\n    depends_on: [store]\n  store:\n    image: redis:7\n    volumes: \
                    [\"data:/data\"]\nvolumes:\n  data:\n";

fn project() -> (ProjectName, ProjectId) {
    (ProjectName::new("shop").unwrap(), ProjectId::new(Uuid::from_u128(7)))
}

fn upload(n: u8) -> Made {
    Made::Upload(UploadDigest::new(format!("sha256:{}", format!("{n:02x}").repeat(32))).unwrap())
}

fn planned(
    text: &str,
    present: &BTreeMap<ServiceName, Present>,
    made: Option<Made>,
) -> Result<Plan, Bad> {
    let (name, id) = project();
    let made = made.map(|made| (ServiceName::new("web").unwrap(), made)).into_iter().collect();
    plan(read(text, &given()).unwrap(), (&name, id), present, &made)
}

/// The apps as a plan wants them, live with that.
fn carried_out(plan: Plan) -> BTreeMap<ServiceName, Present> {
    let of = |planned: Planned| {
        let Planned { service, app, settings, .. } = planned;
        let AppSettings { source, build, port, replicas, health, resources, run, .. } =
            settings.clone();
        let spec = crate::deployment::DeploymentSpec {
            source: source.unwrap(),
            build,
            port,
            replicas,
            health,
            resources,
            run,
            stop_within: settings.stop_within,
            ..crate::testing::spec(1)
        };
        let newest = Some(Deployed { spec, same_env: true });
        (service.name, Present { name: app, settings, env: service.env, newest })
    };
    plan.services.into_iter().map(of).collect()
}

fn actions(plan: &Plan) -> Vec<(String, Action, String)> {
    let one =
        |planned: &Planned| (planned.app.to_string(), planned.action, planned.because.join(", "));
    plan.services.iter().map(one).collect()
}

#[test]
fn the_same_file_again_changes_nothing_and_another_one_only_what_is_different() {
    let first = planned(SHOP, &BTreeMap::new(), Some(upload(1))).unwrap();
    let new = |app: &str| (app.to_owned(), Action::Create, String::new());
    assert_eq!(actions(&first), [new("shop-store"), new("shop-web")]);
    let store = &first.services[0].settings.run.container;
    assert!(store.unrouted && store.is_exclusive());
    assert_eq!(store.group.as_ref().unwrap().service.as_str(), "store");
    let web = &first.services[1].settings;
    assert!(!web.run.container.unrouted);
    assert_eq!(web.build.context, None, "its folder is all that is sent");
    assert_eq!(web.build.dockerfile.as_ref().unwrap().as_str(), "docker/D");
    let present = carried_out(first);

    let of = |text: &str, made| {
        let plan = planned(text, &present, Some(made)).unwrap();
        let changed = |(_, action, _): &(String, Action, String)| *action != Action::Unchanged;
        let left = actions(&plan).into_iter().filter(changed);
        left.map(|(app, _, why)| format!("{app}: {why}")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(of(SHOP, upload(1)), "");
    assert_eq!(of(SHOP, upload(2)), "shop-web: source");
    for (from, to, expected) in [
        ("hello", "bye", "shop-web: variables"),
        ("redis:7", "redis:8", "shop-store: source"),
        ("[8000]", "[9000]", "shop-web: port"),
        ("docker/D", "docker/E", "shop-web: how it is built"),
        ("data:/data", "data:/other", "shop-store: how it runs"),
        ("    depends_on: [store]\n", "", ""),
        ("image: redis:7", "image: redis:7\n    mem_limit: 1g", "shop-store: limits"),
        ("ports: [8000]", "expose: [8000]", "shop-web: how it runs"),
        ("image: redis:7", "image: redis:7\n    user: \"999\"", "shop-store: how it runs"),
    ] {
        let text = SHOP.replace(from, to);
        assert_ne!(text, SHOP, "{from}");
        assert_eq!(of(&text, upload(1)), expected, "{from} → {to}");
    }
}

#[test]
fn what_went_wrong_before_is_done_again_and_what_was_set_besides_stays() {
    let first = planned(SHOP, &BTreeMap::new(), Some(upload(1))).unwrap();
    let mut present = carried_out(first);
    let web = present.get_mut(&ServiceName::new("web").unwrap()).unwrap();
    web.env.insert(EnvName::new("API_KEY").unwrap(), EnvValue::new("secret").unwrap());
    web.settings.drain_within = Millis(1);
    let plan = planned(SHOP, &present, Some(upload(1))).unwrap();
    assert_eq!(plan.services[1].action, Action::Unchanged);
    assert_eq!(plan.services[1].surplus.len(), 1);
    assert_eq!(plan.services[1].settings.drain_within, Millis(1));
    let web = present.get_mut(&ServiceName::new("web").unwrap()).unwrap();
    web.newest.as_mut().unwrap().same_env = false;
    let plan = planned(SHOP, &present, Some(upload(1))).unwrap();
    assert_eq!(plan.services[1].because, ["variables"]);
    let web = present.get_mut(&ServiceName::new("web").unwrap()).unwrap();
    web.newest = None;
    let plan = planned(SHOP, &present, Some(upload(1))).unwrap();
    assert_eq!(plan.services[1].because, ["nothing of it is live"]);
    let unknown = planned(SHOP, &present, None).unwrap();
    assert!(unknown.services[1].needs_source && !unknown.services[0].needs_source);
}

#[test]
fn what_stood_in_a_file_that_is_gone_becomes_no_variable_of_the_environment() {
    let with = SHOP.replace("image: redis:7", "image: redis:7\n    secrets: [key, other]");
    let with =
        format!("{with}secrets: {{key: {{environment: SECRET}}, other: {{environment: TAG}}}}\n");
    let first = planned(&with, &BTreeMap::new(), Some(upload(1))).unwrap();
    assert!(first.services.iter().all(|one| one.removed.is_empty()));
    let mut present = carried_out(first);
    let store = present.get_mut(&ServiceName::new("store").unwrap()).unwrap();
    store.env.insert(EnvName::new("API_KEY").unwrap(), EnvValue::new("own").unwrap());
    let again = planned(&with, &present, Some(upload(1))).unwrap();
    assert_eq!(again.services[0].action, Action::Unchanged);
    let without = with.replace("[key, other]", "[other]");
    let plan = planned(&without, &present, Some(upload(1))).unwrap();
    let names = |names: &BTreeSet<EnvName>| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&plan.services[0].removed), "SECRET_FILE_key");
    assert_eq!(names(&plan.services[0].surplus), "API_KEY", "what was set besides stays");
    assert_eq!(plan.services[0].because, ["variables", "how it runs"]);
}

#[test]
fn a_service_that_is_gone_is_an_orphan_unless_it_is_only_not_wanted() {
    let present = carried_out(planned(SHOP, &BTreeMap::new(), Some(upload(1))).unwrap());
    let without = "services:\n  web: {build: web}\n  idle: {image: x, profiles: [p]}\n";
    let plan = planned(without, &present, Some(upload(1))).unwrap();
    let orphans: Vec<String> = plan.orphans.values().map(ToString::to_string).collect();
    assert_eq!(orphans, ["shop-store"]);
    let idle = SHOP.replace("image: redis:7", "image: redis:7\n    profiles: [p]");
    let idle = idle.replace("    depends_on: [store]\n", "");
    assert!(planned(&idle, &present, Some(upload(1))).unwrap().orphans.is_empty());
}

#[test]
fn of_a_repository_a_folder_that_is_the_same_needs_no_deployment() {
    let made = |content: &str| Made::Git {
        source: GitSource {
            repository: RepositoryUrl::new("https://git.example/shop.git").unwrap(),
            reference: Reference::Branch(crate::names::BranchName::new("main").unwrap()),
        },
        content: ContentId::new(content.repeat(40)).unwrap(),
    };
    let first = planned(SHOP, &BTreeMap::new(), Some(made("a"))).unwrap();
    let build = &first.services[1].settings.build;
    assert_eq!(build.context.as_ref().unwrap().as_str(), "web");
    assert_eq!(build.dockerfile.as_ref().unwrap().as_str(), "web/docker/D");
    let mut present = carried_out(first);
    for there in present.values_mut() {
        // Its branch is the app's; a commit is of one deployment.
        if let Source::Git(git) = &mut there.newest.as_mut().unwrap().spec.source {
            git.reference = Reference::Commit(crate::names::CommitId::new("2".repeat(40)).unwrap());
        }
    }
    let same = planned(SHOP, &present, Some(made("a"))).unwrap();
    assert_eq!(same.services[1].because, Vec::<&str>::new());
    assert_eq!(same.services[1].action, Action::Unchanged);
    let other = planned(SHOP, &present, Some(made("b"))).unwrap();
    assert_eq!(other.services[1].because, ["source"]);
}

#[test]
fn names_of_apps_are_host_names() {
    let named = |service: &str| {
        let text = format!("services:\n  {service}: {{image: x}}\n");
        planned(&text, &BTreeMap::new(), None).map(|plan| plan.services[0].app.to_string())
    };
    assert_eq!(named("My_Api.v2").unwrap(), "shop-my-api-v2");
    assert!(named(&"long".repeat(12)).unwrap_err().to_string().contains("a shorter name"));
    let both = "services:\n  a_b: {image: x}\n  a.b: {image: x}\n";
    let refused = planned(both, &BTreeMap::new(), None).unwrap_err().to_string();
    assert!(refused.contains("would both be the app shop-a-b"), "{refused}");
}
