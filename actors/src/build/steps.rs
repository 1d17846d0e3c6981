//! The steps of a build as BuildKit tells of them: their log lines, and which one failed.

use std::collections::{BTreeMap, VecDeque};

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use hythe_core::deployment::Fault;
use hythe_core::limits;
use hythe_core::wire::log::LogStream;

use super::log::BuildLog;
use super::publish::nanos_now;

/// Steps that are followed; what a build has beyond them is shown without its number.
const MOST_STEPS: usize = 4_096;
/// Lines that are kept in case the build fails.
const KEPT_LINES: usize = 400;
/// Steps that are BuildKit's own business, by the beginning of their names.
const OWN: &[&str] = &["[internal]", "copy /context"];

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// By BuildKit's digest.
    steps: BTreeMap<String, Step>,
    /// The newest lines of all steps.
    lines: VecDeque<Line>,
    failed: Option<Failed>,
    /// What came without its line end yet of steps that are not followed, by stream: a value may come in two
    /// pieces.
    others: Option<(Partial, Partial)>,
}

#[derive(Debug)]
struct Step {
    number: usize,
    name: String,
    told: Told,
    /// What came without its line end yet, by stream.
    stdout: Partial,
    stderr: Partial,
}

/// How much of a step the log has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Begun,
    Ended,
}

#[derive(Debug)]
struct Line {
    /// The number of its step.
    of: usize,
    stream: LogStream,
    text: String,
}

#[derive(Debug)]
struct Failed {
    number: usize,
    name: String,
    error: String,
}

impl Steps {
    /// Whether a step has failed.
    pub(crate) fn failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Takes in what BuildKit says.
    pub(crate) async fn take(&mut self, status: StatusResponse, log: &BuildLog) {
        for vertex in &status.vertexes {
            self.begin(vertex, log).await;
        }
        for output in &status.logs {
            self.output(output, log).await;
        }
        for vertex in &status.vertexes {
            self.end(vertex, log).await;
        }
        for warning in &status.warnings {
            let text = format!("warning: {}", String::from_utf8_lossy(&warning.short));
            log.line(nanos_now(), LogStream::Stderr, &text).await;
        }
    }

    async fn begin(&mut self, vertex: &Vertex, log: &BuildLog) {
        if !self.steps.contains_key(&vertex.digest) {
            if self.steps.len() == MOST_STEPS {
                return;
            }
            let step = Step {
                number: 0,
                name: vertex.name.clone(),
                told: Told::Nothing,
                stdout: Partial::of(log.line_bytes()),
                stderr: Partial::of(log.line_bytes()),
            };
            self.steps.insert(vertex.digest.clone(), step);
        }
        // Numbers count what is shown, so that there is none missing.
        let next = self.steps.values().filter(|step| step.number > 0).count() + 1;
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        let shown = !OWN.iter().any(|own| vertex.name.starts_with(own)) || !vertex.error.is_empty();
        let moved = vertex.started.is_some() || vertex.cached || !vertex.error.is_empty();
        if shown && moved && step.told == Told::Nothing {
            step.told = Told::Begun;
            step.number = next;
            let text = format!("#{} {}", step.number, one_line(&log.masked(&step.name)));
            log.line(nanos_now(), LogStream::Stdout, &text).await;
        }
    }

    async fn end(&mut self, vertex: &Vertex, log: &BuildLog) {
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        let cancelled = vertex.error.ends_with("context canceled");
        if !vertex.error.is_empty() && (self.failed.is_none() && !cancelled) {
            self.failed = Some(Failed {
                number: step.number,
                // By the name of a base image it is looked for a registry's login.
                name: match step.name.starts_with(BASE_IMAGE) {
                    true => one_line(&step.name),
                    false => one_line(&log.masked(&step.name)),
                },
                error: one_line(&log.masked(&vertex.error)),
            });
        }
        if step.told != Told::Begun || vertex.completed.is_none() {
            return;
        }
        step.told = Told::Ended;
        let number = step.number;
        let rest =
            [(LogStream::Stdout, step.stdout.rest()), (LogStream::Stderr, step.stderr.rest())];
        for (stream, line) in rest {
            if let Some(line) = line {
                self.show(number, nanos_now(), stream, line, log).await;
            }
        }
        let how = if !vertex.error.is_empty() {
            format!("ERROR: {}", one_line(&log.masked(&vertex.error)))
        } else if vertex.cached {
            "CACHED".to_owned()
        } else {
            format!("DONE {}", took(vertex))
        };
        log.line(nanos_now(), LogStream::Stdout, &format!("#{number} {how}")).await;
    }

