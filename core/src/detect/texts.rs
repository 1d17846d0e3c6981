//! The few files whose contents decide something, and what was read of them.
//!
//! Nothing is read here: [`wanted`] names the files, whoever has the checkout reads as much of each
//! as is asked for, and hands in [`FileTexts`].

use std::collections::BTreeMap;

use super::alone;
use super::listing::FileListing;
use crate::names::RepositoryPath;
use crate::source::BuildSettings;

/// The most files that are asked for.
pub const MOST_WANTED: usize = 96;
/// The most bytes of a file that is read as a whole.
pub const MOST_TEXT_BYTES: usize = 1024 * 1024;
/// The bytes at a file's beginning that are enough where only its form is in question.
const HEAD_BYTES: usize = 1024;

/// Files that say something wherever they lie at the root of what is built.
pub(super) const WHOLE: &[&str] = &[
    "hythe.toml",
    "Procfile",
    "nixpacks.toml",
    "nixpacks.json",
    "railpack.json",
    "railway.json",
    "railway.toml",
    "render.yaml",
    "Staticfile",
    "CMakeLists.txt",
    "gleam.toml",
    "package.json",
    ".nvmrc",
    ".node-version",
    ".tool-versions",
    ".npmrc",
    ".eleventy.js",
    "pnpm-workspace.yaml",
    "angular.json",
    "pyproject.toml",
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "Pipfile",
    ".python-version",
    "runtime.txt",
    "manage.py",
    "go.mod",
    "go.work",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain",
    "rust-toolchain.toml",
    "Gemfile",
    ".ruby-version",
    "composer.json",
    "composer.lock",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "gradle/libs.versions.toml",
    "system.properties",
    ".java-version",
    "deno.json",
    "deno.jsonc",
    "Directory.Build.props",
    "mix.exs",
    ".elixir-version",
    "mise.toml",
    ".mise.toml",
    "netlify.toml",
    "Gemfile.lock",
    "config/secrets.yml",
    "_config.yml",
    "hugo.toml",
    "hugo.yaml",
    "hugo.yml",
    "hugo.json",
    "config/_default/hugo.toml",
    "config/_default/hugo.yaml",
    "config/_default/config.toml",
    "config/_default/config.yaml",
    "config.toml",
    "config.yaml",
    "config.yml",
    "zola.toml",
    "book.toml",
    "build.sbt",
    "project/plugins.sbt",
    "shard.yml",
    "pubspec.yaml",
    "Package.swift",
];
/// Settings of tools that come in several languages.
const CONFIGS: &[&str] = &[
    "next.config",
    "nuxt.config",
    "svelte.config",
    "astro.config",
    "vite.config",
    "react-router.config",
    "remix.config",
    "eleventy.config",
];
/// The languages they come in.
pub(super) const CONFIG_ENDINGS: &[&str] = &["js", "mjs", "cjs", "ts", "mts"];
/// Files of which the beginning is enough.
const HEADS: &[&str] = &["pnpm-lock.yaml", "yarn.lock"];
/// Locks of package managers of JavaScript.
const LOCKS: &[&str] = &[
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "yarn.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
];
/// What is read at the root of a workspace for a part of it.
const OF_WORKSPACE: &[&str] = &[
    "package.json",
    "pnpm-workspace.yaml",
    ".npmrc",
    ".nvmrc",
    ".node-version",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
];
/// Scripts of Gradle, by which it knows a project.
pub(super) const GRADLE_SCRIPTS: &[&str] = &["build.gradle.kts", "build.gradle"];
/// Where Gradle has it that a build has several.
pub(super) const GRADLE_SETTINGS: &[&str] = &["settings.gradle.kts", "settings.gradle"];
/// The most folders above another one that are looked at for what a build is a part of.
const MOST_ABOVE: usize = 4;
/// What is read of them, where it is there.
const OF_CRATES: &[&str] = &["Cargo.toml", "Cargo.lock"];
const OF_UV: &[&str] = &["pyproject.toml", ".python-version"];
const OF_MAVEN: &[&str] =
    &["pom.xml", "system.properties", ".java-version", ".tool-versions", "mise.toml", ".mise.toml"];
