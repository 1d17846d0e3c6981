//! How git runs ssh: with one key, the hosts that Hythe knows, and nothing of this machine's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hythe_core::installation::{SshHost, SshKey};

/// What ssh is given for one host.
#[derive(Debug)]
pub(super) struct Ssh<'a> {
    pub(super) host: SshHost,
    pub(super) key: &'a Path,
    /// What the host is known by: any of them is good.
    pub(super) keys: &'a [SshKey],
}

/// The options of every ssh. Whatever is not a key of ours, of a host that we know, is refused.
const OPTIONS: &str = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes \
     -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey \
     -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o CheckHostIP=no \
     -o ForwardAgent=no -o ClearAllForwardings=yes -o PermitLocalCommand=no -o ControlPath=none \
     -o ConnectTimeout=20 -o ServerAliveInterval=20 -o ServerAliveCountMax=3 -o UserKnownHostsFile=";

impl Ssh<'_> {
    /// Where the hosts are that this ssh knows.
    pub(super) fn known_hosts(home: &Path) -> PathBuf {
        home.join("known_hosts")
    }

    /// What is in that file.
    pub(super) fn known(&self) -> String {
        let pattern = self.host.pattern();
        self.keys.iter().map(|key| format!("{pattern} {key}\n")).collect()
    }

    /// The line that git gives to a shell: nothing in it but our own text and quoted paths.
    pub(super) fn command(&self, home: &Path) -> OsString {
        let mut line = OsString::from(OPTIONS);
        line.push(quoted(&Self::known_hosts(home)));
        line.push(" -i ");
        line.push(quoted(self.key));
        line
    }
}

/// A path as one word for a shell.
fn quoted(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut word = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => word.extend_from_slice(b"'\\''"),
            byte => word.push(*byte),
        }
    }
    word.push(b'\'');
    OsString::from_vec(word)
}
