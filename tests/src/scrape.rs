//! Reads `/metrics` as a Prometheus server does, and checks that the numbers add up. IO but for its parts.

pub mod growth;
mod identity;
mod text;

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

pub use identity::identity;
pub use text::parse;

use crate::lab::Host;

/// How long a Prometheus server waits unless it is told otherwise.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// A metric's labels.
pub type Labels = BTreeMap<String, String>;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Value by name and labels.
    pub series: BTreeMap<(String, Labels), f64>,
    /// `counter`, `gauge` and so on, by name.
    pub types: BTreeMap<String, String>,
}

impl Metrics {
    /// The sum over every series of that name with at least these labels; 0 where there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    /// As [`Self::sum`], for counters.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        whole(name, self.sum(name, labels))
    }

    /// Every counter of that name.
    pub fn counters(&self, name: &str) -> impl Iterator<Item = (&Labels, u64)> {
        self.matching(name, &[])
            .map(move |(labels, value)| (labels, whole(name, value)))
    }

    /// Every series of that name with at least these labels.
    pub fn matching(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> impl Iterator<Item = (&Labels, f64)> {
        self.series
            .iter()
            .filter(move |((other, own), _)| {
                other == name
                    && labels
                        .iter()
                        .all(|(key, value)| own.get(*key).is_some_and(|own| own == value))
            })
            .map(|((_, labels), value)| (labels, *value))
    }
}

fn whole(name: &str, value: f64) -> u64 {
    assert!(
        value >= 0.0 && value.fract() == 0.0,
        "{name} is not a count: {value}"
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number"
    )]
    return value as u64;
}

/// An answer to an HTTP request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines.
    pub head: String,
    /// Content.
    pub body: String,
}

/// Requests a page from inside a host; an error where nobody answers.
pub fn get(host: &Host, address: &str, path: &str) -> io::Result<Answer> {
    let mut stream = host.enter(|| TcpStream::connect(address))?;
    stream.set_read_timeout(Some(SCRAPE_TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    let _: usize = stream.read_to_string(&mut answer)?;
    let malformed = || io::Error::other(format!("not an HTTP answer: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(malformed)?;
    assert!(
        !head.to_lowercase().contains("transfer-encoding"),
        "a chunked answer is not understood here"
    );
    Ok(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Scrapes a host's endpoint. Panics where a Prometheus server would log an error.
pub fn scrape(host: &Host, address: &str) -> Metrics {
    try_scrape(host, address).unwrap_or_else(|error| panic!("scraping {address}: {error}"))
}

/// The same for those who ask again and again until something is so: an error where no answer came in time, as on a
/// machine with other work. What does come must be right.
pub fn try_scrape(host: &Host, address: &str) -> io::Result<Metrics> {
    let answer = get(host, address, "/metrics")?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    let metrics = parse(&answer.body);
    Ok(metrics.unwrap_or_else(|error| panic!("metrics of {address}: {error}")))
}