    async fn output(&mut self, output: &VertexLog, log: &BuildLog) {
        let at = output.timestamp.as_ref().map_or_else(nanos_now, |at| nanos(at.seconds, at.nanos));
        let (stream, number, lines) = self.whole_lines(output, log.line_bytes());
        for line in lines {
            self.show(number, at, stream, line, log).await;
        }
    }

    /// The lines that are whole by now, of which stream and which step.
    fn whole_lines(
        &mut self,
        output: &VertexLog,
        line_bytes: usize,
    ) -> (LogStream, usize, Vec<String>) {
        match self.steps.get_mut(&output.vertex) {
            Some(step) if output.stream == 2 => {
                (LogStream::Stderr, step.number, step.stderr.take(&output.msg))
            }
            Some(step) => (LogStream::Stdout, step.number, step.stdout.take(&output.msg)),
            None => {
                let pipe = || Partial::of(line_bytes);
                let (stdout, stderr) = self.others.get_or_insert_with(|| (pipe(), pipe()));
                match output.stream {
                    2 => (LogStream::Stderr, 0, stderr.take(&output.msg)),
                    _other => (LogStream::Stdout, 0, stdout.take(&output.msg)),
                }
            }
        }
    }

    async fn show(
        &mut self,
        number: usize,
        at: u64,
        stream: LogStream,
        line: String,
        log: &BuildLog,
    ) {
        log.line(at, stream, &format!("#{number} {line}")).await;
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { of: number, stream, text: log.fit(&line) });
    }

    /// Shows what never got its line end.
    pub(crate) async fn finish(&mut self, log: &BuildLog) {
        let mut rest = Vec::new();
        for step in self.steps.values_mut() {
            rest.extend(step.stdout.rest().map(|line| (step.number, LogStream::Stdout, line)));
            rest.extend(step.stderr.rest().map(|line| (step.number, LogStream::Stderr, line)));
        }
        if let Some((stdout, stderr)) = &mut self.others {
            rest.extend(stdout.rest().map(|line| (0, LogStream::Stdout, line)));
            rest.extend(stderr.rest().map(|line| (0, LogStream::Stderr, line)));
        }
        for (number, stream, line) in rest {
            self.show(number, nanos_now(), stream, line, log).await;
        }
    }

    /// The base image that could not be had, and what the engine said, where the build failed by
    /// that.
    pub(crate) fn base_image(&self) -> Option<(&str, &str)> {
        let failed = self.failed.as_ref()?;
        Some((failed.name.strip_prefix(BASE_IMAGE)?, failed.error.as_str()))
    }

    /// Why the build failed: the step that did, what the engine said, and the last lines. It is cut: values of
    /// secrets are masked in `error` before.
    pub(crate) fn fault(&self, error: Option<&str>) -> Fault {
        let own = self.failed.as_ref().map(|failed| failed.number);
        let mut log = last(self.lines.iter().filter(|line| own == Some(line.of)));
        if log.is_empty() {
            log = last(self.lines.iter());
        }
        let message = match &self.failed {
            Some(failed) => explain(&failed.name, &failed.error),
            None => explain("", error.unwrap_or("the engine gave no reason")),
        };
        Fault { message, log }.bounded()
    }
}

/// What BuildKit calls the step that asks a registry for a base image, but for the image.
const BASE_IMAGE: &str = "[internal] load metadata for ";

