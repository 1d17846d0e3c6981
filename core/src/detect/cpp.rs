//! Programs of C and C++ that CMake builds.

use super::images;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::words::{self, Start};
use crate::rejection::Rejection;

/// What is found by a name, and the packages of the distribution that have it: for the build, for the program.
const LIBRARIES: &[(&str, &[&str], &[&str])] = &[
    ("OpenSSL", &["libssl-dev"], &["libssl3"]),
    ("CURL", &["libcurl4-openssl-dev"], &["libcurl4"]),
    ("PostgreSQL", &["libpq-dev"], &["libpq5"]),
    ("SQLite3", &["libsqlite3-dev"], &["libsqlite3-0"]),
    ("ZLIB", &["zlib1g-dev"], &["zlib1g"]),
    ("Boost", &["libboost-all-dev"], &["libboost-all-dev"]),
];

/// Finds out how a program is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("CMakeLists.txt")? else { return Ok(None) };
    // What others are linked with is no program.
    let Some(program) = program(text) else { return Ok(None) };
    let program = words::name(program, "add_executable in CMakeLists.txt")?;
    let mut recipe = Recipe::new("cpp", images::DEBIAN, images::DEBIAN);
    recipe.manager = Some("cmake");
    recipe.because("CMakeLists.txt is there");
    recipe.because(format!("{program} is its program"));
    // Addons of other languages are built by it, too.
    recipe.sure = false;
    let tools = ["build-essential", "ca-certificates", "cmake", "git", "ninja-build", "pkg-config"];
    recipe.packages(&tools, &["ca-certificates", "libstdc++6"]);
    for (library, build, run) in LIBRARIES {
        if text.contains(&format!("find_package({library}")) {
            recipe.packages(build, run);
            recipe.because(format!("packages of the distribution: {library} is looked for"));
        }
    }
    recipe.build.push(
        Run::own(format!(
            "cmake -S . -B /built -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build /built && \
             mkdir -p /out && cp \"$(find /built -type f -name {program} | head -n 1)\" /out/app"
        ))
        .of_app(),
    );
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    recipe.start = Some(Start::words(&["app"]));
    Ok(Some(recipe))
}

/// The program that is named like the project, or else the first.
fn program(text: &str) -> Option<&str> {
    let first = |call: &'static str| {
        text.split(call).skip(1).filter_map(|rest| {
            let rest = rest.trim_start();
            let end = rest.find([' ', ')', '\n', '\r', '\t'])?;
            rest.get(..end).filter(|name| !name.is_empty())
        })
    };
    let own = first("project(").next()?;
    let programs: Vec<&str> = first("add_executable(").collect();
    let of_own = programs.iter().find(|name| ["${PROJECT_NAME}", own].contains(name));
    match of_own {
        Some(_) => Some(own),
        None => programs.first().copied().filter(|name| !name.contains('$')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_that_is_named_like_the_project() {
        for (text, found) in [
            (
                "project(shop LANGUAGES CXX)\nadd_executable(tool a.cc)\nadd_executable(shop b.cc)",
                Some("shop"),
            ),
            ("project(shop)\nadd_executable(${PROJECT_NAME} main.cc)", Some("shop")),
            ("project(shop)\nadd_executable(server\n  main.cc)", Some("server")),
            ("project(shop)\nadd_library(shop a.cc)", None),
            ("project(shop)\nadd_executable(${NAME} a.cc)", None),
            ("", None),
        ] {
            assert_eq!(program(text), found, "{text}");
        }
    }
}
