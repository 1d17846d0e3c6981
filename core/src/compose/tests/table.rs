//! Files as people have them, what each comes to, and what is told of it.

use std::fmt::Write as _;

use super::{given, told};

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
            "0 b image=x port=3000 health=none A=b=c SECRET=s3cret",
        ],
        &[
            "! 9 services.a.environment.NONE: it has no value here",
            "! 16 services.b.environment.1X: an environment variable's name",
        ],
    ),
    (
        "a port by a variable, as others know it and as its checks do",
        "services:\n  pooler:\n    image: x\n    ports: [\"5432:5432\", \"6543:6543\"]\n    environment: {PORT: \
         \"4000\"}\n  realtime:\n    image: x\n    environment: {PORT: 4000}\n  same:\n    image: x\n    ports: \
         [\"3000:3000\"]\n    environment: [PORT=3000]\n  web:\n    image: x\n    ports: [\"80:80\"]\n    \
         environment: [PORT=3000]\n  wrong:\n    image: x\n    environment: [PORT=http]\n",
        &[
            "0 pooler image=x port=4000",
            "0 realtime image=x port=4000 health=none",
            "0 same image=x port=3000 routed=yes",
            "0 web image=x port=80 routed=yes",
            "0 wrong image=x health=none",
        ],
        &[
            "! 4 services.pooler.ports: port 5432 is one of PostgreSQL",
            "! 4 services.pooler.ports: port 6543 is one of PostgreSQL",
            "! 16 services.web.environment.PORT: it is set by Hythe",
            "! 19 services.wrong.environment.PORT: it is set by Hythe",
        ],
    ),
    (
        "a port within TLS is not the one with an address where there is another",
        "services:\n  a:\n    image: x\n    ports: [\"443:443\", \"80:80\"]\n  b:\n    image: x\n    ports: \
         [\"9443:9443\"]\n  c:\n    image: x\n    ports: [\"636:636\", \"25565:25565\"]\n",
        &[
            "0 a image=x port=80 routed=yes",
            "0 b image=x port=9443 routed=yes",
            "0 c image=x port=636",
        ],
        &[
            "! 4 services.a.ports: one port of a service has an address, here 80",
            "! 10 services.c.ports: port 25565 is one of Minecraft",
            "! 10 services.c.ports: port 636 is one of LDAP",
        ],
    ),
    (
        "a file of variables as it stands there",
        "services:\n  a:\n    image: x\n    env_file: [{path: web.env, format: raw}]\n",
        &["0 a image=x health=none A=1 B=${TAG}"],
        &[],
    ),
    (
        "names of variables that only some programs have",
        "services:\n  search:\n    image: x\n    environment:\n      discovery.type: single-node\n",
        &["0 search image=x health=none"],
        &["ES_SETTING_DISCOVERY_TYPE for discovery.type"],
    ),
    (
        "settings of Elasticsearch under the names that it reads besides",
        "services:\n  search:\n    image: docker.elastic.co/elasticsearch/elasticsearch:8.17.0\n    environment:\n      - \
         discovery.type=single-node\n      - bootstrap.memory_lock=true\n",
        &["0 search image=docker.elastic.co/elasticsearch/elasticsearch:8.17.0 health=none \
             ES_SETTING_BOOTSTRAP_MEMORY__LOCK=true ES_SETTING_DISCOVERY_TYPE=single-node"],
        &[
            "! 5 services.search.environment.discovery.type: it is given as ES_SETTING_DISCOVERY_TYPE",
            "! 6 services.search.environment.bootstrap.memory_lock: it is given as ES_SETTING_BOOTSTRAP_MEMORY__LOCK",
        ],
    ),
    (
        "settings of an Elasticsearch that reads no other names, and of what is none",
        "services:\n  old:\n    image: elasticsearch:7.14.2\n    environment: [discovery.type=single-node]\n  open:\n    \
         image: opensearchproject/opensearch:2\n    environment: [discovery.type=single-node]\n  some:\n    image: \
         elasticsearch:7\n    environment: [discovery.type=single-node]\n",
        &[
            "0 old image=elasticsearch:7.14.2 health=none",
            "0 open image=opensearchproject/opensearch:2 health=none",
            "0 some image=elasticsearch:7 health=none ES_SETTING_DISCOVERY_TYPE=single-node",
        ],
        &[
            "an Elasticsearch before 7.15 reads it by no other name",
            "many programs that read such a name read another one",
            "it is given as ES_SETTING_DISCOVERY_TYPE",
        ],
    ),
    (
        "what works by the engine's socket alone is left out, and what waits for it does not wait",
        "services:\n  web: {image: x, depends_on: [proxy, watch]}\n  watch:\n    image: containrrr/watchtower:1\n    \
         volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]\n  proxy:\n    image: traefik\n    volumes: \
         [\"/var/run/docker.sock:/var/run/docker.sock:ro\"]\n  dozzle: {image: amir20/dozzle}\n",
        &[
            "0 dozzle image=amir20/dozzle health=none",
            "0 proxy image=traefik health=none",
            "1 web image=x health=none after=proxy",
        ],
        &[
            "! 3 services.watch: it works through the engine's socket alone",
            "! 5 services.watch.volumes: the engine's socket is given to no container",
            "! 8 services.proxy.volumes: the engine's socket is given to no container",
        ],
    ),
    (
        "a check whose words stand one by one behind CMD-SHELL",
        "services:\n  a:\n    image: x\n    healthcheck: {test: [CMD-SHELL, pg_isready, -d, shop]}\n",
        &["0 a image=x health=command [\"sh\", \"-c\", \"pg_isready\", \"-d\", \"shop\"]"],
        &[],
    ),
    (
        "names in networks",
        "services:\n  a:\n    image: x\n    networks:\n      back: {aliases: [cache, store]}\n      front:\n  b:\n    \
         image: x\n    networks: {back: }\n",
        &["0 a image=x health=none names=cache,store", "0 b image=x health=none"],
        &["! 4 services.a.networks: all services", "! 9 services.b.networks: all services"],
    ),
    (
        "a volume whose variable is not given",
        "services:\n  a:\n    image: x\n    volumes: [\"${WHERE}:/data\"]\n",
        &[],
        &[
            "refused: line 4: services.a.volumes: no volume is named for /data; where a variable stands for it",
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
        &["0 a image=x health=none machine--.x-accc5a1974c7:/x theirs:/y memory:/t"],
        &[
            "! 5 services.a.volumes: folders of the machine are given to no container, and nobody said",
            "! 6 services.a.volumes: it is of the machine's own system",
            "! 7 services.a.volumes: what is written there is kept in the volume machine--.x-",
            "! 8 services.a.volumes: a volume without a name",
            "! 9 services.a.volumes: it is the folder of the whole project",
            "! 15 services.a.volumes: there are no mounts of type npipe",
            "! 19 volumes.theirs.external: a volume that Hythe did not make is given to no container: there is one",
        ],
    ),
    (
        "options of volumes",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d:nocopy,cached\"]\nvolumes:\n  d:\n    driver: nfs\n    name: mine\n    \
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
        "a job that several wait for runs before one that waits for none of the others",
        "x-app: &app\n  image: shop\n  depends_on: {init: {condition: service_completed_successfully}}\nservices:\n  \
         api:\n    <<: *app\n  beat:\n    <<: *app\n  worker:\n    image: shop\n    depends_on: {api: {condition: \
         service_healthy}, init: {condition: service_completed_successfully}}\n  front:\n    image: nginx\n    depends_on: \
         {init: {condition: service_completed_successfully}}\n  init: {image: shop, command: migrate, depends_on: \
         [db]}\n  db: {image: d}\n",
        &[
            "0 db image=d",
            "1 api image=shop release=migrate health=none after=db",
            "2 beat image=shop health=none after=api",
            "2 front image=nginx health=none after=api",
            "2 worker image=shop health=none after=api",
        ],
        &[
            "! 15 services.init: it becomes the release command of api, which runs before each new version of it, with \
           api's variables; beat, front, worker go live after api",
        ],
    ),
    (
        "a job that another job waits for runs once, and one that waits for its fellow is not chosen",
        "services:\n  a: {image: x, depends_on: {z: {condition: service_started}, init: {condition: \
         service_completed_successfully}}}\n  z: {image: x, depends_on: {init: {condition: \
         service_completed_successfully}}}\n  init: {image: x, command: b, depends_on: {first: {condition: \
         service_completed_successfully}}}\n  first: {image: x, command: a}\n",
        &[
            "0 first image=x command=a once=yes start=600000 health=none",
            "1 z image=x release=b health=none after=first",
            "2 a image=x health=none after=z",
        ],
        &[
            "! 4 services.init: it becomes the release command of z",
            "! 5 services.first: it runs once, for others wait for it to end",
        ],
    ),
    (
        "a job of another image runs once, before those that wait for it",
        "services:\n  seed:\n    image: seed\n    command: go\n  web:\n    image: w\n    depends_on:\n      seed:\n        \
         condition: service_completed_successfully\n",
        &[
            "0 seed image=seed command=go once=yes start=600000 health=none",
            "1 web image=w health=none after=seed",
        ],
        &["! 2 services.seed: it runs once, for others wait for it to end"],
    ),
    (
        "a job with an entrypoint, a volume or variables of its own is run as it is",
        "services:\n  a:\n    image: x\n    volumes: [\"d:/d\"]\n    depends_on:\n      own: {condition: \
         service_completed_successfully}\n      chown: {condition: service_completed_successfully}\n      keyed: \
         {condition: service_completed_successfully}\n  own: {image: x, entrypoint: [go], command: [b]}\n  chown:\n    \
         image: x\n    command: chown 1 /d\n    volumes: [\"d:/d\"]\n    restart: on-failure\n  keyed:\n    image: \
         x\n    command: k\n    environment: {KEY: v}\n    ports: [\"80:80\"]\nvolumes: {d: }\n",
        &[
            "0 chown image=x command=chown|1|/d once=yes again=6 start=600000 health=none d:/d",
            "0 keyed image=x port=80 command=k once=yes start=600000 health=none KEY=v",
            "0 own image=x command=b entrypoint=go once=yes start=600000 health=none",
            "1 a image=x health=none d:/d after=chown,keyed,own",
        ],
        &[
            "services.own: it runs once",
            "services.chown: it runs once",
            "services.keyed: it runs once",
        ],
    ),
    (
        "one that says itself that it ends is not made another's release command",
        "services:\n  web:\n    image: x\n    ports: [80]\n    depends_on: {job: {condition: \
         service_completed_successfully}}\n  job: {image: x, command: b, labels: [hythe.once=true]}\n",
        &[
            "0 job image=x command=b once=yes start=600000 health=none",
            "1 web image=x port=80 routed=yes after=job",
        ],
        &["! 6 services.job: it runs once, for it says so"],
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
        &["0 a image=x stop=30000", "0 b image=x health=none", "0 c"],
        &[
            "! 9 services.b.restart: what is live is kept running; to end it: `hythe stop`. One that ends by itself is \
             labelled hythe.once: \"true\"",
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
        &["0 a image=x health=none user=root dir=/app names=mine"],
        &[
            "! 4 services.a.privileged: what a container may do",
            "! 5 services.a.cap_add: what a container may do",
            "! 6 services.a.network_mode: no container",
            "! 7 services.a.pid: what a container may do",
            "! 8 services.a.devices: what a container may do",
            "! 11 services.a.logging:",
            "! 13 services.a.tty:",
            "! 14 services.a.sysctls:",
        ],
    ),
    (
        "links by other names",
        "services:\n  a:\n    image: x\n    links: [b, \"b:mysql\"]\n  b:\n    image: y\n    links: [c]\n  c: {image: \
         z}\n",
        &[
            "0 c image=z health=none",
            "1 b image=y health=none names=mysql after=c",
            "2 a image=x health=none after=b",
        ],
        &[
            "! 7 services.b.links: services of a project find one another by their names, and nothing else",
        ],
    ),
    (
        "words that are truths elsewhere",
        "services:\n  a:\n    image: x\n    read_only: yes\n    environment: {A: yes, B: off, C: true}\n    command: [y, n]\n",
        &["0 a image=x command=y|n health=none A=yes B=off C=true read-only=yes"],
        &[],
    ),
    (
        "names that would mean several services, or another one",
        "services:\n  a: {image: x, container_name: one, hostname: shared, networks: {n: {aliases: [B, A]}}}\n  b: \
         {image: x, container_name: two, hostname: shared, links: [\"gone:c\", \"a:far\"]}\n  c: {image: x, \
         container_name: localhost, hostname: c, external_links: [\"theirs:d\"]}\n",
        &[
            "0 a image=x health=none hostname=shared names=far,one",
            "0 c image=x health=none hostname=c",
            "1 b image=x health=none hostname=shared names=two after=a",
        ],
        &[
            "! 2 services.a.hostname: all services of a project share one network, and shared would mean several of \
             them (a, b): write a",
            "! 2 services.a.networks: B means something else to its neighbours: write a",
            "! 2 services.a.networks: all services",
            "! 3 services.b.hostname: all services of a project share one network, and shared would mean",
            "! 3 services.b.links: there is no service gone that runs",
            "! 4 services.c.container_name: localhost means something else",
            "! 4 services.c.external_links: services of a project",
        ],
    ),
    (
        "on the network of another service",
        "services:\n  vpn: {image: v, ports: [80]}\n  a: {image: x, network_mode: \"service:vpn\", depends_on: \
         [b]}\n  b: {image: x, network_mode: bridge}\n",
        &[
            "0 b image=x health=none",
            "0 vpn image=v port=80 routed=yes",
            "1 a image=x health=none after=b,vpn",
        ],
        &[
            "! 3 services.a.network_mode: it is on the network of the project as all services are, with an address of \
             its own: where it says localhost and means vpn, write that",
            "! 4 services.b.network_mode: no container",
        ],
    ),
    (
        "nothing but what works by the engine's socket",
        "x-has: &has\n  volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]\nservices:\n  watch: {<<: *has, image: \
         containrrr/watchtower}\n  look: {<<: *has, image: portainer/portainer-ce}\n",
        &[],
        &[
            "refused: all that it has works through the engine's socket, which no container is given",
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
    (
        "a file of the first form",
        "web:\n  image: x\n",
        &[],
        &["refused: line 1: it has no services; put those at its top under services"],
    ),
    (
        "an image whose tag has no value",
        "services:\n  a:\n    image: \"x:${NONE}\"\n",
        &[],
        &["where a variable stands in it, say that by --env or in .env"],
    ),
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
        "a dollar before no name",
        "services:\n  a:\n    image: x\n    command: echo $ $$(date)\n    environment: {AT: \"$(date) ${TAG}\"}\n",
        &["0 a image=x command=echo|$|$(date) health=none AT=$(date) 2"],
        &[],
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
