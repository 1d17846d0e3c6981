//! `hythe compose up`: carries out what the server says a Compose file comes to, wave by wave.
//!
//! Each service is an app, and is made, set and deployed as any other is. Where this breaks off, what was
//! done stays, and the same command goes on from there.

use std::collections::BTreeMap;
use std::time::Duration;

use hythe_core::names::{AppName, BadText, EnvName, EnvValue};
use reqwest::Method;
use serde::Serialize;

use super::given::{Read, read, told_missing};
use super::source::Place;
use crate::api::dto::{
    App, AppGroup, ComposeAction, ComposeLeft, ComposeOrphan, ComposePlan, ComposeService,
    ComposeSource, CreateApp, CreateDeployment, CreateProject, Deployment, DeploymentStatus,
    PlanCompose, Project, UpdateApp,
};
use crate::cli::args::ComposeUpArgs;
use crate::cli::client::Patience;
use crate::cli::deploy::{pack::Packed, upload, wait};
use crate::cli::failure::{Exit, Failure, Outcome};
use crate::cli::output::Tone;
use crate::cli::{Context, app, env};

/// How long to wait before one that is to end by itself is tried again, first and at the most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(15);

/// What was done. Fields are only ever added.
#[derive(Debug, Serialize)]
struct Done {
    project: String,
    dry_run: bool,
    services: Vec<OfService>,
    orphans: Vec<Orphan>,
    left: Vec<ComposeLeft>,
    /// How to give one of the services an address, where none has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<String>,
    /// Why it did not come to its end, where it is no service's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct OfService {
    service: String,
    app: String,
    action: &'static str,
    because: Vec<String>,
    wave: u32,
    after: Vec<String>,
    url: Option<String>,
    deployment: Option<String>,
    status: Option<&'static str>,
    error: Option<String>,
    /// The last that it wrote, where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Orphan {
    service: String,
    app: String,
    removed: bool,
}

/// What is sent with each question about the file.
struct Asked {
    request: PlanCompose,
    packed: BTreeMap<String, Packed>,
    commit: Option<String>,
}

