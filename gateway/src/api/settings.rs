//! From what people send to the core's types: each text is checked, each error names its field.

pub(super) mod container;
mod health;
mod inside;
pub(super) mod processes;

use std::collections::BTreeSet;
use std::str::FromStr;

use hythe_core::app::{AppSettings, SettingsChange};
use hythe_core::argv::Argv;
use hythe_core::limits;
use hythe_core::names::{BadText, HostName, RepositoryUrl};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::source::{BuildSettings, GitSource, Pushed, Reference, Source};
use hythe_core::task::Hook;
use hythe_core::time::Millis;

use super::dto::{self, CreateApp, CreateDeployment, UpdateApp};
use super::problem::Problem;

/// A checked text.
pub(super) fn text<T: FromStr<Err = BadText>>(field: &str, given: &str) -> Result<T, Problem> {
    given.parse().map_err(|bad: BadText| Problem::field(field, bad.to_string()))
}

fn optional<T: FromStr<Err = BadText>>(
    field: &str,
    given: Option<&str>,
) -> Result<Option<T>, Problem> {
    given.map(|given| text(field, given)).transpose()
}

/// A whole set of settings, for a new app.
pub(super) fn of_new_app(new: &CreateApp, local: bool) -> Result<AppSettings, Problem> {
    let some = |given: &Option<String>| given.clone().map(Some);
    let change = UpdateApp {
        // Found by whoever knows which projects there are.
        project: None,
        repository: new.repository.clone(),
        image: new.image.clone(),
        branch: some(&new.branch),
        tag: some(&new.tag),
        commit: some(&new.commit),
        dockerfile: some(&new.dockerfile),
        build_context: some(&new.build_context),
        build_target: some(&new.build_target),
        build_args: new.build_args.clone(),
        build_secrets: new.build_secrets.clone(),
        build_within_ms: new.build_within_ms,
        submodules: new.submodules,
        lfs: new.lfs,
        site: new.site,
        port: new.port.map(Some),
        replicas: new.replicas,
        health: new.health.clone().map(Some),
        health_path: some(&new.health_path),
        health_interval_ms: new.health_interval_ms.map(Some),
        health_timeout_ms: new.health_timeout_ms.map(Some),
        health_retries: new.health_retries.map(Some),
        health_start_within_ms: new.health_start_within_ms.map(Some),
        memory_bytes: new.memory_bytes,
        cpu_millis: new.cpu_millis,
        processes: new.processes,
        domains: new.domains.clone(),
        command: new.command.clone().map(Some),
        process_types: new.process_types.clone().map(|processes| {
            processes.into_iter().map(|(name, process)| (name, Some(process))).collect()
        }),
        entrypoint: new.entrypoint.clone().map(Some),
        volumes: new.volumes.clone(),
        routed: new.routed,
        group: new.group.clone().map(Some),
        inside: new.inside.clone().map(Some),
        release_command: new.release_command.clone().map(Some),
        release_within_ms: new.release_within_ms,
        post_deploy_command: new.post_deploy_command.clone().map(Some),
        post_deploy_within_ms: new.post_deploy_within_ms,
        drain_within_ms: new.drain_within_ms,
        stop_within_ms: new.stop_within_ms,
        triggers: None,
    };
    let mut settings = AppSettings::default();
    change_of(&settings, &change, local)?.apply(&mut settings);
    Ok(settings)
}

/// What a change of settings comes to, given the present ones.
pub(super) fn change_of(
    now: &AppSettings,
    change: &UpdateApp,
    local: bool,
) -> Result<SettingsChange, Problem> {
    let source = source(
        now.source.as_ref(),
        Wanted {
            repository: change.repository.as_deref(),
            branch: change.branch.as_ref().map(Option::as_deref),
            tag: change.tag.as_ref().map(Option::as_deref),
            commit: change.commit.as_ref().map(Option::as_deref),
            image: change.image.as_deref(),
        },
        local,
    )?;
    Ok(SettingsChange {
        source,
        build: build(now, change)?,
        port: change.port,
        replicas: change.replicas,
        health: health::change_of(now, change)?,
        resources: resources(now, change),
        domains: change.domains.as_deref().map(domains).transpose()?,
        project: None,
        run: run(now, change)?,
        drain_within: change.drain_within_ms.map(Millis),
        stop_within: change.stop_within_ms.map(Millis),
    })
}

