//! `hythe git`: lets git push to the server, and tells it the token when it asks.
//!
//! Invariants: the token is told to git on a pipe, for this server's address alone; it is written into no
//! configuration, and no other helper gets to keep it.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use url::Url;

use super::Context;
use super::args::{GitCommand, GitCredentialArgs, GitRemoteArgs, Global};
use super::failure::{Failure, Outcome};

/// Bytes of what git says when it asks for a token.
const MOST_ASKED: u64 = 64 * 1024;

/// Runs it.
pub(super) fn run(context: &Context, command: GitCommand, global: &Global) -> Outcome {
    match command {
        GitCommand::Remote(args) => remote(context, &args, global),
        GitCommand::Credential(args) => credential(context, &args),
    }
}

/// Where an app is pushed to.
fn address(base: &Url, app: &str) -> Outcome<Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| Failure::usage("the server's URL cannot have a path"))?
        .pop_if_empty()
        .extend(["git", &format!("{app}.git")]);
    Ok(url)
}

/// What git takes settings for that hold for this server.
fn place(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

fn remote(context: &Context, args: &GitRemoteArgs, global: &Global) -> Outcome {
    let base = context.client.base();
    let url = address(base, args.app.as_str())?;
    if !args.print {
        set_up(args, global, base, &url)?;
    }
    if context.output.json() {
        let remote = (!args.print).then_some(&args.name);
        context.output.document(&json!({ "app": args.app, "url": url.as_str(), "remote": remote }));
        return Ok(());
    }
    if args.print {
        context.output.line(&url);
        return Ok(());
    }
    context.output.line(format_args!("{} is {url}", args.name));
    context.output.note(format_args!("deploy what is committed: git push {} HEAD:main", args.name));
    if context.client.token().is_none() {
        context.output.note(
            "git will ask for the owner token as a password: set HYTHE_TOKEN, or give --token-file here",
        );
    }
    Ok(())
}

fn set_up(args: &GitRemoteArgs, global: &Global, base: &Url, url: &Url) -> Outcome {
    let name = &args.name;
    if !git(["rev-parse", "--git-dir"])?.0 {
        return Err(Failure::failed("this folder is in no git repository")
            .hint("make one: git init && git add -A && git commit -m first"));
    }
    let (there, before) = git(["remote", "get-url", "--", name])?;
    if there && before.trim() != url.as_str() && !before.contains("/git/") {
        return Err(Failure::failed(format!("the remote {name} is {} already", before.trim()))
            .hint("give another name: --name"));
    }
    let verb = if there { "set-url" } else { "add" };
    must(["remote", verb, "--", name, url.as_str()])?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("where hythe lies cannot be said: {error}")))?;
    let place = place(base);
    let helper = format!("credential.{place}.helper");
    // Empty: none of the helpers that the machine has is asked, or gets to keep the token.
    must(["config", "--local", "--replace-all", &helper, ""])?;
    must(["config", "--local", "--add", &helper, &self::helper(&program, &place, global)?])?;
    if let Some(ca) = &global.ca_file {
        let ca = std::path::absolute(ca).unwrap_or_else(|_| ca.clone());
        let setting = format!("http.{place}.sslCAInfo");
        must([OsStr::new("config"), "--local".as_ref(), setting.as_ref(), ca.as_ref()])?;
    }
    Ok(())
}

/// What git runs when it wants a token. Git has a shell read it, so everything is quoted.
fn helper(program: &Path, place: &str, global: &Global) -> Outcome<String> {
    let mut words = vec![shown(program)?.to_owned(), "--url".to_owned(), place.to_owned()];
    if let Some(file) = &global.token_file {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        words.extend(["--token-file".to_owned(), shown(&file)?.to_owned()]);
    }
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    Ok(format!("!{} git credential", quoted.join(" ")))
}

