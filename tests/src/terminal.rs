//! A terminal for a test: what is typed on it, what stands on it, and how large it is.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A terminal.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    slave: File,
    /// All that was written on it.
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// One of that size.
    ///
    /// # Panics
    /// Where there is none to be had.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        unlockpt(&master).expect("it can be used");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let path = PathBuf::from(name.to_str().expect("a plain name"));
        let no_terminal_of_this_process = i32::try_from(rustix::fs::OFlags::NOCTTY.bits());
        let slave = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(no_terminal_of_this_process.expect("a flag"))
            .open(path)
            .expect("it opens");
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, written) = (master.try_clone().expect("a handle"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                written.lock().unwrap_or_else(PoisonError::into_inner).extend(&piece[..read]);
            }
        });
        let terminal = Self { master, slave, screen };
        terminal.resize(columns, rows);
        terminal
    }

    /// Starts a command with it as its own.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(&self, command: &Command) -> Child {
        let handle = || self.slave.try_clone().expect("a handle");
        let mut with = Command::new("setsid");
        with.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => with.env(name, value),
                None => with.env_remove(name),
            };
        }
        with.stdin(handle()).stdout(handle()).stderr(handle());
        with.spawn().expect("setsid (util-linux) is installed")
    }

    /// Types.
    ///
    /// # Panics
    /// Where nobody takes it.
    pub fn type_in(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("it takes keys");
    }

    /// Gives it another size.
    ///
    /// # Panics
    /// Where it cannot have that.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("it takes a size");
    }

    /// All that was written on it.
    #[must_use]
    pub fn screen(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// Whether it gathers lines and shows what is typed, as it does for people.
    ///
    /// # Panics
    /// Where it cannot be asked.
    #[must_use]
    pub fn is_as_usual(&self) -> bool {
        let modes = tcgetattr(&self.slave).expect("it can be asked").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}
