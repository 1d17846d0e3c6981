//! Frameworks of JavaScript: what each leaves when it is built, and what starts that.

use super::manifest::Manifest;
use crate::detect::recipe::{Missing, Output};
use crate::detect::repo::Repo;
use crate::detect::words;
use crate::rejection::Rejection;

/// What a framework is, and what it makes of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Framework {
    pub(super) name: &'static str,
    /// What builds where `package.json` has no script for it.
    pub(super) build: Option<&'static str>,
    pub(super) makes: Makes,
    /// Variables of its build and of the app.
    pub(super) build_env: &'static [(&'static str, &'static str)],
    pub(super) run_env: &'static [(&'static str, &'static str)],
    /// What is put in place of a part that is for another platform.
    pub(super) swap: Option<Swap>,
}

/// A part of a framework that makes what runs elsewhere gives way to one that makes what runs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    /// The package to add.
    pub(super) package: &'static str,
    /// What puts it in place.
    pub(super) steps: &'static [&'static str],
    /// What is said of it.
    pub(super) why: &'static str,
}

/// What comes out of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Makes {
    /// A program that the start script runs, or these words where there is none.
    Program(&'static [&'static str]),
    /// A program of its own: these words, and only these folders of the app: from, to.
    Alone(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// Files.
    Files(Output),
}

const ANYWHERE: &[(&str, &str)] = &[("HOST", "0.0.0.0")];

fn program(
    name: &'static str,
    build: Option<&'static str>,
    words: &'static [&'static str],
) -> Framework {
    Framework {
        name,
        build,
        makes: Makes::Program(words),
        build_env: &[],
        run_env: ANYWHERE,
        swap: None,
    }
}

fn files(
    name: &'static str,
    build: Option<&'static str>,
    folder: &str,
    missing: Missing,
) -> Framework {
    let output = Output { folder: folder.to_owned(), missing };
    Framework { name, build, makes: Makes::Files(output), build_env: &[], run_env: &[], swap: None }
}

/// A server that is written by hand: known by name only.
const SERVERS: &[(&str, &str)] = &[
    ("@nestjs/core", "NestJS"),
    ("@adonisjs/core", "AdonisJS"),
    ("@strapi/strapi", "Strapi"),
    ("@feathersjs/feathers", "Feathers"),
    ("express", "Express"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("hono", "Hono"),
    ("elysia", "Elysia"),
    ("@hapi/hapi", "hapi"),
    ("restify", "Restify"),
    ("polka", "Polka"),
    ("h3", "h3"),
    ("@apollo/server", "Apollo"),
    ("apollo-server", "Apollo"),
    ("socket.io", "Socket.IO"),
    ("ws", "ws"),
];

/// The server that an app is written with, where there is one. What is only for development (a server
/// that stands in for another, or is part of a tool) does not make it an app with a server.
pub(super) fn server(manifest: &Manifest) -> Option<&'static str> {
    SERVERS.iter().find(|(package, _)| manifest.needs_to_run(package)).map(|(_, name)| *name)
}

/// Whether there is a library for servers, in whatever list.
pub(super) fn could_serve(manifest: &Manifest) -> bool {
    SERVERS.iter().any(|(package, _)| manifest.needs(package))
}

