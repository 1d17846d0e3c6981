//! Tables of previews: what an app wants, and what a preview becomes.

use super::*;
use crate::container::{Mount, VolumeName};
use crate::edge::EdgeSettings;
use crate::hook::{DeployOn, Head, HeadCommit};
use crate::names::{AppName, RepositoryUrl};
use crate::preview::plan::tests::pull;
use crate::preview::{
    Copied, EnvChoice, Forks, PreviewEnd, PreviewOf, PreviewSettings, copies, settings,
};
use crate::process::ProcessSettings;
use crate::source::{GitSource, Reference, Source};
use crate::testing::at;

fn on() -> PreviewSettings {
    PreviewSettings { on: true, most: 2, ..PreviewSettings::default() }
}

fn set(settings: PreviewSettings) -> C {
    C::SetPreviews(Box::new(settings))
}

fn want(number: u64, app: u128) -> C {
    let pull = Box::new(pull(number));
    C::WantPreview { pull, app: app_id(app), refresh: false, at: at(10) }
}

fn changed(change: impl FnOnce(&mut crate::hook::PullRequest)) -> C {
    let mut pull = Box::new(pull(4));
    change(&mut pull);
    C::WantPreview { pull, app: app_id(8), refresh: false, at: at(20) }
}

fn end(why: PreviewEnd, provider: Option<u64>) -> C {
    C::EndPreview { number: 4, why, at: provider.map(at) }
}

fn fork(pull: &mut crate::hook::PullRequest) {
    pull.head = Head::Fork(RepositoryUrl::new("https://github.com/mallory/shop").unwrap());
}

fn moved(pull: &mut crate::hook::PullRequest) {
    pull.commit = HeadCommit::new("a".repeat(40)).unwrap();
    pull.at = at(2);
}

#[test]
fn an_app_wants_previews_once_each_and_no_more_than_it_may_have() {
    let allowed = PreviewSettings { forks: Forks::Allowed, ..on() };
    let closed = || end(PreviewEnd::Closed, Some(5));
    type Row = (&'static str, Vec<C>, C, Vec<&'static str>);
    let rows: Vec<Row> = vec![
        ("the first", vec![set(on())], want(4, 9), vec!["preview_wanted"]),
        ("the same again", vec![set(on()), want(4, 9)], want(4, 8), vec![]),
        ("a commit", vec![set(on()), want(4, 9)], changed(moved), vec!["preview_wanted"]),
        ("late", vec![set(on()), changed(moved)], want(4, 9), vec![]),
        ("a fork that may", vec![set(allowed.clone())], changed(fork), vec!["preview_wanted"]),
        ("closed", vec![set(on()), want(4, 9)], closed(), vec!["preview_unwanted"]),
        ("closed twice", vec![set(on()), want(4, 9), closed()], closed(), vec![]),
        ("late, after the end", vec![set(on()), want(4, 9), closed()], want(4, 7), vec![]),
        ("an end that comes first", vec![set(on())], closed(), vec!["preview_unwanted"]),
        (
            "an end of before",
            vec![set(on()), changed(moved)],
            end(PreviewEnd::Closed, Some(1)),
            vec![],
        ),
        (
            "by hand",
            vec![set(on()), want(4, 9)],
            end(PreviewEnd::ByHand, None),
            vec!["preview_unwanted"],
        ),
        ("by hand, of none", vec![set(on())], end(PreviewEnd::ByHand, None), vec![]),
        (
            "opened again",
            vec![set(on()), want(4, 9), closed()],
            changed(|pull| pull.at = at(6)),
            vec!["preview_wanted"],
        ),
        (
            "off",
            vec![set(on()), want(4, 9), want(5, 8)],
            set(PreviewSettings::default()),
            vec!["previews_set", "preview_unwanted", "preview_unwanted"],
        ),
        (
            "forks no more",
            vec![set(allowed), changed(fork), want(5, 9)],
            set(on()),
            vec!["previews_set", "preview_unwanted"],
        ),
        (
            "deleted",
            vec![set(on()), want(4, 9)],
            C::Discard { at: at(30) },
            vec!["preview_unwanted", "discarded"],
        ),
        ("gone", vec![set(on()), want(4, 9)], C::Delete, vec!["preview_unwanted", "deleted"]),
        (
            "a comment",
            vec![set(on()), want(4, 9)],
            C::NotePreviewComment { number: 4, comment: 7 },
            vec!["preview_commented"],
        ),
        ("a comment of nothing", vec![], C::NotePreviewComment { number: 4, comment: 7 }, vec![]),
    ];
    for (what, before, command, events) in rows {
        let done = after(before).decide(command).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(names(&done), events, "{what}");
    }
    let refusals = [
        ("off", vec![], want(4, 9), "hythe preview on shop"),
        ("a fork", vec![set(on())], changed(fork), "--forks allowed"),
        ("too many", vec![set(on()), want(4, 9), want(5, 8)], want(6, 7), "--most"),
    ];
    for (what, before, command, word) in refusals {
        let why = after(before).decide(command).unwrap_err().to_string();
        assert!(why.contains(word), "{what}: {why}");
    }
}