fn build(now: &AppSettings, change: &UpdateApp) -> Result<Option<BuildSettings>, Problem> {
    let mut build = now.build.clone();
    if let Some(path) = &change.dockerfile {
        build.dockerfile = optional("dockerfile", path.as_deref())?;
    }
    if let Some(path) = &change.build_context {
        build.context = optional("build_context", path.as_deref())?;
    }
    if let Some(target) = &change.build_target {
        build.target = optional("build_target", target.as_deref())?;
    }
    if let Some(args) = &change.build_args {
        let checked = args.iter().map(|(name, value)| {
            Ok((text("build_args", name)?, text(&format!("build_args.{name}"), value)?))
        });
        build.args = checked.collect::<Result<_, Problem>>()?;
    }
    if let Some(secrets) = &change.build_secrets {
        let checked = secrets.iter().map(|name| text("build_secrets", name));
        build.secrets = checked.collect::<Result<_, Problem>>()?;
    }
    if let Some(within) = change.build_within_ms {
        build.within = Millis(within);
    }
    build.fetches.submodules = change.submodules.unwrap_or(build.fetches.submodules);
    build.fetches.lfs = change.lfs.unwrap_or(build.fetches.lfs);
    build.site = change.site.map_or(build.site, Into::into);
    Ok((build != now.build).then_some(build))
}

fn run(now: &AppSettings, change: &UpdateApp) -> Result<Option<RunSettings>, Problem> {
    let mut run = now.run.clone();
    if let Some(command) = &change.command {
        let bad = |bad: BadText| Problem::field("command", bad.to_string());
        run.command = command.clone().map(Argv::new).transpose().map_err(bad)?;
    }
    if let Some(changes) = &change.process_types {
        processes::change(&mut run, changes)?;
    }
    container::change(&mut run, change)?;
    if let Some(said) = &change.inside {
        run.inside = said.as_ref().map(inside::read).transpose()?.unwrap_or_default();
    }
    hook(&mut run, Hook::Release, change.release_command.as_ref(), change.release_within_ms)?;
    let (command, within) = (change.post_deploy_command.as_ref(), change.post_deploy_within_ms);
    hook(&mut run, Hook::PostDeploy, command, within)?;
    Ok((run != now.run).then_some(run))
}

/// A command that runs once for each deployment; `Some(None)` is none any more.
fn hook(
    run: &mut RunSettings,
    hook: Hook,
    command: Option<&Option<Vec<String>>>,
    within: Option<u64>,
) -> Result<(), Problem> {
    match command {
        Some(None) => drop(run.hooks.remove(&hook)),
        Some(Some(words)) => {
            let bad = |bad: BadText| Problem::field(hook.command_field(), bad.to_string());
            let command = Argv::new(words.clone()).map_err(bad)?;
            let within = run.hook(hook).map_or(limits::HOOK_WITHIN, |before| before.within);
            run.hooks.insert(hook, HookSettings { command, within });
        }
        None => {}
    }
    let Some(within) = within else { return Ok(()) };
    let Some(settings) = run.hooks.get_mut(&hook) else {
        let name = hook.as_str();
        let why = format!("there is no {name} command that it could be for; give one, too");
        return Err(Problem::field(format!("{}_ms", hook.within_field()), why));
    };
    settings.within = Millis(within);
    Ok(())
}

fn resources(now: &AppSettings, change: &UpdateApp) -> Option<hythe_core::source::Resources> {
    let mut resources = now.resources.clone();
    resources.memory_bytes = change.memory_bytes.unwrap_or(resources.memory_bytes);
    resources.cpu_millis = change.cpu_millis.unwrap_or(resources.cpu_millis);
    resources.processes = change.processes.unwrap_or(resources.processes);
    (resources != now.resources).then_some(resources)
}

fn domains(given: &[String]) -> Result<BTreeSet<HostName>, Problem> {
    if given.len() > limits::MOST_DOMAINS {
        let most = limits::MOST_DOMAINS;
        return Err(Problem::field("domains", format!("an app has at most {most} domains")));
    }
    let checked = given.iter().enumerate().map(|(at, name)| text(&format!("domains[{at}]"), name));
    checked.collect()
}

/// What is said about a source; `Some(None)` is "not that any more".
#[derive(Clone, Copy, Default)]
struct Wanted<'a> {
    repository: Option<&'a str>,
    branch: Option<Option<&'a str>>,
    tag: Option<Option<&'a str>>,
    commit: Option<Option<&'a str>>,
    image: Option<&'a str>,
}

