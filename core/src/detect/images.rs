//! All base images, in one table: which line of a language is built with what and runs on what.
//!
//! Tags name a line and a distribution, so that a line's security fixes arrive without a change
//! here, and nothing else does. The first line of each language is what apps get that name none.

use serde::{Deserialize, Serialize};

/// One line of a language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Such as `22` or `3.13`.
    pub(super) line: &'static str,
    /// What it is built with.
    pub(super) build: &'static str,
    /// What it runs on.
    pub(super) run: &'static str,
}

/// A language with its lines.
#[derive(Debug)]
pub(super) struct Language {
    /// As people write it.
    pub(super) name: &'static str,
    /// What apps get that name none.
    usual: Line,
    /// All of them, newest first.
    pub(super) lines: &'static [Line],
}

/// What one version is built with and runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Images {
    /// The line, or a version of it.
    pub(super) version: String,
    /// What it is built with.
    pub(super) build: String,
    /// What it runs on.
    pub(super) run: String,
}

impl Line {
    /// The images of whatever is the newest of the line.
    pub(super) fn newest(&self) -> Images {
        let Self { line, build, run } = *self;
        Images { version: line.to_owned(), build: build.to_owned(), run: run.to_owned() }
    }

    /// The images of one version of the line, which the tags of official images have in its place.
    pub(super) fn only(&self, version: &str) -> Images {
        let further = version.strip_prefix(self.line).unwrap_or_default();
        let further: Vec<u32> =
            further.split('.').filter_map(|number| number.parse().ok()).collect();
        let image = |image: &str| {
            let old = FIRST_ON_BOOKWORM
                .iter()
                .any(|(line, first)| image.starts_with(line) && further.as_slice() < *first);
            let image = image.replacen(&format!(":{}-", self.line), &format!(":{version}-"), 1);
            if old { image.replace("bookworm", "bullseye") } else { image }
        };
        Images { version: version.to_owned(), build: image(self.build), run: image(self.run) }
    }
}

/// Lines that are older than Debian's bookworm, with the first version of each that there is on it;
/// those before it are on bullseye.
const FIRST_ON_BOOKWORM: &[(&str, &[u32])] = &[
    ("node:20-", &[3, 1]),
    ("node:18-", &[16, 1]),
    ("node:16-", &[20, 1]),
    ("python:3.11-", &[4]),
    ("python:3.10-", &[12]),
    ("python:3.9-", &[17]),
    ("python:3.8-", &[17]),
    ("ruby:3.2-", &[2]),
    ("ruby:3.1-", &[4]),
    ("php:8.2-", &[8]),
    ("php:8.1-", &[21]),
];

