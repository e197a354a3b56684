//! House rules that no compiler checks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders of source files, from the root of the repository.
const FOLDERS: [&str; 9] = [
    "agent",
    "agent-ebpf",
    "common/abi",
    "common/api",
    "common/plan",
    "common/process",
    "deploy/images",
    "deploy/pages",
    "operator",
];

/// What pure code has no use for.
const EFFECTS: [&str; 9] = [
    "tokio::",
    "aya::",
    "rtnetlink",
    "netlink_packet",
    "netlink_sys",
    "kube::Client",
    "std::fs",
    "std::net::UdpSocket",
    "std::process",
];

/// The most lines that a file may have, its tests not counted.
const LONGEST: usize = 400;

struct Source {
    /// From the root of the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    /// What the file says about itself: the doc lines that it starts with.
    fn introduction(&self) -> String {
        let lines = self
            .text
            .lines()
            .skip_while(|line| line.is_empty() || line.starts_with("#!"));
        lines.map_while(|line| line.strip_prefix("//!")).collect()
    }

    /// Lines in front of a test module.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]")
    }

    /// Unit tests in files of their own; the lab is no test but what tests stand on.
    fn is_test(&self) -> bool {
        let mut parts = self.path.iter().skip(1);
        parts.any(|part| part == "tests" || part == "tests.rs")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS
        .iter()
        .map(|folder| root.join(folder))
        .chain([root.join("tests/src")])
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 50, "only {} files found", sources.len());
    sources
}

fn assert_none(what: &str, mut found: Vec<String>) {
    found.sort();
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_module_says_what_it_is() {
    let silent = sources()
        .into_iter()
        .filter(|source| !source.is_test() && source.introduction().trim().is_empty());
    assert_none(
        "no doc line at the top",
        silent
            .map(|source| source.path.display().to_string())
            .collect(),
    );
}

/// Pure modules say so in their introduction, and hold to it.
#[test]
fn pure_modules_have_no_effects() {
    let mut found = Vec::new();
    let mut pure = 0;
    for source in sources().iter().filter(|source| !source.is_test()) {
        let introduction = source.introduction().to_lowercase();
        if !introduction.contains("pure")
            || introduction.contains("io.")
            || introduction.contains("**io**")
        {
            continue;
        }
        pure += 1;
        for line in source
            .code()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for effect in EFFECTS.iter().filter(|effect| line.contains(**effect)) {
                found.push(format!("{}: {effect}", source.path.display()));
            }
        }
    }
    assert!(pure > 20, "only {pure} pure modules found");
    assert_none("pure modules with effects", found);
}

#[test]
fn files_are_short_and_named_after_their_module() {
    let mut found = Vec::new();
    for source in sources() {
        let lines = source.code().count();
        if lines > LONGEST && !source.is_test() {
            found.push(format!("{}: {lines} lines", source.path.display()));
        }
        if source.path.ends_with("mod.rs") {
            found.push(format!(
                "{}: call it by its module's name, beside the folder",
                source.path.display()
            ));
        }
    }
    assert_none("files", found);
}

/// Guarantees that ARCHITECTURE.md promises.
const GUARANTEES: usize = 8;

/// Whether a file has a test of that name. A test's attributes stand in the lines before it.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let start = format!("fn {name}(");
    let is_test = |place: usize| {
        let attributes = lines[..place].iter().rev().take(4);
        let mut attributes = attributes.take_while(|line| !line.is_empty() && **line != "}");
        attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    let mut places = (0..lines.len()).filter(|place| {
        let line = lines[*place].trim_start_matches("async ");
        line.starts_with(&start)
    });
    places.any(is_test)
}

/// Files of the table of guarantees stand before the names of their tests; both are there.
#[test]
fn each_guarantee_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once("\n## What never happens\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let is_row = |line: &&str| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit();
    let mut missing = Vec::new();
    let mut rows = 0;
    for row in section.lines().filter(is_row) {
        rows += 1;
        let number = row.split('|').nth(1).unwrap().trim();
        let cell = row.split('|').nth(3).unwrap();
        let (mut file, mut tests) = (None, 0);
        for word in cell.split('`').skip(1).step_by(2) {
            if Path::new(word).extension().is_some_and(|end| end == "rs") {
                file = fs::read_to_string(root.join(word)).ok();
                if file.is_none() {
                    missing.push(format!("{number}: {word}"));
                }
            } else if word.starts_with(char::is_lowercase) {
                tests += 1;
                if !file.as_ref().is_some_and(|text| has_test(text, word)) {
                    missing.push(format!("{number}: {word}"));
                }
            }
        }
        if tests == 0 {
            missing.push(format!("{number}: names no test"));
        }
    }
    assert_eq!(rows, GUARANTEES);
    assert_none("named in ARCHITECTURE.md and not there", missing);
}
