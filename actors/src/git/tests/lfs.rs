//! Files that git LFS keeps elsewhere, with the real `git-lfs`.

use hythe_core::source::{Fetches, Reference};
use sha2::{Digest, Sha256};

use super::super::GitError;
use super::super::lfs::installed;
use super::world::{World, git};

const DEFAULT: Reference = Reference::DefaultBranch;

fn with_lfs(mut world: World) -> World {
    assert!(installed(&world.settings.path), "git-lfs is needed: apt-get install git-lfs");
    world.fetches = Fetches { submodules: false, lfs: true };
    world
}

/// What git has in the place of a file, and the file's name on the server.
fn pointer(content: &str) -> (String, String) {
    let oid: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = content.len();
    let text =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
    (text, oid)
}

/// Has the server keep a file for a repository.
fn keep(world: &World, name: &str, content: &str) -> String {
    let (text, oid) = pointer(content);
    let folder = world.repositories.root().join(format!("{name}.lfs"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(oid), content).unwrap();
    text
}

const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

#[tokio::test]
async fn files_take_the_place_of_their_pointers_where_that_is_asked_for() {
    let mut world = with_lfs(World::new());
    let (one, two) = (keep(&world, "app", "first"), keep(&world, "app", &"x".repeat(300_000)));
    let files = [
        (".gitattributes", ATTRIBUTES),
        ("a.bin", one.as_str()),
        ("deep/b.bin", &two),
        ("text", &one),
    ];
    drop(world.repository("app", &files));
    let fetched = world.fetch("app", DEFAULT).await.unwrap();
    assert_eq!(fetched.read("a.bin"), "first");
    assert_eq!(fetched.read("deep/b.bin").len(), 300_000);
    assert_eq!(fetched.read("text"), one, "what the repository does not give to LFS stays");
    world.fetches.lfs = false;
    assert_eq!(world.fetch("app", DEFAULT).await.unwrap().read("a.bin"), one);
}

#[tokio::test]
async fn private_files_are_reached_with_the_repositorys_token() {
    let canary = "canary-77ab";
    let world = with_lfs(World::private(canary));
    let one = keep(&world, "app", "first");
    drop(world.repository("app", &[(".gitattributes", ATTRIBUTES), ("a.bin", &one)]));
    let fetched = world.fetch_with("app", DEFAULT, &world.token(canary)).await.unwrap();
    assert_eq!(fetched.read("a.bin"), "first");
    let all = crate::build::tests::secrets::files_below(world.folder.path());
    assert!(!crate::build::tests::secrets::holds(&all, canary));
}

#[tokio::test]
async fn a_file_that_cannot_be_had_fails_the_build_and_says_so() {
    let world = with_lfs(World::new());
    let (missing, oid) = pointer("nobody has it");
    drop(world.repository("app", &[(".gitattributes", ATTRIBUTES), ("a.bin", &missing)]));
    let Err(error) = world.fetch("app", DEFAULT).await else { panic!("it was fetched") };
    assert!(matches!(error, GitError::Lfs { .. }), "{error}");
    assert!(error.to_string().contains("a.bin") || error.to_string().contains(&oid), "{error}");
}

#[tokio::test]
async fn a_repository_sends_git_lfs_nowhere_else() {
    let world = with_lfs(World::new());
    // A folder of this machine has the file, and the repository's own server does not.
    let (text, oid) = pointer("of this machine");
    let local = tempfile::tempdir().unwrap();
    let objects = local.path().join("lfs/objects").join(&oid[..2]).join(&oid[2..4]);
    std::fs::create_dir_all(&objects).unwrap();
    std::fs::write(objects.join(&oid), "of this machine").unwrap();
    git(local.path(), &["init", "-q", "--bare", "."]);
    let other = World::new();
    keep(&other, "app", "of this machine");
    for url in [
        format!("file://{}", local.path().display()),
        format!("{}/app.git/info/lfs", other.server.url()),
    ] {
        let config = format!(
            "[lfs]\n\turl = {url}\n\tstandalonetransferagent = evil\n[lfs \"customtransfer.evil\"]\n\
             \tpath = touch\n\targs = pwned\n"
        );
        let name = format!("app-{}", url.len());
        let files = [(".gitattributes", ATTRIBUTES), (".lfsconfig", &config), ("a.bin", &text)];
        drop(world.repository(&name, &files));
        let Err(error) = world.fetch(&name, DEFAULT).await else { panic!("{url} was used") };
        assert!(matches!(error, GitError::Lfs { .. }), "{error}");
    }
    assert_eq!(other.server.requests(), 0);
}

#[tokio::test]
async fn without_the_program_it_is_said_what_to_install() {
    let mut world = World::new();
    drop(world.repository("app", &[("main", "app")]));
    // Git and what it needs, but no git-lfs.
    let bin = tempfile::tempdir().unwrap();
    let path = std::env::split_paths(&world.settings.path);
    let git = path.map(|folder| folder.join("git")).find(|git| git.is_file()).unwrap();
    std::os::unix::fs::symlink(git, bin.path().join("git")).unwrap();
    world.settings.path = bin.path().as_os_str().to_owned();
    world.fetches.lfs = true;
    let Err(error) = world.fetch("app", DEFAULT).await else { panic!("it was fetched") };
    assert!(matches!(error, GitError::NoLfs), "{error}");
    assert!(error.to_string().contains("install git-lfs"), "{error}");
}
