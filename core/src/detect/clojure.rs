//! Apps of Clojure, by Leiningen or by a build program of their own.

use super::images;
use super::java;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use crate::rejection::Rejection;

/// Finds out how an app of Clojure is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let by_leiningen = repo.has("project.clj");
    let by_tools = repo.has("deps.edn") && repo.has("build.clj");
    if !by_leiningen && !by_tools {
        return Ok(None);
    }
    let (line, why) = versions::choose(&images::JAVA, java::wish(repo)?.as_ref())?;
    let (manifest, manager, build, with) = if by_leiningen {
        ("project.clj", "leiningen", "lein uberjar", "lein")
    } else {
        ("build.clj", "tools.build", "clojure -T:build uber", "tools-deps")
    };
    let mut recipe = Recipe::new("java", images::clojure(line.line, with), line.run);
    recipe.versions.push(("java", line.line.to_owned()));
    recipe.manager = Some(manager);
    recipe.framework = Some("Clojure");
    recipe.because(format!("{manifest} is there"));
    recipe.because(why);
    recipe.packages(&["git", "ca-certificates"], &[]);
    recipe.build.push(Run::own(build).cached(&["/root/.m2", "/root/.gitlibs"]).of_app());
    recipe.finish.push(java::take("target", "jar"));
    recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
    recipe.because("/app/app.jar is what it builds");
    recipe.start = Some(java::start("", "/app/app.jar"));
    Ok(Some(recipe))
}
