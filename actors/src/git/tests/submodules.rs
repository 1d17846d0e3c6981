//! Submodules: those that are fetched, and those that mean no good.

use std::path::Path;

use hythe_core::source::{Fetches, Reference};

use super::super::GitError;
use super::world::{World, git};
use crate::build::tests::repository::Repository;

const DEFAULT: Reference = Reference::DefaultBranch;

fn with_submodules(mut world: World) -> World {
    world.fetches = Fetches { submodules: true, lfs: false };
    world
}

/// Puts a gitlink and its entry in `.gitmodules` where git itself might refuse to.
fn link(repository: &Repository, path: &str, url: &str, commit: &str) {
    let folder = repository.folder();
    git(folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    let file = folder.join(".gitmodules");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let entry = format!(
        "{before}[submodule \"{path}\"]\n\tpath = \"{path}\"\n\turl = \"{url}\"\n\tupdate = \
         !touch pwned\n"
    );
    std::fs::write(file, entry).unwrap();
    git(folder, &["add", ".gitmodules"]);
    push(repository);
}

fn push(repository: &Repository) {
    git(repository.folder(), &["commit", "-q", "-m", "submodules"]);
    git(repository.folder(), &["push", "-q", "origin", "HEAD"]);
}

async fn refused(world: &World, name: &str) -> GitError {
    match world.fetch(name, DEFAULT).await {
        Err(error) => error,
        Ok(_) => panic!("it was fetched"),
    }
}

fn nothing_pwned(folder: &Path) {
    let all = walk(folder);
    assert!(!all.iter().any(|path| path.ends_with("pwned")), "{all:?}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            all.extend(walk(&entry.path()));
        }
        all.push(entry.path());
    }
    all
}

#[tokio::test]
async fn submodules_and_theirs_are_fetched_at_the_recorded_commit() {
    let world = with_submodules(World::new());
    let inner = world.repository("inner", &[("deep", "down")]);
    let inner_id = inner.commit(&[]);
    let library = world.repository("library", &[("code", "one")]);
    link(&library, "vendor/inner", "./../inner.git", &inner_id);
    let recorded = git(library.folder(), &["rev-parse", "HEAD"]);
    let app = world.repository("app", &[("main", "app")]);
    link(&app, "libs/library", "../library.git", &recorded);
    // It moves on; what is recorded counts.
    git(library.folder(), &["rm", "-q", "--cached", "vendor/inner"]);
    library.commit(&[("code", "two")]);
    let absolute = format!("{}/inner.git", world.server.url());
    link(&app, "again", &absolute, &inner_id);

    let fetched = world.fetch("app", DEFAULT).await.unwrap();
    assert_eq!(fetched.read("libs/library/code"), "one");
    assert_eq!(fetched.read("libs/library/vendor/inner/deep"), "down");
    assert_eq!((fetched.read("again/deep"), fetched.read("main")), ("down".into(), "app".into()));
    let mut paths: Vec<_> =
        fetched.checkout.submodules.iter().map(|module| module.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["again", "libs/library", "libs/library/vendor/inner"]);
    nothing_pwned(&fetched.checkout.tree);
    let all = walk(&fetched.checkout.tree);
    assert!(!all.iter().any(|path| path.ends_with(".git")), "{all:?}");
    // The next one has them in mirrors.
    let sent = world.server.sent();
    world.fetch("app", DEFAULT).await.unwrap();
    assert!(world.server.sent() - sent < 10_000);
    assert_eq!(world.mirrors().len(), 3);
}

#[tokio::test]
async fn without_being_asked_for_none_is_fetched() {
    let world = World::new();
    let library = world.repository("library", &[("code", "one")]);
    let app = world.repository("app", &[("main", "app")]);
    link(&app, "library", "../library.git", &library.commit(&[]));
    let fetched = world.fetch("app", DEFAULT).await.unwrap();
    assert!(fetched.checkout.tree.join("library").is_dir());
    assert_eq!(walk(&fetched.checkout.tree.join("library")), Vec::<std::path::PathBuf>::new());
    assert!(fetched.checkout.submodules.is_empty());
}

#[tokio::test]
async fn a_token_reaches_private_submodules_of_its_host_and_no_others() {
    let canary = "canary-5c1b";
    let world = with_submodules(World::private(canary));
    let library = world.repository("library", &[("code", "one")]);
    let app = world.repository("app", &[("main", "app")]);
    let id = library.commit(&[]);
    link(&app, "library", "../library.git", &id);
    let token = world.token(canary);
    let fetched = world.fetch_with("app", DEFAULT, &token).await.unwrap();
    assert_eq!(fetched.read("library/code"), "one");
    // The same submodule on another server, which would take the token, too.
    let other = super::world::World::private(canary);
    drop(other.repository("library", &[("code", "one")]));
    let app = world.repository("elsewhere", &[("main", "app")]);
    link(&app, "library", &format!("{}/library.git", other.server.url()), &id);
    let Err(error) = world.fetch_with("elsewhere", DEFAULT, &token).await else {
        panic!("it was fetched")
    };
    let said = error.to_string();
    assert!(said.contains("the submodule library cannot be fetched"), "{said}");
    assert!(said.contains("Hythe has none for it") && !said.contains(canary), "{said}");
}