/// Finds it out.
pub(super) fn find(repo: &Repo<'_>, manifest: &Manifest) -> Result<Option<Framework>, Rejection> {
    let needs = |package: &str| manifest.needs(package);
    let build = manifest.script("build").unwrap_or_default();
    Ok(Some(if needs("next") {
        next(repo, manifest)?
    } else if needs("nuxt") || needs("nuxt3") || needs("nuxt-edge") {
        nuxt(repo, manifest, build)?
    } else if needs("@react-router/dev") {
        let config = repo.config("react-router.config")?;
        if says(config, "ssr", "false") {
            files("React Router", Some("react-router build"), "build/client", Missing::Index)
        } else {
            let start = &["react-router-serve", "./build/server/index.js"];
            program("React Router", Some("react-router build"), start)
        }
    } else if needs("@remix-run/dev") || needs("@remix-run/serve") || needs("@remix-run/express") {
        let vite = needs("vite");
        let config = repo.config("vite.config")?;
        if vite && says(config, "ssr", "false") {
            files("Remix", Some("remix vite:build"), "build/client", Missing::Index)
        } else if vite {
            program("Remix", Some("remix vite:build"), &["remix-serve", "./build/server/index.js"])
        } else {
            program("Remix", Some("remix build"), &["remix-serve", "build/index.js"])
        }
    } else if needs("@sveltejs/kit") {
        svelte(repo, manifest)?
    } else if needs("astro") {
        let config = repo.config("astro.config")?;
        if needs("@astrojs/node") {
            program("Astro", Some("astro build"), &["node", "./dist/server/entry.mjs"])
        } else if (says(config, "output", "server") || says(config, "output", "hybrid"))
            && let Some(swap) = swap_of_astro(manifest)
        {
            let start: &[&str] = &["node", "./dist/server/entry.mjs"];
            Framework { swap: Some(swap), ..program("Astro", Some("astro build"), start) }
        } else if says(config, "output", "server") || says(config, "output", "hybrid") {
            return Err(Rejection::invalid(
                "astro.config",
                "its output wants a server, and its adapter makes none that can run here: use @astrojs/node \
                 (npx astro add node), or leave the output static",
            ));
        } else {
            files(
                "Astro",
                Some("astro build"),
                &folder_in(config, "outDir", "dist")?,
                Missing::Page,
            )
        }
    } else if needs("@tanstack/react-start") || needs("@tanstack/solid-start") {
        started("TanStack Start", manifest)
    } else if needs("@solidjs/start") {
        started("SolidStart", manifest)
    } else if needs("@builder.io/qwik-city") || needs("@qwik.dev/router") {
        qwik(manifest)?
    } else if needs("sanity") && build.contains("sanity") {
        files("Sanity", Some("sanity build"), "dist", Missing::Index)
    } else if needs("@slidev/cli") {
        files("Slidev", Some("slidev build"), "dist", Missing::Index)
    } else if needs("gridsome") {
        files("Gridsome", Some("gridsome build"), "dist", Missing::Page)
    } else if needs("rspress") || needs("@rspress/core") {
        files("Rspress", Some("rspress build"), "doc_build", Missing::Page)
    } else if needs("@analogjs/platform") {
        Framework {
            name: "Analog",
            build: None,
            makes: Makes::Alone(
                &["node", "dist/analog/server/index.mjs"],
                &[("/app/dist", "/app/dist")],
            ),
            build_env: &[],
            run_env: ANYWHERE,
            swap: None,
        }
    } else if needs("@angular/core") {
        return angular(repo, manifest);
    } else if needs("gatsby") {
        files("Gatsby", Some("gatsby build"), "public", Missing::Page)
    } else if needs("@docusaurus/core") {
        files("Docusaurus", Some("docusaurus build"), "build", Missing::Page)
    } else if needs("react-scripts") || needs("react-app-rewired") || needs("@craco/craco") {
        files("Create React App", Some("react-scripts build"), "build", Missing::Index)
    } else if needs("@vue/cli-service") {
        files("Vue CLI", Some("vue-cli-service build"), "dist", Missing::Index)
    } else if needs("@11ty/eleventy") {
        let own = repo.text(".eleventy.js")?;
        let config = own.map_or_else(|| repo.config("eleventy.config"), Ok)?;
        let named = build.split_once("--output=").and_then(|(_, rest)| rest.split(' ').next());
        let folder = match named.and_then(|folder| words::path(folder, "--output").ok()) {
            Some(folder) => folder,
            None => folder_in(config, "output", "_site")?,
        };
        files("Eleventy", Some("eleventy"), &folder, Missing::Page)
    } else if needs("hexo") {
        files("Hexo", Some("hexo generate"), "public", Missing::Page)
    } else if needs("vitepress") {
        let docs = repo.has_folder("docs/.vitepress") || build.contains("build docs");
        let with = if docs { "vitepress build docs" } else { "vitepress build" };
        let usual = if docs { "docs/" } else { "" };
        let inside = built_folder(build).map_or(usual.to_owned(), |folder| format!("{folder}/"));
        files("VitePress", Some(with), &format!("{inside}.vitepress/dist"), Missing::Page)
    } else if needs("vuepress") {
        let inside = built_folder(build).unwrap_or_else(|| "docs".to_owned());
        files("VuePress", None, &format!("{inside}/.vuepress/dist"), Missing::Page)
    } else if needs("ember-cli") {
        files("Ember", Some("ember build --environment=production"), "dist", Missing::Index)
    } else if needs("preact-cli") {
        files("Preact CLI", Some("preact build"), "build", Missing::Index)
    } else if needs("@stencil/core") && needs("@ionic/core") {
        files("Stencil", Some("stencil build"), "www", Missing::Index)
    } else if needs("@quasar/app-vite") || needs("@quasar/app-webpack") {
        files("Quasar", Some("quasar build"), "dist/spa", Missing::Index)
    } else if needs("expo")
        && (build.contains("expo export") || (build.is_empty() && needs("react-native-web")))
    {
        files("Expo", Some("expo export --platform web"), "dist", Missing::Index)
    } else if server(manifest).is_some() {
        // A server of its own goes before tools that could also make a site.
        return Ok(None);
    } else {
        return by_tool(repo, manifest);
    }))
}

