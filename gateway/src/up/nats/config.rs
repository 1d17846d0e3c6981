//! The configuration of a managed nats-server, and what of it is kept from one start to the next.
//!
//! It listens on loopback only, lets in one user with a password of 256 random bits, and opens no
//! further port: no monitoring, no WebSocket, no cluster.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Access;
use crate::up::error::UpError;
use crate::up::layout::{DataDir, random_hex, read_small, replace};

/// The one user.
const USER: &str = "hythe";
/// The longest message: a route table of many apps must fit.
const MAX_PAYLOAD: &str = "8MB";
/// Memory for streams that are kept there. Hythe's are files.
const MAX_MEMORY_STORE: &str = "64MB";
/// The most that streams may take on disk, and the least: what they take at the most, all together.
/// Where there is less room on the disk, they make do with what there is.
const MOST_STORE: u64 = 16 << 30;
const LEAST_STORE: u64 = (2 << 30) + (256 << 20);
/// The port inside a container.
pub(super) const CONTAINER_PORT: u16 = 4222;
/// Where things lie inside a container.
pub(super) const CONTAINER_CONFIG: &str = "/hythe/nats.conf";
pub(super) const CONTAINER_STORE: &str = "/hythe/store";

/// What stays the same from one start to the next, since running parts know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// The port on loopback.
    pub(super) port: u16,
    /// The most that streams may take on disk.
    pub(super) store_bytes: u64,
    #[serde(skip)]
    password: String,
}

impl Settings {
    pub(super) fn access(&self, dir: &DataDir) -> Access {
        Access {
            url: format!("nats://127.0.0.1:{}", self.port),
            credentials: Some(credentials_file(dir)),
        }
    }
}

/// Where the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Process,
    Container,
}

fn credentials_file(dir: &DataDir) -> PathBuf {
    dir.nats().join("credentials")
}

pub(super) fn store_folder(dir: &DataDir) -> PathBuf {
    dir.nats().join("store")
}

/// Reads what was settled before, or settles it now.
pub(super) fn settle(dir: &DataDir) -> Result<Settings, UpError> {
    let file = dir.nats().join("settings.json");
    let before = read_small(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut settings = match before {
        Some(settings) => settings,
        None => {
            let settings = Settings {
                port: free_port()?,
                store_bytes: store_bytes(dir)?,
                password: String::new(),
            };
            keep(&file, &settings)?;
            settings
        }
    };
    settings.password = password(&credentials_file(dir))?;
    Ok(settings)
}

/// Chooses another port, because somebody else has taken the one that was settled.
pub(super) fn move_port(dir: &DataDir) -> Result<(), UpError> {
    let settings = settle(dir)?;
    let file = dir.nats().join("settings.json");
    keep(&file, &Settings { port: free_port()?, ..settings })
}

/// Whether nobody listens at the settled port.
pub(super) fn port_free(dir: &DataDir) -> Result<bool, UpError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, settle(dir)?.port)).is_ok())
}

fn keep(file: &Path, settings: &Settings) -> Result<(), UpError> {
    let text = serde_json::to_string(settings)
        .map_err(|e| UpError::process("write down the settings of NATS", &e))?;
    replace(file, &format!("{text}\n"))
}

fn password(file: &Path) -> Result<String, UpError> {
    if file.exists() {
        let text = read_small(file)?;
        let mut lines = text.lines();
        // It goes into a configuration file: only what was made here is taken.
        if let (Some(USER), Some(password)) = (lines.next(), lines.next())
            && password.len() >= 32
            && password.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Ok(password.to_owned());
        }
    }
    let password = random_hex()?;
    replace(file, &format!("{USER}\n{password}\n"))?;
    Ok(password)
}

fn free_port() -> Result<u16, UpError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| UpError::process("find a free port on 127.0.0.1", &e))
}

/// Half of what is free, within bounds.
fn store_bytes(dir: &DataDir) -> Result<u64, UpError> {
    let disk = rustix::fs::statvfs(dir.nats())
        .map_err(|e| UpError::file("ask for the free space of", &dir.nats(), &e.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Ok((free / 2).clamp(LEAST_STORE, MOST_STORE))
}

/// Writes the configuration file.
pub(super) fn write(dir: &DataDir, settings: &Settings, place: &Place) -> Result<PathBuf, UpError> {
    let store = store_folder(dir);
    std::fs::create_dir_all(&store).map_err(|e| UpError::file("make the folder", &store, &e))?;
    let (listen, store) = match place {
        Place::Process => {
            (format!("127.0.0.1:{}", settings.port), store.to_string_lossy().into_owned())
        }
        // Only the host's loopback leads to the container's port.
        Place::Container => (format!("0.0.0.0:{CONTAINER_PORT}"), CONTAINER_STORE.to_owned()),
    };
    let file = dir.nats().join("nats.conf");
    let text = format!(
        "# Written by `hythe up` at every start: changes are lost.\n\
         listen: {listen}\n\
         server_name: {name}\n\
         max_payload: {MAX_PAYLOAD}\n\
         authorization {{\n  user: {user}\n  password: {password}\n}}\n\
         jetstream {{\n  store_dir: {store}\n  max_file_store: {bytes}\n  \
         max_memory_store: {MAX_MEMORY_STORE}\n}}\n",
        listen = quoted(&listen),
        name = quoted(&format!("hythe-{}", dir.instance()?)),
        user = quoted(USER),
        password = quoted(&settings.password),
        store = quoted(&store),
        bytes = settings.store_bytes,
    );
    replace(&file, &text)?;
    Ok(file)
}

/// A text as a string of the configuration format; what could end the string is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn read(file: &Path) -> Result<String, UpError> {
    read_small(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_and_password_stay_the_same() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::prepare(home.path()).unwrap();
        let first = settle(&dir).unwrap();
        assert_eq!(settle(&dir).unwrap(), first);
        let text = read(&write(&dir, &first, &Place::Process).unwrap()).unwrap();
        assert!(text.contains(&format!("listen: \"127.0.0.1:{}\"", first.port)), "{text}");
        let kept = std::fs::read_to_string(credentials_file(&dir)).unwrap();
        assert_eq!(kept, format!("hythe\n{}\n", first.password));
        move_port(&dir).unwrap();
        assert_eq!(settle(&dir).unwrap().password, first.password);
        assert!(first.store_bytes >= LEAST_STORE && first.store_bytes <= MOST_STORE);
    }

    #[test]
    fn a_path_cannot_leave_its_string() {
        assert_eq!(quoted("/a\"b\\c\nd"), "\"/a\\\"b\\\\c\\nd\"");
    }
}