/// The last lines in their order. What a step wrote to standard error comes to us through another
/// pipe than the rest, so some of it is kept even where newer lines of the other would push it out.
fn last<'a>(lines: impl DoubleEndedIterator<Item = &'a Line>) -> Vec<String> {
    let most = limits::MOST_TAIL_LINES;
    let error = |line: &Line| line.stream == LogStream::Stderr;
    let mut newest: Vec<&Line> = lines.rev().collect();
    let errors = newest.iter().filter(|line| error(line)).count();
    let others = newest.len() - errors;
    let mut errors_left = errors.min((most / 2).max(most.saturating_sub(others)));
    let mut others_left = most - errors_left;
    newest.retain(|line| {
        let left = if error(line) { &mut errors_left } else { &mut others_left };
        let kept = *left > 0;
        *left = left.saturating_sub(1);
        kept
    });
    newest.iter().rev().map(|line| line.text.clone()).collect()
}

/// What an error of BuildKit's means to the person whose Dockerfile it is.
fn explain(step: &str, error: &str) -> String {
    if let Some(image) = step.strip_prefix(BASE_IMAGE) {
        return format!("the base image {image} cannot be had: {}", last_part(error));
    }
    // "[stage 2/3] RUN npm ci"
    let step = match step.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, step)) => step,
        None => step,
    };
    let code = error.rsplit_once("exit code: ").map(|(_, code)| code.trim());
    match (step, code) {
        ("", Some("137")) => format!("a step of the build {KILLED}"),
        ("", Some(code)) => format!("a step of the build failed with exit code {code}"),
        ("", None) if error.contains("dockerfile") => {
            format!("the Dockerfile cannot be used: {}", without_frame(error))
        }
        ("", None) => format!("the build failed: {}", without_frame(error)),
        (step, Some("137")) => format!("`{step}` {KILLED}"),
        (step, Some(code)) => format!("`{step}` failed with exit code {code}"),
        (step, None) => format!("`{step}` failed: {}", without_frame(error)),
    }
}

/// What a step has met that was ended from outside.
const KILLED: &str = "was killed (exit code 137): it may have run out of memory, of which all builds of a \
                      worker have together what its agent gives them (--build-memory)";

/// An error without BuildKit's telling which of its parts passed it on.
fn without_frame(error: &str) -> &str {
    let frames = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "failed to create LLB definition: ",
        "rpc error: code = Unknown desc = ",
        "failed to compute cache key: ",
    ];
    let mut rest = error;
    while let Some(inner) = frames.iter().find_map(|frame| rest.strip_prefix(frame)) {
        rest = inner;
    }
    rest
}

/// The innermost of nested errors, with what it is about.
fn last_part(error: &str) -> &str {
    let error = without_frame(error);
    error.rsplit_once("desc = ").map_or(error, |(_, last)| last)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

fn took(vertex: &Vertex) -> String {
    let (Some(from), Some(to)) = (&vertex.started, &vertex.completed) else {
        return String::new();
    };
    let millis =
        nanos(to.seconds, to.nanos).saturating_sub(nanos(from.seconds, from.nanos)) / 1_000_000;
    format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
}

fn nanos(seconds: i64, nanos: i32) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(nanos).unwrap_or(0))
}

/// Bytes on their way to becoming lines.
#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// The most bytes of one line.
    most: usize,
}

impl Partial {
    fn of(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }

