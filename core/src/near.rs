//! What somebody probably meant who named a thing that there is not.

/// How alike two names have to be: of 0 (nothing in common) to 1 (the same).
const ALIKE: f64 = 0.7;

/// The names most like this one, the nearest first; none where no name is like it.
#[must_use]
pub fn nearest<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    most: usize,
) -> Vec<&'k str> {
    let name = name.to_lowercase();
    let alike = |key: &str| strsim::jaro_winkler(&name, &key.to_lowercase());
    let mut near: Vec<(f64, &str)> = known.into_iter().map(|key| (alike(key), key)).collect();
    near.retain(|(alike, _)| *alike > ALIKE);
    near.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| b.cmp(a)));
    near.into_iter().take(most).map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_strangers_not_at_all() {
        let tags = ["v1.0.0", "v1.2.0", "v1.2.1", "v2.0.0", "release", "nightly"];
        assert_eq!(nearest("v1.2", tags, 2), ["v1.2.1", "v1.2.0"]);
        assert_eq!(nearest("Relaese", tags, 3), ["release"]);
        assert_eq!(nearest("xyzzy", tags, 3), Vec::<&str>::new());
        assert_eq!(nearest("v1", [], 3), Vec::<&str>::new());
    }
}