fn source(
    now: Option<&Source>,
    wanted: Wanted<'_>,
    local: bool,
) -> Result<Option<Source>, Problem> {
    let Wanted { repository, branch, tag, commit, image } = wanted;
    if let Some(image) = image {
        let flat = [branch, tag, commit].map(Option::flatten);
        if repository.is_some() || flat.iter().any(Option::is_some) {
            return Err(Problem::field("image", "give an image or a repository, not both"));
        }
        return Ok(Some(Source::Image(text("image", image)?)));
    }
    if repository.is_none() && branch.is_none() && tag.is_none() && commit.is_none() {
        return Ok(None);
    }
    if let (Some(Source::Pushed(pushed)), None) = (now, repository) {
        return branch_of_pushes(pushed, branch, tag.or(commit).is_some()).map(Some);
    }
    let now = now.and_then(Source::git);
    let (named_branch, named_tag, named_commit) =
        (branch.flatten(), tag.flatten(), commit.flatten());
    one_of(named_branch.is_some(), named_tag.is_some(), named_commit.is_some())?;
    let given = optional::<RepositoryUrl>("repository", repository)?;
    if !local && given.as_ref().is_some_and(|url| url.as_str().starts_with("file://")) {
        return Err(Problem::field(
            "repository",
            "this server takes no folders of its own machine as repositories; push it to a git \
             server, or start hythe with --local-repos DIR",
        ));
    }
    let elsewhere = given.as_ref().is_some_and(|url| now.is_none_or(|now| now.repository != *url));
    let Some(repository) = given.or_else(|| now.map(|now| now.repository.clone())) else {
        return Err(Problem::field("repository", "this app has no repository yet; give one too"));
    };
    let kept = || now.filter(|_| !elsewhere).map(|now| now.reference.clone());
    let reference = match (named_branch, named_tag, named_commit) {
        (_, _, Some(commit)) => Reference::Commit(text("commit", commit)?),
        (_, Some(tag), None) => Reference::Tag(text("tag", tag)?),
        (Some(branch), None, None) => Reference::Branch(text("branch", branch)?),
        // Only what was taken back is not kept.
        (None, None, None) => match kept() {
            Some(Reference::Branch(_)) if branch.is_some() => Reference::DefaultBranch,
            Some(Reference::Tag(_)) if tag.is_some() || branch.is_some() => {
                Reference::DefaultBranch
            }
            Some(Reference::Commit(_)) if commit.is_some() || branch.is_some() => {
                Reference::DefaultBranch
            }
            Some(reference) => reference,
            None => Reference::DefaultBranch,
        },
    };
    Ok(Some(Source::Git(GitSource { repository, reference })))
}

/// Another branch that pushes are to be to, for an app that is deployed from those.
fn branch_of_pushes(
    pushed: &Pushed,
    branch: Option<Option<&str>>,
    other: bool,
) -> Result<Source, Problem> {
    let Some(branch) = branch.flatten().filter(|_| !other) else {
        return Err(Problem::field(
            "repository",
            "this app is deployed from what is pushed to it: push what is to be deployed, or give a \
             repository, too",
        ));
    };
    Ok(Source::Pushed(Pushed { branch: text("branch", branch)?, ..pushed.clone() }))
}

/// That at the most one of them is given.
fn one_of(branch: bool, tag: bool, commit: bool) -> Result<(), Problem> {
    match (branch, tag, commit) {
        (true, _, true) => Err(Problem::field("commit", "give a branch or a commit, not both")),
        (false, true, true) => Err(Problem::field("commit", "give a tag or a commit, not both")),
        (true, true, false) => Err(Problem::field("tag", "give a branch or a tag, not both")),
        (false, false, _) | (true, false, false) | (false, true, false) => Ok(()),
    }
}

/// What a request for a deployment comes to.
#[derive(Debug)]
pub(super) struct ForDeployment {
    /// What is saved as the app's settings first.
    pub(super) change: SettingsChange,
    /// A source for this deployment only.
    pub(super) source: Option<Source>,
}

/// The upload that a deployment is to be made of, where one is named. Whether it is there is for
/// whoever has it to say.
fn upload(new: &CreateDeployment) -> Result<Option<Source>, Problem> {
    let Some(upload) = &new.upload else { return Ok(None) };
    let others = [&new.repository, &new.branch, &new.tag, &new.commit, &new.image];
    if others.iter().any(|other| other.is_some()) {
        let why = "give an upload, an image or a repository, and only one of them";
        return Err(Problem::field("upload", why));
    }
    Ok(Some(Source::Upload(text("upload", upload)?)))
}