const OF_GRADLE: &[&str] = &[
    "settings.gradle.kts",
    "settings.gradle",
    "build.gradle.kts",
    "build.gradle",
    "gradle/libs.versions.toml",
    "system.properties",
    ".java-version",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
];
/// Where Python programs begin.
pub(super) const PYTHON_ENTRIES: &[&str] = &[
    "main.py",
    "app.py",
    "server.py",
    "wsgi.py",
    "asgi.py",
    "application.py",
    "run.py",
    "api.py",
    "index.py",
    "bot.py",
    "streamlit_app.py",
    "hello.py",
    "Home.py",
    "Hello.py",
    "app/main.py",
    "app/app.py",
    "app/__init__.py",
    "src/main.py",
    "src/app.py",
    "api/main.py",
    "api/index.py",
    "backend/main.py",
];
/// The same one folder below, in a package of whatever name.
const PYTHON_IN_PACKAGE: &[&str] = &["main.py", "app.py", "server.py", "__init__.py"];
/// Folders of what is about an app rather than the app.
const PYTHON_BESIDE: &[&str] =
    &["benchmarks", "demo", "docs", "example", "examples", "scripts", "test", "tests", "tools"];
/// Folders in which programs of JavaScript begin, with their names and endings.
const PROGRAM_FOLDERS: &[&str] = &["", "src/", "server/", "api/"];
const PROGRAM_NAMES: &[&str] = &["server", "index", "app", "main"];
const PROGRAM_ENDINGS: &[&str] = &["js", "mjs", "cjs", "ts", "mts", "tsx"];
/// Where programs of other languages begin.
const PROGRAMS: &[&str] = &[
    "main.go",
    "server.go",
    "app.go",
    "bin/server.dart",
    "bin/main.dart",
    "src/main.rs",
    "server.rb",
    "app.rb",
    "main.rb",
    "web.rb",
    "main.cpp",
    "main.cc",
    "main.cxx",
    "main.c",
    "src/main.cpp",
    "src/main.cc",
    "src/main.cxx",
    "src/main.c",
];
/// The most bytes of a program that is read: one that has more is written by a program, too.
const MOST_PROGRAM_BYTES: usize = 128 * 1024;
/// Endings of files that are wanted at the root, or one or two folders below it.
const BY_ENDING: &[&str] = &[
    "/settings.py",
    "/manage.py",
    "/Cargo.toml",
    ".csproj",
    ".fsproj",
    "/wsgi.py",
    "/settings/base.py",
    "/build.gradle",
    "/build.gradle.kts",
    "/package.json",
    "/angular.json",
];

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its path from the root of the repository.
    pub path: String,
    /// How many bytes of it.
    pub most_bytes: usize,
    /// Whether its beginning is enough; otherwise one that has more is [`FileText::TooLarge`].
    pub head: bool,
}

/// What there was to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileText {
    /// Its text, or the beginning where that was asked for.
    Text(String),
    /// It has more bytes than were asked for.
    TooLarge,
    /// It is no text, cannot be read, or is a link that leads out of the repository.
    Unreadable,
}

impl FileText {
    /// What bytes are as a text: UTF-8, or UTF-16 where its mark begins them, as some programs of Windows
    /// write lists of packages. A `head` may end within a character.
    #[must_use]
    pub fn of(bytes: &[u8], head: bool) -> Self {
        type Unit = fn([u8; 2]) -> u16;
        let marked: Option<(&[u8], Unit)> = match bytes {
            [0xff, 0xfe, rest @ ..] => Some((rest, u16::from_le_bytes)),
            [0xfe, 0xff, rest @ ..] => Some((rest, u16::from_be_bytes)),
            _ => None,
        };
        if let Some((rest, unit)) = marked.filter(|(rest, _)| !rest.is_empty()) {
            let pairs = rest.chunks_exact(2);
            let whole = head || pairs.remainder().is_empty();
            let units = pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(unit);
            let text = String::from_utf16(&units.collect::<Vec<u16>>()).ok().filter(|_| whole);
            return text.map_or(Self::Unreadable, Self::Text);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) if head => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            Err(_) => Self::Unreadable,
        }
    }
}

/// What was read, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTexts(pub(super) BTreeMap<String, FileText>);

impl FileTexts {
    /// What was read of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&FileText> {
        self.0.get(path)
    }
}

impl<S: Into<String>> FromIterator<(S, FileText)> for FileTexts {
    fn from_iter<I: IntoIterator<Item = (S, FileText)>>(texts: I) -> Self {
        Self(texts.into_iter().map(|(path, text)| (path.into(), text)).collect())
    }
}

