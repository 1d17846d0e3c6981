//! Runs the commands that change the machine's rules: with arguments, never through a shell, and not
//! for long.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long one command may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Runs a command with its arguments.
pub(super) async fn run(program: &str, args: &[&str], input: Option<&str>) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("{program}: {why}");
    let mut child = Command::new(program)
        .args(args)
        // Where an ordinary user's PATH does not lead.
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))?;
    let ended = async {
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(WITHIN, ended)
        .await
        .map_err(|_| failed(&"it did not end in time"))?
        .map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
    Err(if first.is_empty() { failed(&output.status) } else { failed(&first) })
}
