//! Prometheus' text format 0.0.4, read strictly: what a server would only guess at is an error here. Pure.
//!
//! Own code, because the parsers on crates.io skip what they do not understand, or have been left alone for
//! years.

use std::collections::BTreeSet;

use super::{Labels, Metrics};

/// Types that the format knows.
const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

/// Parses a scrape's body.
pub fn parse(text: &str) -> Result<Metrics, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader
            .line(line)
            .map_err(|error| format!("line {number}: {error}: {line}"))?;
    }
    Ok(reader.metrics)
}

#[derive(Default)]
struct Reader {
    metrics: Metrics,
    helped: BTreeSet<String>,
    /// The family whose lines are being read, and those that are over: lines of a family stand together.
    family: String,
    over: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, _) = rest.split_once(' ').ok_or("no help text")?;
            self.enter(name)?;
            return once(self.helped.insert(name.to_owned()), "a second HELP");
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            let started =
                self.family == name && self.metrics.series.keys().any(|(other, _)| other == name);
            self.enter(name)?;
            if started || !TYPES.contains(&kind) {
                return Err("an unknown type, or one that comes after its samples".to_owned());
            }
            return once(
                self.metrics
                    .types
                    .insert(name.to_owned(), kind.to_owned())
                    .is_none(),
                "a second TYPE",
            );
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        self.sample(line)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Labels::new(), rest),
        };
        self.enter(self.family_of(name))?;
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let value = number(words.next().ok_or("no value")?)?;
        if let Some(time) = words.next() {
            let _: i64 = time.parse().map_err(|_| "the timestamp is not a number")?;
        }
        once(words.next().is_none(), "words behind the timestamp")?;
        let series = (name.to_owned(), labels);
        once(
            self.metrics.series.insert(series, value).is_none(),
            "the same series again",
        )
    }

    /// The family of a sample: histograms and summaries have samples with names of their own.
    fn family_of<'a>(&self, name: &'a str) -> &'a str {
        ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|base| {
                matches!(
                    self.metrics.types.get(*base).map(String::as_str),
                    Some("histogram" | "summary")
                )
            })
            .unwrap_or(name)
    }

    fn enter(&mut self, family: &str) -> Result<(), String> {
        if self.family == family {
            return Ok(());
        }
        if !is_name(family, ":") {
            return Err(format!("{family:?} is not a metric name"));
        }
        let previous = std::mem::replace(&mut self.family, family.to_owned());
        let _: bool = self.over.insert(previous);
        once(
            !self.over.contains(family),
            "the lines of a metric do not stand together",
        )
    }
}

/// Parses labels behind the opening brace; returns what follows the closing one.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name, "") {
            return Err(format!("{name:?} is not a label name"));
        }
        let (value, behind) = quoted(behind)?;
        once(
            labels.insert(name.to_owned(), value).is_none(),
            "the same label again",
        )?;
        rest = match behind.strip_prefix(',') {
            Some(behind) => behind,
            None if behind.starts_with('}') => behind,
            None => {
                return Err("a label that is followed by neither a comma nor the end".to_owned());
            }
        };
    }
}

/// Parses a label's value behind the opening quote; returns what follows the closing one.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[position + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                _ => return Err("an unknown escape".to_owned()),
            }),
            other => value.push(other),
        }
    }
    Err("a label's value does not end".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    let text = match text {
        "+Inf" => "inf",
        "-Inf" => "-inf",
        "NaN" => "nan",
        other if other.ends_with(|last: char| last.is_ascii_digit()) => other,
        _ => return Err(format!("{text:?} is not a number")),
    };
    text.parse()
        .map_err(|_| format!("{text:?} is not a number"))
}

fn is_name(text: &str, also: &str) -> bool {
    let fits = |character: char| {
        character.is_ascii_alphanumeric() || character == '_' || also.contains(character)
    };
    text.starts_with(|first: char| !first.is_ascii_digit()) && text.chars().all(fits)
}

fn once(first: bool, what: &str) -> Result<(), String> {
    if first { Ok(()) } else { Err(what.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_example_of_the_format() {
        let metrics = parse(
            "# HELP http_requests_total The total number of HTTP requests.\n\
             # TYPE http_requests_total counter\n\
             http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
             http_requests_total{method=\"post\",code=\"400\"}    3 1395066363000\n\
             # Escaping in label values:\n\
             msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\
             metric_without_timestamp_and_labels 12.47\n\
             something_weird{problem=\"division by zero\"} +Inf -3982045\n\
             # TYPE http_request_duration_seconds histogram\n\
             http_request_duration_seconds_bucket{le=\"0.05\"} 24054\n\
             http_request_duration_seconds_bucket{le=\"+Inf\"} 144320\n\
             http_request_duration_seconds_sum 53423\n\
             http_request_duration_seconds_count 144320\n",
        )
        .unwrap();
        assert_eq!(
            metrics.count("http_requests_total", &[("method", "post")]),
            1030
        );
        let labels = metrics
            .matching("msdos_file_access_time_seconds", &[])
            .next()
            .unwrap()
            .0;
        assert_eq!(
            (&labels["path"][..], &labels["error"][..]),
            ("C:\\DIR\\FILE.TXT", "Cannot find file:\n\"FILE.TXT\"")
        );
    }

    #[test]
    fn refuses_what_is_wrong() {
        for text in [
            "a 1",
            "a\n",
            "a one\n",
            "1a 1\n",
            "a{b=\"c} 1\n",
            "a{b=\"c\"d=\"e\"} 1\n",
            "a{b=\"c\",b=\"d\"} 1\n",
            "a{1b=\"c\"} 1\n",
            "a 1\na 2\n",
            "a{x=\"1\"} 1\nb 1\na{x=\"2\"} 2\n",
            "# TYPE a counter\n# TYPE a counter\na 1\n",
            "a 1\n# TYPE a counter\n",
            "# TYPE a count\n",
            "a 1 2 3\n",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
