//! Tables of rollbacks, redeployments and restarts.

use super::*;

#[test]
fn an_earlier_version_is_taken_over_and_what_is_on_its_way_gives_way() {
    use Repeat::{Redeploy, Restart, Rollback};
    let two = || [live(1), live(2)].concat();
    let with = |more: Vec<C>| [two(), more].concat();
    let rows: Vec<(&str, Vec<C>, C, Vec<&str>)> = vec![
        (
            "back",
            two(),
            repeat(3, (1, 1), Rollback),
            vec!["deployment_repeated", "deployment_begun"],
        ),
        (
            "anew",
            two(),
            repeat(3, (2, 2), Restart),
            vec!["deployment_repeated", "deployment_begun"],
        ),
        (
            "again",
            two(),
            repeat(3, (2, 2), Redeploy),
            vec!["deployment_repeated", "deployment_begun"],
        ),
        ("a repeated request", with(vec![request(3)]), repeat(3, (1, 1), Rollback), vec![]),
        (
            "what is on its way is called off",
            with(vec![request(3)]),
            repeat(4, (1, 1), Rollback),
            vec!["deployment_repeated", "deployment_called_off"],
        ),
        (
            "and so is what waits",
            with(vec![request(3), request(4)]),
            repeat(5, (1, 1), Rollback),
            vec!["deployment_repeated", "deployment_replaced", "deployment_called_off"],
        ),
        (
            "what has the traffic goes on to its end",
            with(vec![request(3), C::SwitchTraffic { deployment: deployment_id(3) }]),
            repeat(4, (1, 1), Rollback),
            vec!["deployment_repeated"],
        ),
        (
            "what was called off gets no traffic",
            with(vec![request(3), repeat(4, (1, 1), Rollback)]),
            C::SwitchTraffic { deployment: deployment_id(3) },
            vec![],
        ),
        (
            "and makes way",
            with(vec![request(3), repeat(4, (1, 1), Rollback)]),
            C::Settle { deployment: deployment_id(3) },
            vec!["deployment_settled", "deployment_begun"],
        ),
    ];
    for (what, given, when, expected) in rows {
        let events = after(given).decide(when).unwrap();
        assert_eq!(names(&events), expected, "{what}");
    }
    for (what, given, when, says) in [
        ("to itself", two(), repeat(3, (2, 2), Rollback), "hythe restart shop"),
        (
            "to itself while another is on its way",
            with(vec![request(3)]),
            repeat(4, (2, 2), Rollback),
            "hythe cancel shop",
        ),
        ("of what is not live", two(), repeat(3, (1, 1), Restart), "try again"),
        (
            "while another is on its way",
            with(vec![request(3)]),
            repeat(4, (2, 2), Restart),
            "is on its way",
        ),
    ] {
        let refused = after(given).decide(when).unwrap_err().to_string();
        assert!(refused.contains(says), "{what}: {refused}");
    }
    let mut others = earlier(1, 1);
    others.spec.app = app_id(7);
    let of_another = C::Repeat {
        deployment: deployment_id(3),
        earlier: Box::new(others),
        how: Repeat::Rollback,
    };
    assert!(matches!(after(two()).decide(of_another), Err(Rejection::NotFound { .. })));
}

fn spec_of(events: &[E]) -> &crate::deployment::DeploymentSpec {
    events.iter().find_map(E::requested).unwrap().1
}

