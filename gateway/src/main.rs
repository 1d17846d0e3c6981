//! The `hythe` binary: reads the command line, and starts the role or runs the command that it
//! names. The one place where roles meet their settings.

mod roles;

use std::process::ExitCode;

use hythe_gateway::cli::failure::Exit;
use hythe_gateway::cli::output::Output;
use hythe_gateway::cli::{self, Kind};

/// Events are read by one thread and let go by another, all the time: the system's allocator takes
/// three times as long for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::parse();
    let output = Output::new(cli.global.json);
    let outcome = match Kind::from(cli.command) {
        Kind::Role(role) => roles::run(*role, &output),
        Kind::Client(command) => {
            roles::runtime(false).and_then(|runtime| {
                let result = runtime.block_on(cli::run(command, &cli.global, output.clone()));
                // Reads of stdin cannot be called off: nothing waits for them.
                runtime.shutdown_background();
                result
            })
        }
    };
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(failure) => {
            cli::report(&failure, &output);
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}