/// What a tool for pages makes, whatever else there is.
pub(super) fn by_tool(
    repo: &Repo<'_>,
    manifest: &Manifest,
) -> Result<Option<Framework>, Rejection> {
    let needs = |package: &str| manifest.needs(package);
    let build = manifest.script("build").unwrap_or_default();
    Ok(Some(if needs("vite") || needs("rolldown-vite") {
        files(
            "Vite",
            Some("vite build"),
            &folder_of_vite(repo.config("vite.config")?)?,
            Missing::Index,
        )
    } else if needs("@rsbuild/core") {
        files("Rsbuild", Some("rsbuild build"), "dist", Missing::Index)
    } else if needs("parcel") || needs("parcel-bundler") {
        files("Parcel", None, "dist", Missing::Index)
    } else if needs("webpack") && build.contains("webpack") {
        files("webpack", None, "dist", Missing::Index)
    } else {
        return Ok(None);
    }))
}

/// What Nitro leaves is complete: it needs nothing that is installed.
fn alone(name: &'static str) -> Framework {
    Framework {
        name,
        build: None,
        makes: Makes::Alone(
            &["node", ".output/server/index.mjs"],
            &[("/app/.output", "/app/.output")],
        ),
        build_env: &[],
        run_env: ANYWHERE,
        swap: None,
    }
}

/// The same, where no script starts something else that its build leaves.
fn started(name: &'static str, manifest: &Manifest) -> Framework {
    let own = manifest.script("start").filter(|script| {
        super::is_own_server(script)
            && !script.starts_with("vinxi")
            && !script.contains(".output/server")
    });
    match own {
        Some(_) => program(name, None, &["node", ".output/server/index.mjs"]),
        None => alone(name),
    }
}

/// Its adapters write what is started, and a script for it.
fn qwik(manifest: &Manifest) -> Result<Framework, Rejection> {
    const SERVERS: &[(&str, &[&str])] = &[
        ("entry.express", &["node", "server/entry.express"]),
        ("entry.fastify", &["node", "server/entry.fastify"]),
        ("entry.node-server", &["node", "server/entry.node-server"]),
    ];
    let build = Some("qwik build");
    let serve = manifest.script("serve").unwrap_or_default();
    if let Some((_, words)) = SERVERS.iter().find(|(entry, _)| serve.contains(entry)) {
        return Ok(program("Qwik", build, words));
    }
    let of_server = manifest.script("build.server").unwrap_or_default();
    if of_server.contains("adapters/static") {
        return Ok(files("Qwik", build, "dist", Missing::Page));
    }
    Err(Rejection::invalid(
        "package.json",
        "Qwik has no adapter that makes something that can run here: npm run qwik add express, or static \
         for a site without a server",
    ))
}

