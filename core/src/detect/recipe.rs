//! What a provider finds: everything that makes an image, in no language's own terms.

use super::words::{ShellLine, Start};

/// The port that apps listen on unless they say otherwise.
pub(super) const PORT: u16 = 8080;

/// What a Chromium that some package fetched needs of the distribution.
pub(super) const OF_CHROMIUM: &[&str] = &[
    "ca-certificates",
    "fonts-liberation",
    "libasound2",
    "libatk-bridge2.0-0",
    "libatk1.0-0",
    "libatspi2.0-0",
    "libcairo2",
    "libcups2",
    "libdbus-1-3",
    "libdrm2",
    "libgbm1",
    "libglib2.0-0",
    "libnspr4",
    "libnss3",
    "libpango-1.0-0",
    "libx11-6",
    "libxcb1",
    "libxcomposite1",
    "libxdamage1",
    "libxext6",
    "libxfixes3",
    "libxkbcommon0",
    "libxrandr2",
];

/// One step of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// What is run.
    pub(super) line: ShellLine,
    /// Whether it is of constants and checked parts alone, so that it can stand as it is.
    pub(super) own: bool,
    /// Folders that are kept from one build to the next.
    pub(super) caches: Vec<&'static str>,
    /// Whether it reads what the app's own build may read.
    pub(super) of_app: bool,
}

impl Run {
    /// A step of our own making, of constants and checked parts.
    pub(super) fn own(line: impl AsRef<str>) -> Self {
        let line = line.as_ref();
        let line = ShellLine::new(line, "a step");
        debug_assert!(line.is_ok(), "{line:?}");
        // Ours are always fine; one that is not does nothing.
        let line = line.unwrap_or_else(|_| Self::nothing());
        Self { line, own: true, caches: Vec::new(), of_app: false }
    }

    /// A step that a repository names.
    pub(super) fn given(line: ShellLine) -> Self {
        let own = line.plain_words().is_some();
        Self { line, own, caches: Vec::new(), of_app: true }
    }

    pub(super) fn cached(mut self, folders: &[&'static str]) -> Self {
        self.caches.extend(folders);
        self
    }

    /// It runs programs of the app's own, which may want its variables.
    pub(super) fn of_app(mut self) -> Self {
        self.of_app = true;
        self
    }

    fn nothing() -> ShellLine {
        #[expect(clippy::expect_used, reason = "a constant that the check lets pass")]
        ShellLine::new("true", "a step").expect("a plain word")
    }
}

/// Who runs the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// One that the base image has.
    There(&'static str),
    /// One that is made.
    Made,
}

impl User {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::There(name) => name,
            // No base image has one of that name; several have an `app`.
            Self::Made => "hythe",
        }
    }
}

/// Files that a build leaves to be served as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// The folder, from that of the app.
    pub(super) folder: String,
    /// What is served where nothing is found.
    pub(super) missing: Missing,
}

/// What a site serves where nothing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// `404.html`.
    Page,
    /// `index.html`, whose program finds out itself what was meant.
    Index,
}

/// One way to build an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The language, or what runs it.
    pub(super) runtime: &'static str,
    /// The framework.
    pub(super) framework: Option<&'static str>,
    /// What is used in which version.
    pub(super) versions: Vec<(&'static str, String)>,
    /// The package manager.
    pub(super) manager: Option<&'static str>,
    /// Why all of this.
    pub(super) reasons: Vec<String>,
    /// The base image that builds.
    pub(super) build_image: String,
    /// The base image that runs.
    pub(super) run_image: String,
    /// Further base images that the steps copy from: stage and image.
    pub(super) others: Vec<(&'static str, String)>,
    /// Variables of the build.
    pub(super) build_env: Vec<(String, String)>,
    /// Packages of the distribution that the build needs.
    pub(super) build_packages: Vec<String>,
    /// What is copied out of [`Recipe::others`] into the build: stage, from, to.
    pub(super) fetched: Vec<(&'static str, &'static str, &'static str)>,
    /// Tools that the build needs.
    pub(super) tools: Vec<Run>,
    /// Files that decide what is installed; all files where there are none.
    pub(super) manifests: Vec<String>,
    pub(super) install: Vec<Run>,
    pub(super) build: Vec<Run>,
    /// What is done once it is built.
    pub(super) finish: Vec<Run>,
    /// Packages of the distribution that the app needs.
    pub(super) run_packages: Vec<String>,
    /// What is copied out of [`Recipe::others`] into the image: stage, from, to.
    pub(super) run_fetched: Vec<(&'static str, &'static str, &'static str)>,
    /// Steps that prepare the image.
    pub(super) run_tools: Vec<Run>,
    /// Variables of the app.
    pub(super) run_env: Vec<(String, String)>,
    /// What the image takes from the build: from, to.
    pub(super) taken: Vec<(String, String)>,
    pub(super) user: User,
    /// What the container runs; `None` while nobody knows.
    pub(super) start: Option<Start>,
    pub(super) port: u16,
    /// Where the app is finished when it is built.
    pub(super) output: Option<Output>,
    /// The folder of the repository that is built, where that is a workspace above the app's own.
    pub(super) workspace: Option<String>,
    /// The folder of the app in that; empty where it is the same.
    pub(super) inside: String,
    /// Whether it is what the repository is about, rather than something beside it.
    pub(super) sure: bool,
}

impl Recipe {
    /// Where the app lies, in the build and in the image.
    pub(super) const HOME: &'static str = "/app";

    /// One without steps: all files, taken as they are.
    pub(super) fn new(
        runtime: &'static str,
        build_image: impl Into<String>,
        run_image: impl Into<String>,
    ) -> Self {
        Self {
            runtime,
            framework: None,
            versions: Vec::new(),
            manager: None,
            reasons: Vec::new(),
            build_image: build_image.into(),
            run_image: run_image.into(),
            others: Vec::new(),
            build_env: Vec::new(),
            build_packages: Vec::new(),
            fetched: Vec::new(),
            tools: Vec::new(),
            manifests: Vec::new(),
            install: Vec::new(),
            build: Vec::new(),
            finish: Vec::new(),
            run_packages: Vec::new(),
            run_fetched: Vec::new(),
            run_tools: Vec::new(),
            run_env: Vec::new(),
            taken: vec![(Self::HOME.to_owned(), Self::HOME.to_owned())],
            user: User::Made,
            start: None,
            port: PORT,
            output: None,
            workspace: None,
            inside: String::new(),
            sure: true,
        }
    }

    /// Whether it is known what becomes of it once it is built.
    pub(super) fn is_whole(&self) -> bool {
        self.start.is_some() || self.output.is_some()
    }

    pub(super) fn because(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// Tells of a secret that is made, where nobody said one, of the one that Hythe gives each container of an app.
    pub(super) fn because_of_secret(&mut self, name: &str) {
        self.because(format!(
            "{name} is made of HYTHE_SECRET where it is not set: all containers of the app have the same"
        ));
    }

    pub(super) fn build_env(&mut self, name: &'static str, value: impl Into<String>) {
        self.build_env.push((name.to_owned(), value.into()));
    }

    pub(super) fn run_env(&mut self, name: &'static str, value: impl Into<String>) {
        self.run_env.push((name.to_owned(), value.into()));
    }

    /// Packages for the build and packages for the app.
    pub(super) fn packages(&mut self, build: &[&str], run: &[&str]) {
        self.build_packages.extend(build.iter().map(|name| (*name).to_owned()));
        self.run_packages.extend(run.iter().map(|name| (*name).to_owned()));
    }
}
