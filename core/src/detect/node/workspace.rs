//! Apps of a workspace: the one of it whose root starts nothing itself, and the one in a folder that was
//! named, which is built where all of the workspace is.

use super::framework::{self, Framework, Makes};
use super::manager::Manager;
use super::manifest::Manifest;
use super::{is_by_manager, needs, of_framework, start, swapped};
use crate::detect::patterns::fits;
use crate::detect::recipe::{Output, Recipe, Run};
use crate::detect::repo::Repo;
use crate::detect::texts::workspace_above;
use crate::detect::words;
use crate::rejection::Rejection;

/// The most packages that are looked at.
const MOST_PACKAGES: usize = 64;
/// Folders of what is about the app rather than the app.
const BESIDE: &[&str] = &["docs", "e2e", "example", "examples", "playground", "storybook", "tests"];
/// The most patterns of a workspace's folders that are looked at.
const MOST_PATTERNS: usize = 128;
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
        recipe.because(format!(
            "the workspace has several apps: {} (name the folder of one by --context)",
            folders.join(", ")
        ));
        return Ok(());
    }
    let Some(app) = apps.pop() else { return Ok(()) };
    recipe.because(format!("{} is the one app of the workspace", app.folder));
    put(recipe, repo, root, manager, app)
}

/// The app in a folder that is a part of a workspace above it: that is installed as a whole, and the app is
/// built and started in it. `None` where it is none, and stands for itself.
pub(super) fn member(repo: &Repo<'_>, own: &Manifest) -> Result<Option<Recipe>, Rejection> {
    let Some(above) = workspace_above(repo.files, repo.folder) else { return Ok(None) };
    let root = Repo { folder: above, ..*repo };
    let Some(manifest) = Manifest::read(&root)? else { return Ok(None) };
    let folder = repo.folder.get(above.len()..).unwrap_or_default().trim_start_matches('/');
    if !has_member(&root, &manifest, folder)? {
        return Ok(None);
    }
    let said = repo.overrides.steps_named() || repo.overrides.output.is_some();
    let built = own.script("build").is_some();
    let folder = words::path(folder, "build_context")?;
    let found = Manager::of(&root, &manifest)?;
    let manager = found.0;
    // The app may say more closely what it runs on.
    let mut recipe = match own.engine("node") {
        Some(_) => super::base(repo, own, manager)?,
        None => super::base(&root, &manifest, manager)?,
    };
    let place = if above.is_empty() { "the repository".to_owned() } else { format!("{above}/") };
    recipe
        .because(format!("{folder} is a part of the workspace in {place}, which is built with it"));
    super::installed(&mut recipe, &root, &manifest, found)?;
    needs::system_packages(&mut recipe, own, Some(&path_in(&folder)));
    if built {
        let name = own.name().and_then(|name| words::path(name, "name in package.json").ok());
        let line = match name {
            // What it depends on in the workspace is built before it.
            Some(name) if root.has("turbo.json") && manifest.needs("turbo") => {
                format!("node_modules/.bin/turbo run build --filter={name}")
            }
            Some(name) if manager == Manager::Pnpm => {
                format!("pnpm --filter {name}... run build")
            }
            Some(_) | None if manifest.script("build").is_some() => manager.run("build"),
            Some(_) | None => format!("cd {folder} && {}", manager.run("build")),
        };
        recipe.because("package.json has a script \u{201c}build\u{201d}");
        recipe.build.push(Run::own(line).of_app());
    }
    recipe.run_env("NODE_ENV", "production");
    match app(&root, &folder, recipe.runtime)? {
        Some(app) => put(&mut recipe, &root, &manifest, manager, app)?,
        // Nothing of it has to be built, so it needs nothing of the others.
        None if !built && !said => return Ok(None),
        // Perhaps somebody says how it is started.
        None => recipe.run_env("PATH", path_in(&folder)),
    }
    needs::old_webpack(&mut recipe, own);
    recipe.workspace = Some(above.to_owned());
    recipe.inside = folder;
    Ok(Some(recipe))
}

/// Whether a workspace says that a folder is one of its own.
fn has_member(root: &Repo<'_>, manifest: &Manifest, folder: &str) -> Result<bool, Rejection> {
    let of_pnpm = root.text("pnpm-workspace.yaml")?.map(of_pnpm).unwrap_or_default();
    let mut is_one = false;
    for pattern in manifest.workspaces().chain(of_pnpm).take(MOST_PATTERNS) {
        match pattern.strip_prefix('!') {
            Some(not) if fits(not, folder) => return Ok(false),
            Some(_) => {}
            None => is_one |= fits(pattern, folder),
        }
    }
    Ok(is_one)
}

/// The patterns that `pnpm-workspace.yaml` lists under `packages`.
fn of_pnpm(text: &str) -> Vec<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("packages:"));
    let first = lines.next().and_then(|line| line.strip_prefix("packages:")).unwrap_or_default();
    let below = lines
        .take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '-', '#']))
        .filter_map(|line| line.trim_start().strip_prefix('-'));
    let inline = first.trim().trim_start_matches('[').trim_end_matches(']').split(',');
    let all = inline.chain(below).map(|item| item.split(" #").next().unwrap_or(item));
    all.map(|item| item.trim().trim_matches(['"', '\''])).filter(|item| !item.is_empty()).collect()
}

/// Where programs of what is installed lie, for an app in a folder.
fn path_in(folder: &str) -> String {
    format!("/app/{folder}/node_modules/.bin:/app/node_modules/.bin:$PATH")
}

/// Makes a workspace's recipe that of an app in it.
fn put(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    root: &Manifest,
    manager: Manager,
    App { folder, manifest, framework, recipe: app }: App,
) -> Result<(), Rejection> {
    recipe.reasons.extend(app.reasons);
    recipe.framework = app.framework;
    let path = path_in(&folder);
    for (name, value) in framework.iter().flat_map(|framework| framework.build_env) {
        recipe.build_env(name, *value);
    }
    for (name, value) in framework.iter().flat_map(|framework| framework.run_env) {
        recipe.run_env(name, *value);
    }
    if recipe.build.is_empty() {
        let own = framework.as_ref().and_then(|framework| framework.build);
        let line = match (manifest.script("build"), own) {
            (Some(_), _) => Some(format!("cd {folder} && {}", manager.run("build"))),
            (None, Some(own)) => Some(format!("cd {folder} && PATH={path} {own}")),
            (None, None) => None,
        };
        recipe.build.extend(line.map(|line| Run::own(line).of_app()));
    }
    if let Some(swap) = framework.and_then(|framework| framework.swap) {
        recipe.because(swap.why);
        recipe.build.splice(0..0, swapped(&swap, manager, &folder));
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
    recipe.start = app.start.map(|start| start.within(&folder));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_pnpm_stand_below_each_other_or_beside() {
        let list =
            "a: b\npackages:\n  # all\n  - \"apps/*\"\n  - '!apps/old' # gone\n\ncatalog:\n  - x\n";
        assert_eq!(of_pnpm(list), ["apps/*", "!apps/old"]);
        assert_eq!(of_pnpm("packages: [\"a\", 'b/*']\n"), ["a", "b/*"]);
        assert_eq!(of_pnpm("packages:\n- a\n"), ["a"]);
        assert_eq!(of_pnpm("onlyBuiltDependencies:\n  - a\n"), [""; 0]);
    }
}
