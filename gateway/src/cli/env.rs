//! `hythe env`: values go in and never come out again.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;

use hythe_core::names::{AppName, EnvName, EnvValue};
use reqwest::Method;

use super::Context;
use super::args::{EnvCommand, EnvSetArgs, RawAssignment};
use super::client::{Client, Patience};
use super::failure::{Failure, Outcome};
use super::format;
use crate::api::dto::{ChangeEnv, EnvList, SecretText};

/// The longest input: all values an app may have, and room for names and comments.
const MOST_INPUT: u64 = 1024 * 1024;
/// Stands for a value that is read from stdin.
const FROM_STDIN: &str = "-";

/// Names and values.
pub(super) type Variables = BTreeMap<EnvName, EnvValue>;

pub(super) async fn run(context: &Context, command: EnvCommand) -> Outcome {
    match command {
        EnvCommand::Ls { name, at } => {
            let path = ["apps", name.as_str(), "env"];
            let list: EnvList = context.client.get(&path, &at.query()).await?;
            format::note_as_of(&context.output, list.as_of);
            show(context, &list);
        }
        EnvCommand::Set(args) => {
            let variables = gather(&args)?;
            let list = change(&context.client, &args.name, &variables, &[]).await?;
            done(context, &args.name, variables.len(), "set", &list);
        }
        EnvCommand::Unset { name, variables } => {
            let list = change(&context.client, &name, &Variables::new(), &variables).await?;
            done(context, &name, variables.len(), "removed", &list);
        }
    }
    Ok(())
}

/// Sets and removes, all or nothing.
pub(super) async fn change(
    client: &Client,
    app: &AppName,
    set: &Variables,
    remove: &[EnvName],
) -> Outcome<EnvList> {
    let body = ChangeEnv {
        set: set
            .iter()
            .map(|(name, value)| (name.to_string(), SecretText::new(value.reveal().to_owned())))
            .collect(),
        remove: remove.iter().map(ToString::to_string).collect(),
    };
    let path = ["apps", app.as_str(), "env"];
    client.write(Method::PATCH, &path, &body, Patience::OnceReached).await
}

fn done(context: &Context, app: &AppName, count: usize, what: &str, list: &EnvList) {
    if context.output.json() {
        context.output.document(&list.items);
        return;
    }
    let noun = if count == 1 { "variable" } else { "variables" };
    context.output.line(format_args!(
        "{count} {noun} {what}; in force from the next deployment on (hythe deploy {app})"
    ));
}

fn show(context: &Context, list: &EnvList) {
    let output = &context.output;
    if output.json() {
        output.document(&list.items);
        return;
    }
    let rows: Vec<_> = list
        .items
        .iter()
        .map(|variable| {
            let set_at = variable.set_at.map_or("-".into(), format::ago);
            vec![variable.name.clone(), variable.version.to_string(), set_at]
        })
        .collect();
    output.table(&["NAME", "VERSION", "SET"], &rows);
}

/// Everything that is to be set: what is on the command line goes before what is in a file.
fn gather(args: &EnvSetArgs) -> Outcome<Variables> {
    let mut variables = match (&args.env_file, args.from_stdin) {
        (Some(file), _) => of_file(file)?,
        (None, true) => dotenv(std::io::stdin(), "stdin")?,
        (None, false) => Variables::new(),
    };
    let stdin_used = args.from_stdin || args.env_file.as_deref() == Some(Path::new("-"));
    variables.extend(with_stdin(&args.variables, stdin_used)?);
    if variables.is_empty() {
        return Err(Failure::usage("there is no variable to set"));
    }
    Ok(variables)
}

/// What a file says, as in dotenv.
pub(super) fn of_file(file: &Path) -> Outcome<Variables> {
    let open = std::fs::File::open(file)
        .map_err(|e| Failure::usage(format!("failed to read {}: {e}", file.display())))?;
    dotenv(open, &file.display().to_string())
}

