//! The command line as a whole: that it fits together, and what it refuses.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_fits_together() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_has_every_exit_code() {
    use crate::cli::failure::Exit;
    let help = Cli::command().render_help().to_string();
    let codes = help.split_once("Exit codes: ").unwrap().1;
    for exit in [Exit::Done, Exit::Failed, Exit::Usage, Exit::Unreachable, Exit::Interrupted] {
        let code = exit.code().to_string();
        assert!(codes.split_whitespace().any(|word| word == code), "{code}: {codes}");
    }
}

#[test]
fn a_build_is_named_by_number_by_id_or_as_the_latest() {
    let of = |text: &str| text.parse::<BuildOf>();
    assert_eq!(of("latest"), Ok(BuildOf::Latest));
    assert_eq!(of("3"), Ok(BuildOf::Numbered(3)));
    assert_eq!(of("#3"), Ok(BuildOf::Numbered(3)));
    let id = "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f";
    assert_eq!(of(id), Ok(BuildOf::Deployment(id.parse().unwrap())));
    for wrong in ["", "three", "-3", "3.0", "99999999999999999999999"] {
        assert!(of(wrong).unwrap_err().contains("hythe deployments ls"), "{wrong}");
    }
}

#[test]
fn hostile_names_are_wrong_usage() {
    for args in [
        &["deploy", "-x"][..],
        &["deploy", "a b"],
        &["deploy", "$(id)"],
        &["deploy", "shop", "--repo", "ext::sh -c id"],
        &["deploy", "shop", "--repo", "-u"],
        &["deploy", "shop", "--branch", "a..b"],
        &["deploy", "shop", "--branch", "a", "--commit", &"a".repeat(40)],
        &["deploy", "shop", "--tag", "v1..2"],
        &["deploy", "shop", "--tag", "-v"],
        &["deploy", "shop", "--tag", "a", "--commit", &"a".repeat(40)],
        &["deploy", "shop", "--tag", "a", "--branch", "a"],
        &["deploy", "shop", "--commit", "HEAD"],
        &["deploy", "shop", "--dockerfile", "../Dockerfile"],
        &["deploy", "shop", "--port", "0"],
        &["deploy", "shop", "--port", "65536"],
        &["deploy", "shop", "--replicas", "0"],
        &["deploy", "shop", "--replicas", "1000"],
        &["deploy", "shop", "--health-path", "x"],
        &["env", "set", "shop"],
        &["logs", "shop", "--build", "newest"],
        &["cancel", "../x"],
        &["rollback", "shop", "--to", "latest"],
        &["rollback", "shop", "--to", "-1"],
        &["restart", "a b"],
        &["scale", "shop"],
        &["scale", "shop", "0"],
        &["scale", "shop", "65"],
        &["scale", "shop", "worker=65"],
        &["scale", "shop", "a b=1"],
        &["process", "set", "shop", "Worker", "--", "work"],
        &["process", "set", "shop", "worker", "work"],
        &["process", "set", "shop", "worker", "--replicas", "65"],
        &["process", "set", "shop", "worker", "--memory", "much"],
        &["process", "rm", "shop"],
        &["app", "set", "shop", "--memory", "much"],
        &["app", "set", "shop", "--cpus", "many"],
        &["run", "shop"],
        &["run", "shop", "ls"],
        &["run", "a b", "--", "ls"],
        &["run", "shop", "--timeout", "5", "--", "ls"],
        &["run", "shop", "--tty", "--detach", "--", "ls"],
        &["runs", "stop", "x"],
        &["app", "show", "shop", "--at", "soon"],
        &["app", "diff", "shop", "#x"],
        &["app", "diff", "shop"],
        &["registry", "login", "https://ghcr.io", "-u", "ci", "--password-stdin"],
        &["registry", "login", "ghcr.io", "-u", "a:b", "--password-stdin"],
        &["registry", "login", "ghcr.io", "-u", "ci"],
        &["registry", "logout", "ghcr.io/team"],
        &["hook", "add"],
        &["hook", "add", "shop", "--provider", "svn"],
        &["hook", "statuses", "shop", "--on", "--off"],
        &["hook", "statuses", "shop", "--api", "git.example.com"],
        &["hook", "comments", "shop", "--on", "--off"],
        &["hook", "deployments", "shop", "--api", "git.example.com"],
        &["preview", "on", "shop", "--most", "0"],
        &["preview", "on", "shop", "--forks", "some"],
        &["preview", "on", "shop", "--env", "A B"],
        &["preview", "on", "shop", "--keep", "a while"],
        &["preview", "rm", "shop", "-1"],
        &["address", "set", "hythe.example.com"],
        &["app", "set", "shop", "--deploy-on", "friday"],
        &["app", "set", "shop", "--watch-paths", "../x"],
        &["app", "set", "shop", "--watch-paths", "x", "--no-watch-paths"],
        &["source", "token", "set", "github.com", "-u", "ci"],
        &["source", "token", "set", "ssh://git@github.com", "-u", "ci", "--password-stdin"],
        &["source", "token", "set", "u:p@github.com", "-u", "ci", "--password-stdin"],
        &["source", "token", "set", "github.com/../x", "-u", "ci", "--password-stdin"],
        &["source", "token", "rm", "-x"],
        &["source", "repos", "u:p@github.com"],
        &["source", "repos", "github.com", "--provider", "svn"],
        &["source", "branches", "--upload-pack=x"],
        &["source", "branches", "https://github.com/a/b", "--api", "x"],
        &["source", "key", "a b"],
        &["source", "host", "add", "*", "--key", "ssh-ed25519 AAAA"],
        &["source", "host", "add", "git.example", "--key", "ssh-ed25519 AAAA"],
        &["maintenance", "on", "a b"],
        &["traffic", "set", "shop", "--rate", "0"],
        &["traffic", "set", "shop", "--burst", "5"],
        &["traffic", "set", "shop", "--allow", "10.0.0.0/33"],
        &["traffic", "set", "shop", "--allow", "10.0.0.1", "--allow-all"],
        &["traffic", "set", "shop", "--wait", "long"],
        &["traffic", "set", "shop", "--protocol", "spdy"],
        &["traffic", "login", "shop", "--username", "ada"],
        &["traffic", "login", "shop", "--username", "a:b", "--password-stdin"],
        &["events", "--why", "0"],
        &["events", "--why", "3", "-f"],
        &["events", "--tree"],
        &["events", "--since", "x"],
        &["events", "--from", "0"],
        &["worker", "show", "a b"],
        &["git", "remote"],
        &["git", "remote", "a b"],
        &["git", "remote", "shop", "--name", "-x"],
        &["git", "remote", "shop", "--name", "a.b"],
        &["compose", "up"],
        &["compose", "up", "a b"],
        &["compose", "up", "shop", "--branch", "-x"],
        &["compose", "down", "../x"],
        &["app", "set", "shop", "--volume", "data"],
        &["app", "set", "shop", "--volume", "data:/x:rx"],
        &["app", "set", "shop", "--volume", "/etc:/etc"],
        &["app", "set", "shop", "--volume", "a:/a", "--no-volumes"],
        &["app", "set", "shop", "--routed", "maybe"],
    ] {
        let error = Cli::try_parse_from(["hythe"].iter().chain(args)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{args:?}");
    }
}

#[test]
fn a_value_is_not_shown_when_it_is_refused() {
    let args = ["hythe", "env", "set", "shop", "A B=hush-hush"];
    let Command::Env(EnvCommand::Set(args)) = Cli::try_parse_from(args).unwrap().command else {
        panic!("it is `env set`");
    };
    let refused = args.variables[0].checked().unwrap_err();
    assert!(!refused.message.contains("hush-hush"), "{refused}");
    assert!(!format!("{args:?}").contains("hush-hush"));
    assert_eq!(refused.exit, crate::cli::failure::Exit::Usage);
}

#[test]
fn waiting_is_usual_and_detaching_is_not() {
    let detach = |args: &[&str]| {
        let cli = Cli::try_parse_from(["hythe", "deploy", "shop"].iter().chain(args)).unwrap();
        let Command::Deploy(args) = cli.command else { panic!("it is `deploy`") };
        args.waiting.detach
    };
    assert!(!detach(&[]));
    assert!(!detach(&["--wait"]));
    assert!(detach(&["--detach"]));
}
