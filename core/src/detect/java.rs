//! Apps of Java and Kotlin, by Maven or Gradle.

use super::images;
use super::node::said;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::Start;
use crate::rejection::Rejection;

/// Takes the one archive that can be run.
const TAKE: &str = "mkdir -p /out && \
    cp \"$(find . -path '*/FOLDER/*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' \
    ! -name '*-plain.jar' ! -name 'original-*' ! -path '*/wrapper/*' -printf '%s %p\\n' | \
    sort -rn | head -n 1 | cut -d ' ' -f 2-)\" /out/app.jar";

/// Finds out how an app of Java is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    if repo.has("pom.xml") {
        return maven(repo).map(Some);
    }
    match repo.first(&["build.gradle.kts", "build.gradle"]) {
        Some(script) => gradle(repo, script).map(Some),
        None => Ok(None),
    }
}

fn maven(repo: &Repo<'_>) -> Result<Recipe, Rejection> {
    let text = repo.text("pom.xml")?.unwrap_or("<project/>");
    let project =
        roxmltree::Document::parse(text).map_err(|error| repo.broken("pom.xml", &error))?;
    let properties =
        project.root_element().children().find(|node| node.has_tag_name_in_any("properties"));
    let property = |name: &str| {
        let found = properties?.children().find(|node| node.has_tag_name_in_any(name))?;
        found.text().map(str::trim).filter(|text| !text.starts_with("${"))
    };
    let named = [
        "maven.compiler.release",
        "java.version",
        "maven.compiler.source",
        "maven.compiler.target",
    ]
    .into_iter()
    .find_map(property);
    let mut recipe =
        base(repo, Wish::of(named, "pom.xml"), "pom.xml", images::maven, repo.has("mvnw"))?;
    recipe.manager = Some("maven");
    recipe.framework = framework(text);
    let program = if repo.has("mvnw") { "sh ./mvnw" } else { "mvn" };
    let line = format!("{program} --batch-mode --no-transfer-progress -DskipTests package");
    recipe.build.push(Run::own(line).cached(&["/root/.m2"]).of_app());
    finish(&mut recipe, "target");
    Ok(recipe)
}

fn gradle(repo: &Repo<'_>, script: &'static str) -> Result<Recipe, Rejection> {
    let text = repo.text(script)?.unwrap_or_default();
    let wrapper = repo.has("gradlew");
    let mut recipe =
        base(repo, Wish::of(gradle_version(text), script), script, images::gradle, wrapper)?;
    recipe.manager = Some("gradle");
    recipe.framework = framework(text);
    let program = if wrapper { "sh ./gradlew" } else { "gradle" };
    let task = match recipe.framework {
        Some("Spring Boot") => "bootJar",
        _ if text.contains("shadow") => "shadowJar",
        _ => "build -x test",
    };
    let line = format!("{program} --no-daemon {task}");
    recipe.build.push(Run::own(line).cached(&["/root/.gradle"]).of_app());
    finish(&mut recipe, "build/libs");
    Ok(recipe)
}

/// Chooses Java; `with` is the image that has the tool, where the project does not bring it.
fn base(
    repo: &Repo<'_>,
    wish: Option<Wish>,
    manifest: &str,
    with: fn(&str) -> String,
    wrapper: bool,
) -> Result<Recipe, Rejection> {
    let properties = repo.texts_of("system.properties");
    let runtime =
        properties.lines().find_map(|line| line.trim().strip_prefix("java.runtime.version="));
    let wish = match said(repo, "java") {
        Some(wish) => Some(wish),
        None => Wish::of(runtime, "system.properties")
            .or(Wish::of(repo.first_line(".java-version")?, ".java-version"))
            .or(Wish::of(repo.tool_version(&["java"])?, ".tool-versions"))
            .or(wish),
    };
    // 1.8 is how 8 was written once.
    let wish = wish.map(|wish| match wish.text.strip_prefix("1.") {
        Some(line) => Wish { text: line.to_owned(), ..wish },
        None => wish,
    });
    let (line, why) = versions::choose(&images::JAVA, wish.as_ref())?;
    let build = if wrapper { line.build.to_owned() } else { with(line.line) };
    let mut recipe = Recipe::new("java", build, line.run);
    recipe.versions.push(("java", line.line.to_owned()));
    recipe.because(format!("{manifest} is there"));
    recipe.because(why);
    if wrapper {
        recipe.because("the project brings its own build tool");
    }
    Ok(recipe)
}

fn finish(recipe: &mut Recipe, folder: &str) {
    let jar = if recipe.framework == Some("Quarkus") {
        let quarkus = format!("{folder}/quarkus-app").replace("/libs", "");
        recipe.taken = vec![(format!("/app/{quarkus}/"), "/app/".to_owned())];
        "/app/quarkus-run.jar"
    } else {
        recipe.finish.push(Run::own(TAKE.replace("FOLDER", folder)));
        recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
        "/app/app.jar"
    };
    let port = match recipe.framework {
        Some("Quarkus") => "-Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=${PORT:-8080} ",
        Some("Micronaut") => "-Dmicronaut.server.port=${PORT:-8080} ",
        Some("Spring Boot") => "-Dserver.port=${PORT:-8080} ",
        _ => "",
    };
    recipe.because(format!("{jar} is what it builds"));
    recipe.start = Some(Start::own(format!("exec java -XX:MaxRAMPercentage=75 {port}-jar {jar}")));
}

fn framework(text: &str) -> Option<&'static str> {
    let known = [
        ("org.springframework.boot", "Spring Boot"),
        ("io.quarkus", "Quarkus"),
        ("io.micronaut", "Micronaut"),
        ("io.ktor", "Ktor"),
        ("io.javalin", "Javalin"),
    ];
    known.into_iter().find(|(package, _)| text.contains(package)).map(|(_, name)| name)
}

/// `17` of `JavaLanguageVersion.of(17)`, `sourceCompatibility = '17'`, `jvmToolchain(17)` and such.
fn gradle_version(text: &str) -> Option<&str> {
    ["JavaLanguageVersion.of(", "jvmToolchain(", "JavaVersion.VERSION_", "sourceCompatibility"]
        .into_iter()
        .find_map(|before| {
            let rest = text.split_once(before)?.1;
            let rest = rest.trim_start_matches([' ', '=', '\'', '"']);
            let digit = |c: char| c.is_ascii_digit() || c == '.';
            let end = rest.find(|c| !digit(c)).unwrap_or(rest.len());
            rest.get(..end).filter(|version| !version.is_empty())
        })
}

trait AnyNamespace {
    fn has_tag_name_in_any(&self, name: &str) -> bool;
}

impl AnyNamespace for roxmltree::Node<'_, '_> {
    /// Projects write their namespace, or do not.
    fn has_tag_name_in_any(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
