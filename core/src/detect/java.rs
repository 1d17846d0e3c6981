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

/// Takes the one program that Gradle installed, under a name that is known beforehand.
const TAKE_ALL: &str = "mkdir -p /out && \
    made=\"$(find . -path '*/build/install/*' -type d -prune | head -n 1)\" && \
    test -n \"$made\" && cp -r \"$made/.\" /out/ && \
    cd /out/bin && { [ -e app ] || ln -s \"$(ls | grep -v '[.]bat$' | head -n 1)\" app; }";

/// Finds out how an app of Java is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    if repo.has("pom.xml") {
        return maven(repo).map(Some);
    }
    const SCRIPTS: &[&str] = &["build.gradle.kts", "build.gradle"];
    let root = repo.first(SCRIPTS);
    let several = repo.first(&["settings.gradle.kts", "settings.gradle"]);
    let Some(manifest) = root.or(several) else { return Ok(None) };
    let below = repo.all().filter(|path| {
        path.split_once('/').is_some_and(|(folder, file)| {
            SCRIPTS.contains(&file) && !["buildSrc", "build-logic"].contains(&folder)
        })
    });
    let below: Vec<&str> = below.filter(|_| several.is_some()).collect();
    if root.is_none() && below.is_empty() {
        return Ok(None);
    }
    if let Some(root) = root {
        repo.text(root)?;
    }
    let texts = root.into_iter().chain(below).map(|path| repo.texts_of(path));
    let text = texts.collect::<Vec<_>>().join("\n");
    // An app for telephones runs nowhere here.
    if text.contains("com.android.") {
        return Ok(None);
    }
    gradle(repo, manifest, &text).map(Some)
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
    // Its script alone fetches nothing.
    let wrapper = repo.has("mvnw") && repo.has(".mvn/wrapper/maven-wrapper.properties");
    let mut recipe = base(repo, Wish::of(named, "pom.xml"), "pom.xml", images::maven, wrapper)?;
    recipe.manager = Some("maven");
    recipe.framework = framework(text);
    let program = if wrapper { "sh ./mvnw" } else { "mvn" };
    let line = format!("{program} --batch-mode --no-transfer-progress -DskipTests package");
    recipe.build.push(Run::own(line).cached(&["/root/.m2"]).of_app());
    let war = text.contains("<packaging>war</packaging>");
    finish(&mut recipe, "target", if war { "war" } else { "jar" });
    Ok(recipe)
}

fn gradle(repo: &Repo<'_>, script: &'static str, text: &str) -> Result<Recipe, Rejection> {
    // Many leave its archive out, as they do with all archives.
    let wrapper = repo.has("gradlew") && repo.has("gradle/wrapper/gradle-wrapper.jar");
    let mut recipe =
        base(repo, Wish::of(gradle_version(text), script), script, images::gradle, wrapper)?;
    recipe.manager = Some("gradle");
    let catalog = repo.texts_of("gradle/libs.versions.toml");
    recipe.framework = framework(text).or_else(|| framework(catalog));
    let program = if wrapper { "sh ./gradlew" } else { "gradle" };
    let whole = matches!(recipe.framework, Some("Quarkus" | "Micronaut"));
    let task = match recipe.framework {
        Some("Spring Boot") => "bootJar",
        _ if text.contains("shadow") => "shadowJar",
        _ if text.contains("io.ktor.plugin") || catalog.contains("io.ktor.plugin") => "buildFatJar",
        _ if is_application(text) && !whole => "installDist",
        _ => "build -x test",
    };
    let line = format!("{program} --no-daemon {task}");
    recipe.build.push(Run::own(line).cached(&["/root/.gradle"]).of_app());
    if task == "installDist" {
        recipe.finish.push(Run::own(TAKE_ALL));
        recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
        recipe.because("its archive cannot be run alone: it is taken with what it depends on");
        recipe.start = Some(Start::words(&["/app/bin/app"]));
    } else {
        finish(&mut recipe, "build/libs", "jar");
    }
    Ok(recipe)
}

/// The version of Java that is wished for, wherever that is said but in what a tool builds by.
pub(super) fn wish(repo: &Repo<'_>) -> Result<Option<Wish>, Rejection> {
    let properties = repo.texts_of("system.properties");
    let runtime =
        properties.lines().find_map(|line| line.trim().strip_prefix("java.runtime.version="));
    let wish = match said(repo, "java") {
        Some(wish) => Some(wish),
        None => Wish::of(runtime, "system.properties")
            .or(Wish::of(repo.first_line(".java-version")?, ".java-version"))
            .or(repo.tool(&["java"])?),
    };
    Ok(wish.map(as_now))
}

/// 1.8 is how 8 was written once.
fn as_now(wish: Wish) -> Wish {
    match wish.text.strip_prefix("1.") {
        Some(line) => Wish { text: line.to_owned(), ..wish },
        None => wish,
    }
}

/// Chooses Java; `with` is the image that has the tool, where the project does not bring it.
fn base(
    repo: &Repo<'_>,
    wish: Option<Wish>,
    manifest: &str,
    with: fn(&str) -> String,
    wrapper: bool,
) -> Result<Recipe, Rejection> {
    let wish = self::wish(repo)?.or_else(|| wish.map(as_now));
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

/// The step that takes the one archive that can be run, out of folders of this name.
pub(super) fn take(folder: &str, ending: &str) -> Run {
    Run::own(TAKE.replace("FOLDER/*.jar", &format!("{folder}/*.{ending}")))
}

/// What starts an archive; `options` are empty, or have a blank behind each.
pub(super) fn start(options: &str, jar: &str) -> Start {
    Start::own(format!("exec java -XX:MaxRAMPercentage=75 {options}-jar {jar}"))
}

fn finish(recipe: &mut Recipe, folder: &str, ending: &str) {
    let jar = if recipe.framework == Some("Quarkus") {
        let quarkus = format!("{folder}/quarkus-app").replace("/libs", "");
        recipe.taken = vec![(format!("/app/{quarkus}/"), "/app/".to_owned())];
        "/app/quarkus-run.jar"
    } else {
        recipe.finish.push(take(folder, ending));
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
    recipe.start = Some(start(port, jar));
}

/// Whether Gradle makes a program with a script that starts it.
fn is_application(text: &str) -> bool {
    let named = ["'application'", "id \"application\"", "id(\"application\")"];
    named.iter().any(|form| text.contains(form)) || text.lines().any(|l| l.trim() == "application")
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