#[tokio::test]
async fn hostile_submodules_are_refused_before_anything_is_fetched_or_run() {
    let world = with_submodules(World::new());
    let library = world.repository("library", &[("code", "one")]);
    let id = library.commit(&[]);
    let local = format!("file://{}", library.path().display());
    for (n, (url, words)) in [
        ("ext::sh -c touch% pwned", "visible ASCII"),
        ("ext::touch", "https://"),
        ("-u./pwned", "https://"),
        ("--upload-pack=touch pwned", "visible ASCII"),
        (local.as_str(), "https:// or ssh://"),
        ("/etc", "https://"),
        ("../../../x", "leads out of"),
        ("ssh://-oProxyCommand=touch%20pwned/x", "host"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("app-{n}");
        let app = world.repository(&name, &[("main", "app")]);
        link(&app, "library", url, &id);
        let error = refused(&world, &name).await;
        assert!(matches!(error, GitError::BadSubmodules { .. }), "{url}: {error}");
        assert!(error.to_string().contains(words), "{url}: {error}");
    }
    // Paths that git takes into no index are listed all the same.
    for (n, path) in ["../../x", "/etc/x", "-u", ".git/hooks", "a/../../b"].into_iter().enumerate()
    {
        let name = format!("path-{n}");
        let text = format!("[submodule \"x\"]\n\tpath = \"{path}\"\n\turl = ../library.git\n");
        drop(world.repository(&name, &[("main", "app"), (".gitmodules", &text)]));
        let error = refused(&world, &name).await;
        assert!(error.to_string().contains("has a path which"), "{path}: {error}");
    }
    // A link in its place, and one on the way there.
    let outside = tempfile::tempdir().unwrap();
    let app = world.repository("linked", &[("main", "app")]);
    std::os::unix::fs::symlink(outside.path(), app.folder().join("away")).unwrap();
    app.commit(&[(".gitmodules", "[submodule \"x\"]\n\tpath = away/x\n\turl = ../library.git\n")]);
    // Not in the index as a submodule: passed over.
    let fetched = world.fetch("linked", DEFAULT).await.unwrap();
    assert!(fetched.checkout.submodules.is_empty());
    assert_eq!(walk(outside.path()), Vec::<std::path::PathBuf>::new());
    // Too long to be read.
    let long = format!("# {}\n", "x".repeat(70_000));
    drop(world.repository("long", &[("main", "app"), (".gitmodules", &long)]));
    let error = refused(&world, "long").await;
    assert!(error.to_string().contains("is no file of at most 64 KiB"), "{error}");
    let app = world.repository("broken", &[("main", "app"), (".gitmodules", "[submodule\n")]);
    drop(app);
    assert!(refused(&world, "broken").await.to_string().contains("git cannot read"));
    nothing_pwned(world.folder.path());
    assert!(!Path::new("pwned").exists());
}

#[tokio::test]
async fn submodules_within_each_other_have_an_end() {
    let world = with_submodules(World::new());
    let mut below = world.repository("m0", &[("n", "0")]).commit(&[]);
    for n in 1..=7 {
        let repository = world.repository(&format!("m{n}"), &[("n", &n.to_string())]);
        link(&repository, "below", &format!("../m{}.git", n - 1), &below);
        below = git(repository.folder(), &["rev-parse", "HEAD"]);
    }
    let deep = world.fetch("m5", DEFAULT).await.unwrap();
    assert_eq!(deep.read("below/below/below/below/below/n"), "0");
    let error = refused(&world, "m6").await;
    assert!(matches!(error, GitError::ManySubmodules { .. }), "{error}");
    assert!(error.to_string().contains("below/below/below/below/below/below"), "{error}");
}

#[tokio::test]
async fn a_submodule_that_is_not_there_any_more_is_named() {
    let world = with_submodules(World::new());
    let app = world.repository("app", &[("main", "app")]);
    link(&app, "gone", "../gone.git", &"1".repeat(40));
    let said = refused(&world, "app").await.to_string();
    assert!(said.contains("the submodule gone cannot be fetched"), "{said}");
    assert!(said.contains("/gone.git was not found"), "{said}");
    let library = world.repository("library", &[("code", "one")]);
    drop(library);
    let app = world.repository("other", &[("main", "app")]);
    link(&app, "library", "../library.git", &"1".repeat(40));
    let said = refused(&world, "other").await.to_string();
    assert!(said.contains("has no commit 1111"), "{said}");
}

#[tokio::test]
async fn submodules_count_for_how_large_a_source_may_be() {
    let mut world = with_submodules(World::new());
    world.settings.most_bytes = 3 << 20;
    let big = "x".repeat(2 << 20);
    let library = world.repository("library", &[("big", &big)]);
    let id = library.commit(&[]);
    let app = world.repository("app", &[("main", "app")]);
    link(&app, "one", "../library.git", &id);
    world.fetch("app", DEFAULT).await.unwrap();
    link(&app, "two", "../library.git", &id);
    let error = refused(&world, "app").await;
    assert!(error.to_string().contains("more than 3 MiB"), "{error}");
}