pub(super) async fn run(context: &Context, args: ComposeUpArgs) -> Outcome {
    let mut given = args.env_file.as_deref().map(env::of_file).transpose()?.unwrap_or_default();
    given.extend(env::checked(&args.variables)?);
    let (repo, branch, files) = (args.repo.clone(), args.branch.clone(), args.files.clone());
    let profiles = args.profiles.clone();
    let reading = tokio::task::spawn_blocking(move || -> Outcome<(Place, Read)> {
        let place = Place::open(&repo, branch.as_ref())?;
        let found = place.compose_files(&files)?;
        let mut read = read(&place, &found, &given, profiles, |name| std::env::var(name).ok())?;
        if files.is_empty() {
            read.unread.extend(place.override_of(&found));
        }
        Ok((place, read))
    });
    let (place, Read { request, missing, unread }) =
        reading.await.map_err(|error| Failure::failed(error.to_string()))??;
    if let Some(missing) = told_missing(&missing) {
        context.output.note(context.output.foreign(&missing));
    }
    for why in &unread {
        let why = context.output.foreign(why);
        context.output.note(format_args!("{why}; it is as if it were not there"));
    }
    let commit = match &place {
        Place::Git(clone) => Some(clone.commit.clone()),
        Place::Folder(_) => None,
    };
    let mut asked = Asked { request, packed: BTreeMap::new(), commit };
    let project = args.project.as_str();
    let first = ask(context, project, &asked.request).await?;
    sources(context, &place, &first, &mut asked).await?;
    if args.dry_run {
        let plan = ask(context, project, &asked.request).await?;
        let done = Done::of(&plan, true);
        done.show(context);
        return Ok(());
    }
    if first.project_id.is_none() {
        let body = CreateProject { name: project.to_owned() };
        let made: Outcome<Project> =
            context.client.write(Method::POST, &["projects"], &body, Patience::OnceReached).await;
        match made {
            Ok(_) => {}
            // Somebody else was faster.
            Err(failure) if failure.problem.as_deref() == Some("exists") => {}
            Err(failure) => return Err(failure),
        }
    }
    let plan = ask(context, project, &asked.request).await?;
    let mut done = Done::of(&plan, false);
    for left in &plan.left {
        told(context, left);
    }
    let ended = carry_out(context, &plan, &mut asked, &mut done).await;
    if ended.is_ok() && done.services.iter().all(|one| one.error.is_none()) {
        orphans(context, &plan.orphans, args.remove_orphans, &mut done).await?;
    }
    let why = ended.as_ref().err().map(|failure| failure.message.clone());
    done.error = why.filter(|why| !why.is_empty());
    done.show(context);
    if let Err(failure) = ended {
        // The document has it already, and there is only one.
        return Err(if context.output.json() { Failure::silent(failure.exit) } else { failure });
    }
    if done.services.iter().any(|one| one.error.is_some()) {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

async fn ask(context: &Context, project: &str, request: &PlanCompose) -> Outcome<ComposePlan> {
    let path = ["projects", project, "compose"];
    context.client.write(Method::POST, &path, request, Patience::Always).await
}

/// Finds out what services that are built are built from.
async fn sources(
    context: &Context,
    place: &Place,
    plan: &ComposePlan,
    asked: &mut Asked,
) -> Outcome {
    // Services of one folder are packed once.
    let mut known: BTreeMap<String, ComposeSource> = BTreeMap::new();
    for service in &plan.services {
        let Some(of) = &service.context else { continue };
        if let Some(source) = known.get(of) {
            asked.request.sources.insert(service.service.clone(), source.clone());
            continue;
        }
        let source = match place.folder_of(of) {
            Some(folder) => {
                if !folder.is_dir() {
                    return Err(Failure::usage(format!(
                        "the service {} is built from {of}, which is no folder",
                        service.service
                    )));
                }
                let packed = upload::packed(context, &folder).await?;
                let digest = packed.digest.to_string();
                asked.packed.insert(of.clone(), packed);
                Some(ComposeSource { upload: Some(digest), ..ComposeSource::default() })
            }
            None => place.in_repository(of)?,
        };
        let Some(source) = source else { continue };
        known.insert(of.clone(), source.clone());
        asked.request.sources.insert(service.service.clone(), source);
    }
    Ok(())
}

/// Does what there is to do, each wave once the one before is live.
async fn carry_out(
    context: &Context,
    plan: &ComposePlan,
    asked: &mut Asked,
    done: &mut Done,
) -> Outcome {
    let last = plan.services.iter().map(|service| service.wave).max().unwrap_or_default();
    for wave in 0..=last {
        let mut under_way = Vec::new();
        for service in plan.services.iter().filter(|service| service.wave == wave) {
            if service.action == ComposeAction::Unchanged {
                let begun = on_its_way(context, service).await?;
                let image = service.image.clone();
                let again = CreateDeployment { image, ..CreateDeployment::default() };
                under_way.extend(begun.map(|deployment| (service, again, deployment)));
                continue;
            }
            let request = prepare(context, plan, service, asked).await?;
            let deployment = deploy(context, service, &request).await?;
            under_way.push((service, request, deployment));
        }
        for (service, request, deployment) in under_way {
            let mut deployment = wait(context, deployment).await?;
            for tried in 0..service.retries {
                let failed = deployment.failure.as_ref();
                let Some(failed) = failed.filter(|it| it.stage == DeploymentStatus::Starting)
                else {
                    break;
                };
                pause(context, service, tried, &failed.message).await?;
                deployment = wait(context, deploy(context, service, &request).await?).await?;
            }
            let is_live = deployment.status == DeploymentStatus::Live;
            let is_over = is_live && is_once(service);
            if is_over {
                // What has run once has nothing to run for any more, and takes up no room then.
                let path = ["apps", service.app.as_str(), "stop"];
                let _stopped: App = context.client.post(&path, &serde_json::json!({})).await?;
            }
            let Some(one) = done.services.iter_mut().find(|one| one.service == service.service)
            else {
                continue;
            };
            one.deployment = Some(deployment.id.to_string());
            one.status = Some(if is_over { "done" } else { deployment.status.as_str() });
            if !is_live {
                let status = deployment.status.as_str();
                let (why, log) = deployment.failure.map_or_else(
                    || (format!("it is {status}"), Vec::new()),
                    |it| (it.message, it.log),
                );
                (one.error, one.log) = (Some(why), log);
            }
        }
        if done.services.iter().any(|one| one.error.is_some()) {
            return Ok(());
        }
    }
    Ok(())
}

/// What is on its way of a service that is to end by itself and is as it should be: where an earlier command broke
/// off, what waits for its end still does.
async fn on_its_way(context: &Context, service: &ComposeService) -> Outcome<Option<Deployment>> {
    if !is_once(service) {
        return Ok(None);
    }
    let client = &context.client;
    let app: App = client.get(&["apps", service.app.as_str()], &[]).await?;
    let Some(begun) = app.rolling.or(app.waiting) else { return Ok(None) };
    let id = begun.id.to_string();
    client.get(&["deployments", id.as_str()], &[]).await.map(Some)
}

/// Whether a service is to end by itself.
fn is_once(service: &ComposeService) -> bool {
    service.settings.group.as_ref().and_then(Option::as_ref).is_some_and(|group| group.once)
}

/// How one of the services gets an address, where none has one and one could: the last to go live is mostly the one
/// that people look at.
fn without_addresses(services: &[ComposeService]) -> Option<String> {
    if services.iter().any(|service| service.url.is_some()) {
        return None;
    }
    let port = |service: &ComposeService| service.settings.port.flatten();
    let could = services.iter().filter(|service| !is_once(service));
    let one = could.max_by_key(|service| (service.wave, port(service).is_some()))?;
    let to = port(one).map_or_else(
        || "\"8000\", with the port that it listens on".to_owned(),
        |port| format!("\"{port}\""),
    );
    Some(format!(
        "no address leads to any of them; where {} is to have one and speaks HTTP, give it the label hythe.route: {to}",
        one.service
    ))
}

/// Waits before one that is to end by itself is tried again: longer each time, for it mostly waits for what is not
/// ready yet.
async fn pause(context: &Context, service: &ComposeService, tried: u16, why: &str) -> Outcome {
    let span = RETRY_MOST.min(RETRY_FIRST.saturating_mul(1 << tried.min(8)));
    context.output.note(format_args!(
        "{}: {}; it is tried again in {} s ({} of {})",
        service.service,
        context.output.foreign(why),
        span.as_secs(),
        tried + 1,
        service.retries
    ));
    tokio::select! {
        () = tokio::time::sleep(span) => Ok(()),
        _interrupted = tokio::signal::ctrl_c() => Err(Failure::silent(Exit::Interrupted)),
    }
}

async fn deploy(
    context: &Context,
    service: &ComposeService,
    request: &CreateDeployment,
) -> Outcome<Deployment> {
    let path = ["apps", service.app.as_str(), "deployments"];
    context.client.write(Method::POST, &path, request, Patience::Always).await
}

/// Makes or changes a service's app, and says what is to be deployed.
async fn prepare(
    context: &Context,
    plan: &ComposePlan,
    service: &ComposeService,
    asked: &mut Asked,
) -> Outcome<CreateDeployment> {
    let client = &context.client;
    let name =
        AppName::new(service.app.as_str()).map_err(|bad| Failure::failed(bad.to_string()))?;
    context.output.note(format_args!(
        "{}: {}{}",
        service.service,
        service.action.as_str(),
        in_words(&service.because)
    ));
    if service.action == ComposeAction::Create {
        let body = CreateApp {
            name: service.app.clone(),
            project: Some(plan.project.clone()),
            // From its first moment on it is known whose it is.
            group: Some(AppGroup {
                project: plan.project.clone(),
                service: service.service.clone(),
                content: None,
                names: Vec::new(),
                once: false,
            }),
            ..CreateApp::default()
        };
        let _made: App =
            client.write(Method::POST, &["apps"], &body, Patience::OnceReached).await?;
    }
    let removed = removed(service)?;
    if !removed.is_empty() {
        // Before the settings: once those name a file no more, its variable would be in the environment of
        // whatever is deployed until this goes on.
        env::change(client, &name, &env::Variables::new(), &removed).await?;
    }
    let change: &UpdateApp = &service.settings;
    app::update(client, &name, change).await?;
    let mut variables = env::Variables::new();
    for (name, value) in &service.variables {
        let bad = |bad: BadText| Failure::failed(bad.to_string());
        let name = EnvName::new(name.as_str()).map_err(bad)?;
        let value = EnvValue::new(value.reveal()).map_err(bad)?;
        variables.insert(name, value);
    }
    if !variables.is_empty() {
        env::change(client, &name, &variables, &[]).await?;
    }
    let mut request =
        CreateDeployment { image: service.image.clone(), ..CreateDeployment::default() };
    if let Some(source) = asked.request.sources.get(&service.service) {
        if let Some(packed) = service.context.as_ref().and_then(|of| asked.packed.remove(of)) {
            upload::sent(context, packed).await?;
        }
        request.upload.clone_from(&source.upload);
        request.repository.clone_from(&source.repository);
        if source.repository.is_some() {
            // The branch is the app's from now on, the commit this deployment's.
            let change = UpdateApp {
                repository: source.repository.clone(),
                branch: Some(source.branch.clone()),
                ..UpdateApp::default()
            };
            app::update(client, &name, &change).await?;
            request.commit.clone_from(&asked.commit);
        }
    }
    Ok(request)
}

/// The variables that go before the settings change.
fn removed(service: &ComposeService) -> Outcome<Vec<EnvName>> {
    let one =
        |name: &String| EnvName::new(name.as_str()).map_err(|bad| Failure::failed(bad.to_string()));
    service.removed.iter().map(one).collect()
}

async fn orphans(
    context: &Context,
    orphans: &[ComposeOrphan],
    remove: bool,
    done: &mut Done,
) -> Outcome {
    for ComposeOrphan { service, app } in orphans {
        if remove {
            context.client.delete(&["apps", app.as_str()], &[]).await?;
        }
        if let Some(one) = done.orphans.iter_mut().find(|one| one.service == *service) {
            one.removed = remove;
        }
    }
    Ok(())
}

fn in_words(because: &[String]) -> String {
    if because.is_empty() { String::new() } else { format!(" ({})", because.join(", ")) }
}

fn told(context: &Context, left: &ComposeLeft) {
    let output = &context.output;
    let ComposeLeft { file, line, key, why } = left;
    let file = file.as_ref().map_or_else(String::new, |file| format!("{}, ", output.foreign(file)));
    output.note(format_args!(
        "{file}line {line}: {}: {}",
        output.foreign(key),
        output.foreign(why)
    ));
}

impl Done {
    fn of(plan: &ComposePlan, dry_run: bool) -> Self {
        let services = plan.services.iter().map(|service| OfService {
            service: service.service.clone(),
            app: service.app.clone(),
            action: service.action.as_str(),
            because: service.because.clone(),
            wave: service.wave,
            after: service.after.clone(),
            url: service.url.clone(),
            deployment: None,
            status: None,
            error: None,
            log: Vec::new(),
        });
        let orphans = plan.orphans.iter().map(|ComposeOrphan { service, app }| Orphan {
            service: service.clone(),
            app: app.clone(),
            removed: false,
        });
        Self {
            project: plan.project.clone(),
            dry_run,
            services: services.collect(),
            orphans: orphans.collect(),
            left: plan.left.clone(),
            addresses: without_addresses(&plan.services),
            error: None,
        }
    }

    fn show(&self, context: &Context) {
        let output = &context.output;
        if output.json() {
            output.document(self);
            return;
        }
        for one in &self.services {
            let what = match (&one.error, one.status) {
                (Some(error), _) => output.tone(Tone::Bad, output.foreign(error)),
                (None, Some(status)) => output.tone(Tone::Good, status),
                (None, None) => format!("{}{}", one.action, in_words(&one.because)),
            };
            let url = one.url.as_deref().unwrap_or("no address");
            output.line(format_args!("{:<20} {:<28} {what:<24} {url}", one.service, one.app));
            for line in &one.log {
                output.note(format_args!("{}: {}", one.service, output.foreign(line)));
            }
        }
        if let Some(why) = &self.addresses {
            output.note(output.foreign(why));
        }
        if self.dry_run {
            self.left.iter().for_each(|left| told(context, left));
        }
        for Orphan { service, app, removed } in &self.orphans {
            output.line(if *removed {
                format!(
                    "{service} is not in the file; {app} is removed, and for a day: hythe app \
                         restore {app}"
                )
            } else {
                format!(
                    "{service} is not in the file, and {app} stays; --remove-orphans removes it"
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service of the plan, with what of it counts for addresses.
    fn service(name: &str, wave: u32, port: Option<u16>, once: bool) -> ComposeService {
        let group = AppGroup {
            project: "p".into(),
            service: name.into(),
            content: None,
            names: Vec::new(),
            once,
        };
        ComposeService {
            service: name.into(),
            app: format!("shop-{name}"),
            action: ComposeAction::Create,
            because: Vec::new(),
            wave,
            after: Vec::new(),
            url: None,
            context: None,
            needs_source: false,
            settings: UpdateApp {
                port: Some(port),
                group: Some(Some(group)),
                ..UpdateApp::default()
            },
            image: None,
            retries: 0,
            variables: BTreeMap::new(),
            kept: Vec::new(),
            removed: Vec::new(),
        }
    }

    #[test]
    fn where_nothing_has_an_address_it_is_said_how_the_last_one_gets_one() {
        let one = |name, wave, port| service(name, wave, port, false);
        let rows = [
            (
                vec![one("db", 0, Some(5432)), one("api", 1, Some(3000))],
                Some("where api is to have"),
            ),
            (
                vec![one("api", 1, Some(3000)), one("worker", 1, None)],
                Some("hythe.route: \"3000\""),
            ),
            (vec![one("a", 0, None), service("job", 2, None, true)], Some("where a is to have")),
            (vec![service("job", 0, None, true)], None),
        ];
        for (services, expected) in rows {
            let told = without_addresses(&services);
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        let routed =
            ComposeService { url: Some("http://shop".into()), ..service("a", 0, None, false) };
        assert_eq!(without_addresses(&[routed, service("b", 0, None, false)]), None);
    }
}
