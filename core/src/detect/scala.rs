//! Apps of Scala, by sbt.

use super::images::{self, tools};
use super::java;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::Start;
use crate::rejection::Rejection;

/// Takes the one program that was staged, under a name that is known beforehand.
const TAKE: &str = "mkdir -p /out && \
    made=\"$(find . -path '*/target/universal/stage' -type d -prune | head -n 1)\" && \
    test -n \"$made\" && cp -r \"$made/.\" /out/ && \
    cd /out/bin && { [ -e app ] || ln -s \"$(ls | grep -v '[.]bat$' | head -n 1)\" app; }";
const CACHES: &[&str] = &["/root/.cache/coursier", "/root/.ivy2", "/root/.sbt"];
/// Frameworks, by their packages.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("org.playframework", "Play"),
    ("com.typesafe.play", "Play"),
    ("akka-http", "Akka HTTP"),
    ("pekko-http", "Pekko HTTP"),
    ("http4s", "http4s"),
    ("zio-http", "ZIO HTTP"),
    ("\"cask\"", "Cask"),
];

/// Finds out how an app of Scala is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(build) = repo.text("build.sbt")? else { return Ok(None) };
    let plugins = repo.texts_of("project/plugins.sbt");
    let (line, why) = versions::choose(&images::JAVA, java::wish(repo)?.as_ref())?;
    let mut recipe = Recipe::new("java", line.build, line.run);
    recipe.versions.push(("java", line.line.to_owned()));
    recipe.manager = Some("sbt");
    let framework =
        FRAMEWORKS.iter().find(|(package, _)| build.contains(package) || plugins.contains(package));
    recipe.framework = Some(framework.map_or("Scala", |(_, name)| *name));
    recipe.because("build.sbt is there");
    recipe.because(why);
    recipe.packages(&["ca-certificates", "curl"], &[]);
    // Which sbt builds says project/build.properties: whichever is there fetches it.
    let url = format!("https://github.com/sbt/sbt/releases/download/v{0}/sbt-{0}.tgz", tools::SBT);
    recipe.tools.push(Run::own(format!(
        "curl -fsSL -o /tmp/sbt.tgz {url} && tar -xzf /tmp/sbt.tgz -C /opt && rm /tmp/sbt.tgz && \
         ln -s /opt/sbt/bin/sbt /usr/local/bin/sbt"
    )));
    let play = recipe.framework == Some("Play");
    recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
    if play || plugins.contains("sbt-native-packager") {
        recipe.build.push(Run::own("sbt --batch stage").cached(CACHES).of_app());
        recipe.finish.push(Run::own(TAKE));
        recipe.because("it is staged: taken with what it depends on");
        recipe.start = Some(if play {
            let options = "-Dhttp.port=${PORT:-8080} -Dpidfile.path=/dev/null";
            Start::own(format!("exec /app/bin/app {options}"))
        } else {
            Start::words(&["/app/bin/app"])
        });
    } else if plugins.contains("sbt-assembly") {
        recipe.build.push(Run::own("sbt --batch assembly").cached(CACHES).of_app());
        recipe.finish.push(java::take("target", "jar"));
        recipe.because("/app/app.jar is what it builds");
        recipe.start = Some(java::start("", "/app/app.jar"));
    } else {
        recipe.because(
            "project/plugins.sbt has neither sbt-native-packager nor sbt-assembly, one of which makes \
             something that can be started",
        );
    }
    Ok(Some(recipe))
}
