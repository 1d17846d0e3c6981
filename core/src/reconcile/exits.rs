//! What mostly lies behind the code that something exited with, for whoever looks for a mistake of their own.

/// Goes on after how it exited; nothing where a code says nothing by itself.
pub(super) fn meaning(code: i64, log: &[String]) -> Option<&'static str> {
    if log.iter().any(|line| line.contains("exec format error")) {
        return Some(
            "which means that its program is made for processors of another kind: build it for \
             those of the worker",
        );
    }
    match code {
        126 => Some("which mostly means that its program may not be executed: see its permissions"),
        127 => Some("which mostly means that there is no such program in the image"),
        137 => Some(
            "which mostly means that it was killed from without, as a machine does that has no \
             memory left",
        ),
        139 => Some("which means that it crashed: it used memory that is not its own"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_says_something_is_put_into_words() {
        let said = |code, line: &str| meaning(code, &[line.to_owned()]);
        assert_eq!(said(1, "boom"), None);
        assert_eq!(said(0, ""), None);
        assert!(said(127, "").unwrap().contains("no such program"));
        assert!(said(137, "").unwrap().contains("no memory left"));
        assert_ne!(said(126, ""), said(139, ""));
        assert!(said(255, "exec /app: exec format error").unwrap().contains("of another kind"));
    }
}
