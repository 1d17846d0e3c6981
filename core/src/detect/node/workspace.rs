//! The one app of a workspace whose root starts nothing itself.

use super::framework::{self, Framework, Makes};
use super::manager::Manager;
use super::manifest::Manifest;
use super::{is_by_manager, of_framework, start};
use crate::detect::recipe::{Output, Recipe, Run};
use crate::detect::repo::Repo;
use crate::detect::words::{self, ShellLine, Start};
use crate::rejection::Rejection;

/// The most packages that are looked at.
const MOST_PACKAGES: usize = 64;
/// Folders of what is about the app rather than the app.
const BESIDE: &[&str] = &["docs", "e2e", "example", "examples", "playground", "storybook", "tests"];
/// Tools that make libraries as well as pages.
const OF_LIBRARIES: &[&str] = &["Vite", "Rsbuild", "Parcel", "webpack"];

/// A package that is an app.
struct App {
    folder: String,
    manifest: Manifest,
    framework: Option<Framework>,
    recipe: Recipe,
}

/// Makes the recipe of a workspace's root that of its one app. Where there are several it only says
/// which: to choose among them is not for us. `root` is what the root's own `package.json` says.
pub(super) fn take_app(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    root: &Manifest,
    manager: Manager,
) -> Result<(), Rejection> {
    let mut apps = Vec::new();
    let packages = repo.all().filter_map(|path| path.strip_suffix("/package.json"));
    for folder in packages.filter(|folder| is_package(folder)).take(MOST_PACKAGES) {
        apps.extend(app(repo, folder, recipe.runtime)?);
    }
    if apps.len() > 1 {
        let folders: Vec<&str> = apps.iter().map(|app| app.folder.as_str()).collect();
        recipe.because(format!("the workspace has several apps: {}", folders.join(", ")));
        return Ok(());
    }
    let Some(App { folder, manifest, framework, recipe: app }) = apps.pop() else { return Ok(()) };
    recipe.because(format!("{folder} is the one app of the workspace"));
    recipe.reasons.extend(app.reasons);
    recipe.framework = app.framework;
    let path = format!("/app/{folder}/node_modules/.bin:/app/node_modules/.bin:$PATH");
    for (name, value) in framework.iter().flat_map(|framework| framework.build_env) {
        recipe.build_env(name, *value);
    }
    for (name, value) in framework.iter().flat_map(|framework| framework.run_env) {
        recipe.run_env(name, *value);
    }
    if recipe.build.is_empty() {
        let own = framework.and_then(|framework| framework.build);
        let line = match (manifest.script("build"), own) {
            (Some(_), _) => Some(format!("cd {folder} && {}", manager.run("build"))),
            (None, Some(own)) => Some(format!("cd {folder} && PATH={path} {own}")),
            (None, None) => None,
        };
        recipe.build.extend(line.map(|line| Run::own(line).of_app()));
    }
    if let Some(Output { folder: inside, missing }) = app.output {
        recipe.output = Some(Output { folder: format!("{folder}/{inside}"), missing });
        return Ok(());
    }
    recipe.run_env("PATH", path);
    // By the line below it cannot be told any more.
    if is_by_manager(app.start.as_ref(), &manifest, manager) {
        recipe.run_tools.extend(manager.tool(repo, root)?);
    }
    let line = match &app.start {
        Some(Start::Words(words)) => format!("cd {folder} && exec {}", words.join(" ")),
        Some(Start::Shell(line)) => format!("cd {folder} && {}", line.as_str()),
        None => return Ok(()),
    };
    recipe.start = Some(Start::line(ShellLine::new(&line, "start in package.json")?));
    Ok(())
}

/// Whether a folder may hold an app: not too deep, and not what is only about one.
fn is_package(folder: &str) -> bool {
    let mut parts = folder.split('/');
    let beside = |part: &str| BESIDE.contains(&part) || part.starts_with('.');
    folder.matches('/').count() <= 1 && !parts.any(|part| part == "node_modules" || beside(part))
}

/// The app in a folder, where what is there is one; what cannot be read is none.
fn app(repo: &Repo<'_>, folder: &str, runtime: &'static str) -> Result<Option<App>, Rejection> {
    let Ok(folder) = words::path(folder, "the folder of a package") else { return Ok(None) };
    let at = repo.at(&folder);
    let inside = Repo { folder: &at, ..*repo };
    let Ok(Some(manifest)) = Manifest::read(&inside) else { return Ok(None) };
    let mut recipe = Recipe::new(runtime, "", "");
    let mut framework = framework::find(&inside, &manifest)?;
    if framework.is_none() {
        if manifest.script("start").or(manifest.script("start:prod")).is_none() {
            return Ok(None);
        }
        start(&mut recipe, &inside, &manifest, None)?;
        recipe.framework = framework::server(&manifest);
        if recipe.start.is_none() {
            framework = framework::by_tool(&inside, &manifest)?;
        }
    }
    if framework
        .as_ref()
        .is_some_and(|f| OF_LIBRARIES.contains(&f.name) && !inside.has("index.html"))
    {
        return Ok(None);
    }
    // What stands alone lies elsewhere in a workspace.
    if let Some(next) = framework.as_mut().filter(|framework| framework.name == "Next.js")
        && matches!(next.makes, Makes::Alone(_, _))
    {
        next.makes = Makes::Program(&["next", "start"]);
    }
    if let Some(framework) = framework.clone() {
        of_framework(&mut recipe, &inside, &manifest, framework)?;
    }
    Ok(recipe.is_whole().then_some(App { folder, manifest, framework, recipe }))
}