/// The files to read before [`super::detect`] can choose: at most [`MOST_WANTED`].
#[must_use]
pub fn wanted(files: &FileListing, settings: &BuildSettings) -> Vec<Wanted> {
    let alone = alone::settings(files, settings);
    let settings = alone.as_ref().unwrap_or(settings);
    let folder = settings.context.as_ref().map_or("", RepositoryPath::as_str);
    let at = |name: &str| {
        if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
    };
    let configs = CONFIGS
        .iter()
        .flat_map(|name| CONFIG_ENDINGS.iter().map(move |ending| format!("{name}.{ending}")));
    let named = WHOLE.iter().chain(PYTHON_ENTRIES).map(|name| (*name).to_owned()).chain(configs);
    let below = files.files_below(folder).filter(|path| {
        path.matches('/').count() <= 2
            && (BY_ENDING.iter().any(|ending| path.ends_with(ending)) || is_config(path))
            && !path.contains("node_modules/")
    });
    let in_packages = files.files_below(folder).filter(|path| python_package(path).is_some());
    let whole = named
        .filter(|name| files.has_file(&at(name)))
        .chain(below.chain(in_packages).map(str::to_owned))
        .map(|name| Wanted { path: at(&name), most_bytes: MOST_TEXT_BYTES, head: false });
    let heads = HEADS.iter().filter(|name| files.has_file(&at(name))).map(|name| Wanted {
        path: at(name),
        most_bytes: HEAD_BYTES,
        head: true,
    });
    let programs = PROGRAM_FOLDERS.iter().flat_map(|folder| {
        PROGRAM_NAMES.iter().flat_map(move |name| {
            PROGRAM_ENDINGS.iter().map(move |ending| format!("{folder}{name}.{ending}"))
        })
    });
    let programs = programs.chain(PROGRAMS.iter().map(|name| (*name).to_owned()));
    let programs = programs.filter(|name| files.has_file(&at(name)));
    let programs_below = files.files_below(folder).filter(|path| is_program_below(path));
    let programs = programs.chain(programs_below.map(str::to_owned)).map(|name| Wanted {
        path: at(&name),
        most_bytes: MOST_PROGRAM_BYTES,
        head: false,
    });
    let above =
        workspace_above(files, folder).into_iter().flat_map(|above| of_workspace(files, above));
    let builds = crates_above(files, folder)
        .map(|above| (above, OF_CRATES))
        .into_iter()
        .chain(uv_above(files, folder).map(|above| (above, OF_UV)))
        .chain(gradle_above(files, folder).map(|above| (above, OF_GRADLE)))
        .chain(maven_above(files, folder).map(|above| (above, OF_MAVEN)));
    let builds =
        builds.flat_map(|(above, names)| names.iter().map(move |name| within(above, name)));
    let builds = builds.filter(|path| files.has_file(path)).map(|path| Wanted {
        path,
        most_bytes: MOST_TEXT_BYTES,
        head: false,
    });
    let above = above.chain(builds);
    let mut wanted: Vec<Wanted> =
        heads.chain(above).chain(whole).chain(programs).take(MOST_WANTED).collect();
    wanted.sort_by(|one, other| one.path.cmp(&other.path));
    wanted.dedup_by(|one, other| one.path == other.path);
    wanted
}

/// The folder of a workspace of JavaScript that another folder may be a part of: the nearest above it with a
/// `package.json` and what a whole workspace has, where it has no lock itself.
pub(super) fn workspace_above<'f>(files: &FileListing, folder: &'f str) -> Option<&'f str> {
    let has = |of: &str, name: &str| files.has_file(&within(of, name));
    if !has(folder, "package.json") || LOCKS.iter().any(|lock| has(folder, lock)) {
        return None;
    }
    let mut above = folder;
    while !above.is_empty() {
        above = above.rsplit_once('/').map_or("", |(above, _)| above);
        if has(above, "package.json") {
            let whole = ["pnpm-workspace.yaml"].iter().chain(LOCKS).any(|name| has(above, name));
            return whole.then_some(above);
        }
    }
    None
}

/// The nearest folder above another one that has a `Cargo.toml` where that has one, too.
pub(super) fn crates_above<'f>(files: &'f FileListing, folder: &'f str) -> Option<&'f str> {
    let own = files.has_file(&within(folder, "Cargo.toml"));
    above_with(files, folder, &["Cargo.toml"]).next().filter(|_| own)
}

/// The same with a `pyproject.toml`, where no lock is beside the folder's own.
pub(super) fn uv_above<'f>(files: &'f FileListing, folder: &'f str) -> Option<&'f str> {
    let has = |name: &str| files.has_file(&within(folder, name));
    let locks = ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"];
    let own = has("pyproject.toml") && !locks.into_iter().any(has);
    above_with(files, folder, &["pyproject.toml"]).next().filter(|_| own)
}

