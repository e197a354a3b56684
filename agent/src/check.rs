//! What `check` found, as text for people and JSON for machines. **pure**
//!
//! The JSON's shape is in docs/json.md.

use std::{fmt, path::Path};

use serde::Serialize;
use udplb_plan::standalone::Standalone;

use crate::{
    desired::notice::Notice,
    error_chain,
    preflight::finding::{Finding, Verdict},
    source::{
        file::{Lines, LoadError, Problem},
        planned::{self, Refusal},
    },
};

/// Version of the JSON's shape.
const VERSION: u32 = 1;
/// Columns of a terminal.
const WIDTH: usize = 80;

/// Everything that was looked at. As text, `{:#}` breaks every line where a terminal ends.
#[derive(Clone, Debug)]
pub struct Report {
    /// The host; none where this user may not ask.
    pub host: Option<Host>,
    /// The file, if one was named.
    pub file: Option<File>,
}

/// What was found about the host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Release of the kernel.
    pub kernel: String,
    /// One for each thing that was looked at.
    pub findings: Vec<Finding>,
}

/// What was found about the file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// As it was named.
    path: String,
    /// How many forwards run.
    forwards: usize,
    /// What has to change.
    problems: Vec<Mistake>,
    /// What should be known.
    notes: Vec<String>,
}

/// Something in a file that has to change. Without a place it is about the whole file.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mistake {
    line: Option<u64>,
    column: Option<u64>,
    /// Path of the field.
    field: Option<String>,
    message: String,
    /// As it is printed.
    #[serde(skip)]
    text: String,
}

impl Mistake {
    fn of_file(message: String) -> Self {
        Self {
            text: message.clone(),
            message,
            ..Self::default()
        }
    }

    fn refused(path: &Path, Refusal { key, line, reason }: &Refusal) -> Self {
        let message = format!("forward {key} does not run: {reason}");
        Self {
            line: *line,
            text: match line {
                Some(line) => format!("{}:{line}: {message}", path.display()),
                None => message.clone(),
            },
            message,
            ..Self::default()
        }
    }

    fn at(problem: &Problem) -> Self {
        Self {
            line: Some(problem.line),
            column: Some(problem.column),
            field: Some(problem.path.clone()).filter(|path| !path.is_empty()),
            message: problem.message.clone(),
            text: problem.to_string(),
        }
    }
}

impl File {
    /// What became of a file: the plan, or why there is none; and what the plan meets on this host.
    #[must_use]
    pub fn of(
        path: &Path,
        planned: Result<&(Standalone, Lines), &LoadError>,
        notices: &[Notice],
    ) -> Self {
        let mut file = Self {
            path: path.display().to_string(),
            forwards: 0,
            problems: Vec::new(),
            notes: Vec::new(),
        };
        match planned {
            Ok((plan, lines)) => {
                file.forwards = plan.forwards.len();
                for refusal in planned::refusals(&plan.verdicts, lines) {
                    file.problems.push(Mistake::refused(path, &refusal));
                }
                file.notes = planned::notes(&plan.verdicts);
                file.notes.extend(notices.iter().map(ToString::to_string));
            }
            Err(LoadError::Invalid { problems }) => {
                file.problems = problems.iter().map(Mistake::at).collect();
            }
            Err(error) => file.problems.push(Mistake::of_file(error_chain(error))),
        }
        file
    }
}

impl Report {
    /// How many things have to change before `run` would work.
    #[must_use]
    pub fn failed(&self) -> usize {
        let of_host = self.host.iter().flat_map(|host| &host.findings);
        let of_host = of_host
            .filter(|finding| finding.failure().is_some())
            .count();
        of_host + self.file.as_ref().map_or(0, |file| file.problems.len())
    }

    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            version: u32,
            ok: bool,
            host: Option<&'a Host>,
            file: Option<&'a File>,
        }
        Json {
            version: VERSION,
            ok: self.failed() == 0,
            host: self.host.as_ref(),
            file: self.file.as_ref(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write_host(formatter, host)?,
            None => writeln!(formatter, "host: not checked, that takes root (sudo)")?,
        }
        self.file
            .as_ref()
            .map_or(Ok(()), |file| write_file(formatter, file))
    }
}

fn write_host(formatter: &mut fmt::Formatter<'_>, host: &Host) -> fmt::Result {
    writeln!(formatter, "host, kernel {}", host.kernel)?;
    for finding in &host.findings {
        let mark = match finding.result {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAIL",
        };
        let Finding {
            name, needed_for, ..
        } = finding;
        writeln!(formatter, "  {mark:4}  {name:18}  {needed_for}")?;
        if let Some(message) = &finding.message {
            write_wrapped(formatter, "        ", message)?;
        }
    }
    Ok(())
}

fn write_file(formatter: &mut fmt::Formatter<'_>, file: &File) -> fmt::Result {
    writeln!(formatter, "file {}", file.path)?;
    let problems = file.problems.iter().map(|problem| ("FAIL", &problem.text));
    let notes = file.notes.iter().map(|note| ("note", note));
    for (mark, text) in problems.chain(notes) {
        if formatter.alternate() {
            write_wrapped(formatter, &format!("  {mark}  "), text)?;
        } else {
            // On one line each, so that editors and grep find the place.
            writeln!(formatter, "  {mark}  {text}")?;
        }
    }
    if file.problems.is_empty() {
        let plural = if file.forwards == 1 { "" } else { "s" };
        writeln!(formatter, "  ok    {} forward{plural}", file.forwards)?;
    }
    Ok(())
}

/// Behind `start`, with further lines below the text, within the width of a terminal.
fn write_wrapped(formatter: &mut fmt::Formatter<'_>, start: &str, text: &str) -> fmt::Result {
    let indent = " ".repeat(start.len());
    let mut line = start.to_owned();
    for word in text.split_whitespace() {
        let is_first = line.len() == indent.len();
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(formatter, "{line}")?;
            line.clone_from(&indent);
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(formatter, "{line}")
}
