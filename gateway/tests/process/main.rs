//! The `hythe` binary from outside: its command line, and `hythe up` with real processes.

mod cli;
mod common;
mod up;
