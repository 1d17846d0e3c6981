//! The variables of a Dockerfile's stages.

use std::collections::BTreeMap;

use super::words::{Word, expand};

/// The most variables of a stage that are known.
const MOST_VARIABLES: usize = 512;
/// The most stages whose variables others can begin with.
const MOST_STAGES: usize = 64;

/// Values by their names, with [`super::words::UNKNOWN`] for what of them is not known; none where it is
/// said that there is one, but not which.
type Values = BTreeMap<String, Option<String>>;

/// The stages so far.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    given: &'a BTreeMap<&'a str, &'a str>,
    escape: char,
    /// What is said before the first stage.
    global: Values,
    /// Those that have a name, by it.
    named: BTreeMap<String, Stage>,
    now: Option<(Option<String>, Stage)>,
}

#[derive(Clone, Debug, Default)]
struct Stage {
    args: Values,
    env: Values,
}

impl<'a> Stages<'a> {
    pub(super) fn new(given: &'a BTreeMap<&'a str, &'a str>, escape: char) -> Self {
        Self { given, escape, global: Values::new(), named: BTreeMap::new(), now: None }
    }

    /// A word of the present stage.
    pub(super) fn expand(&self, word: &str) -> Word {
        let value = |name: &str| match &self.now {
            Some((_, stage)) => {
                // An argument never takes the place of what is in the environment.
                // Where the environment found no more room, it may hide any.
                let argument = || stage.args.get(name).filter(|_| stage.env.len() < MOST_VARIABLES);
                let found = stage.env.get(name).or_else(argument);
                found.cloned().flatten()
            }
            None => self.global.get(name).cloned().flatten(),
        };
        expand(word, self.escape, &value)
    }

    /// `FROM image AS name`.
    pub(super) fn begin(&mut self, rest: &str) {
        let words: Vec<&str> =
            rest.split_whitespace().skip_while(|word| word.starts_with("--")).collect();
        let global = self.now.take();
        if let Some((Some(name), stage)) = global
            && self.named.len() < MOST_STAGES
        {
            self.named.insert(name, stage);
        }
        // Variables of what comes before the first stage may be in its name.
        let from = words.first().map(|word| self.expand(word).text.to_lowercase());
        let stage = from.and_then(|from| self.named.get(&from)).cloned().unwrap_or_default();
        let name = match words.get(1..) {
            Some([how, name, ..]) if how.eq_ignore_ascii_case("as") => Some(name.to_lowercase()),
            Some(_) | None => None,
        };
        self.now = Some((name, stage));
    }

    /// `ARG name`, `ARG name=default`, and several of them.
    pub(super) fn argument(&mut self, rest: &str) {
        for (name, default) in pairs(rest, self.escape) {
            let default = default.map(|default| self.expand(&default));
            let given = self.given.get(name.as_str()).map(|value| (*value).to_owned());
            let value = match (given, default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(default.text),
                (None, None) => self.global.get(&name).cloned().flatten(),
            };
            let values = match &mut self.now {
                Some((_, stage)) => &mut stage.args,
                None => &mut self.global,
            };
            put(values, name, value);
        }
    }

    /// `ENV name=value`, several of them, or `ENV name value`.
    pub(super) fn environment(&mut self, rest: &str) {
        let first = rest.split_whitespace().next().unwrap_or_default();
        let pairs = if first.contains('=') {
            pairs(rest, self.escape)
        } else {
            let value = rest.strip_prefix(first).unwrap_or_default().trim();
            vec![(first.to_owned(), Some(value.to_owned()))]
        };
        // All of one instruction see what was before it.
        let values: Vec<(String, Option<String>)> = pairs
            .into_iter()
            .map(|(name, value)| (name, Some(self.expand(&value.unwrap_or_default()).text)))
            .collect();
        if let Some((_, stage)) = &mut self.now {
            values.into_iter().for_each(|(name, value)| put(&mut stage.env, name, value));
        }
    }
}

fn put(values: &mut Values, name: String, value: Option<String>) {
    if values.len() < MOST_VARIABLES || values.contains_key(&name) {
        values.insert(name, value);
    }
}

/// `name=value` by `name=value`, with the quotes of the values.
fn pairs(text: &str, escape: char) -> Vec<(String, Option<String>)> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.push(String::new());
            continue;
        }
        let Some(word) = words.last_mut() else { break };
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        }
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (word, None),
    };
    words.into_iter().filter(|word| !word.is_empty()).map(pair).collect()
}
