//! One bridge network per app, so that apps do not reach each other.
//!
//! Invariants: subnets come from a pool of Hythe's own, because the engine's default pools run
//! out after some thirty networks; a subnet that overlaps another network or a route of the host
//! is never taken. Two calls at once make one network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use hythe_core::ids::AppId;
use hythe_store::steps::Step;

use super::labels::{self, Owner};
use super::{Engine, EngineError};

/// The pool: 10.208.0.0/13, in slices of /24: 2,048 apps with 253 replicas each.
const POOL: Subnet = Subnet { first: u32::from_be_bytes([10, 208, 0, 0]), prefix: 13 };
/// How large one app's network is.
const SLICE_PREFIX: u8 = 24;
/// How often another subnet is tried where the engine says that one is taken after all.
const MOST_TRIES: usize = 16;

/// An IPv4 range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        let address: Ipv4Addr = address.parse().ok()?;
        Some(Self { first: u32::from(address) & mask(prefix), prefix })
    }

    const fn overlaps(self, other: Self) -> bool {
        let shorter = if self.prefix < other.prefix { self.prefix } else { other.prefix };
        self.first & mask(shorter) == other.first & mask(shorter)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

/// A slice of the pool that overlaps nothing taken: the first from the `start`th on, around.
pub(crate) fn free_slice(taken: &[Subnet], start: u32) -> Option<Subnet> {
    let slices = 1u32 << (SLICE_PREFIX - POOL.prefix);
    (0..slices)
        .map(|n| (start.wrapping_add(n) % slices) << (32 - SLICE_PREFIX))
        .map(|offset| Subnet { first: POOL.first + offset, prefix: SLICE_PREFIX })
        .find(|slice| !taken.iter().any(|taken| taken.overlaps(*slice)))
}

/// The host's routes but the default one; none where they cannot be read.
fn host_routes() -> Vec<Subnet> {
    std::fs::read_to_string("/proc/net/route").map_or_else(|_| Vec::new(), |text| routes(&text))
}

/// Parses `/proc/net/route`: destination and mask are hexadecimal in the host's byte order.
fn routes(text: &str) -> Vec<Subnet> {
    let address = |text: &str| {
        u32::from_str_radix(text, 16).ok().map(|number| u32::from_be_bytes(number.to_ne_bytes()))
    };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let first = address(fields.next()?)?;
            let mask = address(fields.nth(5)?)?;
            let prefix = u8::try_from(mask.leading_ones()).ok()?;
            (prefix > 0).then_some(Subnet { first, prefix })
        })
        .collect()
}

/// The name of an app's network. It names the worker, too: two may share one engine.
#[must_use]
pub fn network_name(owner: &Owner, app: AppId) -> String {
    let worker = owner.worker.uuid().simple().to_string();
    format!("hythe-{app}-{}", &worker[worker.len() - 8..])
}

impl Engine {
    /// Makes an app's network, where it is missing. Returns its name.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Refused`] also where the pool is used up.
    pub async fn ensure_network(&self, owner: &Owner, app: AppId) -> Result<String, EngineError> {
        let _one_at_a_time = self.shared.networks.lock().await;
        self.network_there(owner, app).await
    }

    /// The same for whoever has the turn at networks.
    pub(super) async fn network_there(
        &self,
        owner: &Owner,
        app: AppId,
    ) -> Result<String, EngineError> {
        let name = network_name(owner, app);
        let docker = self.docker().await?;
        // Mostly it is there. What is wrong with it, where something is, the list of all of them says.
        let there = docker.inspect_network(&name, None).await.ok();
        if there.is_some_and(|there| {
            there.name.as_deref() == Some(&*name) && owner.owns(&there.labels.unwrap_or_default())
        }) {
            return Ok(name);
        }
        // Where looking begins differs by app, so that agents that share an engine seldom meet.
        let [.., a, b] = app.uuid().into_bytes();
        let start = u32::from(u16::from_be_bytes([a, b]));
        // Taken by networks that the engine is just making: it does not list them yet.
        let mut refused: Vec<Subnet> = Vec::new();
        for _try in 0..MOST_TRIES {
            let mut taken = host_routes();
            taken.extend(&refused);
            let networks = docker.list_networks(None).await.map_err(|error| self.fault(&error))?;
            for network in networks {
                if network.name.as_deref() == Some(&name) {
                    let labels = network.labels.unwrap_or_default();
                    if owner.owns(&labels) {
                        return Ok(name);
                    }
                    let owner = labels::owner_of(Some(&labels));
                    return Err(EngineError::Foreign { name, owner });
                }
                let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
                taken.extend(
                    ranges.iter().filter_map(|range| Subnet::parse(range.subnet.as_deref()?)),
                );
            }
            let slice = free_slice(&taken, start).ok_or_else(|| EngineError::Refused {
                status: 507,
                message: "no network is free in 10.208.0.0/13 for another app; remove apps or \
                          networks of this machine"
                    .into(),
            })?;
            #[expect(clippy::disallowed_methods, reason = "with its step")]
            let made = docker.create_network(request(owner, app, &name, slice));
            match Step::NetworkMade.take(made).await {
                Ok(_created) => return Ok(name),
                Err(error) => {
                    let error = self.fault(&error);
                    if !error.to_string().to_ascii_lowercase().contains("overlap") {
                        return Err(error);
                    }
                    refused.push(slice);
                }
            }
        }
        Err(EngineError::Conflict { message: "other networks keep taking the free ranges".into() })
    }