#[test]
fn each_commit_has_a_higher_revision_and_the_comment_stays() {
    let app = after(vec![
        set(on()),
        want(4, 9),
        C::NotePreviewComment { number: 4, comment: 7 },
        want(5, 8),
        changed(moved),
        end(PreviewEnd::Merged, Some(9)),
        changed(|pull| pull.at = at(10)),
    ]);
    let previews = &app.active().unwrap().previews;
    let open = &previews.open[&4];
    assert_eq!((open.revision, previews.revision), (4, 4));
    assert_eq!((open.comment, open.app, open.pushed), (Some(7), app_id(8), at(20)));
    assert_eq!(previews.open[&5].revision, 2);
    assert!(previews.past.is_empty(), "{:?}", previews.past);
}

#[test]
fn what_is_past_has_a_bound() {
    let mut app = after(vec![set(on())]);
    for number in 0..300 {
        let command = C::EndPreview { number, why: PreviewEnd::Closed, at: Some(at(number + 1)) };
        let events = app.decide(command).unwrap();
        app = events.iter().fold(app, App::evolve);
    }
    let past = &app.active().unwrap().previews.past;
    assert_eq!(past.len(), limits::MOST_PAST_PREVIEWS);
    assert!(past.contains_key(&299) && !past.contains_key(&0), "the newest stay");
}

fn given(revision: u64, app: &ActiveApp) -> PreviewGiven {
    let preview = &app.previews.open[&4];
    let of = PreviewOf {
        parent: app.id,
        number: 4,
        revision,
        fork: false,
        copied: BTreeMap::new(),
        key: None,
    };
    PreviewGiven {
        of,
        settings: settings(app, preview),
        sleep_after: app.edge.sleep_after,
        set: BTreeMap::new(),
        remove: BTreeSet::new(),
        key: None,
        deployment: deployment_id(u128::from(revision)),
    }
}

#[test]
fn a_preview_begins_and_moves_on_in_one_step_each_and_once() {
    let parent = after(vec![set(on()), want(4, 9)]);
    let parent = parent.active().unwrap();
    let given = |revision| given(revision, parent);
    let new = NewPreview {
        id: app_id(9),
        name: AppName::new("shop-pr-4").unwrap(),
        given: PreviewGiven {
            set: BTreeMap::from([(EnvName::new("LEVEL").unwrap(), 1)]),
            ..given(1)
        },
    };
    let create = C::CreatePreview(Box::new(new));
    let events = App::default().decide(create.clone()).unwrap();
    assert_eq!(
        names(&events),
        [
            "created",
            "triggers_set",
            "environment_changed",
            "became_preview",
            "deployment_requested",
            "deployment_begun"
        ]
    );
    let preview = app(&events);
    assert!(matches!(preview.decide(create), Err(Rejection::Exists { .. })), "once");
    let claims: Vec<_> = events.iter().flat_map(|event| App::default().claims(event)).collect();
    assert_eq!(claims.len(), 1, "its name: {claims:?}");
    let of = preview.active().unwrap();
    assert_eq!(of.triggers.on, DeployOn::Off);
    assert_eq!((of.settings.replicas, of.next_secret), (1, 2));
    let move_to = |revision| C::MovePreview(Box::new(given(revision)));
    assert_eq!(preview.decide(move_to(1)).unwrap(), [], "it is there already");
    let events = preview.decide(move_to(2)).unwrap();
    assert_eq!(names(&events), ["became_preview", "deployment_requested"]);
    let refused = preview.decide(set(on())).unwrap_err().to_string();
    assert!(refused.contains("preview itself"), "{refused}");
}

