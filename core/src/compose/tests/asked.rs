//! What goes with a file, and what of it is wanted.

use super::given;
use crate::compose::*;

#[test]
fn what_goes_with_a_file_is_named_before_it_is_read() {
    let text = "services:\n  a:\n    image: x:${TAG}-${OTHER:-1}\n    env_file: [./a.env, {path: \
                \"${TAG}/b.env\"}, ../../out]\n";
    let given = Given { folder: "deploy".into(), ..given() };
    let wanted = wanted(text, &given).unwrap();
    let set = |items: &[&str]| items.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(wanted.variables, set(&["TAG", "OTHER"]));
    assert_eq!(wanted.files, set(&["deploy/a.env", "deploy/2/b.env"]));
    assert!(crate::compose::wanted("a: [", &given).is_err());
}

#[test]
fn a_text_that_is_mounted_is_given_as_it_is_and_all_else_is_told_of() {
    let text = "include: [db/compose.yaml]\nservices:\n  web:\n    image: nginx\n    volumes:\n      - \
                ./nginx.conf:/etc/nginx/nginx.conf:ro\n      - ./data:/data\n      - {type: bind, source: ./a.json, \
                target: /a.json}\n      - d:/srv\n      - ./a.json:/srv/a.json\n      - /etc/localtime:/etc/localtime\n\
                volumes: {d: }\n";
    let mut given = given();
    let db = "services:\n  db:\n    image: pg\n    volumes: [\"./init.sql:/init.sql\", \"../../x:/x\"]\n";
    for (path, text) in
        [("nginx.conf", "conf"), ("a.json", "{}"), ("db/compose.yaml", db), ("db/init.sql", "sql")]
    {
        given.files.insert(path.into(), text.into());
    }
    let wanted: Vec<String> = wanted(text, &given).unwrap().binds.into_iter().collect();
    assert_eq!(wanted, ["a.json", "data", "db/init.sql", "nginx.conf"]);
    given.mounted.insert("data".into(), Mounted::Large);
    let composed = read(text, &given).unwrap();
    let files = |name: &str| -> Vec<(String, String)> {
        let service = composed.services.iter().find(|service| service.name.as_str() == name);
        let service = service.unwrap();
        let of = |(path, file): (&MountPath, &crate::inside::ValueFile)| {
            (path.to_string(), service.env[&file.variable].reveal().to_owned())
        };
        service.inside.files.iter().map(of).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    assert_eq!(files("web"), pairs(&[("/a.json", "{}"), ("/etc/nginx/nginx.conf", "conf")]));
    assert_eq!(files("db"), pairs(&[("/init.sql", "sql")]));
    let of = |words: &str| -> Vec<u64> {
        let left =
            composed.left.iter().filter(|left| left.file.is_none() && left.why.contains(words));
        left.map(|left| left.line).collect()
    };
    assert_eq!(of("as it is now"), [6, 8]);
    // A folder, what would lie in a volume, and what is the machine's.
    assert_eq!(of("kept in the volume folder-data"), [7]);
    assert_eq!(of("What is needed of it belongs into an image"), [10]);
    assert_eq!(of("heed the variable TZ"), [11]);
    let out = composed.left.iter().find(|left| left.why.contains("leads out")).unwrap();
    assert_eq!((out.file.as_deref(), out.line), (Some("db/compose.yaml"), 4));
}

#[test]
fn profiles_can_be_asked_for() {
    let text = "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: y, profiles: [p, q]}\n";
    let with = |profile: &str| Given { profiles: [profile.to_owned()].into(), ..given() };
    for profile in ["q", "*"] {
        assert_eq!(read(text, &with(profile)).unwrap().services.len(), 2, "{profile}");
    }
    assert!(read(text, &with("other")).is_err());
    // The variable counts where nobody asks for others.
    let named = |profiles: &str, asked: &[&str]| {
        let mut given = given();
        given.variables.insert(PROFILES.into(), profiles.into());
        given.profiles = asked.iter().map(ToString::to_string).collect();
        read(text, &given).map(|composed| composed.services.len())
    };
    assert_eq!(named("x, q", &[]), Ok(2));
    assert!(named("q", &["other"]).is_err() && named("", &[]).is_err());
    assert!(wanted(text, &given()).unwrap().variables.contains(PROFILES));
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