impl Language {
    pub(super) fn usual(&'static self) -> &'static Line {
        &self.usual
    }
}

const fn same(line: &'static str, image: &'static str) -> Line {
    Line { line, build: image, run: image }
}

const fn two(line: &'static str, build: &'static str, run: &'static str) -> Line {
    Line { line, build, run }
}

/// Runs programs that bring everything with them.
pub(super) const DEBIAN: &str = "debian:bookworm-slim";
/// Serves static files.
pub(super) const BUSYBOX: &str = "busybox:1.37";
/// Builds and runs what is written in Gleam: what is built is of the Erlang that it was built with.
pub(super) const GLEAM: &str = "ghcr.io/gleam-lang/gleam:v1.13.0-erlang-slim";
/// Builds pages of Flutter.
pub(super) const FLUTTER: &str = "ghcr.io/cirruslabs/flutter:3.35.7";
/// Has Composer, PHP's package manager.
pub(super) const COMPOSER: &str = "composer:2";
/// Has the program that puts extensions into PHP's images.
pub(super) const PHP_EXTENSIONS: &str = "mlocati/php-extension-installer:2";

pub(super) const NODE: Language = Language {
    name: "Node",
    usual: same("24", "node:24-bookworm-slim"),
    // Those that were never supported for long come last: only for who wants just them.
    lines: &[
        same("26", "node:26-bookworm-slim"),
        same("24", "node:24-bookworm-slim"),
        same("22", "node:22-bookworm-slim"),
        same("20", "node:20-bookworm-slim"),
        same("18", "node:18-bookworm-slim"),
        same("16", "node:16-bookworm-slim"),
        same("14", "node:14-bullseye-slim"),
        same("25", "node:25-bookworm-slim"),
        same("23", "node:23-bookworm-slim"),
        same("21", "node:21-bookworm-slim"),
        same("19", "node:19-bullseye-slim"),
        same("17", "node:17-bullseye-slim"),
        same("12", "node:12-bullseye-slim"),
    ],
};
pub(super) const BUN: Language = Language {
    name: "Bun",
    usual: same("1.3", "oven/bun:1.3-slim"),
    lines: &[
        same("1.3", "oven/bun:1.3-slim"),
        same("1.2", "oven/bun:1.2-slim"),
        same("1.1", "oven/bun:1.1-slim"),
    ],
};
pub(super) const DENO: Language = Language {
    name: "Deno",
    usual: same("2", "denoland/deno:2.5.4"),
    lines: &[same("2", "denoland/deno:2.5.4"), same("1", "denoland/deno:1.46.3")],
};
pub(super) const PYTHON: Language = Language {
    name: "Python",
    usual: same("3.13", "python:3.13-slim-bookworm"),
    lines: &[
        same("3.14", "python:3.14-slim-bookworm"),
        same("3.13", "python:3.13-slim-bookworm"),
        same("3.12", "python:3.12-slim-bookworm"),
        same("3.11", "python:3.11-slim-bookworm"),
        same("3.10", "python:3.10-slim-bookworm"),
        same("3.9", "python:3.9-slim-bookworm"),
        same("3.8", "python:3.8-slim-bookworm"),
    ],
};
pub(super) const GO: Language = Language {
    name: "Go",
    usual: two("1.25", "golang:1.25-bookworm", DEBIAN),
    lines: &[
        two("1.25", "golang:1.25-bookworm", DEBIAN),
        two("1.24", "golang:1.24-bookworm", DEBIAN),
        two("1.23", "golang:1.23-bookworm", DEBIAN),
        two("1.19", "golang:1.19-bookworm", DEBIAN),
    ],
};
pub(super) const RUST: Language = Language {
    name: "Rust",
    usual: two("1", "rust:1-bookworm", DEBIAN),
    lines: &[two("1", "rust:1-bookworm", DEBIAN)],
};
pub(super) const RUBY: Language = Language {
    name: "Ruby",
    usual: two("3.4", "ruby:3.4-bookworm", "ruby:3.4-slim-bookworm"),
    lines: &[
        two("4.0", "ruby:4.0-bookworm", "ruby:4.0-slim-bookworm"),
        two("3.4", "ruby:3.4-bookworm", "ruby:3.4-slim-bookworm"),
        two("3.3", "ruby:3.3-bookworm", "ruby:3.3-slim-bookworm"),
        two("3.2", "ruby:3.2-bookworm", "ruby:3.2-slim-bookworm"),
        two("3.1", "ruby:3.1-bookworm", "ruby:3.1-slim-bookworm"),
        two("3.0", "ruby:3.0-bullseye", "ruby:3.0-slim-bullseye"),
        two("2.7", "ruby:2.7-bullseye", "ruby:2.7-slim-bullseye"),
    ],
};
pub(super) const PHP: Language = Language {
    name: "PHP",
    usual: same("8.4", "php:8.4-apache-bookworm"),
    lines: &[
        same("8.4", "php:8.4-apache-bookworm"),
        same("8.3", "php:8.3-apache-bookworm"),
        same("8.2", "php:8.2-apache-bookworm"),
        same("8.1", "php:8.1-apache-bookworm"),
        same("8.0", "php:8.0-apache-bullseye"),
        same("7.4", "php:7.4-apache-bullseye"),
    ],
};
pub(super) const JAVA: Language = Language {
    name: "Java",
    usual: two("21", "eclipse-temurin:21-jdk", "eclipse-temurin:21-jre"),
    lines: &[
        two("25", "eclipse-temurin:25-jdk", "eclipse-temurin:25-jre"),
        two("21", "eclipse-temurin:21-jdk", "eclipse-temurin:21-jre"),
        two("17", "eclipse-temurin:17-jdk", "eclipse-temurin:17-jre"),
        two("11", "eclipse-temurin:11-jdk", "eclipse-temurin:11-jre"),
        two("8", "eclipse-temurin:8-jdk", "eclipse-temurin:8-jre"),
        two("24", "eclipse-temurin:24-jdk", "eclipse-temurin:24-jre"),
        two("23", "eclipse-temurin:23-jdk", "eclipse-temurin:23-jre"),
        two("22", "eclipse-temurin:22-jdk", "eclipse-temurin:22-jre"),
    ],
};
pub(super) const DOTNET: Language = Language {
    name: ".NET",
    usual: two("8", "mcr.microsoft.com/dotnet/sdk:8.0", "mcr.microsoft.com/dotnet/aspnet:8.0"),
    lines: &[
        two("10", "mcr.microsoft.com/dotnet/sdk:10.0", "mcr.microsoft.com/dotnet/aspnet:10.0"),
        two("9", "mcr.microsoft.com/dotnet/sdk:9.0", "mcr.microsoft.com/dotnet/aspnet:9.0"),
        two("8", "mcr.microsoft.com/dotnet/sdk:8.0", "mcr.microsoft.com/dotnet/aspnet:8.0"),
        two("7", "mcr.microsoft.com/dotnet/sdk:7.0", "mcr.microsoft.com/dotnet/aspnet:7.0"),
        two("6", "mcr.microsoft.com/dotnet/sdk:6.0", "mcr.microsoft.com/dotnet/aspnet:6.0"),
        two("5", "mcr.microsoft.com/dotnet/sdk:5.0", "mcr.microsoft.com/dotnet/aspnet:5.0"),
        two("3.1", "mcr.microsoft.com/dotnet/sdk:3.1", "mcr.microsoft.com/dotnet/aspnet:3.1"),
    ],
};
pub(super) const ELIXIR: Language = Language {
    name: "Elixir",
    usual: same("1.18", "elixir:1.18-slim"),
    lines: &[
        same("1.19", "elixir:1.19-slim"),
        same("1.18", "elixir:1.18-slim"),
        same("1.17", "elixir:1.17-slim"),
        same("1.16", "elixir:1.16-slim"),
        same("1.15", "elixir:1.15-slim"),
    ],
};

pub(super) const CRYSTAL: Language = Language {
    name: "Crystal",
    usual: two("1.15", "crystallang/crystal:1.15.1-alpine", DEBIAN),
    lines: &[
        two("1.15", "crystallang/crystal:1.15.1-alpine", DEBIAN),
        two("1.14", "crystallang/crystal:1.14.1-alpine", DEBIAN),
    ],
};
pub(super) const DART: Language = Language {
    name: "Dart",
    usual: two("3", "dart:3", DEBIAN),
    lines: &[two("3", "dart:3", DEBIAN)],
};
pub(super) const SWIFT: Language = Language {
    name: "Swift",
    usual: two("6.1", "swift:6.1-bookworm", DEBIAN),
    lines: &[two("6.1", "swift:6.1-bookworm", DEBIAN), two("6.0", "swift:6.0-bookworm", DEBIAN)],
};

/// Clojure for a line of Java, with what builds it.
pub(super) fn clojure(line: &str, with: &str) -> String {
    format!("clojure:temurin-{line}-{with}-bookworm-slim")
}

/// Serves archives of servlets, on a line of Java: those of the time when their packages were `javax`, and later ones.
pub(super) fn tomcat(line: &str, of_old: bool) -> String {
    let own = if of_old || matches!(line, "8" | "11") { 9 } else { 11 };
    format!("tomcat:{own}-jre{line}")
}

/// Maven and Gradle for a line of Java, where a project does not bring them.
pub(super) fn maven(line: &str) -> String {
    format!("maven:3.9-eclipse-temurin-{line}")
}

/// See [`maven`].
pub(super) fn gradle(line: &str) -> String {
    // The eighth runs on no newer Java than 24.
    let of_gradle = if line == "25" { 9 } else { 8 };
    format!("gradle:{of_gradle}-jdk{line}")
}

/// Tools that are installed into a build, each at one version.
pub(super) mod tools {
    /// Newest first, each with the form of the lock that it writes.
    pub(in crate::detect) const PNPM: &[(&str, &str)] =
        &[("9", "10.33.0"), ("9", "9.15.9"), ("6", "8.15.9"), ("5", "7.33.7")];
    pub(in crate::detect) const YARN: &str = "1.22.22";
    pub(in crate::detect) const YARN_BERRY: &str = "4.9.2";
    pub(in crate::detect) const BUN: &str = "1.3.0";
    pub(in crate::detect) const UV: &str = "0.9.5";
    pub(in crate::detect) const POETRY: &str = "2.2.1";
    pub(in crate::detect) const PIPENV: &str = "2025.0.4";
    pub(in crate::detect) const PDM: &str = "2.25.9";
    pub(in crate::detect) const MKDOCS: &str = "1.6.1";
    pub(in crate::detect) const MKDOCS_MATERIAL: &str = "9.6.14";
    pub(in crate::detect) const JEKYLL: &str = "4.4.1";
    pub(in crate::detect) const HUGO: &str = "0.147.9";
    pub(in crate::detect) const ZOLA: &str = "0.20.0";
    pub(in crate::detect) const MDBOOK: &str = "0.4.52";
    pub(in crate::detect) const SBT: &str = "1.10.7";
    pub(in crate::detect) const GUNICORN: &str = "23.0.0";
    pub(in crate::detect) const UVICORN: &str = "0.37.0";
}

/// Where base images come from: their own registries, or one that mirrors them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImages {
    mirror: Option<Mirror>,
}