#[test]
fn a_rollback_takes_over_everything_and_brings_the_settings_back() {
    let host = |text: &str| HostName::new(text).unwrap();
    let domains = |text| Some(BTreeSet::from([host(text)]));
    let change = SettingsChange { domains: domains("new.example"), ..Default::default() };
    let set = |names: &[&str], version| C::ChangeEnvironment {
        set: names.iter().map(|name| (EnvName::new(*name).unwrap(), version)).collect(),
        remove: BTreeSet::new(),
    };
    let given = [
        live(1),
        vec![set(&["A"], 1), set(&["A", "B"], 2)],
        live(2),
        vec![C::Configure(Box::new(change))],
    ]
    .concat();
    let then = AppSettings {
        source: None,
        domains: BTreeSet::from([host("old.example")]),
        replicas: 2,
        ..AppSettings::default()
    };
    let before = after(given);
    for settings in [Some(Box::new(then)), None] {
        let mut earlier = earlier(1, 1);
        earlier.settings.clone_from(&settings);
        earlier.spec.port = Some(9_000);
        let (expected, built) = (earlier.spec.clone(), earlier.built.clone());
        let (deployment, how) = (deployment_id(3), Repeat::Rollback);
        let back = C::Repeat { deployment, earlier: Box::new(earlier), how };
        let events = before.decide(back).unwrap();
        let spec = spec_of(&events);
        assert_eq!(spec.number, 3);
        assert_eq!((&spec.env, spec.port, spec.replicas), (&expected.env, Some(9_000), 2));
        assert_eq!(spec.source, crate::testing::source().at(&built.commit));
        let origin = crate::deployment::Origin::Deployment {
            deployment: deployment_id(1),
            built: Box::new(built),
        };
        assert_eq!(spec.origin, origin);
        let claims: Vec<_> = events.iter().flat_map(|event| before.claims(event)).collect();
        let now = events.iter().fold(before.clone(), App::evolve);
        let now = now.active().unwrap();
        let a = BTreeMap::from([(EnvName::new("A").unwrap(), 1)]);
        if settings.is_some() {
            assert_eq!((&now.env, now.settings.replicas, now.next_secret), (&a, 2, 3));
            assert_eq!(now.settings.domains, domains("old.example").unwrap());
            assert_eq!(now.settings.source, Some(source()), "there was none then: it stays");
            let release = ClaimChange::Release { key: ClaimKey::domain(&host("new.example")) };
            assert!(claims.contains(&release) && claims.len() == 2, "{claims:?}");
        } else {
            assert_eq!(now.env.len(), 2);
            assert_eq!(now.settings.domains, domains("new.example").unwrap());
            assert!(claims.is_empty());
        }
    }
}

#[test]
fn a_redeployment_takes_the_image_where_it_would_be_built_the_same() {
    use crate::deployment::Origin;
    use crate::source::BuildSettings;
    let dockerfile = crate::names::RepositoryPath::new("other/Dockerfile").unwrap();
    let build = BuildSettings { dockerfile: Some(dockerfile), ..BuildSettings::default() };
    let nothing = SettingsChange::default;
    // The port of then, what was changed since, and the port that the image gets; none where it is
    // built anew.
    let rows = [
        (None, nothing(), Some(8080)),
        (Some(8080), nothing(), None),
        (None, SettingsChange { port: Some(Some(99)), ..nothing() }, Some(99)),
        (Some(8080), SettingsChange { port: Some(Some(99)), ..nothing() }, Some(99)),
        (None, SettingsChange { build: Some(build), ..nothing() }, None),
        (None, SettingsChange { replicas: Some(5), ..nothing() }, Some(8080)),
    ];
    for (port, change, expected) in rows {
        let replicas = change.replicas.unwrap_or(1);
        let state = after([live(1), vec![C::Configure(Box::new(change))]].concat());
        let mut earlier = earlier(1, 1);
        earlier.spec.port = port;
        let (deployment, how) = (deployment_id(2), Repeat::Redeploy);
        let events =
            state.decide(C::Repeat { deployment, earlier: Box::new(earlier), how }).unwrap();
        let spec = spec_of(&events);
        assert_eq!(spec.replicas, replicas, "the present settings");
        assert!(spec.env.is_empty(), "the present environment");
        let commit = crate::testing::built().commit;
        assert_eq!(spec.source, crate::testing::source().at(&commit));
        let taken = match &spec.origin {
            Origin::Deployment { built, .. } => Some(built.port),
            Origin::Build | Origin::Restart { .. } => None,
        };
        assert_eq!(taken, expected);
    }
}