#[test]
fn a_preview_sleeps_as_its_app_does() {
    let sleep = |span: Option<u64>| {
        let sleep_after = span.map(Millis::seconds);
        C::SetEdge(Box::new(EdgeSettings { sleep_after, ..EdgeSettings::default() }))
    };
    let of = |span, revision| {
        let parent = after(vec![set(on()), want(4, 9), sleep(span)]);
        given(revision, parent.active().unwrap())
    };
    let name = AppName::new("shop-pr-4").unwrap();
    let new = NewPreview { id: app_id(9), name, given: of(Some(60), 1) };
    let mut events = App::default().decide(C::CreatePreview(Box::new(new))).unwrap();
    let mut give = |command: C| {
        let more = app(&events).decide(command).unwrap();
        let has = names(&more).contains(&"edge_set");
        events.extend(more);
        (has, app(&events).active().unwrap().edge.clone())
    };
    let move_to = |given| C::MovePreview(Box::new(given));
    let seconds = |edge: &EdgeSettings| edge.sleep_after.map(|span| span.0 / 1_000);
    let (told, edge) = give(move_to(of(Some(60), 2)));
    assert_eq!((told, seconds(&edge)), (false, Some(60)), "from its first moment on");
    let own = EdgeSettings { maintenance: true, sleep_after: None, ..EdgeSettings::default() };
    give(C::SetEdge(Box::new(own)));
    let (told, edge) = give(move_to(of(Some(90), 3)));
    assert_eq!((told, seconds(&edge), edge.maintenance), (true, Some(90), true));
    let (told, edge) = give(move_to(of(None, 4)));
    assert_eq!((told, seconds(&edge)), (false, Some(90)), "what it has itself stays");
}

#[test]
fn a_preview_that_writes_to_a_volume_by_now_is_one_again() {
    let parent = after(vec![set(on()), want(4, 9)]);
    let parent = parent.active().unwrap();
    let name = AppName::new("shop-pr-4").unwrap();
    let new = NewPreview { id: app_id(9), name, given: given(1, parent) };
    let mut events = App::default().decide(C::CreatePreview(Box::new(new))).unwrap();
    let scale = C::Scale { replicas: Some(2), processes: BTreeMap::new(), known: BTreeSet::new() };
    events.extend(app(&events).decide(scale).unwrap());
    assert_eq!(app(&events).active().unwrap().settings.replicas, 2);

    let mut next = given(2, parent);
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    next.settings.run.container.volumes.insert("/data".parse().unwrap(), mount);
    events.extend(app(&events).decide(C::MovePreview(Box::new(next))).unwrap());
    assert_eq!(app(&events).active().unwrap().settings.replicas, 1);
}

#[test]
fn what_was_scaled_at_a_preview_stays_when_it_moves_on() {
    let (worker, settings) = crate::testing::worker(2);
    let named = |text: &str| ProcessName::new(text).unwrap();
    let configured = |processes: &[(ProcessName, u16)]| {
        let of = |(name, replicas): &(ProcessName, u16)| {
            (name.clone(), ProcessSettings { replicas: *replicas, ..settings.clone() })
        };
        let processes = processes.iter().map(of).collect();
        let run = Some(RunSettings { processes, ..RunSettings::default() });
        C::Configure(Box::new(SettingsChange { run, ..SettingsChange::default() }))
    };
    let of = |processes: &[(ProcessName, u16)], revision| {
        let parent = after(vec![set(on()), want(4, 9), configured(processes)]);
        given(revision, parent.active().unwrap())
    };
    let name = AppName::new("shop-pr-4").unwrap();
    let first = of(&[(worker.clone(), 2)], 1);
    let new = NewPreview { id: app_id(9), name, given: first };
    let mut events = App::default().decide(C::CreatePreview(Box::new(new))).unwrap();
    let counts = |events: &[E]| {
        let app = app(events).active().unwrap().clone();
        let of =
            |(name, process): (&ProcessName, &ProcessSettings)| (name.clone(), process.replicas);
        let processes: BTreeMap<_, _> = app.settings.run.processes.iter().map(of).collect();
        (processes, app.settings.run.counts.of)
    };
    assert_eq!(counts(&events).0, BTreeMap::from([(worker.clone(), 1)]), "one of each");

    let processes = BTreeMap::from([(worker.clone(), 3), (named("mail"), 2)]);
    let known = BTreeSet::from([named("mail")]);
    events.extend(app(&events).decide(C::Scale { replicas: None, processes, known }).unwrap());
    let more = of(&[(worker.clone(), 5), (named("clock"), 4)], 2);
    events.extend(app(&events).decide(C::MovePreview(Box::new(more))).unwrap());
    let expected = BTreeMap::from([(worker, 3), (named("clock"), 1)]);
    assert_eq!(counts(&events), (expected, BTreeMap::from([(named("mail"), 2)])));
}

