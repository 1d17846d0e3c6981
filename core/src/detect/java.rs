//! Apps of Java and Kotlin, by Maven or Gradle.

use super::images;
use super::modules;
use super::node::said;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::texts::{GRADLE_SCRIPTS, GRADLE_SETTINGS};
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
    let root = repo.first(GRADLE_SCRIPTS);
    let several = repo.first(GRADLE_SETTINGS);
    let Some(manifest) = root.or(several) else { return Ok(None) };
    let below = repo.all().filter(|path| {
        path.split_once('/').is_some_and(|(folder, file)| {
            GRADLE_SCRIPTS.contains(&file) && !["buildSrc", "build-logic"].contains(&folder)
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
    let whole = modules::of_maven(repo)?;
    let root = whole.as_ref().map_or(*repo, |whole| whole.root);
    let inside = whole.as_ref().map_or("", |whole| whole.inside.as_str());
    let above = whole.as_ref().map_or("", |whole| whole.root.texts_of("pom.xml"));
    let above = roxmltree::Document::parse(above).ok();
    let named = version_in(&project).or_else(|| version_in(above.as_ref()?));
    // Its script alone fetches nothing.
    let wrapper = root.has("mvnw") && root.has(".mvn/wrapper/maven-wrapper.properties");
    let wish = Wish::of(named, "pom.xml");
    let mut recipe = base((repo, &root), wish, "pom.xml", images::maven, wrapper)?;
    recipe.manager = Some("maven");
    recipe.framework = framework(text);
    let program = if wrapper { "sh ./mvnw" } else { "mvn" };
    let part = match inside {
        "" => String::new(),
        inside => format!(" --projects {inside} --also-make"),
    };
    let line = format!("{program} --batch-mode --no-transfer-progress -DskipTests{part} package");
    recipe.build.push(Run::own(line).cached(&["/root/.m2"]).of_app());
    let war = text.contains("<packaging>war</packaging>");
    finish(&mut recipe, inside, "target", if war { "war" } else { "jar" });
    if war && recipe.framework.is_none() {
        servlets(&mut recipe, !text.contains("jakarta."));
    }
    of_part(&mut recipe, whole);
    Ok(recipe)
}

/// Has a server of its own serve an archive that brings none.
fn servlets(recipe: &mut Recipe, of_old: bool) {
    let java = recipe.versions.first().map_or("", |(_, line)| line.as_str());
    // It comes with no newer Java than the ones that are supported for long.
    let java = if ["8", "11", "17", "21"].contains(&java) { java } else { "21" };
    recipe.run_image = images::tomcat(java, of_old);
    recipe.framework = Some("Tomcat");
    recipe.because("it is an archive of servlets: Tomcat serves it");
    recipe.taken =
        vec![("/out/app.jar".to_owned(), "/usr/local/tomcat/webapps/ROOT.war".to_owned())];
    recipe.run_tools.push(Run::own(
        "sed -i 's/port=\"8080\"/port=\"${http.port}\"/' /usr/local/tomcat/conf/server.xml && \
         chmod a+rwx /usr/local/tomcat/webapps && chmod -R a+rX /usr/local/tomcat/conf",
    ));
    let options = "-XX:MaxRAMPercentage=75 -Dhttp.port=${PORT:-8080}";
    recipe.start = Some(Start::own(format!(
        "CATALINA_OPTS=\"{options} $CATALINA_OPTS\" exec catalina.sh run"
    )));
}

/// The version that a `pom.xml` says.
fn version_in<'d>(project: &'d roxmltree::Document<'_>) -> Option<&'d str> {
    let mut all = project.root_element().children();
    let properties = all.find(|node| node.has_tag_name_in_any("properties"))?;
    let property = |name: &str| {
        let found = properties.children().find(|node| node.has_tag_name_in_any(name))?;
        found.text().map(str::trim).filter(|text| !text.starts_with("${"))
    };
    let names = [
        "maven.compiler.release",
        "java.version",
        "maven.compiler.source",
        "maven.compiler.target",
    ];
    names.into_iter().find_map(property)
}

/// What is built is a part of something larger.
fn of_part(recipe: &mut Recipe, whole: Option<modules::Whole<'_>>) {
    let Some(modules::Whole { root, inside }) = whole else { return };
    recipe.because(format!("{inside} is a part of the build above it, which is built from there"));
    recipe.workspace = Some(root.folder.to_owned());
    recipe.inside = inside;
}

fn gradle(repo: &Repo<'_>, script: &'static str, text: &str) -> Result<Recipe, Rejection> {
    let whole = modules::of_gradle(repo)?;
    let root = whole.as_ref().map_or(*repo, |whole| whole.root);
    let inside = whole.as_ref().map_or("", |whole| whole.inside.as_str());
    let above: String = match &whole {
        Some(whole) => GRADLE_SCRIPTS.iter().map(|name| whole.root.texts_of(name)).collect(),
        None => String::new(),
    };
    // Many leave its archive out, as they do with all archives.
    let wrapper = root.has("gradlew") && root.has("gradle/wrapper/gradle-wrapper.jar");
    let wish = Wish::of(gradle_version(text).or_else(|| gradle_version(&above)), script);
    let mut recipe = base((repo, &root), wish, script, images::gradle, wrapper)?;
    recipe.manager = Some("gradle");
    let catalog = root.texts_of("gradle/libs.versions.toml");
    recipe.framework = framework(text)
        .or_else(|| framework(catalog).filter(|name| whole.is_none() || speaks_of(text, name)))
        .or_else(|| framework(&above).filter(|_| is_for_all(&above) && !is_application(text)));
    let of_catalog = |plugin: &str, name: &str| {
        catalog.contains(plugin) && (whole.is_none() || recipe.framework == Some(name))
    };
    let program = if wrapper { "sh ./gradlew" } else { "gradle" };
    let built = matches!(recipe.framework, Some("Quarkus" | "Micronaut"));
    let task = match recipe.framework {
        Some("Spring Boot") => "bootJar",
        _ if text.contains("shadow") => "shadowJar",
        _ if text.contains("io.ktor.plugin") || of_catalog("io.ktor.plugin", "Ktor") => {
            "buildFatJar"
        }
        _ if is_application(text) && !built => "installDist",
        _ => "build",
    };
    let of = match inside {
        "" => String::new(),
        inside => format!(":{}:", inside.replace('/', ":")),
    };
    // Tests of any project are left out.
    let rest = if task == "build" { " -x test" } else { "" };
    let line = format!("{program} --no-daemon {of}{task}{rest}");
    recipe.build.push(Run::own(line).cached(&["/root/.gradle"]).of_app());
    if task == "installDist" {
        recipe.finish.push(Run::own(within(TAKE_ALL, inside)));
        recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
        recipe.because("its archive cannot be run alone: it is taken with what it depends on");
        recipe.start = Some(Start::words(&["/app/bin/app"]));
    } else {
        finish(&mut recipe, inside, "build/libs", "jar");
    }
    of_part(&mut recipe, whole);
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

/// Chooses Java, by what is said in the app's folder or at the root of what is built; `with` is the image that
/// has the tool, where the project does not bring it.
fn base(
    (repo, root): (&Repo<'_>, &Repo<'_>),
    wish: Option<Wish>,
    manifest: &str,
    with: fn(&str) -> String,
    wrapper: bool,
) -> Result<Recipe, Rejection> {
    let wish = self::wish(repo)?.or(self::wish(root)?).or_else(|| wish.map(as_now));
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
    take_in("", folder, ending)
}

/// The same below one folder alone.
fn take_in(inside: &str, folder: &str, ending: &str) -> Run {
    let take = TAKE.replace("FOLDER/*.jar", &format!("{folder}/*.{ending}"));
    Run::own(within(&take, inside))
}

/// A step that looks only below a [checked](super::words::path) folder; everywhere for `""`.
fn within(step: &str, inside: &str) -> String {
    match inside {
        "" => step.to_owned(),
        inside => step.replace("find . ", &format!("find {inside} ")),
    }
}

/// What starts an archive; `options` are empty, or have a blank behind each.
pub(super) fn start(options: &str, jar: &str) -> Start {
    Start::own(format!("exec java -XX:MaxRAMPercentage=75 {options}-jar {jar}"))
}

fn finish(recipe: &mut Recipe, inside: &str, folder: &str, ending: &str) {
    let jar = if recipe.framework == Some("Quarkus") {
        let quarkus = format!("{folder}/quarkus-app").replace("/libs", "");
        let below = if inside.is_empty() { quarkus } else { format!("{inside}/{quarkus}") };
        recipe.taken = vec![(format!("/app/{below}/"), "/app/".to_owned())];
        "/app/quarkus-run.jar"
    } else {
        recipe.finish.push(take_in(inside, folder, ending));
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
    named.iter().any(|form| text.contains(form))
        // Conventions of the project's own may apply it; what is said of it says so.
        || text.lines().any(|l| matches!(l.trim(), "application" | "application {"))
}

/// Whether a script says what holds for the projects below it.
fn is_for_all(text: &str) -> bool {
    ["subprojects", "allprojects"].iter().any(|word| text.contains(word))
}

/// Whether a script names a framework in some way: a catalog has what all projects use.
fn speaks_of(text: &str, framework: &str) -> bool {
    let name = framework.split(' ').next().unwrap_or(framework).to_ascii_lowercase();
    text.to_ascii_lowercase().contains(&name)
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
