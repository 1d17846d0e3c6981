//! The names of backups in their place, and which of them are beyond those to keep. Pure.

use hythe_core::ids::InstallationId;
use hythe_core::time::Timestamp;
use uuid::Uuid;

const END: &str = ".hythe-backup.age";

/// The name of a backup: by installation and time, so that a list of them is in order.
pub(super) fn name(installation: InstallationId, at: Timestamp, id: Uuid) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let (time, random) = (time.strftime("%Y%m%dT%H%M%SZ"), id.as_u128() & 0xffff_ffff);
    format!("{installation}-{time}-{random:08x}{END}")
}

/// Installation and time in a name; none for whatever else lies there.
pub(super) fn parse(name: &str) -> Option<(InstallationId, &str)> {
    let (installation, rest) = name.strip_suffix(END)?.split_at_checked(36)?;
    let (time, random) = rest.strip_prefix('-')?.split_once('-')?;
    let digits = time.len() == 16
        && time.bytes().enumerate().all(|(at, b)| match at {
            8 => b == b'T',
            15 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    let hex = random.len() == 8 && random.bytes().all(|b| b.is_ascii_hexdigit());
    (digits && hex).then_some((installation.parse().ok()?, time))
}

/// The backups of an installation that are beyond the newest `keep`; never `newest`, which was
/// just made, whatever the clock says.
pub(super) fn beyond(
    names: &[String],
    installation: InstallationId,
    keep: u16,
    newest: &str,
) -> Vec<String> {
    let mut own: Vec<(&str, &String)> = names
        .iter()
        .filter(|name| *name != newest)
        .filter_map(|name| {
            let (of, time) = parse(name)?;
            (of == installation).then_some((time, name))
        })
        .collect();
    own.sort();
    let keep = usize::from(keep).saturating_sub(1);
    let gone = own.len().saturating_sub(keep);
    own.into_iter().take(gone).map(|(_, name)| name.clone()).collect()
}

/// The newest backup among names, of an installation or of the only one that there is.
pub(super) fn newest(names: &[String]) -> Result<&String, String> {
    let mut own: Vec<(&str, InstallationId, &String)> = names
        .iter()
        .filter_map(|name| parse(name).map(|(installation, time)| (time, installation, name)))
        .collect();
    own.sort();
    let Some((_, installation, newest)) = own.last() else {
        return Err("there is no backup".into());
    };
    if own.iter().any(|(_, other, _)| other != installation) {
        return Err("there are backups of several installations: say which with --name".into());
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(n: u128) -> InstallationId {
        InstallationId::new(Uuid::from_u128(n))
    }

    fn at(day: u64) -> Timestamp {
        Timestamp(1_790_000_000_000 + day * 86_400_000)
    }

    #[test]
    fn only_own_backups_beyond_those_to_keep_go_and_never_the_newest() {
        let of = |n, day| name(installation(n), at(day), Uuid::from_u128(u128::from(day)));
        assert_eq!(of(1, 0), format!("{}-20260921T141320Z-00000000{END}", installation(1)));
        let mut names: Vec<String> = (0..5).map(|day| of(1, day)).collect();
        names.extend([of(2, 0), "thesis.tex".into(), format!("x{}", of(1, 0)), of(1, 0) + ".part"]);
        names.push(of(1, 0).replace('T', "t"));
        assert_eq!(beyond(&names, installation(1), 2, &of(1, 4)), [of(1, 0), of(1, 1), of(1, 2)]);
        assert_eq!(beyond(&names, installation(1), 7, &of(1, 4)), [] as [String; 0]);
        assert_eq!(beyond(&names, installation(1), 0, &of(1, 4)).len(), 4);
        // A clock that went back: the one just made looks like the oldest, and stays.
        let kept = beyond(&names, installation(1), 1, &of(1, 0));
        assert_eq!(kept, [of(1, 1), of(1, 2), of(1, 3), of(1, 4)]);
        assert!(newest(&names).unwrap_err().contains("several"));
        assert_eq!(newest(&names[..5]).unwrap(), &of(1, 4));
        assert!(newest(&[]).is_err());
    }
}