/// What was given on the command line, with one value at the most from stdin.
pub(super) fn with_stdin(given: &[RawAssignment], mut stdin_used: bool) -> Outcome<Variables> {
    let mut variables = Variables::new();
    for (name, value) in checked(given)? {
        let value = if value.reveal() == FROM_STDIN {
            if std::mem::replace(&mut stdin_used, true) {
                return Err(Failure::usage(format!("{name}: stdin holds one value only")));
            }
            value_from(std::io::stdin(), &name)?
        } else {
            value
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

/// What was given on the command line. Each name once.
pub(super) fn checked(given: &[RawAssignment]) -> Outcome<Variables> {
    let mut variables = Variables::new();
    for assignment in given {
        let (name, value) = assignment.checked()?;
        if variables.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("{name} is given twice")));
        }
    }
    Ok(variables)
}

/// One value: all of the input, without the newline that a shell or an editor puts at its end.
fn value_from(input: impl Read, name: &EnvName) -> Outcome<EnvValue> {
    let text = read(input, name.as_str())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    EnvValue::new(text).map_err(|e| Failure::usage(format!("{name}: {e}")))
}

fn read(input: impl Read, source: &str) -> Outcome<String> {
    let mut bytes = Vec::new();
    input
        .take(MOST_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::usage(format!("failed to read {source}: {e}")))?;
    if bytes.len() as u64 > MOST_INPUT {
        return Err(Failure::usage(format!("{source} is longer than 1 MiB")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{source} is not UTF-8 text")))
}

/// Lines of NAME=VALUE.
fn dotenv(input: impl Read, source: &str) -> Outcome<Variables> {
    let text = read(input, source)?;
    let mut variables = Variables::new();
    let mut cursor = std::io::Cursor::new(text.as_bytes());
    cursor.rewind().map_err(|e| Failure::of(&e))?;
    for item in dotenvy::from_read_iter(cursor) {
        // The error of the crate repeats the line, and with it the value.
        let (name, value) = item.map_err(|_| {
            Failure::usage(format!("{source} has a line that is not NAME=VALUE"))
                .hint("put a value with blanks, quotes or `#` in single quotes")
        })?;
        let name = EnvName::new(name).map_err(|e| Failure::usage(format!("{source}: {e}")))?;
        let value =
            EnvValue::new(value).map_err(|e| Failure::usage(format!("{source}: {name}: {e}")))?;
        variables.insert(name, value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn a_file_is_read_as_people_write_it() {
        let text = "# settings\nA=1\nexport B='two $words'\nC=\"line\\nbreak\"\nEMPTY=\n\n";
        let variables = dotenv(text.as_bytes(), "x").unwrap();
        let pairs: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two $words"), ("C", "line\nbreak"), ("EMPTY", "")]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_values() {
        for text in ["A B C=hush\n", "A='hush\n", "1A=hush\n", "=hush\n"] {
            let refused = dotenv(text.as_bytes(), ".env").unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{text}");
            assert!(!refused.message.contains("hush"), "{refused}");
        }
        assert_eq!(dotenv(&b"A=\xff\n"[..], ".env").unwrap_err().exit, Exit::Usage);
        let long = vec![b'a'; 2 << 20];
        assert!(dotenv(&long[..], ".env").unwrap_err().message.contains("1 MiB"));
    }

    #[test]
    fn a_value_from_stdin_loses_one_newline() {
        let name = EnvName::new("A").unwrap();
        for (input, value) in [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("", "")] {
            assert_eq!(value_from(input.as_bytes(), &name).unwrap().reveal(), value);
        }
        assert_eq!(value_from(&b"a\0b"[..], &name).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_name_is_set_once() {
        let given: Vec<RawAssignment> =
            ["A=1", "A=2"].iter().map(|text| text.parse().unwrap()).collect();
        assert!(checked(&given).unwrap_err().message.contains("twice"));
    }
}