#[test]
fn a_fork_is_given_nothing_and_others_what_is_chosen() {
    let name = |text: &str| EnvName::new(text).unwrap();
    let build = BuildSettings {
        secrets: BTreeSet::from([name("A"), name("B")]),
        fetches: crate::source::Fetches { submodules: true, lfs: true },
        ..BuildSettings::default()
    };
    let change = SettingsChange {
        build: Some(build),
        replicas: Some(3),
        domains: Some(BTreeSet::from(["shop.example.com".parse().unwrap()])),
        ..SettingsChange::default()
    };
    let variables = BTreeMap::from([(name("A"), 1), (name("B"), 1)]);
    let allowed = PreviewSettings {
        forks: Forks::Allowed,
        set: BTreeMap::from([(name("B"), 2), (name("C"), 2)]),
        ..on()
    };
    let of = |env: EnvChoice, fork_too: bool| {
        let wanted = if fork_too { changed(fork) } else { want(4, 9) };
        let app = after(vec![
            C::Configure(Box::new(change.clone())),
            C::ChangeEnvironment { set: variables.clone(), remove: BTreeSet::new() },
            set(PreviewSettings { env, ..allowed.clone() }),
            wanted,
        ]);
        let app = app.active().unwrap();
        (copies(app, fork_too), settings(app, &app.previews.open[&4]))
    };
    let (copied, given) = of(EnvChoice::All, false);
    let all =
        [(name("A"), Copied::Own(1)), (name("B"), Copied::Set(2)), (name("C"), Copied::Set(2))];
    assert_eq!(copied, BTreeMap::from(all));
    assert_eq!(given.build.secrets.len(), 2);
    assert!((given.replicas, given.domains.len()) == (1, 0) && given.build.fetches.submodules);
    let (copied, given) = of(EnvChoice::Only(BTreeSet::from([name("A"), name("X")])), false);
    assert_eq!(copied.len(), 3, "{copied:?}");
    assert_eq!(given.build.secrets.len(), 2);
    let (copied, given) = of(EnvChoice::Nothing, false);
    assert_eq!(copied.len(), 2, "{copied:?}");
    assert_eq!(given.build.secrets, BTreeSet::from([name("B")]));
    let (copied, given) = of(EnvChoice::All, true);
    assert!(copied.is_empty() && given.build.secrets.is_empty() && given.build.fetches.nothing());
    assert_eq!(
        given.source.unwrap().git().unwrap().repository.as_str(),
        "https://github.com/mallory/shop"
    );
}

#[test]
fn a_variable_of_previews_has_a_new_version_each_time() {
    let variable = |version| PreviewSettings {
        set: BTreeMap::from([(EnvName::new("A").unwrap(), version)]),
        ..on()
    };
    let app = after(vec![set(variable(1))]);
    assert_eq!(app.active().unwrap().next_secret, 2);
    assert_eq!(app.decide(set(variable(1))).unwrap(), []);
    let off = PreviewSettings { on: false, ..variable(1) };
    assert!(app.decide(set(off)).is_ok(), "what stays needs no new one");
    let late = app.decide(set(variable(0))).unwrap_err().to_string();
    assert!(late.contains("try again"), "{late}");
}

#[test]
fn an_app_that_gets_another_repository_leaves_its_previews_behind() {
    let moved = |url: &str| {
        let repository = RepositoryUrl::new(url).unwrap();
        let source = GitSource { repository, reference: Reference::DefaultBranch };
        let source = Some(Source::Git(source));
        C::Configure(Box::new(SettingsChange { source, ..SettingsChange::default() }))
    };
    let app = after(vec![set(on()), want(4, 9)]);
    let events = app.decide(moved("https://git.example/elsewhere.git")).unwrap();
    assert_eq!(names(&events), ["preview_unwanted", "configured"]);
    let app = events.iter().fold(app, App::evolve);
    let previews = &app.active().unwrap().previews;
    assert!(previews.open.is_empty() && previews.past.is_empty(), "{previews:?}");
    // Another way to the same one is no other repository.
    let app = after(vec![set(on()), want(4, 9)]);
    let own = app.active().unwrap().settings.source.as_ref().unwrap().git().unwrap().clone();
    let same = format!("{}/", own.repository.as_str().trim_end_matches(".git"));
    let events = app.decide(moved(&same)).unwrap();
    assert_eq!(names(&events), ["configured"], "{same}");
}
