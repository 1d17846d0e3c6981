//! What a Dockerfile has its build fetch from elsewhere, as far as its text and the build's arguments say.
//!
//! BuildKit fetches what `ADD` names by itself, with the network of its machine and not with that of
//! builds, so nothing but its text tells where that leads. It is read as BuildKit reads it. Versions of
//! it differ in where an instruction ends (here-documents, an escape character that is escaped itself):
//! what any of them would fetch counts.
//!
//! Invariant: no text makes this take more than some megabytes, or deeper than a few calls.

mod instructions;
mod variables;
mod words;

use std::collections::BTreeMap;

use instructions::{Instruction, Reading};
use variables::Stages;
use words::{UNKNOWN, Word};

pub use instructions::frontend;

/// Something that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// The line of the instruction, from 1.
    pub line: usize,
    /// What it names, as it is written there.
    pub written: String,
    /// The host that it is fetched from, with a port where there is one.
    pub host: RemoteHost,
}

/// Where something is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteHost {
    /// From here.
    Known(String),
    /// That depends on what the text does not say: on these variables, where they can be named.
    Unknown(Vec<String>),
}

/// What a build by this Dockerfile fetches by `ADD`. `args`: what the build is given.
#[must_use]
pub fn remotes(text: &str, args: &BTreeMap<&str, &str>) -> Vec<Remote> {
    let mut found = Vec::new();
    for (heredocs, joins_escaped) in [(true, false), (true, true), (false, false), (false, true)] {
        let reading = Reading { heredocs, joins_escaped };
        let usual = reading == Reading { heredocs: true, joins_escaped: false };
        let of_this = remotes_by(&instructions::read(text, reading), text, args);
        // What may be no instruction at all must not be refused for what is not known of it.
        let known = |remote: &Remote| usual || matches!(remote.host, RemoteHost::Known(_));
        found.extend(of_this.into_iter().filter(known));
    }
    found.sort();
    found.dedup();
    found
}

fn remotes_by(
    instructions: &[Instruction],
    text: &str,
    args: &BTreeMap<&str, &str>,
) -> Vec<Remote> {
    let escape = instructions::escape(text);
    let mut stages = Stages::new(args, escape);
    let mut found = Vec::new();
    for instruction in instructions {
        let Instruction { line, keyword, rest } = instruction;
        match keyword.as_str() {
            "FROM" => stages.begin(rest),
            "ARG" => stages.argument(rest),
            "ENV" => stages.environment(rest),
            "ADD" => found.extend(added(rest).into_iter().filter_map(|written| {
                let host = host(&stages.expand(&written))?;
                Some(Remote { line: *line, written, host })
            })),
            _other => {}
        }
    }
    found
}

/// The sources of an `ADD`: all words but the last, after its flags.
fn added(rest: &str) -> Vec<String> {
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    let listed = serde_json::from_str::<Vec<String>>(rest).ok();
    let mut words = listed.unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
    words.pop();
    words
}

/// The host of a source; none where it is a path. What is not known may as well be nothing.
fn host(source: &Word) -> Option<RemoteHost> {
    let without: String = source.text.chars().filter(|c| *c != UNKNOWN).collect();
    let Some(named) = host_in(&source.text).or_else(|| host_in(&without)) else {
        // All of it may be an address.
        let open = source.text.starts_with(UNKNOWN);
        return open.then(|| RemoteHost::Unknown(source.unknown.clone()));
    };
    Some(if named.contains(UNKNOWN) {
        RemoteHost::Unknown(source.unknown.clone())
    } else {
        RemoteHost::Known(named.to_owned())
    })
}

