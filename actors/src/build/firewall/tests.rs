//! The rules in the kernel of this machine, in networks of their own: these need root, as the agent
//! does for it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::*;

/// A network of its own, with a name that says whose it is.
struct Space(String);

impl Space {
    fn new(what: &str) -> Self {
        let space = Self(format!("hythe-{}-{what}", std::process::id()));
        ip(&["netns", "add", &space.0]);
        space.ip(&["link", "set", "lo", "up"]);
        space
    }

    fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.0], args].concat());
    }

    /// Gives an interface addresses and brings it up.
    fn link(&self, name: &str, addresses: &[&str]) {
        for address in addresses {
            self.ip(&["address", "add", address, "dev", name]);
        }
        self.ip(&["link", "set", name, "up"]);
    }

    /// Does something as a process in there would.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let space = File::open(format!("/run/netns/{}", self.0)).unwrap();
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    fn listen(&self, port: u16) -> TcpListener {
        self.within(|| TcpListener::bind(("0.0.0.0", port)).unwrap())
    }

    fn reaches(&self, address: &str) -> bool {
        let address: SocketAddr = address.parse().unwrap();
        self.within(|| TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).output();
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Sees what `put_up` keeps builds from, on a machine that has a bridge and a network behind it.
fn keeps_builds_in(what: &str, put_up: impl AsyncFn(&Rules<'_>) -> Result<(), String> + Sync) {
    let [build, machine, beyond] =
        ["build", "machine", "beyond"].map(|space| Space::new(&format!("{what}-{space}")));
    for (near, far) in [("bridge", &build), ("uplink", &beyond)] {
        let [near_space, far_space] = [&machine.0, &far.0];
        let near = ["link", "add", near, "netns", near_space, "type", "veth"];
        ip(&[&near[..], &["peer", "name", "eth0", "netns", far_space]].concat());
    }
    build.link("eth0", &["172.31.7.2/24"]);
    machine.link("bridge", &["172.31.7.1/24"]);
    machine.link("uplink", &["10.77.0.1/24", "10.78.0.1/24", "203.0.113.1/24"]);
    beyond.link("eth0", &["10.77.0.2/24", "10.78.0.2/24", "203.0.113.2/24"]);
    build.ip(&["route", "add", "default", "via", "172.31.7.1"]);
    beyond.ip(&["route", "add", "default", "via", "203.0.113.1"]);
    machine.within(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    let _listening = [beyond.listen(80), beyond.listen(53), machine.listen(80), build.listen(80)];

    let [host, private, resolver, allowed, internet] =
        ["172.31.7.1:80", "10.77.0.2:80", "10.77.0.2:53", "10.78.0.2:80", "203.0.113.2:80"];
    for address in [host, private, resolver, allowed, internet] {
        assert!(build.reaches(address), "{address} is not there to be kept away from");
    }
    let network = ["10.78.0.0/24".parse().unwrap()];
    let resolvers = vec!["10.77.0.2".parse().unwrap(), "fd00::53".parse().unwrap()];
    let rules = Rules { bridge: "bridge", resolvers, allowed: &network };
    for _ in 0..2 {
        machine.within(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(put_up(&rules)).unwrap();
        });
    }
    for (address, there) in
        [(host, false), (private, false), (resolver, true), (allowed, true), (internet, true)]
    {
        assert_eq!(build.reaches(address), there, "{address}");
    }
    // Connections that others open to a build are answered.
    assert!(machine.reaches("172.31.7.2:80") && beyond.reaches("172.31.7.2:80"));
    assert!(beyond.reaches("203.0.113.1:80"), "others reach the machine as before");
}

#[test]
fn iptables_keeps_builds_in() {
    keeps_builds_in("ipt", iptables::put_up);
}

#[test]
fn nftables_keeps_builds_in() {
    keeps_builds_in("nft", nftables::put_up);
}

#[test]
fn nftables_are_told_of_both_versions_of_ip() {
    let allowed = ["10.1.0.0/16".parse().unwrap(), "fd01::/64".parse().unwrap()];
    let resolvers = vec!["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()];
    let table = nftables::table(&Rules { bridge: "docker0", resolvers, allowed: &allowed });
    let at = |part: &str| table.find(part).unwrap_or_else(|| panic!("{part}:\n{table}"));
    for (first, then) in [
        ("ip daddr 10.1.0.0/16 accept", "10.0.0.0/8"),
        ("ip6 daddr fd01::/64 accept", "fc00::/7"),
        ("ip6 daddr fd00::53 meta l4proto { tcp, udp } th dport 53 accept", "fc00::/7"),
    ] {
        assert!(at(first) < at(then), "{table}");
    }
}

#[test]
fn networks_and_resolvers_are_read() {
    let shown = |text: &str| text.parse::<Network>().map(|network| network.to_string());
    assert_eq!(shown("10.1.0.0/16").unwrap(), "10.1.0.0/16");
    assert_eq!(shown("10.1.2.3").unwrap(), "10.1.2.3/32");
    for wrong in ["", "10.0.0.0/33", "10.0.0", "-j ACCEPT", "10.0.0.0/8 -j ACCEPT", "fd00::/129"] {
        assert!(shown(wrong).is_err(), "{wrong}");
    }
    let found = resolvers("# x\nnameserver 127.0.0.53\n nameserver 10.0.0.2\nnameserver bad\n");
    assert_eq!(found, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
}
