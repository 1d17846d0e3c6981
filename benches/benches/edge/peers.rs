//! The proxies that the edge is measured beside, each set up to keep connections open on both sides.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::listens;

/// One that runs; it ends with this.
pub(super) struct Peer(Child);

impl Peer {
    pub(super) fn nginx(folder: &Path, at: SocketAddr, outside: &str, inside: &str) -> Self {
        Self::nginx_listening(folder, at, "", outside, inside)
    }

    pub(super) fn nginx_listening(
        folder: &Path,
        at: SocketAddr,
        how: &str,
        outside: &str,
        inside: &str,
    ) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let path = folder.join("nginx.conf");
        let conf = format!(
            "daemon off; worker_processes auto; pid {pid}; error_log {log} crit;\n\
             events {{ worker_connections 8192; }}\n\
             http {{ access_log off; keepalive_requests 1000000; keepalive_timeout 600s; {outside}\n\
             server {{ listen {at} reuseport{how}; {inside} }} }}\n",
            pid = folder.join("pid").display(),
            log = folder.join("error.log").display(),
        );
        std::fs::write(&path, conf).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&path);
        Self::run(command, at)
    }

    pub(super) fn haproxy(folder: &Path, at: SocketAddr, backend: SocketAddr) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let path = folder.join("haproxy.cfg");
        let conf = format!(
            "global\n    maxconn 8192\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    \
             timeout server 60s\n    http-reuse always\n\
             frontend clients\n    bind {at}\n    option forwardfor\n    \
             http-request set-header X-Forwarded-Proto http\n    default_backend apps\n\
             backend apps\n    server app {backend}\n"
        );
        std::fs::write(&path, conf).expect("a file");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&path);
        Self::run(command, at)
    }

    pub(super) fn caddy(folder: &Path, at: SocketAddr, backend: SocketAddr) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let path = folder.join("Caddyfile");
        let conf = format!(
            "{{\n    admin off\n    auto_https off\n}}\n\
             :{port} {{\n    bind {ip}\n    reverse_proxy {backend} {{\n        \
             transport http {{\n            keepalive_idle_conns_per_host 256\n        }}\n    \
             }}\n}}\n",
            port = at.port(),
            ip = at.ip(),
        );
        std::fs::write(&path, conf).expect("a file");
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&path);
        // It keeps files in its user's folders otherwise.
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(name, folder);
        }
        Self::run(command, at)
    }

    fn run(mut command: Command, at: SocketAddr) -> Self {
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = spawned.expect("it starts; scripts/bench installs it");
        listens(at);
        Self(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SIGTERM, so that its workers end with it.
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap_or_default());
        let _gone_already = kill(pid, Signal::SIGTERM);
        let _gone_already = self.0.wait();
    }
}
