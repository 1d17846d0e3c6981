//! The proxies that the edge is measured beside, each set up to keep connections open on both sides.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::listens;

/// What nginx needs so that it does the like of what the edge does when all is switched on: the same headers to
/// the app and back, one in a hundred requests in an access log of the same fields, a rate that is never
/// reached, a list of addresses, a bound on bodies, compression of what a client takes compressed. What comes
/// before its server, and what is within.
pub(super) fn alike(folder: &Path, upstream: &str) -> (String, String) {
    let log = folder.join("alike.log");
    let outside = format!(
        "{upstream} limit_req_zone $binary_remote_addr zone=rate:10m rate=1000000r/s;\n\
         split_clients $request_id $told {{ 1% 1; * 0; }}\n\
         log_format lines escape=json '{{\"at\":\"$msec\",\"method\":\"$request_method\",\
         \"host\":\"$host\",\"path\":\"$uri\",\"status\":\"$status\",\"received\":\"$request_length\",\
         \"sent\":\"$body_bytes_sent\",\"took\":\"$request_time\",\"first\":\"$upstream_header_time\",\
         \"replica\":\"$upstream_addr\",\"request\":\"$request_id\",\"client\":\"$remote_addr\",\
         \"agent\":\"$http_user_agent\",\"referer\":\"$http_referer\",\
         \"protocol\":\"$server_protocol\",\"scheme\":\"$scheme\"}}';"
    );
    let inside = format!(
        "allow 127.0.0.0/8; deny all; client_max_body_size 1m;\n\
         gzip on; gzip_proxied any; gzip_min_length 1024; gzip_vary on;\n\
         gzip_types text/plain text/css application/json application/javascript;\n\
         location / {{ limit_req zone=rate burst=1000000 nodelay;\n\
         access_log {log} lines buffer=64k flush=1s if=$told;\n\
         add_header X-Request-ID $request_id always;\n\
         proxy_pass http://apps; proxy_http_version 1.1; proxy_set_header Connection '';\n\
         proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Host $http_host;\n\
         proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;\n\
         proxy_set_header Forwarded 'for=$remote_addr;host=$http_host;proto=$scheme';\n\
         proxy_set_header X-Request-ID $request_id;\n\
         proxy_set_header traceparent '00-$request_id-0000000000000001-00'; }}",
        log = log.display(),
    );
    (outside, inside)
}

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
