//! The command line: an HTTP client of the public API, with no back door.
//!
//! Results go to stdout, everything else to stderr; `--json` changes the form of the results and
//! nothing else. Commands return an [`Outcome`]; only `main` turns it into an exit code.

mod app;
pub mod args;
pub mod backup;
mod canary;
mod certificate;
pub mod client;
mod compose;
mod cron;
mod deleted;
mod deploy;
mod deployments;
mod detect;
mod diff;
mod domain;
mod env;
mod events;
pub mod failure;
mod format;
mod gc;
mod git;
mod github_app;
mod hook;
mod import;
mod init;
mod journal;
pub mod link;
mod logs;
pub mod output;
mod preview;
mod process;
mod project;
mod ps;
mod registry;
mod replay;
mod run;
mod running;
mod socket;
mod source;
mod table;
mod target;
mod traffic;
mod why;

use std::path::PathBuf;

use args::{Cli, Command, Global};
use clap::{CommandFactory as _, FromArgMatches as _};
use client::Client;
use failure::{Failure, Outcome};
use output::Output;
use target::Target;

/// What a command of the client works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

/// Reads the command line, with what a link of the present folder says for what is left out. Ends the
/// process where it makes no sense.
#[must_use]
pub fn parse() -> Cli {
    let command = Cli::command();
    let command = match link::present() {
        Some(link) => link::filled(command, &link),
        None => command,
    };
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Runs a command that needs no role of Hythe in this process.
///
/// # Errors
/// It did not end well.
pub async fn run(command: ClientCommand, global: &Global, output: Output) -> Outcome {
    let offline = match command {
        ClientCommand::Journal(command) => return journal::run(command, global, &output).await,
        ClientCommand::Completions(shell) => {
            completions(shell, &output);
            return Ok(());
        }
        ClientCommand::Detect(args) => return detect::run(&args, &output).await,
        ClientCommand::Init(args) => return init::run(&args, &output).await,
        ClientCommand::Import(args) => return import::offline(args, &output).await,
        ClientCommand::Backup(offline) => return backup::offline(*offline, &output).await,
        ClientCommand::Online(command) => command,
    };
    let client = Client::new(&target(global, data_dir(None)))?;
    let context = Context { client, output };
    match offline {
        Online::Deploy(args) => deploy::run(&context, *args).await,
        Online::App(command) => app::run(&context, *command).await,
        Online::Import(args, app) => import::online(&context, args, &app).await,
        Online::Project(command) => project::run(&context, command).await,
        Online::Compose(command) => compose::run(&context, command).await,
        Online::Rollback(args) => deploy::rollback(&context, args).await,
        Online::Redeploy(args) => deploy::again(&context, args, "redeploy").await,
        Online::Restart(args) => deploy::again(&context, args, "restart").await,
        Online::Stop(args) => running::stop(&context, args).await,
        Online::Start(args) => running::start(&context, args).await,
        Online::Scale(args) => running::scale(&context, args).await,
        Online::Process(command) => process::run(&context, command).await,
        Online::Cron(command) => cron::cron(&context, command).await,
        Online::Domain(command) => domain::run(&context, command).await,
        Online::Certificate(command) => certificate::run(&context, command).await,
        Online::Run(args) => run::run(&context, *args).await,
        Online::Runs(command) => run::runs(&context, command).await,
        Online::Registry(command) => registry::run(&context, command).await,
        Online::Hook(command) => hook::run(&context, command).await,
        Online::Preview(command) => preview::run(&context, command).await,
        Online::Address(command) => hook::address(&context, command).await,
        Online::Source(command) => source::run(&context, command).await,
        Online::Deployments(command) => deployments::run(&context, command).await,
        Online::Cancel(which) => deployments::cancel(&context, which).await,
        Online::Link(app) => link::link(&context, &global.url, app).await,
        Online::Unlink => link::unlink(&context),
        Online::Git(command) => git::run(&context, command, global),
        Online::Env(command) => env::run(&context, command).await,
        Online::Logs(args) => logs::run(&context, args).await,
        Online::Ps { name, at } => ps::replicas(&context, name, &at).await,
        Online::Routes(at) => table::run(&context, &at).await,
        Online::Traffic(command) => traffic::traffic(&context, command).await,
        Online::Canary(command) => canary::run(&context, command).await,
        Online::Maintenance(command) => traffic::maintenance(&context, command).await,
        Online::Worker(args::WorkerCommand::Ls(at)) => ps::workers(&context, &at).await,
        Online::Worker(args::WorkerCommand::Show { name, at }) => {
            ps::worker(&context, &name, &at).await
        }
        Online::Events(args) => events::run(&context, *args).await,
        Online::Open { name, print } => app::open(&context, &name, print).await,
        Online::Backup(command) => backup::online(&context, *command).await,
        Online::Status => backup::status(&context).await,
        Online::Gc { dry_run } => gc::run(&context, dry_run).await,
    }
}

fn target(global: &Global, data: PathBuf) -> Target {
    Target {
        url: global.url.clone(),
        token: std::env::var("HYTHE_TOKEN").ok().filter(|token| !token.trim().is_empty()),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
        data,
    }
}

/// A command that runs no role.
#[derive(Debug)]
pub enum ClientCommand {
    /// Works on a data folder.
    Journal(args::JournalCommand),
    /// Works on nothing.
    Completions(clap_complete::Shell),
    /// Works on a folder with an app in it.
    Detect(args::DetectArgs),
    /// The same.
    Init(args::InitArgs),
    /// The same, where no app is to be changed.
    Import(args::ImportArgs),
    /// Works on backups.
    Backup(Box<backup::Offline>),
    /// Asks a server.
    Online(Online),
}

/// A command that asks a server.
#[derive(Debug)]
pub enum Online {
    /// `deploy`
    Deploy(Box<args::DeployArgs>),
    /// `app`
    App(Box<args::AppCommand>),
    /// `import`
    Import(args::ImportArgs, hythe_core::names::AppName),
    /// `project`
    Project(args::ProjectCommand),
    /// `compose`
    Compose(args::ComposeCommand),
    /// `rollback`
    Rollback(args::RollbackArgs),
    /// `redeploy`
    Redeploy(args::AgainArgs),
    /// `restart`
    Restart(args::AgainArgs),
    /// `stop`
    Stop(args::SwitchArgs),
    /// `start`
    Start(args::SwitchArgs),
    /// `scale`
    Scale(args::ScaleArgs),
    /// `process`
    Process(args::ProcessCommand),
    /// `cron`
    Cron(args::CronCommand),
    /// `domain`
    Domain(args::DomainCommand),
    /// `certificate`
    Certificate(args::CertificateCommand),
    /// `run`
    Run(Box<args::RunArgs>),
    /// `runs`
    Runs(args::RunsCommand),
    /// `registry`
    Registry(args::RegistryCommand),
    /// `hook`
    Hook(args::HookCommand),
    /// `address`
    Address(args::AddressCommand),
    /// `hythe preview`.
    Preview(args::PreviewCommand),
    /// `source`
    Source(args::SourceCommand),
    /// `deployments`
    Deployments(args::DeploymentsCommand),
    /// `cancel`
    Cancel(args::Which),
    /// `link`
    Link(Option<hythe_core::names::AppName>),
    /// `unlink`
    Unlink,
    /// `git`
    Git(args::GitCommand),
    /// `env`
    Env(args::EnvCommand),
    /// `logs`
    Logs(args::LogsArgs),
    /// `ps`
    Ps {
        /// Only this app's.
        name: Option<hythe_core::names::AppName>,
        /// As of when.
        at: args::AtArgs,
    },
    /// `routes`
    Routes(args::AtArgs),
    /// `traffic`
    Traffic(args::TrafficCommand),
    /// `canary`
    Canary(args::CanaryCommand),
    /// `maintenance`
    Maintenance(args::MaintenanceCommand),
    /// `worker`
    Worker(args::WorkerCommand),
    /// `events`
    Events(Box<args::EventsArgs>),
    /// `backup`
    Backup(Box<backup::Online>),
    /// `status`
    Status,
    /// `gc`
    Gc {
        /// Only look.
        dry_run: bool,
    },
    /// `open`
    Open {
        /// The app.
        name: hythe_core::names::AppName,
        /// Only print it.
        print: bool,
    },
}

/// A command, by who runs it.
#[derive(Debug)]
pub enum Kind {
    /// This process becomes a role, or looks after them.
    Role(Box<Role>),
    /// A client.
    Client(ClientCommand),
}

/// What runs until it is stopped.
#[derive(Debug)]
pub enum Role {
    /// All of them.
    Up(Box<args::UpArgs>),
    /// The control plane.
    Server(args::ServerArgs),
    /// A worker.
    Agent(args::AgentArgs),
    /// An edge.
    Edge(args::EdgeArgs),
    /// Another program.
    Exec {
        /// Where to write which process this is.
        pid_file: PathBuf,
        /// What the part depends on.
        fingerprint: String,
        /// Program and arguments.
        command: Vec<std::ffi::OsString>,
    },
}

impl From<Command> for Kind {
    fn from(command: Command) -> Self {
        let role = |role| Self::Role(Box::new(role));
        let online = |command| Self::Client(ClientCommand::Online(command));
        match command {
            Command::Up(args) => role(Role::Up(args)),
            Command::Server(args) => role(Role::Server(args)),
            Command::Agent(args) => role(Role::Agent(args)),
            Command::Edge(args) => role(Role::Edge(args)),
            Command::ExecPart { pid_file, fingerprint, command } => {
                role(Role::Exec { pid_file, fingerprint, command })
            }
            Command::Journal(command) => Self::Client(ClientCommand::Journal(command)),
            Command::Completions { shell } => Self::Client(ClientCommand::Completions(shell)),
            Command::Detect(args) => Self::Client(ClientCommand::Detect(args)),
            Command::Init(args) => Self::Client(ClientCommand::Init(args)),
            Command::Import(mut args) => match args.app.take() {
                Some(app) => online(Online::Import(args, app)),
                None => Self::Client(ClientCommand::Import(args)),
            },
            Command::Deploy(args) => online(Online::Deploy(args)),
            Command::App(command) => online(Online::App(Box::new(command))),
            Command::Project(command) => online(Online::Project(command)),
            Command::Compose(command) => online(Online::Compose(command)),
            Command::Rollback(args) => online(Online::Rollback(args)),
            Command::Redeploy(args) => online(Online::Redeploy(args)),
            Command::Restart(args) => online(Online::Restart(args)),
            Command::Stop(args) => online(Online::Stop(args)),
            Command::Start(args) => online(Online::Start(args)),
            Command::Scale(args) => online(Online::Scale(args)),
            Command::Process(command) => online(Online::Process(command)),
            Command::Cron(command) => online(Online::Cron(command)),
            Command::Domain(command) => online(Online::Domain(command)),
            Command::Certificate(command) => online(Online::Certificate(command)),
            Command::Run(args) => online(Online::Run(args)),
            Command::Runs(command) => online(Online::Runs(command)),
            Command::Registry(command) => online(Online::Registry(command)),
            Command::Hook(command) => online(Online::Hook(command)),
            Command::Preview(command) => online(Online::Preview(command)),
            Command::Address(command) => online(Online::Address(command)),
            Command::Source(command) => online(Online::Source(command)),
            Command::Deployments(command) => online(Online::Deployments(command)),
            Command::Cancel { which } => online(Online::Cancel(which)),
            Command::Link { app } => online(Online::Link(app)),
            Command::Unlink => online(Online::Unlink),
            Command::Git(command) => online(Online::Git(command)),
            Command::Env(command) => online(Online::Env(command)),
            Command::Logs(args) => online(Online::Logs(args)),
            Command::Ps { name, at } => online(Online::Ps { name, at }),
            Command::Routes(at) => online(Online::Routes(at)),
            Command::Traffic(command) => online(Online::Traffic(command)),
            Command::Canary(command) => online(Online::Canary(command)),
            Command::Maintenance(command) => online(Online::Maintenance(command)),
            Command::Worker(command) => online(Online::Worker(command)),
            Command::Events(args) => online(Online::Events(args)),
            Command::Open { name, print } => online(Online::Open { name, print }),
            Command::Status => online(Online::Status),
            Command::Gc { dry_run } => online(Online::Gc { dry_run }),
            Command::Backup(args) => match backup::sorted(*args) {
                Ok(command) => online(Online::Backup(Box::new(command))),
                Err(offline) => Self::Client(ClientCommand::Backup(Box::new(offline))),
            },
            Command::Restore(args) => {
                let restore = backup::Offline::Restore(args);
                Self::Client(ClientCommand::Backup(Box::new(restore)))
            }
        }
    }
}

/// The data folder: the one that was given, or else the usual one.
#[must_use]
pub fn data_dir(given: Option<PathBuf>) -> PathBuf {
    if let Some(given) = given.or_else(|| set("HYTHE_DATA")) {
        return given;
    }
    // A checkout in which `make up` was used.
    let checkout = PathBuf::from(".hythe/data");
    if checkout.join("instance").exists() {
        return checkout;
    }
    match set("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        Some(home) => home.join("hythe"),
        None => match set("HOME") {
            Some(home) => home.join(".local/share/hythe"),
            None => PathBuf::from("/var/lib/hythe"),
        },
    }
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn completions(shell: clap_complete::Shell, output: &Output) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hythe", &mut script);
    output.text(String::from_utf8_lossy(&script));
}

/// Says how a command ended, where it did not end well.
pub fn report(failure: &Failure, output: &Output) {
    if failure.message.is_empty() {
        return;
    }
    // What went wrong after the result was told is said on stderr, and by the exit code.
    if output.json() && !output.documented() {
        output.document(&serde_json::json!({
            "error": failure.message,
            "hint": failure.hint,
            "problem": failure.problem,
            "exit_code": failure.exit.code(),
        }));
    }
    output.note(format_args!("hythe: {}", output.foreign(&failure.message)));
    if let Some(hint) = &failure.hint {
        output.note(format_args!("       {}", output.foreign(hint)));
    }
}