/// The nearest folder above a project of Gradle whose build has several.
pub(super) fn gradle_above<'f>(files: &'f FileListing, folder: &'f str) -> Option<&'f str> {
    let has = |names: &[&str]| names.iter().any(|name| files.has_file(&within(folder, name)));
    let own = has(GRADLE_SCRIPTS) && !has(GRADLE_SETTINGS);
    above_with(files, folder, GRADLE_SETTINGS).next().filter(|_| own)
}

/// The folders above a module of Maven that are modules themselves, or the root of them.
pub(super) fn maven_above<'f>(
    files: &'f FileListing,
    folder: &'f str,
) -> impl Iterator<Item = &'f str> {
    let own = files.has_file(&within(folder, "pom.xml"));
    above_with(files, folder, &["pom.xml"]).filter(move |_| own)
}

/// The folders above another one that have one of these files, the nearest first.
fn above_with<'f>(
    files: &'f FileListing,
    folder: &'f str,
    names: &'static [&'static str],
) -> impl Iterator<Item = &'f str> {
    let next = |at: &&'f str| match at.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => (!at.is_empty()).then_some(""),
    };
    let above = std::iter::successors(Some(folder), next).skip(1);
    let has = move |of: &&'f str| names.iter().any(|name| files.has_file(&within(of, name)));
    above.filter(has).take(MOST_ABOVE)
}

/// A path of the repository by its path in a folder.
fn within(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// What says of a workspace how it is installed.
fn of_workspace<'f>(files: &'f FileListing, folder: &'f str) -> impl Iterator<Item = Wanted> + 'f {
    let whole = OF_WORKSPACE.iter().map(|name| (name, MOST_TEXT_BYTES, false));
    let heads = HEADS.iter().map(|name| (name, HEAD_BYTES, true));
    let there = heads.chain(whole).map(move |(name, most_bytes, head)| Wanted {
        path: within(folder, name),
        most_bytes,
        head,
    });
    there.filter(move |wanted| files.has_file(&wanted.path))
}

/// The package that a Python program may begin in with this file.
pub(super) fn python_package(path: &str) -> Option<&str> {
    let (package, file) = path.split_once('/')?;
    let fine = PYTHON_IN_PACKAGE.contains(&file) && !PYTHON_BESIDE.contains(&package);
    fine.then_some(package)
}

/// Whether a program may begin in a file one or two folders below.
fn is_program_below(path: &str) -> bool {
    let depth = path.matches('/').count();
    let of_script = |file: &str| {
        let Some((name, ending)) = file.rsplit_once('.') else { return false };
        PROGRAM_NAMES.contains(&name) && PROGRAM_ENDINGS.contains(&ending)
    };
    match path.rsplit_once('/') {
        Some((folder, "main.go")) => depth <= 2 && !folder.starts_with("vendor"),
        Some((_, "main.rs")) => depth <= 3 && path.ends_with("/src/main.rs"),
        Some(("src/bin", file)) => file.ends_with(".rs"),
        Some(("src", file)) if file.ends_with(".gleam") => true,
        // Of a workspace's apps.
        Some((folder, file)) if depth == 2 => {
            let apart = ["apps/", "packages/", "services/"];
            apart.iter().any(|of| folder.starts_with(of)) && of_script(file)
        }
        Some(_) | None => false,
    }
}

/// Whether it is one of [`CONFIGS`], in whatever folder.
fn is_config(path: &str) -> bool {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.rsplit_once('.')
        .is_some_and(|(name, ending)| CONFIGS.contains(&name) && CONFIG_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_windows_is_read_and_what_is_none_is_not() {
        let text = |text: &str| FileText::Text(text.to_owned());
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(*b"f\0l\0").collect();
        let rows: &[(&[u8], bool, FileText)] = &[
            (b"flask", false, text("flask")),
            (&little, false, text("fl")),
            (b"\xfe\xff\0f\0l", false, text("fl")),
            (&little[..5], false, FileText::Unreadable),
            (&little[..5], true, text("f")),
            (b"\xff\xfe", false, FileText::Unreadable),
            (b"\xff\xfe\0\xd8", false, FileText::Unreadable),
            (b"a\xc3", true, text("a\u{fffd}")),
            (b"a\xc3", false, FileText::Unreadable),
        ];
        for (bytes, head, expected) in rows {
            assert_eq!(&FileText::of(bytes, *head), expected, "{bytes:?}");
        }
    }
}