/// What a request for a deployment comes to, given the app's settings. A tag or commit holds for
/// this deployment only: the next one takes the branch again.
pub(super) fn of_deployment(
    now: &AppSettings,
    new: &CreateDeployment,
    local: bool,
) -> Result<ForDeployment, Problem> {
    one_of(new.branch.is_some(), new.tag.is_some(), new.commit.is_some())?;
    let lasting = UpdateApp {
        repository: new.repository.clone(),
        image: new.image.clone(),
        branch: new.branch.clone().map(Some),
        dockerfile: new.dockerfile.clone().map(Some),
        port: new.port.map(Some),
        ..UpdateApp::default()
    };
    let mut change = change_of(now, &lasting, local)?;
    if let Some(upload) = upload(new)? {
        change.source = Some(upload);
        return Ok(ForDeployment { change, source: None });
    }
    if let (Some(Source::Pushed(_)), Some(branch)) = (&change.source, &new.branch) {
        let why = format!("this app is deployed from what is pushed: git push hythe {branch}");
        return Err(Problem::field("branch", why));
    }
    let (tag, commit) = (new.tag.as_deref().map(Some), new.commit.as_deref().map(Some));
    if new.image.is_some() && (tag.is_some() || commit.is_some()) {
        return Err(Problem::field("image", "give an image or a repository, not both"));
    }
    if tag.is_none() && commit.is_none() {
        return Ok(ForDeployment { change, source: None });
    }
    let settled = change.source.as_ref().or(now.source.as_ref());
    let wanted = Wanted { tag, commit, ..Wanted::default() };
    let source = source(settled, wanted, local)?;
    Ok(ForDeployment { change, source })
}

/// Settings as people see them.
pub(super) fn shown(settings: &AppSettings) -> dto::AppSettings {
    let AppSettings {
        source,
        build,
        port,
        replicas,
        health,
        resources,
        domains,
        project: _,
        run,
        drain_within,
        stop_within,
    } = settings;
    let [release, post_deploy] = [Hook::Release, Hook::PostDeploy].map(|hook| run.hook(hook));
    let Named { repository, upload, image, branch, tag, commit } = named(source.as_ref());
    dto::AppSettings {
        repository,
        upload,
        image,
        branch,
        tag,
        commit,
        dockerfile: build.dockerfile.as_ref().map(ToString::to_string),
        build_context: build.context.as_ref().map(ToString::to_string),
        build_target: build.target.as_ref().map(ToString::to_string),
        build_args: build
            .args
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        build_secrets: build.secrets.iter().map(ToString::to_string).collect(),
        build_within_ms: build.within.0,
        submodules: build.fetches.submodules,
        lfs: build.fetches.lfs,
        site: build.site.into(),
        port: *port,
        replicas: *replicas,
        health: health::shown(&health.probe),
        health_path: health::path(&health.probe),
        health_interval_ms: health.interval.map(|span| span.0),
        health_timeout_ms: health.timeout.map(|span| span.0),
        health_retries: health.retries,
        health_start_within_ms: health.start_within.map(|span| span.0),
        memory_bytes: resources.memory_bytes,
        cpu_millis: resources.cpu_millis,
        processes: resources.processes,
        domains: domains.iter().map(ToString::to_string).collect(),
        command: run.command.as_ref().map(|command| command.words().to_vec()),
        process_types: processes::shown(run),
        entrypoint: run.container.entrypoint.as_ref().map(|words| words.words().to_vec()),
        volumes: container::volumes(&run.container),
        routed: !run.container.unrouted,
        group: container::group(run),
        inside: inside::shown(&run.inside),
        release_command: release.map(|release| release.command.words().to_vec()),
        release_within_ms: release.map(|release| release.within.0),
        post_deploy_command: post_deploy.map(|hook| hook.command.words().to_vec()),
        post_deploy_within_ms: post_deploy.map(|hook| hook.within.0),
        drain_within_ms: drain_within.0,
        stop_within_ms: stop_within.0,
    }
}

/// What a source names.
#[derive(Default)]
pub(super) struct Named {
    pub(super) repository: Option<String>,
    pub(super) upload: Option<String>,
    pub(super) image: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) commit: Option<String>,
}

