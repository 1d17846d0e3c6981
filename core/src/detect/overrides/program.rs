//! A start line as far as it can be read without a shell.

/// A line that starts one program and does nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Program<'l> {
    /// `A=b` before the program.
    pub(in crate::detect) variables: Vec<&'l str>,
    /// The program, by its name or its path.
    pub(in crate::detect) path: &'l str,
    /// What it is given.
    pub(in crate::detect) words: Vec<&'l str>,
}

impl<'l> Program<'l> {
    /// Reads one; `None` where a shell would do more than fill in variables.
    pub(in crate::detect) fn of(line: &'l str) -> Option<Self> {
        if line.contains([';', '&', '|', '<', '>', '(', ')', '`', '\\', '#']) {
            return None;
        }
        let mut words = line.split_whitespace().peekable();
        let mut variables = Vec::new();
        while let Some(word) = words.next_if(|word| sets_variable(word)) {
            variables.push(word);
        }
        words.next_if_eq(&"exec");
        let path = words.next()?;
        let quoted = variables.iter().chain([&path]).any(|word| word.contains(['"', '\'']));
        (!quoted).then(|| Self { variables, path, words: words.collect() })
    }

    /// What it is called.
    pub(in crate::detect) fn name(&self) -> &'l str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

fn sets_variable(word: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    word.split_once('=').is_some_and(|(before, _)| !before.is_empty() && before.chars().all(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_starts_one_program_is_read() {
        let program = Program::of("A=b C=$D exec bin/x --port $PORT").unwrap();
        assert_eq!((program.path, program.name()), ("bin/x", "x"));
        assert_eq!(program.variables, ["A=b", "C=$D"]);
        assert_eq!(program.words, ["--port", "$PORT"]);
        for line in ["a && b", "cd x; b", "A=\"b c\" x", "\"my program\" x", "a | b", "a $(b)", ""]
        {
            assert_eq!(Program::of(line), None, "{line}");
        }
    }
}
