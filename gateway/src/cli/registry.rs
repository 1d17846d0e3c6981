//! `hythe registry`: passwords go in and never come out again.

use std::io::Read;

use hythe_core::installation::{RegistryHost, RegistryPassword, RegistryUser};
use reqwest::Method;
use zeroize::Zeroizing;

use super::Context;
use super::args::RegistryCommand;
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::format;
use crate::api::dto::{Registry, RegistryList, SecretText, SetRegistry};

pub(super) async fn run(context: &Context, command: RegistryCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        RegistryCommand::Login { host, username, password_stdin: _ } => {
            login(context, &host, &username).await?;
        }
        RegistryCommand::Ls => {
            let list: RegistryList = client.get(&["registries"], &[]).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            let rows: Vec<_> = list
                .items
                .into_iter()
                .map(|one| vec![one.host, one.username, format::ago(one.set_at)])
                .collect();
            output.table(&["REGISTRY", "USERNAME", "SET"], &rows);
        }
        RegistryCommand::Logout { host } => {
            client.delete(&["registries", host.as_str()], &[]).await?;
            if output.json() {
                let removed = serde_json::json!({"host": host.as_str(), "removed": true});
                output.document(&removed);
            } else {
                output.line(format_args!("builds log in to {host} no more"));
            }
        }
    }
    Ok(())
}

async fn login(context: &Context, host: &RegistryHost, user: &RegistryUser) -> Outcome {
    let password = password(std::io::stdin())?;
    let password = SecretText::new(password.reveal().to_owned());
    let body = SetRegistry { username: user.to_string(), password };
    let path = ["registries", host.as_str()];
    let set: Registry =
        context.client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
    if context.output.json() {
        context.output.document(&set);
    } else {
        context.output.line(format_args!(
            "builds log in to {} as {}, from the next one on",
            set.host, set.username
        ));
    }
    Ok(())
}

fn password(input: impl Read) -> Outcome<RegistryPassword> {
    let text = secret_from(input, RegistryPassword::MOST_BYTES)?;
    RegistryPassword::new(text.as_str()).map_err(|bad| Failure::usage(bad.to_string()))
}

/// All of the input, without the newline that a shell or an editor puts at its end; not much more
/// than `most` bytes of it, but so much that it can be seen to be too long.
pub(super) fn secret_from(input: impl Read, most: usize) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let most = u64::try_from(most).unwrap_or(u64::MAX - 3);
    // Two more for the newline, and one to see that there is more.
    input
        .take(most + 3)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("failed to read the password: {error}")))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn a_password_is_all_of_the_input_but_its_newline() {
        for (input, expected) in
            [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), (" h u ", " h u ")]
        {
            assert_eq!(password(input.as_bytes()).unwrap().reveal(), expected);
        }
        let longest = "h".repeat(RegistryPassword::MOST_BYTES);
        assert!(password(format!("{longest}\r\n").as_bytes()).is_ok());
        for input in ["", "\n", "hush\nhush\n", &format!("{longest}h"), &format!("{longest}hush")] {
            let refused = password(input.as_bytes()).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(!refused.message.contains("hush"), "{refused}");
        }
        assert_eq!(password(&b"\xff"[..]).unwrap_err().exit, Exit::Usage);
    }
}