/// A registry, or a folder of one, that has everyone's images: `registry.example.com/mirror`. At
/// most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Mirror(String);

impl Mirror {
    /// Checks it.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let (host, folders) = text.split_once('/').unwrap_or((text.as_str(), "x"));
        let (host, port) = host.split_once(':').unwrap_or((host, "0"));
        let parts_fine = std::iter::once(host).chain(folders.split('/')).all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(fine)
        });
        if parts_fine && port.parse::<u16>().is_ok() && text.len() <= 200 {
            Ok(Self(text))
        } else {
            Err("is a registry, or a folder of one, without https:// and in lower case, such as \
                 registry.example.com/mirror"
                .to_owned())
        }
    }
}

impl std::str::FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text)
    }
}

impl std::fmt::Display for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Mirror {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

impl BaseImages {
    /// From a mirror; from their own registries where there is none.
    #[must_use]
    pub fn from(mirror: Option<Mirror>) -> Self {
        Self { mirror }
    }

    /// The mirror.
    #[must_use]
    pub fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    /// What an image of the table is called here. In a mirror those of Docker Hub lie where Hub has
    /// them (`library/node`), all others under the name of their registry.
    pub(super) fn name(&self, image: &str) -> String {
        let Some(mirror) = &self.mirror else { return image.to_owned() };
        match image.contains('/') {
            true => format!("{mirror}/{image}"),
            false => format!("{mirror}/library/{image}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Language] =
        &[NODE, BUN, DENO, PYTHON, GO, RUST, RUBY, PHP, JAVA, DOTNET, ELIXIR, CRYSTAL, DART, SWIFT];

    #[test]
    fn what_is_usual_is_one_of_the_lines_and_all_are_pinned() {
        for image in [DEBIAN, BUSYBOX, GLEAM, FLUTTER, COMPOSER, PHP_EXTENSIONS] {
            assert!(image.contains(':') && !image.ends_with(":latest"), "{image}");
        }
        for language in ALL {
            assert!(language.lines.contains(&language.usual), "{}", language.name);
            for line in language.lines {
                assert!(line.build.contains(line.line), "{line:?}");
                for image in [line.build, line.run] {
                    assert!(image.contains(':') && !image.ends_with(":latest"), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn a_version_has_the_tag_of_its_line_on_the_distribution_of_its_time() {
        let rows: &[(&Language, &str, &str, &str)] = &[
            (&RUBY, "3.3.0", "ruby:3.3.0-bookworm", "ruby:3.3.0-slim-bookworm"),
            (&RUBY, "3.2.2", "ruby:3.2.2-bookworm", "ruby:3.2.2-slim-bookworm"),
            (&RUBY, "3.2.1", "ruby:3.2.1-bullseye", "ruby:3.2.1-slim-bullseye"),
            (&NODE, "20.11", "node:20.11-bookworm-slim", "node:20.11-bookworm-slim"),
            (&NODE, "20.2.0", "node:20.2.0-bullseye-slim", "node:20.2.0-bullseye-slim"),
            (&NODE, "18.16.1", "node:18.16.1-bookworm-slim", "node:18.16.1-bookworm-slim"),
            (&PYTHON, "3.11.10", "python:3.11.10-slim-bookworm", "python:3.11.10-slim-bookworm"),
            (&PHP, "8.2.1", "php:8.2.1-apache-bullseye", "php:8.2.1-apache-bullseye"),
            (&ELIXIR, "1.17.3", "elixir:1.17.3-slim", "elixir:1.17.3-slim"),
        ];
        for (language, version, build, run) in rows {
            let line = language.lines.iter().find(|line| version.starts_with(line.line)).unwrap();
            let images = line.only(version);
            assert_eq!((images.build.as_str(), images.run.as_str()), (*build, *run), "{version}");
        }
    }

    #[test]
    fn a_mirror_has_each_image_under_its_own_name() {
        let own = BaseImages::default();
        assert_eq!(own.name("node:24-bookworm-slim"), "node:24-bookworm-slim");
        let mirror = Mirror::new("registry.example.com:5000/mirror").unwrap();
        let mirrored = BaseImages::from(Some(mirror));
        for (image, name) in [
            ("node:24-bookworm-slim", "library/node:24-bookworm-slim"),
            ("oven/bun:1.3-slim", "oven/bun:1.3-slim"),
            ("mcr.microsoft.com/dotnet/sdk:8.0", "mcr.microsoft.com/dotnet/sdk:8.0"),
        ] {
            let name = format!("registry.example.com:5000/mirror/{name}");
            assert_eq!(mirrored.name(image), name);
        }
        for wrong in ["", "https://x", "a b", "x/", "/x", "-x", "x\nRUN id", "X", "a:b", "a//b"] {
            assert!(Mirror::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