fn next(repo: &Repo<'_>, manifest: &Manifest) -> Result<Framework, Rejection> {
    let config = repo.config("next.config")?;
    const QUIET: &[(&str, &str)] = &[("NEXT_TELEMETRY_DISABLED", "1")];
    // What checks the app's variables would have them while it is built.
    const UNCHECKED: &[(&str, &str)] =
        &[("NEXT_TELEMETRY_DISABLED", "1"), ("SKIP_ENV_VALIDATION", "1")];
    // Its server listens on the address of this name, which is the container's own otherwise.
    const RUN: &[(&str, &str)] = &[("NEXT_TELEMETRY_DISABLED", "1"), ("HOSTNAME", "0.0.0.0")];
    let name = "Next.js";
    let build = Some("next build");
    let makes = if says(config, "output", "export") {
        let folder = folder_in(config, "distDir", "out")?;
        Makes::Files(Output { folder, missing: Missing::Page })
    } else if says(config, "output", "standalone") && !config.contains("distDir") {
        let parts: &[(&str, &str)] = if repo.has_folder("public") {
            &[
                ("/app/.next/standalone", "/app"),
                ("/app/.next/static", "/app/.next/static"),
                ("/app/public", "/app/public"),
            ]
        } else {
            &[("/app/.next/standalone", "/app"), ("/app/.next/static", "/app/.next/static")]
        };
        Makes::Alone(&["node", "server.js"], parts)
    } else {
        Makes::Program(&["next", "start"])
    };
    let unchecked = manifest.needs("@t3-oss/env-nextjs") || manifest.needs("@t3-oss/env-core");
    let build_env = if unchecked { UNCHECKED } else { QUIET };
    Ok(Framework { name, build, makes, build_env, run_env: RUN, swap: None })
}

fn nuxt(repo: &Repo<'_>, manifest: &Manifest, build: &str) -> Result<Framework, Rejection> {
    let config = repo.config("nuxt.config")?;
    let second = manifest.needs("nuxt-edge") || config.contains("buildModules");
    let generated = build.contains("generate") || says(config, "target", "static");
    Ok(if second && generated {
        files("Nuxt", Some("nuxt generate"), "dist", Missing::Page)
    } else if second {
        program("Nuxt", Some("nuxt build"), &["nuxt", "start"])
    } else if generated || says(config, "preset", "static") {
        files("Nuxt", Some("nuxt generate"), ".output/public", Missing::Page)
    } else {
        // What it is made for otherwise is said in its settings.
        let elsewhere = after(config, "preset").next().is_some() && !says(config, "preset", "node");
        let build_env: &[(&str, &str)] =
            if elsewhere { &[("NITRO_PRESET", "node-server")] } else { &[] };
        Framework { build: Some("nuxt build"), build_env, ..alone("Nuxt") }
    })
}

fn svelte(repo: &Repo<'_>, manifest: &Manifest) -> Result<Framework, Rejection> {
    let name = "SvelteKit";
    let build = Some("vite build");
    if manifest.needs("@sveltejs/adapter-static") {
        let config = repo.config("svelte.config")?;
        let folder = folder_in(config, "pages", "build")?;
        let index = says(config, "fallback", "index.html");
        return Ok(files(name, build, &folder, if index { Missing::Index } else { Missing::Page }));
    }
    let with_node = program(name, build, &["node", "build"]);
    if manifest.needs("@sveltejs/adapter-node") {
        return Ok(with_node);
    }
    if manifest.needs("@sveltejs/adapter-auto") {
        // By this it takes the adapter for Node, as it does for others that run containers.
        return Ok(Framework { build_env: &[("GCP_BUILDPACKS", "1")], ..with_node });
    }
    if let Some(swap) = swap_of_svelte(manifest) {
        return Ok(Framework { swap: Some(swap), ..with_node });
    }
    Err(Rejection::invalid(
        "svelte.config.js",
        "its adapter makes nothing that can run here: use @sveltejs/adapter-node, or \
         @sveltejs/adapter-static for a site without a server",
    ))
}

