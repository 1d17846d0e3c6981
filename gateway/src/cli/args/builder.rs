//! How a worker builds: what `agent` takes, and `up` passes on to it.

use std::ffi::OsString;

use clap::Args;
use hythe_actors::build::{BuildLimits, Confinement, GuardSettings, Network, builds_at_once};
use hythe_core::detect::{BaseImages, Mirror};

/// How a worker builds.
#[derive(Clone, Debug, Default, Args)]
pub struct BuilderArgs {
    /// How many builds it does at once; 0 for none [default: half as many as there are processors]
    #[arg(long, env = "HYTHE_BUILDS", value_name = "N")]
    pub builds: Option<u16>,
    /// The memory that all builds may use together, such as 4G [default: half of the machine's]
    #[arg(long, env = "HYTHE_BUILD_MEMORY", value_name = "SIZE", value_parser = size)]
    pub build_memory: Option<u64>,
    /// The processors that all builds may use together, such as 1.5 [default: nine tenths]
    #[arg(long, env = "HYTHE_BUILD_CPUS", value_name = "N", value_parser = cpus)]
    pub build_cpus: Option<u32>,
    /// Builds end where less than this is free on the engine's disk, such as 5G [default: 2G]
    #[arg(long, env = "HYTHE_BUILD_FREE_DISK", value_name = "SIZE", value_parser = size)]
    pub build_free_disk: Option<u64>,
    /// A build ends where the engine's disk lost more than this to it, such as 10G; 0 for no such limit
    /// [default: 32G]
    #[arg(long, env = "HYTHE_BUILD_DISK", value_name = "SIZE", value_parser = size)]
    pub build_disk: Option<u64>,
    /// A private network that builds may reach, such as that of a registry; may be given several
    /// times
    #[arg(long, env = "HYTHE_BUILD_ALLOW", value_name = "NETWORK", value_delimiter = ',')]
    pub build_allow: Vec<Network>,
    /// A registry that mirrors all others, from which the images come that apps without a
    /// Dockerfile are built on, such as registry.example.com/mirror [default: their own]
    #[arg(long, env = "HYTHE_BASE_IMAGES", value_name = "REGISTRY")]
    pub base_images: Option<Mirror>,
    /// Build also where builds cannot be kept away from apps, ports of the host and private
    /// networks
    #[arg(long, env = "HYTHE_BUILDS_UNCONFINED")]
    pub builds_unconfined: bool,
}

impl BuilderArgs {
    /// Builds at once.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.builds.map_or_else(builds_at_once, usize::from)
    }

    /// Where base images come from.
    #[must_use]
    pub fn base_images(&self) -> BaseImages {
        BaseImages::from(self.base_images.clone())
    }

    /// What builds are kept to.
    #[must_use]
    pub fn guard(&self) -> GuardSettings {
        let usual = GuardSettings::default();
        let limits = usual.limits.map(|limits| BuildLimits {
            memory_bytes: self.build_memory.unwrap_or(limits.memory_bytes),
            cpu_millis: self.build_cpus.unwrap_or(limits.cpu_millis),
        });
        let confinement =
            if self.builds_unconfined { Confinement::WherePossible } else { usual.confinement };
        GuardSettings {
            limits,
            least_free_bytes: self.build_free_disk.unwrap_or(usual.least_free_bytes),
            most_disk_bytes: match self.build_disk {
                Some(0) => None,
                Some(most) => Some(most),
                None => usual.most_disk_bytes,
            },
            confinement,
            allowed: self.build_allow.clone(),
        }
    }

    /// The same for the command line of an agent on this machine. An ordinary user cannot set rules
    /// for networks: whoever tries Hythe out as one builds without them, and is told so.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let Self {
            builds,
            build_memory,
            build_cpus,
            build_free_disk,
            build_disk,
            build_allow,
            base_images,
            builds_unconfined,
        } = self;
        let mut args: Vec<OsString> = Vec::new();
        let mut give = |name: &str, value: Option<String>| {
            args.extend(value.into_iter().flat_map(|value| [name.into(), value.into()]));
        };
        give("--builds", builds.map(|n| n.to_string()));
        give("--build-memory", build_memory.map(|n| n.to_string()));
        let cpus = build_cpus.map(|millis| format!("{}.{:03}", millis / 1_000, millis % 1_000));
        give("--build-cpus", cpus);
        give("--build-free-disk", build_free_disk.map(|n| n.to_string()));
        give("--build-disk", build_disk.map(|n| n.to_string()));
        build_allow.iter().for_each(|network| give("--build-allow", Some(network.to_string())));
        give("--base-images", base_images.as_ref().map(Mirror::to_string));
        if *builds_unconfined || !rustix::process::geteuid().is_root() {
            args.push("--builds-unconfined".into());
        }
        args
    }
}

/// Bytes: a number, with K, M, G or T where it is not bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "is a number of bytes, or one with K, M, G or T, such as 4G".to_owned();
    let (number, each) = match text.char_indices().next_back() {
        Some((at, 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'G')) => (text.get(..at), 1 << 30),
        Some((at, 'T')) => (text.get(..at), 1_u64 << 40),
        Some(_) | None => (Some(text), 1),
    };
    let number: u64 = number.unwrap_or_default().parse().map_err(|_| wrong())?;
    number.checked_mul(each).ok_or_else(wrong)
}

/// Thousandths of a processor, from a number of them with up to three decimals.
pub(super) fn cpus(text: &str) -> Result<u32, String> {
    let wrong = || "is a number of processors from 0.1 on, such as 1.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.is_empty() || part.len() > 3 {
        return Err(wrong());
    }
    let digits = |text: &str| -> Result<u32, String> {
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| plain).ok_or_else(wrong)
    };
    let part = digits(part)? * [100, 10, 1][part.len() - 1];
    let millis = digits(whole)?.checked_mul(1_000).and_then(|whole| whole.checked_add(part));
    millis.filter(|millis| *millis >= 100).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_may_take_of_the_disk_is_passed_on_and_nothing_is_no_limit() {
        let of = |build_disk| BuilderArgs { build_disk, ..BuilderArgs::default() };
        assert_eq!(of(Some(5 << 30)).guard().most_disk_bytes, Some(5 << 30));
        assert_eq!(of(Some(0)).guard().most_disk_bytes, None);
        assert_eq!(of(None).guard().most_disk_bytes, GuardSettings::default().most_disk_bytes);
        let args = of(Some(7)).to_args();
        assert!(
            args.windows(2).any(|pair| pair[0] == "--build-disk" && pair[1] == "7"),
            "{args:?}"
        );
    }

    #[test]
    fn sizes_and_processors_are_read() {
        assert_eq!((size("4G"), size("12"), size("1K")), (Ok(4 << 30), Ok(12), Ok(1_024)));
        assert_eq!((cpus("1.5"), cpus("2"), cpus("0.125")), (Ok(1_500), Ok(2_000), Ok(125)));
        for wrong in ["", "G", "-1", "1.5G", "99999999999T", "é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "0.01", ".5", "1.", "1.2345", "+1", "9999999999"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
    }
}