fn host_in(text: &str) -> Option<&str> {
    let text = text.trim();
    let named = match text.split_once("://") {
        Some((scheme, rest)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c) || c == UNKNOWN;
            if scheme.is_empty() || !scheme.chars().all(plain) {
                return None;
            }
            rest.split(['/', '?', '#']).next().unwrap_or_default()
        }
        // As git and ssh have it: user@host:path.
        None => {
            let (before, _) = text.split_once(':')?;
            if !before.contains('@') || before.contains('/') {
                return None;
            }
            before
        }
    };
    Some(named.rsplit_once('@').map_or(named, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str, args: &[(&str, &str)]) -> Vec<String> {
        let args = args.iter().copied().collect();
        remotes(text, &args)
            .into_iter()
            .map(|remote| match remote.host {
                RemoteHost::Known(host) => host,
                RemoteHost::Unknown(names) => format!("?{}", names.join(",")),
            })
            .collect()
    }

    #[test]
    fn what_is_fetched_is_found_however_it_is_written() {
        let rows: &[(&str, &[&str])] = &[
            ("FROM a\nADD http://10.0.0.1/x /x", &["10.0.0.1"]),
            ("FROM a\n  add\thttps://u:p@host:8080?x /x", &["host:8080"]),
            ("FROM a\nADD --chown=1:1 --link a.txt http://h/x http://i/y /x/", &["h", "i"]),
            ("FROM a\nADD [\"http://h/a b\", \"/x\"]", &["h"]),
            ("FROM a\nADD \"http://h/x\" /x", &["h"]),
            ("FROM a\nADD h'tt'p://h/x /x", &["h"]),
            ("FROM a\nA\\\nDD ht\\\n# said\n\ntp://h/x \\\n /x", &["h"]),
            ("# escape=`\nFROM a\nADD `\n http://h/x C:\\x", &["h"]),
            ("FROM a\nONBUILD  ADD http://h/x /x", &["h"]),
            ("FROM a\nADD git@h:a/b.git /x", &["h"]),
            ("FROM a\nADD git://h:1/b.git#main /x", &["h:1"]),
            ("FROM a\nADD ssh://git@h/b.git /x", &["h"]),
            ("FROM a\nADD http://[::1]:80/x /x", &["[::1]:80"]),
            ("FROM a\nADD http://h\\@i/x 'http://j\\k/x' /x", &["j\\k", "i"]),
            // Versions differ in whether this is one instruction.
            ("FROM a\nRUN echo \\\\\nADD http://h/x /x", &["h"]),
            // Within a here-document it is none, but only some know those.
            ("FROM a\nCOPY <<EOF /f\nADD http://h/x /x\nEOF\n", &["h"]),
            ("FROM a\nCOPY <<EOF /f\nADD http://$H/x /x\nEOF\n", &[]),
            ("FROM a\nRUN <<-\"A\" cat\nx \\\n\tA\nADD http://h/x /x", &["h"]),
            // Quotes hide what would begin a here-document, and blanks within them part no words.
            ("FROM a\nRUN echo \"<<EOF\"\nADD http://h/x /x", &["h"]),
            ("FROM a\nRUN echo 'it is: <<EOF'\nADD http://h/x /x", &["h"]),
            (
                "FROM a\nRUN cat <<A <<'B C'\nADD http://i/x /x\nA\nB C\nADD http://h/x /x",
                &["i", "h"],
            ),
            // As other systems write files.
            ("\u{feff}FROM a\nADD http://h/x /x", &["h"]),
            ("\u{feff}# escape=`\r\nFROM a\r\nADD `\r\n http://h/x C:\\x\r\n", &["h"]),
            ("FROM a\nADD \\  \n http://h/x /x", &["h"]),
            ("FROM a\nONBUILD onbuild ADD http://h/x /x", &["h"]),
            ("FROM a\nADD --checksum=sha256:00 HTTPS://h/x /x", &["h"]),
            ("FROM a\nADD [not, json] http://h/x /x", &["h"]),
            // Paths, and what is no ADD.
            ("FROM a\nADD a b@c/d:e . /x", &[]),
            ("FROM a\nCOPY http://h/x /x\nRUN apk \\\n  add http://$h/x", &[]),
            ("FROM a\n# ADD http://h/x /x\nRUN curl http://h/x", &[]),
            ("FROM a\nADD http://h/x", &[]),
        ];
        for (text, expected) in rows {
            assert_eq!(&hosts(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_what_they_are_at_that_line() {
        let given: &[(&str, &str)] = &[("H", "given")];
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let rows: &[Row<'_>] = &[
            ("FROM a\nARG H=one\nADD http://$H/x /x", &[], &["one"]),
            ("FROM a\nARG H=one\nADD http://$H/x /x", given, &["given"]),
            ("FROM a\nARG H\nADD http://${H}:8/x /x", given, &["given:8"]),
            ("FROM a\nARG H\nADD http://${H}/x /x", &[], &["?H"]),
            ("FROM a\nADD http://${H}/x /x", given, &["?H"]),
            ("ARG H=one\nFROM a\nARG H\nADD http://$H/x /x", &[], &["one"]),
            ("ARG H=one\nFROM a\nADD http://$H/x /x", &[], &["?H"]),
            ("FROM a\nARG H=one\nENV H=two\nADD http://$H/x /x", given, &["two"]),
            ("FROM a\nENV A=10.0 B='0.1'\nENV C $A.$B\nADD http://$C/x /x", &[], &["10.0.0.1"]),
            ("FROM a AS b\nENV H=one\nFROM c\nFROM B\nADD http://$H/x /x", &[], &["one"]),
            ("FROM a\nENV H=one\nFROM c\nADD http://$H/x /x", &[], &["?H"]),
            ("FROM a\nADD http://${H:-${I:-one}}/x /x", &[], &["one"]),
            (
                "FROM a\nENV H=one\nADD http://${H:+two}/x http://${I:+two}h/x /x",
                &[],
                &["two", "h"],
            ),
            ("FROM a\nENV H=one\nADD http://${H%e}/x /x", &[], &["?H"]),
            ("FROM a\nENV U=http://one/x\nADD $U ${U}y /x", &[], &["one", "one"]),
            ("FROM a\nENV S=http:\nADD $S//one/x /x", &[], &["one"]),
            ("FROM a\nADD $P://one/x /x", &[], &["one"]),
            ("FROM a\nENV U=http://one/$V\nADD $U /x", &[], &["one"]),
            ("FROM a\nENV H=o$V\nADD http://$H/x /x", &[], &["?H"]),
            ("FROM a\nADD http:$V//one/x /x", &[], &["one"]),
            ("FROM a\nADD http://one/$V/x a/$V/y '$H' \\$H /x", &[], &["one"]),
            ("FROM a\nARG A B=one\nADD http://$B/x /x", &[("A", "x")], &["one"]),
        ];
        for (text, args, expected) in rows {
            let mut expected = expected.to_vec();
            expected.dedup();
            let mut found = hosts(text, args);
            found.dedup();
            expected.sort_unstable();
            found.sort();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_fetched_is_told_with_its_line_and_as_it_is_written() {
        let text = "FROM a\n\n# said\nADD \\\n  http://u@$H/x /x\nADD a http://i/y /x";
        let told: Vec<(usize, String)> = remotes(text, &BTreeMap::new())
            .into_iter()
            .map(|remote| (remote.line, remote.written))
            .collect();
        assert_eq!(told, [(4, "http://u@$H/x".to_owned()), (6, "http://i/y".to_owned())]);
    }

    #[test]
    fn what_is_too_much_to_be_known_is_taken_for_unknown_and_not_for_nothing() {
        let many: String = (0..600).map(|n| format!("ENV A{n}=x\n")).collect();
        // Where the environment has no more room, what it says of H may be among the rest.
        let hidden = format!("FROM a\nARG H=one\n{many}ADD http://$H/x /x");
        assert_eq!(hosts(&hidden, &[]), ["?H"]);
        assert_eq!(hosts("FROM a\nARG H=one\nENV A=x\nADD http://$H/x /x", &[]), ["one"]);
        let long = format!("FROM a\nADD http://{}/x /x", "h".repeat(2_000));
        assert_eq!(hosts(&long, &[]), ["?"]);
        let deep = format!("{}one{}", "${A:-".repeat(20), "}".repeat(20));
        assert_eq!(hosts(&format!("FROM a\nADD http://{deep}/x /x"), &[]), ["?A"]);
        let stages: String = (0..80).map(|n| format!("FROM a AS s{n}\nENV H=h{n}\n")).collect();
        let of = |n: u32| hosts(&format!("{stages}FROM s{n}\nADD http://$H/x /x"), &[]);
        assert_eq!((of(0), of(79)), (vec!["h0".to_owned()], vec!["?H".to_owned()]));
    }

    #[test]
    fn no_text_grows_beyond_its_bounds() {
        let mut text = "FROM a\nENV A0=xxxxxxxxxxxxxxxx\n".to_owned();
        for n in 1..2_000 {
            let before = n - 1;
            text += &format!("ENV A{n}=$A{before}$A{before}\n");
        }
        text += "ADD http://$A1999/x /x\n";
        text += &format!("ADD http://{}h{}/x /x\n", "${A:-".repeat(50_000), "}".repeat(50_000));
        text += &(0..5_000).map(|n| format!("FROM a AS s{n}\nENV A=1\n")).collect::<String>();
        text += &"A\\\n".repeat(100_000);
        let found = hosts(&text, &[]);
        assert!(found.iter().all(|host| host.starts_with('?')), "{found:?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_frontend_is_named_by_the_first_lines() {
        let rows = [
            ("# syntax=docker/dockerfile:1\nFROM a", Some("docker/dockerfile:1")),
            ("\u{feff}#Syntax = evil/front \nFROM a", Some("evil/front")),
            ("#!/bin/x\n# escape=`\n# syntax=evil\nFROM a", Some("evil")),
            ("// syntax=evil\nFROM a", Some("evil")),
            ("{\"Syntax\": \"evil\"}", Some("{\"Syntax\": \"evil\"}")),
            ("# a comment\n# syntax=evil\nFROM a", None),
            ("FROM a\n# syntax=evil", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(frontend(text).as_deref(), expected, "{text}");
        }
    }
}