/// SvelteKit's adapter for Node in place of one for another platform.
fn swap_of_svelte(manifest: &Manifest) -> Option<Swap> {
    const STEPS: &[&str] = &[
        "sed -i -E 's#@sveltejs/adapter-(vercel|netlify|cloudflare-workers|cloudflare)#@sveltejs/adapter-node#' svelte.config.*",
    ];
    manifest.needs_any(&[
        "@sveltejs/adapter-vercel",
        "@sveltejs/adapter-netlify",
        "@sveltejs/adapter-cloudflare",
        "@sveltejs/adapter-cloudflare-workers",
    ])?;
    let package = match manifest.major("@sveltejs/kit") {
        Some(1) => "@sveltejs/adapter-node@1",
        Some(2) | None => "@sveltejs/adapter-node@5",
        Some(_) => return None,
    };
    let why = "its adapter is for another platform: @sveltejs/adapter-node is used in its place";
    Some(Swap { package, steps: STEPS, why })
}

/// The same of Astro, whose adapter for Node wants to be told that it stands alone.
fn swap_of_astro(manifest: &Manifest) -> Option<Swap> {
    const STEPS: &[&str] = &[
        "echo \"import node from '@astrojs/node'; export default () => node({ mode: 'standalone' });\" > adapter-of-node.mjs",
        "sed -i -E 's#@astrojs/(vercel|netlify|cloudflare)(/[a-z]+)*#./adapter-of-node.mjs#' astro.config.*",
    ];
    manifest.needs_any(&["@astrojs/vercel", "@astrojs/netlify", "@astrojs/cloudflare"])?;
    let package = match manifest.major("astro")? {
        3 => "@astrojs/node@6",
        4 => "@astrojs/node@8",
        5 => "@astrojs/node@9",
        6 => "@astrojs/node@10",
        _ => return None,
    };
    let why = "its adapter is for another platform: @astrojs/node is used in its place";
    Some(Swap { package, steps: STEPS, why })
}

fn angular(repo: &Repo<'_>, manifest: &Manifest) -> Result<Option<Framework>, Rejection> {
    let workspace: serde_json::Value = repo.json("angular.json")?.unwrap_or_default();
    let projects = workspace.get("projects").and_then(serde_json::Value::as_object);
    let usual = workspace.get("defaultProject").and_then(serde_json::Value::as_str);
    let project = projects.and_then(|projects| {
        let application = |project: &serde_json::Value| {
            project.get("projectType").and_then(serde_json::Value::as_str) != Some("library")
        };
        let named = usual.and_then(|usual| projects.get_key_value(usual));
        named.or_else(|| projects.iter().find(|(_, project)| application(project)))
    });
    let Some((name, project)) = project else { return Ok(None) };
    let target = project.get("architect").or_else(|| project.get("targets"));
    let target = target.and_then(|target| target.get("build"));
    let builder = target.and_then(|t| t.get("builder")).and_then(serde_json::Value::as_str);
    let options = target.and_then(|target| target.get("options"));
    let path = options.and_then(|options| options.get("outputPath"));
    let base = path.and_then(|path| path.as_str().or_else(|| path.get("base")?.as_str()));
    let browser = path.and_then(|path| path.get("browser")?.as_str());
    let base = match base {
        Some(base) => base.to_owned(),
        None => format!("dist/{name}"),
    };
    let base = words::path(&base, "outputPath in angular.json")?;
    let application = builder.is_some_and(|builder| builder.ends_with(":application"));
    let ssr = options.and_then(|options| options.get("ssr")).is_some_and(|ssr| *ssr != false);
    // Every page is made beforehand, and nothing has to run.
    let mode = options.and_then(|options| options.get("outputMode")?.as_str());
    let ssr = ssr && mode != Some("static");
    if ssr && manifest.script("start").is_none_or(|start| start.starts_with("ng ")) {
        // Its server is for a script of the app's own, or for hythe.toml, to start.
        return Ok(None);
    }
    let folder = match browser {
        Some("") => base,
        Some(browser) => format!("{base}/{}", words::path(browser, "outputPath in angular.json")?),
        None if application => format!("{base}/browser"),
        None => base,
    };
    Ok(Some(files("Angular", Some("ng build"), &folder, Missing::Index)))
}

