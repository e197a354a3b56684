//! What the demonstration prints. IO.

use std::{io::IsTerminal as _, process::ExitCode, time::Instant};

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const FAINT: &str = "2";

/// Prints as it goes and remembers what failed.
pub(super) struct Report {
    start: Instant,
    colours: bool,
    indent: &'static str,
    passed: usize,
    failed: Vec<String>,
}

impl Report {
    pub(super) fn new() -> Self {
        let colours = std::io::stdout().is_terminal();
        Self {
            start: Instant::now(),
            colours,
            indent: "         ",
            passed: 0,
            failed: Vec::new(),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn title(&self, text: &str) {
        println!("{}", self.paint(BOLD, text));
    }

    /// Announces what comes next.
    pub(super) fn step(&self, text: &str) {
        let time = format!("{:5.1} s", self.start.elapsed().as_secs_f64());
        println!("\n{}  {}", self.paint(FAINT, &time), self.paint(BOLD, text));
    }

    pub(super) fn say(&self, text: &str) {
        println!("{}{text}", self.indent);
    }

    /// Shows a file or another program's output.
    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            println!("{}{} {line}", self.indent, self.paint(FAINT, "│"));
        }
    }

    /// Says whether something is as it should be, with the numbers that show it.
    pub(super) fn check(&mut self, what: &str, good: bool, numbers: &str) {
        let verdict = if good {
            self.paint(GREEN, "PASS")
        } else {
            self.paint(RED, "FAIL")
        };
        println!("   {verdict}  {what}: {numbers}");
        if good {
            self.passed += 1;
        } else {
            self.failed.push(what.to_owned());
        }
    }

    /// The last line, and what the shell gets to know.
    pub(super) fn conclude(&self) -> ExitCode {
        let seconds = self.start.elapsed().as_secs_f64();
        if self.failed.is_empty() {
            let text = format!("PASS: all {} checks in {seconds:.1} s", self.passed);
            println!("\n{}", self.paint(GREEN, &text));
            ExitCode::SUCCESS
        } else {
            let text = format!(
                "FAIL: {} of {} checks",
                self.failed.len(),
                self.failed.len() + self.passed
            );
            println!("\n{}: {}", self.paint(RED, &text), self.failed.join("; "));
            ExitCode::FAILURE
        }
    }
}
