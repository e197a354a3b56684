//! Text to forwards, in either format. Pure.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use udplb_api::{Checker, MAX_FORWARDS_IN_FILE, UdpForward, check};

use super::{
    ancestor,
    document::{self, Document, Place},
};

/// Namespace of all forwards from files.
pub(super) const NAMESPACE: &str = "default";

/// Something in a file that has to change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// Path of the field in its document; empty for the document.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            path,
            message,
        } = self;
        write!(formatter, "{}:{line}:{column}: ", file.display())?;
        if path.is_empty() {
            write!(formatter, "{message}")
        } else {
            write!(formatter, "{path}: {message}")
        }
    }
}

/// The forwards of a file, and where each is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// In the order of the file; their namespace is `default`.
    pub forwards: Vec<UdpForward>,
    /// Where they are; nowhere if the file is not there any more.
    pub lines: Lines,
}

/// The lines where forwards have their names, by name.
pub type Lines = BTreeMap<String, u64>;

/// Parses a file: `UdpForward` documents, or the one list of the ancestor's format. `path` is for
/// messages only.
pub fn parse(text: &str, path: &Path) -> Result<Parsed, Vec<Problem>> {
    let mut problems = Problems {
        file: path,
        found: Vec::new(),
    };
    let mut lines = Lines::new();
    let forwards = match document::read(text) {
        Ok(documents) => forwards(&documents, &mut lines, &mut problems),
        Err(error) => {
            problems.add(error.place, "", &error.message);
            Vec::new()
        }
    };
    if problems.found.is_empty() {
        return Ok(Parsed { forwards, lines });
    }
    problems.found.sort();
    Err(problems.found)
}

/// Collects problems of one file.
pub(super) struct Problems<'a> {
    file: &'a Path,
    found: Vec<Problem>,
}

impl Problems<'_> {
    fn add(&mut self, place: Place, path: &str, message: &str) {
        self.found.push(Problem {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            message: message.to_owned(),
        });
    }

    pub(super) fn add_at(&mut self, document: &Document, path: &str, message: &str) {
        self.add(document.place(path), path, message);
    }

    /// Checks a document; whether it is good.
    pub(super) fn check(&mut self, checker: &Checker, document: &Document) -> bool {
        let problems = checker.problems(&document.value);
        for check::Problem { path, message } in &problems {
            self.add_at(document, path, message);
        }
        problems.is_empty()
    }
}

fn forwards(
    documents: &[Document],
    lines: &mut Lines,
    problems: &mut Problems<'_>,
) -> Vec<UdpForward> {
    let count = match documents {
        [list] => list.value.as_array().map_or(1, Vec::len),
        documents => documents.len(),
    };
    if let Some(message) = too_many(count) {
        problems.add(Place::START, "", &message);
        return Vec::new();
    }
    match documents {
        [] => {
            problems.add(
                Place::START,
                "",
                "the file is empty: write an UdpForward; to stop handling packets set its state to Paused",
            );
            Vec::new()
        }
        [list] if is_list_of_documents(&list.value) => {
            let message = "a list of documents: write each UdpForward as a document of its own, \
                           with a line --- between two";
            problems.add_at(list, "", message);
            Vec::new()
        }
        [list] if list.value.is_array() => ancestor::forwards(list, lines, problems),
        documents => {
            let checker = Checker::udp_forward();
            documents
                .iter()
                .filter_map(|document| forward(&checker, document, lines, problems))
                .collect()
        }
    }
}

/// The ancestor's entries have no kind.
fn is_list_of_documents(value: &Value) -> bool {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().any(|item| item.get("kind").is_some())
}

/// What is said about a file of so many forwards, before any of them is looked at.
pub(super) fn too_many(count: usize) -> Option<String> {
    (count > MAX_FORWARDS_IN_FILE)
        .then(|| format!("the file has {count} forwards: write at most {MAX_FORWARDS_IN_FILE}"))
}

fn forward(
    checker: &Checker,
    document: &Document,
    lines: &mut Lines,
    problems: &mut Problems<'_>,
) -> Option<UdpForward> {
    if document.value.is_array() {
        let message =
            "is a list: the older format is one list alone in its file; write an UdpForward";
        problems.add_at(document, "", message);
        return None;
    }
    if !problems.check(checker, document) {
        return None;
    }
    let mut forward = match UdpForward::deserialize(&document.value) {
        Ok(forward) => forward,
        Err(error) => {
            problems.add_at(document, "", &error.to_string());
            return None;
        }
    };
    forward.metadata.namespace = Some(NAMESPACE.to_owned());
    forward.status = None;
    unique(
        lines,
        document,
        "metadata.name",
        forward.metadata.name.as_deref(),
        problems,
    );
    Some(forward)
}

/// Reports a name that was used before.
pub(super) fn unique(
    lines: &mut Lines,
    document: &Document,
    path: &str,
    name: Option<&str>,
    problems: &mut Problems<'_>,
) {
    let name = name.unwrap_or_default();
    let line = document.place(path).line;
    if let Some(earlier) = lines.insert(name.to_owned(), line) {
        let message = format!("{name} is there already, in line {earlier}: write another one");
        problems.add_at(document, path, &message);
    }
}