fn shown(path: &Path) -> Outcome<&str> {
    path.to_str().filter(|path| !path.contains('\n')).ok_or_else(|| {
        Failure::usage(format!("{} has a name that git cannot be told", path.display()))
    })
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Runs git in this folder; whether it went well, and what it said.
fn git<const N: usize>(args: [impl AsRef<OsStr>; N]) -> Outcome<(bool, String)> {
    let output = Command::new("git").args(args).stdin(Stdio::null()).output().map_err(|error| {
        Failure::failed(format!("git cannot be run: {error}")).hint("install git")
    })?;
    let said = if output.status.success() { &output.stdout } else { &output.stderr };
    Ok((output.status.success(), String::from_utf8_lossy(said).into_owned()))
}

fn must<const N: usize>(args: [impl AsRef<OsStr>; N]) -> Outcome {
    match git(args)? {
        (true, _) => Ok(()),
        (false, said) => Err(Failure::failed(format!("git says: {}", said.trim()))),
    }
}

/// Answers git, which asks in lines of `name=value`.
fn credential(context: &Context, args: &GitCredentialArgs) -> Outcome {
    // What git says besides is of no use: the token is where it was.
    if args.action != "get" {
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::of(&error);
    let mut asked = String::new();
    std::io::stdin().take(MOST_ASKED).read_to_string(&mut asked).map_err(failed)?;
    if let Some(token) = context.client.token()
        && is_for(&asked, context.client.base())
    {
        let answer = format!("username=hythe\npassword={token}\n");
        std::io::stdout().write_all(answer.as_bytes()).map_err(failed)?;
    }
    Ok(())
}

/// Whether git asks about this very server.
fn is_for(asked: &str, base: &Url) -> bool {
    let said = |name: &str| {
        let mut lines = asked.lines().filter_map(|line| line.split_once('='));
        lines.find_map(|(key, value)| (key == name).then_some(value))
    };
    let (Some(protocol), Some(host)) = (said("protocol"), said("host")) else { return false };
    let Ok(url) = Url::parse(&format!("{protocol}://{host}")) else { return false };
    let same_host = url.host().is_some() && url.host() == base.host();
    let plain = url.path() == "/" && url.username().is_empty() && url.password().is_none();
    let same = url.scheme() == base.scheme();
    same && same_host && plain && url.port_or_known_default() == base.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_for_this_server_alone() {
        let base = Url::parse("https://hythe.example/").unwrap();
        let asks = |protocol: &str, host: &str| {
            is_for(&format!("protocol={protocol}\nhost={host}\npath=git/shop.git\n\n"), &base)
        };
        assert!(asks("https", "hythe.example") && asks("https", "hythe.example:443"));
        for (protocol, host) in [
            ("http", "hythe.example"),
            ("https", "hythe.example:444"),
            ("https", "evil.example"),
            ("https", "hythe.example.evil.example"),
            ("https", "hythe.example@evil.example"),
            ("https", "evil.example/hythe.example"),
            ("https", ""),
            ("ssh", "hythe.example"),
        ] {
            assert!(!asks(protocol, host), "{protocol}://{host}");
        }
        assert!(!is_for("host=hythe.example\n", &base) && !is_for("", &base));
    }

    #[test]
    fn what_git_runs_is_quoted_for_the_shell_that_reads_it() {
        let global = Global {
            json: false,
            url: String::new(),
            token_file: Some("/a b/$(id)".into()),
            ca_file: None,
        };
        let said = helper(Path::new("/opt/it's here/hythe"), "http://127.0.0.1:7070", &global);
        assert_eq!(
            said.unwrap(),
            "!'/opt/it'\\''s here/hythe' '--url' 'http://127.0.0.1:7070' '--token-file' \
             '/a b/$(id)' git credential"
        );
        assert_eq!(
            address(&Url::parse("http://127.0.0.1:7070").unwrap(), "shop").unwrap().as_str(),
            "http://127.0.0.1:7070/git/shop.git"
        );
    }
}