    /// Takes bytes in; answers with the lines that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = self.most.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if pieces.peek().is_some() {
                lines.push(self.line());
            }
        }
        lines
    }

    /// What is there without a line end.
    fn rest(&mut self) -> Option<String> {
        if self.bytes.is_empty() { None } else { Some(self.line()) }
    }

    fn line(&mut self) -> String {
        let bytes = std::mem::take(&mut self.bytes);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches('\r');
        // Of a line that was drawn over, as progress bars are, the last state is what counts.
        text.rsplit('\r').next().unwrap_or(text).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_step_and_the_code() {
        let rows = [
            (
                "[2/3] RUN npm ci",
                "executor failed running [/bin/sh -c npm ci]: exit code: 1",
                "`RUN npm ci` failed with exit code 1",
            ),
            (
                "[build 2/3] RUN make",
                "process \"/bin/sh -c make\" did not complete successfully: exit code: 137",
                "`RUN make` was killed (exit code 137): it may have run out of memory, of which all \
                 builds of a worker have together what its agent gives them (--build-memory)",
            ),
            (
                "[2/2] COPY nope /",
                "failed to compute cache key: \"/nope\" not found: not found",
                "`COPY nope /` failed: \"/nope\" not found: not found",
            ),
            (
                "[internal] load metadata for docker.io/library/nope:1",
                "rpc error: code = Unknown desc = pull access denied",
                "the base image docker.io/library/nope:1 cannot be had: pull access denied",
            ),
            (
                "",
                "failed to solve with frontend dockerfile.v0: failed to create LLB definition: \
                 dockerfile parse error line 1: unknown instruction: FORM",
                "the Dockerfile cannot be used: dockerfile parse error line 1: unknown \
                 instruction: FORM",
            ),
        ];
        for (step, error, expected) in rows {
            assert_eq!(explain(step, error), expected);
        }
    }

    #[test]
    fn the_last_lines_hold_some_of_either_pipe() {
        let lines = |errors: usize, others: usize| -> Vec<Line> {
            let line = |stream, text: String| Line { of: 1, stream, text };
            let errors = (0..errors).map(|n| line(LogStream::Stderr, format!("e{n}")));
            let others = (0..others).map(|n| line(LogStream::Stdout, format!("o{n}")));
            errors.chain(others).collect()
        };
        let rows = [
            ((1, 50), 20, ["e0", "o49"]),
            ((50, 50), 20, ["e40", "o49"]),
            ((50, 3), 20, ["e33", "o2"]),
            ((3, 2), 5, ["e0", "o1"]),
            ((0, 30), 20, ["o10", "o29"]),
        ];
        for ((errors, others), count, [first, final_one]) in rows {
            let found = last(lines(errors, others).iter());
            assert_eq!(found.len(), count, "{errors} {others}");
            assert_eq!(found.first().unwrap(), first, "{errors} {others}");
            assert_eq!(found.last().unwrap(), final_one, "{errors} {others}");
        }
    }

    #[test]
    fn what_comes_of_a_step_that_is_not_followed_is_put_together_all_the_same() {
        let mut steps = Steps::default();
        let mut lines = |stream, text: &str| {
            let (vertex, msg) = ("beyond the last".to_owned(), text.as_bytes().to_vec());
            let output = VertexLog { vertex, stream, msg, ..VertexLog::default() };
            steps.whole_lines(&output, limits::MOST_LINE_BYTES)
        };
        assert_eq!(lines(1, "a\ncan"), (LogStream::Stdout, 0, vec!["a".to_owned()]));
        assert_eq!(lines(2, "other\n"), (LogStream::Stderr, 0, vec!["other".to_owned()]));
        assert_eq!(lines(1, "ary\n"), (LogStream::Stdout, 0, vec!["canary".to_owned()]));
    }

    #[test]
    fn bytes_become_lines_however_they_come() {
        let mut partial = Partial::of(limits::MOST_LINE_BYTES + 1);
        assert_eq!(partial.take(b"a\nb"), ["a"]);
        assert_eq!(partial.take(b"c\r\n\nd"), ["bc", ""]);
        assert_eq!(partial.take(b"10%\r20%\r30%\n"), ["30%"]);
        assert_eq!(partial.rest(), None);
        let long = vec![b'x'; limits::MOST_LINE_BYTES * 3];
        assert!(partial.take(&long).is_empty());
        assert_eq!(partial.take(b"\n")[0].len(), limits::MOST_LINE_BYTES + 1);
        assert_eq!(partial.take("é".as_bytes().get(..1).unwrap()), Vec::<String>::new());
        assert_eq!(partial.take(&[0xa9, b'\n']), ["é"]);
    }
}
