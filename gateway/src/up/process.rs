//! Processes that cannot be mistaken for others.
//!
//! A pid alone is not a process: after an end, the kernel gives the number to somebody else. Here
//! a process is its pid, when it began and in which boot of the machine; and everything done to it
//! goes through a pidfd that was opened before that was checked.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::str::FromStr;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which process: of all that ever ran on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it began, in ticks since the boot.
    pub start: u64,
    /// Which boot.
    pub boot: String,
}

impl Identity {
    /// The process which has this pid now; none if there is none, or it only waits to be collected.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold any character, closing ones included.
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X" | "x") {
            return None;
        }
        let start = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, start, boot: boot_id()? })
    }

    /// This very process.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::of(i32::try_from(std::process::id()).ok()?)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nstart {}\nboot {}\n", self.pid, self.start, self.boot)
    }
}

/// A text that names no process.
#[derive(Debug, thiserror::Error)]
#[error("read which process it is")]
pub struct NoIdentity;

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
                .ok_or(NoIdentity)
        };
        let pid: i32 = text.lines().next().and_then(|line| line.parse().ok()).ok_or(NoIdentity)?;
        if pid <= 1 {
            return Err(NoIdentity);
        }
        Ok(Self {
            pid,
            start: value("start")?.parse().map_err(|_| NoIdentity)?,
            boot: value("boot")?.to_owned(),
        })
    }
}

fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As its parent learns it.
    With(ExitStatus),
    /// It was not our child, so nobody tells us.
    Unknown,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With(status) => status.fmt(f),
            Self::Unknown => {
                f.write_str("how is not known: it was started by an earlier `hythe up`")
            }
        }
    }
}

/// A living process, held by its pidfd: our child, or one that was left over.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    pidfd: AsyncFd<OwnedFd>,
    child: Option<Child>,
}

impl Process {
    /// Takes up one's own child. If that fails, the child is ended.
    ///
    /// # Errors
    /// The kernel does not let it be watched.
    pub fn child(mut child: Child) -> io::Result<Self> {
        let taken = i32::try_from(child.id()).map_err(io::Error::other).and_then(|pid| {
            let pidfd = open(pid)?;
            // A child that ended at once can still be waited for: its number is not free before.
            let identity =
                Identity::of(pid).unwrap_or(Identity { pid, start: 0, boot: String::new() });
            Ok((pidfd, identity))
        });
        match taken {
            Ok((pidfd, identity)) => Ok(Self { identity, pidfd, child: Some(child) }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Takes up a process of which only its identity is known; none if it is no more.
    ///
    /// # Errors
    /// The kernel does not let it be watched.
    pub fn found(identity: &Identity) -> io::Result<Option<Self>> {
        let pidfd = match open(identity.pid) {
            Ok(pidfd) => pidfd,
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        // Only now: the number cannot change hands unnoticed while the pidfd is open.
        if Identity::of(identity.pid).as_ref() != Some(identity) {
            return Ok(None);
        }
        Ok(Some(Self { identity: identity.clone(), pidfd, child: None }))
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Waits for its end. Then what is left of a child's process group is killed (a git or another
    /// helper that its role started and left behind), and the child collected.
    ///
    /// # Errors
    /// The kernel does not say.
    pub async fn ended(&mut self) -> io::Result<Ended> {
        let _ready = self.pidfd.readable().await?;
        let Some(child) = self.child.as_mut() else { return Ok(Ended::Unknown) };
        // Before the child is collected nobody else can have its number, so the group is ours.
        kill_group(self.identity.pid)?;
        Ok(Ended::With(child.wait()?))
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// Not allowed. That it has ended is none.
    pub fn terminate(&self) -> io::Result<()> {
        tolerate_gone(rustix::process::pidfd_send_signal(self.pidfd.get_ref(), Signal::TERM))
    }

    /// Asks a `hythe up` to end and to leave its parts running. One of before that was known ends by the
    /// signal, which comes to the same.
    ///
    /// # Errors
    /// Not allowed. That it has ended is none.
    pub fn let_go(&self) -> io::Result<()> {
        tolerate_gone(rustix::process::pidfd_send_signal(self.pidfd.get_ref(), Signal::USR2))
    }

    /// Ends it and its process group without asking.
    ///
    /// # Errors
    /// Not allowed. That it has ended is none.
    pub fn kill(&self) -> io::Result<()> {
        let alive = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
        // A process that is not our child and has just ended no longer protects its number.
        if self.child.is_some() || alive.is_ok() {
            kill_group(self.identity.pid)?;
        }
        tolerate_gone(alive)
    }
}

#[expect(
    deprecated,
    reason = "what is wrong with it concerns types that give another descriptor each time they are \
              asked; an OwnedFd does not, and the function in its place is unsafe"
)]
fn open(pid: i32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process has the number 0"))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

fn kill_group(leader: i32) -> io::Result<()> {
    let Some(leader) = Pid::from_raw(leader) else { return Ok(()) };
    tolerate_gone(rustix::process::kill_process_group(leader, Signal::KILL))
}

fn tolerate_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e != rustix::io::Errno::SRCH => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").stdin(Stdio::null()).process_group(0).spawn().unwrap()
    }

    #[test]
    fn an_identity_survives_its_file() {
        let own = Identity::own().unwrap();
        assert_eq!(own.to_string().parse::<Identity>().unwrap(), own);
        for bad in ["", "0\nstart 1\nboot a\n", "1\nstart 1\nboot a\n", "-5\nstart 1\nboot a", "77"]
        {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_child_ends_and_is_collected() {
        let mut process = Process::child(sleeper()).unwrap();
        let identity = Identity::of(process.pid()).unwrap();
        process.terminate().unwrap();
        let Ended::With(status) = process.ended().await.unwrap() else { panic!("it is ours") };
        assert_eq!(status.signal(), Some(15));
        assert_eq!(Identity::of(identity.pid), None);
        assert!(Process::found(&identity).unwrap().is_none());
        process.kill().unwrap();
    }

    #[tokio::test]
    async fn another_process_under_the_same_number_is_not_taken_for_the_old_one() {
        let mut process = Process::child(sleeper()).unwrap();
        let identity = Identity::of(process.pid()).unwrap();
        let earlier = Identity { start: identity.start - 1, ..identity.clone() };
        let other_boot = Identity { boot: "another".into(), ..identity.clone() };
        assert!(Process::found(&earlier).unwrap().is_none());
        assert!(Process::found(&other_boot).unwrap().is_none());
        let found = Process::found(&identity).unwrap().unwrap();
        found.kill().unwrap();
        process.ended().await.unwrap();
    }

    #[tokio::test]
    async fn what_a_child_leaves_behind_in_its_group_goes_with_it() {
        // `timeout` stays in its group, and its own child is in there too.
        let child = Command::new("timeout")
            .args(["--foreground", "600", "sleep", "600"])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut process = Process::child(child).unwrap();
        let children = format!("/proc/{0}/task/{0}/children", process.pid());
        let helper = loop {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            if let Some(pid) = text.split_whitespace().next() {
                break pid.parse::<i32>().unwrap();
            }
            tokio::task::yield_now().await;
        };
        let helper = Identity::of(helper).unwrap();
        let watched = Process::found(&helper).unwrap();
        rustix::process::pidfd_send_signal(process.pidfd.get_ref(), Signal::KILL).unwrap();
        process.ended().await.unwrap();
        if let Some(mut watched) = watched {
            watched.ended().await.unwrap();
        }
        assert_eq!(Identity::of(helper.pid), None);
    }
}