/// Whether settings say `key: value`, with whatever quotes and spaces. What is only in a comment
/// counts, too; a file of settings rarely has such.
fn says(config: &str, key: &str, value: &str) -> bool {
    after(config, key).any(|rest| rest.trim_start_matches(['"', '\'', '`']).starts_with(value))
}

/// What stands behind each `key:`.
fn after<'a>(config: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    config.match_indices(key).filter_map(move |(at, _)| {
        let before = config.get(..at)?.chars().next_back();
        let whole = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
        let rest = config.get(at + key.len()..)?.trim_start_matches(['"', '\'']).trim_start();
        let rest = rest.strip_prefix(':')?.trim_start();
        whole.then_some(rest)
    })
}

/// The folder that settings name, or the usual one.
fn folder_in(config: &str, key: &str, usual: &str) -> Result<String, Rejection> {
    match named_folder(config, key) {
        // What lies outside can be named in hythe.toml.
        Some(folder) if !folder.contains("..") && !folder.contains('$') => {
            words::path(&folder, &format!("{key} in the settings"))
        }
        Some(_) | None => Ok(usual.to_owned()),
    }
}

/// The folder that Vite writes: named from its root, which may be a folder of the app.
fn folder_of_vite(config: &str) -> Result<String, Rejection> {
    let plain = |folder: &String| !folder.contains("..") && !folder.contains('$');
    let root = named_folder(config, "root").filter(plain);
    let root = root.and_then(|root| words::path(&root, "root").ok());
    let absolute = after(config, "outDir").next().and_then(computed);
    match (root, named_folder(config, "outDir")) {
        (Some(root), None) => Ok(format!("{root}/dist")),
        (Some(root), Some(out)) if absolute.is_none() => match out.strip_prefix("../") {
            Some(out) if !root.contains('/') => words::path(out, "outDir in the settings"),
            Some(_) => Ok("dist".to_owned()),
            None => words::path(&format!("{root}/{out}"), "outDir in the settings"),
        },
        (_, _) => folder_in(config, "outDir", "dist"),
    }
}

/// What settings name, as a text or as the app's folder and texts.
fn named_folder(config: &str, key: &str) -> Option<String> {
    after(config, key).find_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        match quote {
            Some(quote) => rest.get(1..)?.split(quote).next().map(str::to_owned),
            None => computed(rest),
        }
    })
}

/// `path.resolve(__dirname, "dist/public")` as a folder of the app.
fn computed(rest: &str) -> Option<String> {
    let line = rest.lines().next()?.replace("process.cwd()", "__dirname");
    let (call, given) = line.split_once('(')?;
    let joins = ["path.resolve", "path.join", "resolve", "join"].contains(&call.trim());
    let given = given.split(')').next().filter(|_| joins)?;
    let here = given.contains("__dirname") || given.contains("import.meta.dirname");
    let parts = given.split(['"', '\'', '`']).skip(1).step_by(2);
    let parts: Vec<&str> =
        parts.map(|part| part.trim_start_matches("./").trim_end_matches('/')).collect();
    (here && !parts.is_empty()).then(|| parts.join("/"))
}

/// `src` of `vuepress build src`, where a script says it.
fn built_folder(script: &str) -> Option<String> {
    let (_, rest) = script.split_once("press build ")?;
    let word = rest.split(' ').find(|word| !word.is_empty())?;
    words::path(word, "the folder in the script build").ok().filter(|_| word != "&&")
}
