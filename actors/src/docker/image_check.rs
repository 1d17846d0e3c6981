//! The health check that an image brings along: its `HEALTHCHECK`.

use bollard::models::{HealthConfig, ImageConfig};
use hythe_core::health::ImagePace;
use hythe_core::names::ImageId;
use hythe_core::time::Millis;

use super::{Engine, EngineError};

/// What the image's shell is where it names none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// An image's own health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCheck {
    /// The command, in the container.
    pub command: Vec<String>,
    /// How often, and for how long.
    pub pace: ImagePace,
}

impl Engine {
    /// The health check of an image; none where it has none, or says `NONE`.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn image_check(&self, image: &ImageId) -> Result<Option<ImageCheck>, EngineError> {
        let docker = self.docker().await?;
        let found = docker.inspect_image(image.as_str()).await;
        let found = found.map_err(|error| self.fault(&error))?;
        Ok(found.config.and_then(check))
    }
}

/// What an image's configuration says.
pub(crate) fn check(config: ImageConfig) -> Option<ImageCheck> {
    let HealthConfig { test, interval, timeout, retries, start_period, .. } = config.healthcheck?;
    let mut words = test?.into_iter();
    let command = match words.next()?.as_str() {
        "CMD" => words.collect(),
        "CMD-SHELL" => {
            let shell = config.shell.filter(|shell| !shell.is_empty());
            let mut command = shell.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
            command.extend(words);
            command
        }
        // `NONE`, and what is to come.
        _other => return None,
    };
    // Of no time at all is as if nothing was said.
    let span = |nanoseconds: Option<i64>| {
        let millis = u64::try_from(nanoseconds?).ok()? / 1_000_000;
        (millis > 0).then_some(Millis(millis))
    };
    let retries = retries.and_then(|retries| u16::try_from(retries).ok());
    let pace = ImagePace {
        interval: span(interval),
        timeout: span(timeout),
        retries: retries.filter(|retries| *retries > 0),
        start_period: span(start_period),
    };
    (!Vec::is_empty(&command)).then_some(ImageCheck { command, pace })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str], shell: Option<&[&str]>) -> ImageConfig {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        ImageConfig {
            shell: shell.map(words),
            healthcheck: Some(HealthConfig {
                test: Some(words(test)),
                interval: Some(5_000_000_000),
                timeout: Some(0),
                retries: Some(0),
                ..HealthConfig::default()
            }),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn an_image_says_what_to_run() {
        type Words<'a> = &'a [&'a str];
        let rows: [(Words<'_>, Option<Words<'_>>, Option<Words<'_>>); 7] = [
            (&["CMD", "pg_isready", "-q"], None, Some(&["pg_isready", "-q"])),
            (&["CMD-SHELL", "a | b"], None, Some(&["/bin/sh", "-c", "a | b"])),
            (&["CMD-SHELL", "a"], Some(&["/bin/bash", "-ec"]), Some(&["/bin/bash", "-ec", "a"])),
            (&["CMD-SHELL", "a"], Some(&[]), Some(&["/bin/sh", "-c", "a"])),
            (&["NONE"], None, None),
            (&["CMD"], None, None),
            (&[], None, None),
        ];
        for (test, shell, expected) in rows {
            let found = check(config(test, shell));
            let command = found.as_ref().map(|check| check.command.clone());
            let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
            assert_eq!(command, expected, "{test:?}");
            if let Some(check) = found {
                let interval = Some(Millis::seconds(5));
                assert_eq!(check.pace, ImagePace { interval, ..ImagePace::default() });
            }
        }
        assert_eq!(check(ImageConfig::default()), None);
    }
}
