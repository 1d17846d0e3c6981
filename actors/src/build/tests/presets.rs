//! Apps without a Dockerfile, built for real by the one that is made for them; and every one that
//! is made for a known shape, read by BuildKit.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::stream::{self, StreamExt};
use hythe_core::names::{BuildTarget, RepositoryPath};

use super::images::serve;
use super::world::{World, unique};

/// The Dockerfiles that the shapes of the core's table get, without those that are the same.
fn dockerfiles() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/presets/dockerfiles");
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("== ").skip(1) {
            let (name, text) = part.split_once('\n').unwrap();
            all.insert(text.to_owned(), name.to_owned());
        }
    }
    all.into_iter().map(|(text, name)| (name, text)).collect()
}

/// Builds at once. A repository's mirror is one build's at a time, so each has a repository of its own.
const AT_ONCE: usize = 8;

/// A stage that there is not is looked for after all instructions were understood, and before any
/// image is asked for.
#[tokio::test]
async fn buildkit_understands_every_dockerfile_that_is_made() {
    let world = World::with(|settings| settings.at_once = AT_ONCE).await;
    let mut files: Vec<(String, String)> = dockerfiles()
        .into_iter()
        .map(|(name, text)| (format!("{name}/Dockerfile"), text))
        .collect();
    assert!(files.len() > 60, "{}", files.len());
    // To see that one which it does not understand is told from the others.
    files.push(("wrong/Dockerfile".to_owned(), "FROM a\nRUM x\n".to_owned()));
    for n in 0..AT_ONCE {
        let mine = files.iter().skip(n).step_by(AT_ONCE);
        let mine: Vec<(&str, &str)> = mine.map(|(p, t)| (p.as_str(), t.as_str())).collect();
        world.repository(&format!("part-{n}"), &mine);
    }
    let said: Vec<(String, String)> = stream::iter(files.iter().enumerate())
        .map(|(n, (path, _))| {
            let mut command = world.command(&format!("part-{}", n % AT_ONCE));
            command.spec.build.dockerfile = Some(RepositoryPath::new(path.as_str()).unwrap());
            command.spec.build.target = Some(BuildTarget::new("no-such-stage").unwrap());
            async { (path.clone(), world.build(command).await.1.unwrap_err().message) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (fine, wrong): (Vec<_>, Vec<_>) =
        said.iter().partition(|(_, message)| message.contains("no-such-stage"));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].0 == "wrong/Dockerfile" && wrong[0].1.contains("RUM"), "{wrong:?}");
    assert_eq!(fine.len() + 1, files.len());
}

const SERVER: &str = "require('http').createServer((q, a) => a.end(`hello from ${process.version} \
                      as ${process.getuid()} in ${process.env.NODE_ENV}`)).listen(process.env.PORT)";

#[tokio::test]
async fn an_app_of_node_is_built_and_answers() {
    let world = World::new().await;
    let mark = unique();
    let package =
        r#"{"main":"server.js","scripts":{"start":"node server.js"},"engines":{"node":"20"}}"#;
    let files = [
        ("package.json", package),
        ("server.js", SERVER),
        ("mark", mark.as_str()),
        ("Dockerfile/x", ""),
    ];
    world.repository("app", &files);
    let (build, built) = world.build(world.command("app")).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    assert_eq!(built.port, 8080);
    assert!(build.text().contains("made for node (node 20, npm)"), "{}", build.text());
    let answers = serve(&world, built.image.as_str(), &["/"]).await;
    assert!(answers[0].contains("hello from v20"), "{}", answers[0]);
    assert!(answers[0].ends_with("as 1000 in production"), "{}", answers[0]);
}

/// A package of the repository's own takes the place of the tool, so that nothing is fetched.
#[tokio::test]
async fn a_site_that_is_built_is_served_without_what_built_it() {
    let world = World::new().await;
    let mark = unique();
    let package = r#"{"scripts":{"build":"vite build"},"devDependencies":{"vite":"file:./tools/vite"},"engines":{"node":"20"}}"#;
    let tool = "#!/usr/bin/env node\nconst fs = require('fs'); fs.mkdirSync('dist/assets', { recursive: true });\n\
                fs.writeFileSync('dist/index.html', fs.readFileSync('index.html') + process.env.TITLE);\n\
                fs.writeFileSync('dist/assets/a.js', 'export {}');\n";
    let page = format!("<h1>{mark}</h1>");
    let files = [
        ("package.json", package),
        ("index.html", page.as_str()),
        ("tools/vite/package.json", r#"{"name":"vite","version":"6.0.0","bin":"vite.js"}"#),
        ("tools/vite/vite.js", tool),
        ("hythe.toml", "[build.env]\nTITLE = \"made\"\n"),
    ];
    world.repository("site", &files);
    let (build, built) = world.build(world.command("site")).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    assert!(build.text().contains("made for Vite (node 20, npm)"), "{}", build.text());
    let paths = ["/", "/assets/a.js", "/some/page", "/package.json"];
    let answers = serve(&world, built.image.as_str(), &paths).await;
    assert!(answers[0].contains("200 OK"), "{}", answers[0]);
    assert!(answers[0].ends_with(&format!("<h1>{mark}</h1>made")), "{}", answers[0]);
    assert!(answers[1].contains("text/javascript"), "{}", answers[1]);
    for own in &answers[2..] {
        assert!(own.ends_with("made"), "its own program finds out what was meant: {own}");
    }
    let image = world.docker().inspect_image(built.image.as_str()).await.unwrap();
    assert!(image.size.unwrap() < 20_000_000, "{:?}", image.size);
}

#[tokio::test]
async fn what_hythe_toml_gets_wrong_is_named_before_anything_is_built() {
    let world = World::new().await;
    let files = [("package.json", "{}"), ("hythe.toml", "[build]\n\nstrat = \"node a.js\"\n")];
    world.repository("app", &files);
    let (_, outcome) = world.build(world.command("app")).await;
    let message = outcome.unwrap_err().message;
    assert!(message.contains("line 3") && message.contains("did you mean start?"), "{message}");
}

#[tokio::test]
async fn a_link_that_leads_out_of_the_repository_is_not_read() {
    let world = World::new().await;
    let repository = world.repositories.create("app", &[("index.html", "x")]);
    let work = world.repositories.root().join("app.work");
    std::os::unix::fs::symlink("/etc/passwd", work.join("package.json")).unwrap();
    repository.commit(&[]);
    let (_, outcome) = world.build(world.command("app")).await;
    let message = outcome.unwrap_err().message;
    assert!(message.contains("leads out of the repository"), "{message}");
    assert!(!message.contains("root:"), "{message}");
}

#[tokio::test]
async fn an_app_of_go_is_built_and_answers() {
    let world = World::new().await;
    let program = format!(
        "package main\nimport (\"fmt\"; \"net/http\"; \"os\")\nfunc main() {{\n\
         http.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) {{\n\
         text, _ := os.ReadFile(\"templates/page.html\")\n\
         fmt.Fprintf(w, \"%s{} as %d\", text, os.Getuid()) }})\n\
         http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil)\n}}\n",
        unique()
    );
    let files = [
        ("go.mod", "module example.com/shop\n\ngo 1.19\n"),
        ("cmd/shop/main.go", program.as_str()),
        ("templates/page.html", "hello from "),
        ("hythe.toml", "[build.versions]\ngo = \"1.19\"\n"),
    ];
    world.repository("app", &files);
    let (build, built) = world.build(world.command("app")).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    let answers = serve(&world, built.image.as_str(), &["/"]).await;
    assert!(answers[0].contains("hello from "), "{}", answers[0]);
    assert!(answers[0].ends_with("as 10001"), "{}", answers[0]);
}

#[tokio::test]
async fn an_app_of_python_is_built_and_answers() {
    let world = World::new().await;
    let program = format!(
        "# {}\nimport os, http.server\nclass Page(http.server.BaseHTTPRequestHandler):\n    \
         def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        \
         self.wfile.write(f'hello as {{os.getuid()}}'.encode())\n\
         http.server.HTTPServer(('', int(os.environ['PORT'])), Page).serve_forever()\n",
        unique()
    );
    let files = [
        ("main.py", program.as_str()),
        ("requirements.txt", "# nothing\n"),
        (".python-version", "3.11\n"),
    ];
    world.repository("app", &files);
    let (build, built) = world.build(world.command("app")).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    let answers = serve(&world, built.image.as_str(), &["/"]).await;
    assert!(answers[0].ends_with("hello as 10001"), "{}", answers[0]);
}
