//! What a file makes of the apps that are there.

use uuid::Uuid;

use super::given;
use crate::app::AppSettings;
use crate::compose::*;
use crate::container::ContentId;
use crate::ids::ProjectId;
use crate::names::{ProjectName, RepositoryUrl};
use crate::source::{GitSource, Reference, Source, UploadDigest};

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
        ("image: redis:7", "image: redis:7\n    container_name: cache", "shop-store: how it runs"),
        (
            "image: redis:7",
            "image: redis:7\n    labels: [hythe.once=true]",
            "shop-store: health check, how it runs",
        ),
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
    let long = "long".repeat(12);
    assert_eq!(named(&long).unwrap(), "shop-longlonglonglonglonglonglong-39fa6a");
    assert_eq!(named(&format!("{long}er")).unwrap(), "shop-longlonglonglonglonglonglong-5952c5");
    let both = "services:\n  a_b: {image: x}\n  a.b: {image: x}\n";
    let refused = planned(both, &BTreeMap::new(), None).unwrap_err().to_string();
    assert!(refused.contains("would both be the app shop-a-b"), "{refused}");
}