/// A source in the words of the API.
pub(super) fn named(source: Option<&Source>) -> Named {
    let none = Named::default();
    let GitSource { repository, reference } = match source {
        None => return none,
        Some(Source::Upload(upload)) => return Named { upload: Some(upload.to_string()), ..none },
        Some(Source::Image(image)) => return Named { image: Some(image.to_string()), ..none },
        Some(Source::Pushed(Pushed { branch, commit, upload })) => {
            return Named {
                upload: Some(upload.to_string()),
                branch: Some(branch.to_string()),
                commit: Some(commit.to_string()),
                ..none
            };
        }
        Some(Source::Git(git)) => git,
    };
    let none = Named { repository: Some(repository.to_string()), ..none };
    match reference {
        Reference::Branch(branch) => Named { branch: Some(branch.to_string()), ..none },
        Reference::Tag(tag) => Named { tag: Some(tag.to_string()), ..none },
        Reference::Commit(commit) => Named { commit: Some(commit.to_string()), ..none },
        Reference::DefaultBranch => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "https://git.example/a.git";
    const B: &str = "https://git.example/b.git";
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn at(repository: &str, reference: Reference) -> Source {
        Source::Git(GitSource { repository: RepositoryUrl::new(repository).unwrap(), reference })
    }

    fn main() -> Reference {
        Reference::Branch("main".parse().unwrap())
    }

    #[test]
    fn what_a_change_of_the_source_comes_to() {
        let now = at(A, main());
        let rows: &[(&str, Wanted<'_>, Option<Source>)] = &[
            ("nothing said", Wanted::default(), None),
            (
                "the same repository keeps the branch",
                Wanted { repository: Some(A), ..Wanted::default() },
                Some(now.clone()),
            ),
            (
                "another repository has its own default branch",
                Wanted { repository: Some(B), ..Wanted::default() },
                Some(at(B, Reference::DefaultBranch)),
            ),
            (
                "no branch any more",
                Wanted { branch: Some(None), ..Wanted::default() },
                Some(at(A, Reference::DefaultBranch)),
            ),
            (
                "no commit any more, where there was none",
                Wanted { commit: Some(None), ..Wanted::default() },
                Some(now.clone()),
            ),
            (
                "a commit",
                Wanted { commit: Some(Some(COMMIT)), ..Wanted::default() },
                Some(at(A, Reference::Commit(COMMIT.parse().unwrap()))),
            ),
        ];
        for (what, wanted, expected) in rows {
            assert_eq!(&source(Some(&now), *wanted, false).unwrap(), expected, "{what}");
        }
        let both =
            Wanted { branch: Some(Some("x")), commit: Some(Some(COMMIT)), ..Wanted::default() };
        assert_eq!(source(Some(&now), both, false).unwrap_err().field.as_deref(), Some("commit"));
        let first = Wanted { branch: Some(Some("x")), ..Wanted::default() };
        assert_eq!(source(None, first, false).unwrap_err().field.as_deref(), Some("repository"));
    }

    #[test]
    fn a_branch_a_tag_and_a_commit_take_each_others_place() {
        let tag = || Reference::Tag("v1".parse().unwrap());
        let commit = || Reference::Commit(COMMIT.parse().unwrap());
        let gone = Some(None);
        let rows = [
            (main(), Wanted { tag: Some(Some("v1")), ..Wanted::default() }, tag()),
            (tag(), Wanted { branch: Some(Some("main")), ..Wanted::default() }, main()),
            (tag(), Wanted { commit: Some(Some(COMMIT)), ..Wanted::default() }, commit()),
            (tag(), Wanted { tag: gone, ..Wanted::default() }, Reference::DefaultBranch),
            (tag(), Wanted { branch: gone, ..Wanted::default() }, Reference::DefaultBranch),
            (tag(), Wanted { commit: gone, ..Wanted::default() }, tag()),
            (main(), Wanted { tag: gone, ..Wanted::default() }, main()),
            (commit(), Wanted { commit: gone, ..Wanted::default() }, Reference::DefaultBranch),
            (commit(), Wanted { tag: gone, ..Wanted::default() }, commit()),
            (tag(), Wanted { repository: Some(A), ..Wanted::default() }, tag()),
            (tag(), Wanted { repository: Some(B), ..Wanted::default() }, Reference::DefaultBranch),
        ];
        for (now, wanted, expected) in rows {
            let what = format!("{now:?}, {:?} {:?} {:?}", wanted.branch, wanted.tag, wanted.commit);
            let found = source(Some(&at(A, now)), wanted, false).unwrap().unwrap();
            assert_eq!(found.git().unwrap().reference, expected, "{what}");
        }
        let refused = |wanted| source(Some(&at(A, main())), wanted, false).unwrap_err().field;
        let both = Wanted { tag: Some(Some("x")), branch: Some(Some("x")), ..Wanted::default() };
        assert_eq!(refused(both).as_deref(), Some("tag"));
        let both = Wanted { tag: Some(Some("x")), commit: Some(Some(COMMIT)), ..Wanted::default() };
        assert_eq!(refused(both).as_deref(), Some("commit"));
    }

    #[test]
    fn folders_need_to_be_allowed() {
        let wanted = Wanted { repository: Some("file:///srv/a.git"), ..Wanted::default() };
        assert!(source(None, wanted, true).is_ok());
        let problem = source(None, wanted, false).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("repository"));
    }

    #[test]
    fn a_commit_is_for_one_deployment() {
        let new = CreateDeployment {
            repository: Some(A.into()),
            commit: Some(COMMIT.into()),
            ..CreateDeployment::default()
        };
        let wanted = of_deployment(&AppSettings::default(), &new, false).unwrap();
        assert_eq!(wanted.change.source, Some(at(A, Reference::DefaultBranch)));
        assert_eq!(wanted.source, Some(at(A, Reference::Commit(COMMIT.parse().unwrap()))));
    }

    #[test]
    fn a_tag_is_for_one_deployment() {
        let now = AppSettings { source: Some(at(A, main())), ..AppSettings::default() };
        let new = CreateDeployment { tag: Some("v1".into()), ..CreateDeployment::default() };
        let wanted = of_deployment(&now, &new, false).unwrap();
        assert_eq!(wanted.change.source, None);
        assert_eq!(wanted.source, Some(at(A, Reference::Tag("v1".parse().unwrap()))));
        let both = CreateDeployment { branch: Some("v1".into()), ..new };
        let refused = of_deployment(&now, &both, false).unwrap_err();
        assert_eq!(refused.field.as_deref(), Some("tag"));
    }

    #[test]
    fn an_image_and_an_upload_take_the_place_of_a_repository_and_are_given_alone() {
        let now = AppSettings { source: Some(at(A, main())), ..AppSettings::default() };
        let image =
            CreateDeployment { image: Some("nginx:1".into()), ..CreateDeployment::default() };
        let digest = format!("sha256:{}", "0".repeat(64));
        let upload =
            CreateDeployment { upload: Some(digest.clone()), ..CreateDeployment::default() };
        for (new, expected) in [
            (&image, Source::Image("nginx:1".parse().unwrap())),
            (&upload, Source::Upload(digest.parse().unwrap())),
        ] {
            let wanted = of_deployment(&now, new, false).unwrap();
            assert_eq!((wanted.change.source, wanted.source), (Some(expected.clone()), None));
            let again = AppSettings { source: Some(expected), ..AppSettings::default() };
            let plain = of_deployment(&again, &CreateDeployment::default(), false).unwrap();
            assert_eq!(plain.change.source, None, "what was given is kept");
            let git =
                CreateDeployment { repository: Some(A.into()), ..CreateDeployment::default() };
            let git = of_deployment(&again, &git, false).unwrap();
            assert_eq!(git.change.source, Some(at(A, Reference::DefaultBranch)));
            let branch =
                CreateDeployment { branch: Some("x".into()), ..CreateDeployment::default() };
            let refused = of_deployment(&again, &branch, false).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("repository"));
        }
        for (new, field) in [
            (CreateDeployment { repository: Some(A.into()), ..image.clone() }, "image"),
            (CreateDeployment { tag: Some("v1".into()), ..image.clone() }, "image"),
            (CreateDeployment { commit: Some(COMMIT.into()), ..image.clone() }, "image"),
            (CreateDeployment { repository: Some(A.into()), ..upload.clone() }, "upload"),
            (CreateDeployment { tag: Some("v1".into()), ..upload.clone() }, "upload"),
            (CreateDeployment { image: Some("nginx".into()), ..upload }, "upload"),
            (CreateDeployment { image: Some("Not An Image".into()), ..image }, "image"),
        ] {
            let refused = of_deployment(&now, &new, false).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(field), "{new:?}");
        }
    }
}
