//! What of an image will not be as its author meant it, in words for its build's log.

use hythe_core::deployment::DeploymentSpec;
use hythe_core::health::{HealthCheck, Probe};
use hythe_core::limits;

use super::engine::Image;

/// The most folders that are named.
const MOST_NAMED: usize = 5;
/// The most characters of each.
const MOST_SHOWN: usize = 100;

/// What is worth knowing.
pub(super) fn notes(image: &Image, spec: &DeploymentSpec) -> Vec<String> {
    let mut notes = Vec::new();
    if !image.volumes.is_empty() {
        let shown = image.volumes.iter().take(MOST_NAMED);
        let mut named: Vec<String> =
            shown.map(|folder| folder.chars().take(MOST_SHOWN).collect()).collect();
        if image.volumes.len() > MOST_NAMED {
            named.push(format!("{} more", image.volumes.len() - MOST_NAMED));
        }
        notes.push(format!(
            "note: the image keeps data in {} (VOLUME): each new version, and each new replica, begins \
             with what the image has there, and does not see what the ones before wrote. That stays \
             behind on the engine, in volumes without a name",
            named.join(", ")
        ));
    }
    let HealthCheck { probe, start_within, .. } = &spec.health;
    let by_image = match probe {
        Probe::Default | Probe::Image => start_within.is_none(),
        Probe::Http { .. } | Probe::Tcp | Probe::Command(_) | Probe::None => false,
    };
    let (app, most) = (&spec.app_name, limits::IMAGE_START_MOST);
    if let Some(wanted) = image.start_period.filter(|wanted| by_image && *wanted > most) {
        let minutes = wanted.0.div_ceil(60_000);
        notes.push(format!(
            "note: the image asks for {wanted} to become healthy (HEALTHCHECK --start-period); it gets \
             {most}, which is the most that an image can ask for by itself; for more: hythe app set \
             {app} --health-start {minutes}m"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use hythe_core::declared::Declared;
    use hythe_core::names::ImageId;
    use hythe_core::time::Millis;

    use super::super::tests::command_for;
    use super::*;

    fn image(volumes: &[&str], start_period: Option<Millis>) -> Image {
        Image {
            id: ImageId::new(format!("sha256:{}", "a".repeat(64))).unwrap(),
            ports: Vec::new(),
            volumes: volumes.iter().map(ToString::to_string).collect(),
            start_period,
            declared: Declared::default(),
        }
    }

    #[test]
    fn data_that_does_not_last_and_time_that_is_not_given_are_named() {
        let mut spec = command_for("https://git.example/a.git").spec;
        assert_eq!(notes(&image(&[], None), &spec), Vec::<String>::new());
        let said = notes(&image(&["/a", "/b", "/c", "/d", "/e", "/f", "/g"], None), &spec);
        assert_eq!(said.len(), 1);
        let folders = "the image keeps data in /a, /b, /c, /d, /e, 2 more (VOLUME): ";
        assert!(said[0].contains(folders), "{}", said[0]);

        let slow = image(&[], Some(Millis::seconds(601)));
        let said = notes(&slow, &spec);
        assert_eq!(said.len(), 1);
        for part in ["asks for 10 min 1 s", "it gets 2 min 30 s", "set app --health-start 11m"] {
            assert!(said[0].contains(part), "{}", said[0]);
        }
        assert!(notes(&image(&[], Some(limits::IMAGE_START_MOST)), &spec).is_empty());
        spec.health.start_within = Some(Millis::seconds(1));
        assert!(notes(&slow, &spec).is_empty());
        spec.health.start_within = None;
        spec.health.probe = Probe::Tcp;
        assert!(notes(&slow, &spec).is_empty());
    }
}
