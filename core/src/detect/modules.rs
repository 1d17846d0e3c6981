//! Apps in a folder of a larger build by Maven or Gradle: what is built is the part that is theirs, from where
//! the root of that build is, with its wrapper and with the other parts that they need.

use super::repo::Repo;
use super::texts::{GRADLE_SETTINGS, gradle_above, maven_above};
use super::words;
use crate::rejection::Rejection;

/// A build that an app is a part of.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    /// Its root.
    pub(super) root: Repo<'a>,
    /// The folder of the app in it.
    pub(super) inside: String,
}

impl<'a> Whole<'a> {
    fn new(repo: &Repo<'a>, above: &'a str) -> Result<Self, Rejection> {
        let inside = words::path(below(repo.folder, above), "build_context")?;
        Ok(Self { root: Repo { folder: above, ..*repo }, inside })
    }
}

/// The build of Maven whose root has the folder for a module, or has one that has it.
pub(super) fn of_maven<'a>(repo: &Repo<'a>) -> Result<Option<Whole<'a>>, Rejection> {
    let (mut part, mut whole) = (repo.folder, None);
    for above in maven_above(repo.files, repo.folder) {
        let manifest = Repo { folder: above, ..*repo }.texts_of("pom.xml");
        if has_module(manifest, below(part, above)) {
            part = above;
            whole = Some(above);
        }
    }
    whole.map(|above| Whole::new(repo, above)).transpose()
}

/// The build of Gradle whose settings name the folder as a project.
pub(super) fn of_gradle<'a>(repo: &Repo<'a>) -> Result<Option<Whole<'a>>, Rejection> {
    let Some(above) = gradle_above(repo.files, repo.folder) else { return Ok(None) };
    let root = Repo { folder: above, ..*repo };
    let project = below(repo.folder, above).replace('/', ":");
    let named = GRADLE_SETTINGS.iter().any(|name| names_project(root.texts_of(name), &project));
    named.then(|| Whole::new(repo, above)).transpose()
}

/// The path of a folder in one above it.
fn below<'p>(folder: &'p str, above: &str) -> &'p str {
    folder.get(above.len()..).unwrap_or_default().trim_start_matches('/')
}

/// Whether a `pom.xml` lists a folder under `modules`. One that only a profile has is not built by itself.
fn has_module(manifest: &str, folder: &str) -> bool {
    let Ok(project) = roxmltree::Document::parse(manifest) else { return false };
    let root = project.root_element();
    let modules = root.children().filter(|node| node.tag_name().name() == "modules");
    modules.flat_map(|node| node.children()).filter_map(|node| node.text()).any(|text| {
        let module = text.trim().trim_start_matches("./").trim_end_matches('/');
        module.strip_suffix("/pom.xml").unwrap_or(module) == folder
    })
}

/// Whether settings of Gradle include a project: `include("a:b")`, `include ':a', ':b'`.
fn names_project(settings: &str, project: &str) -> bool {
    let lines = settings.lines().filter(|line| !line.contains("rootProject.name"));
    let mut words = lines.flat_map(|line| line.split(['"', '\'']));
    settings.contains("include") && words.any(|word| word.trim_start_matches(':') == project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_one_that_is_listed() {
        let manifest = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modules>\n  <module>core</module>\n  \
                        <module>./apps/web/</module><module>own/pom.xml</module></modules>\n<profiles><profile>\
                        <modules><module>late</module></modules></profile></profiles></project>";
        let rows =
            [("core", true), ("apps/web", true), ("own", true), ("late", false), ("web", false)];
        for (folder, is_one) in rows {
            assert_eq!(has_module(manifest, folder), is_one, "{folder}");
        }
        assert!(!has_module("no xml", "core"));
    }

    #[test]
    fn a_project_is_one_that_is_included() {
        let rows = [
            ("include(\"app\", \"libs:core\")", "app", true),
            ("include(\"app\", \"libs:core\")", "libs:core", true),
            ("include ':app'\n", "app", true),
            ("include(\n  \"app\",\n)", "app", true),
            ("rootProject.name = \"app\"\ninclude(\"other\")", "app", false),
            ("rootProject.name = 'shop'", "app", false),
            ("", "app", false),
        ];
        for (settings, project, is_one) in rows {
            assert_eq!(names_project(settings, project), is_one, "{settings}");
        }
    }
}