    /// The apps that have a network of ours, with its name.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn networks(&self, owner: &Owner) -> Result<BTreeSet<AppId>, EngineError> {
        Ok(self.own_networks(owner).await?.into_keys().collect())
    }

    async fn own_networks(
        &self,
        owner: &Owner,
    ) -> Result<BTreeMap<AppId, Vec<String>>, EngineError> {
        let options = ListNetworksOptionsBuilder::default().filters(&owner.filter()).build();
        let docker = self.docker().await?;
        let networks =
            docker.list_networks(Some(options)).await.map_err(|error| self.fault(&error))?;
        let mut found: BTreeMap<AppId, Vec<String>> = BTreeMap::new();
        for network in networks {
            let labels = network.labels.unwrap_or_default();
            let app = labels.get(labels::APP).and_then(|app| app.parse().ok());
            if let (true, Some(app), Some(id)) = (owner.owns(&labels), app, network.id) {
                found.entry(app).or_default().push(id);
            }
        }
        Ok(found)
    }

    /// Removes an app's network, where there is one of ours. Twice is once. It stays as long as a command that
    /// is run once is on it, or about to join it: those are in no order.
    ///
    /// # Errors
    /// [`EngineError`], also where something is still connected to it.
    pub async fn remove_network(&self, owner: &Owner, app: AppId) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        let _one_at_a_time = self.shared.networks.lock().await;
        if self.is_run_on(owner, app).await? {
            return Ok(());
        }
        for id in self.own_networks(owner).await?.remove(&app).unwrap_or_default() {
            #[expect(clippy::disallowed_methods, reason = "with its step")]
            let removed = Step::NetworkRemoved.take(docker.remove_network(&id)).await;
            match removed.map_err(|error| self.fault(&error)) {
                Ok(()) => {}
                Err(error) if error.not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn request(owner: &Owner, app: AppId, name: &str, slice: Subnet) -> NetworkCreateRequest {
    let mut labels = owner.labels();
    labels.insert(labels::APP.to_owned(), app.to_string());
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".into()),
        ipam: Some(Ipam {
            driver: Some("default".into()),
            config: Some(vec![IpamConfig {
                subnet: Some(slice.to_string()),
                ..IpamConfig::default()
            }]),
            options: None,
        }),
        enable_ipv6: Some(false),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn a_slice_is_free_where_nothing_overlaps() {
        let rows: &[(&str, &[&str], u32, Option<&str>)] = &[
            ("nothing taken", &[], 0, Some("10.208.0.0/24")),
            ("begun elsewhere", &[], 257, Some("10.209.1.0/24")),
            ("begun beyond the last", &[], 2048 + 3, Some("10.208.3.0/24")),
            ("the first taken", &["10.208.0.0/24"], 0, Some("10.208.1.0/24")),
            ("a piece of the first taken", &["10.208.0.128/26"], 0, Some("10.208.1.0/24")),
            ("the last taken", &["10.215.255.0/24"], 2047, Some("10.208.0.0/24")),
            ("a large range taken", &["10.208.0.0/15"], 0, Some("10.210.0.0/24")),
            ("taken elsewhere", &["172.17.0.0/16", "192.168.0.0/16"], 0, Some("10.208.0.0/24")),
            ("all taken", &["10.0.0.0/8"], 7, None),
        ];
        for (what, taken, start, expected) in rows {
            let taken: Vec<Subnet> = taken.iter().map(|text| subnet(text)).collect();
            let found = free_slice(&taken, *start).map(|slice| slice.to_string());
            assert_eq!(found.as_deref(), *expected, "{what}");
        }
    }

    #[test]
    fn the_hosts_routes_are_read_without_the_default_one() {
        let bytes = |text: &str| {
            let address: Ipv4Addr = text.parse().unwrap();
            format!("{:08X}", u32::from_ne_bytes(address.octets()))
        };
        let text = format!(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             eth0\t{}\t{}\t0003\t0\t0\t0\t{}\t0\t0\t0\n\
             eth0\t{}\t{}\t0001\t0\t0\t0\t{}\t0\t0\t0\n",
            bytes("0.0.0.0"),
            bytes("10.0.0.1"),
            bytes("0.0.0.0"),
            bytes("10.208.0.0"),
            bytes("0.0.0.0"),
            bytes("255.255.0.0"),
        );
        assert_eq!(routes(&text), vec![subnet("10.208.0.0/16")]);
    }
}
