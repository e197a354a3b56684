//! What one destination does with the packet, as data. **pure**

use serde::Serialize;

/// One destination.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Destination {
    pub name: String,
    pub outcome: Outcome,
    pub strategy: &'static str,
    pub source_address: &'static str,
    pub destination_address: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Position>,
    /// Why nothing is sent, whichever upstream it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<&'static str>,
    /// The upstream; several where chance or the missing port decides.
    pub upstreams: Vec<Candidate>,
    /// What has to be so for the packet to be sent.
    pub conditions: Vec<String>,
    #[serde(skip)]
    pub(super) chances: Chances,
}

/// What a destination does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It sends.
    Sent,
    /// Sampling leaves the packet out.
    SampledOut,
    /// It drops, for the reason that stands beside.
    Dropped,
    /// The packet goes to the stack because nothing is available.
    Passed,
    /// That is up to the conditions.
    Depends,
}

/// What can happen at a destination, as far as it decides about the original.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chances {
    /// It may send.
    pub(super) sends: bool,
    /// It may have nowhere to send to.
    pub(super) unavailable: bool,
    /// It may leave the packet out for another reason.
    pub(super) left_out: bool,
}

/// Sampling.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Sampling {
    pub one_in: u32,
    pub per: &'static str,
    /// Whether it takes the packet; None: that is decided by chance, or needs the source port.
    pub taken: Option<bool>,
}

/// A rate limit. Whether it is spent cannot be known.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct RateLimit {
    pub packets_per_second: u64,
    pub burst: u64,
}

/// Where the flow's hash points.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Position {
    pub slots: u32,
    /// None: any.
    pub index: Option<u32>,
}

/// An upstream that the packet may go to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Candidate {
    pub upstream: String,
    pub weight: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Wire>,
}

/// How it leaves.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct NextHop {
    pub state: &'static str,
    /// None: the upstream is this host itself.
    #[serde(flatten)]
    pub link: Option<Link>,
}

/// The link that it crosses.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Link {
    pub interface: String,
    pub neighbour: String,
    pub mac: String,
    pub source_mac: String,
    pub mtu: u32,
}

/// What leaves.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Wire {
    pub interface: String,
    /// None: the interface has no frames but bare IP packets; or it does not leave, but enters this host once more.
    #[serde(flatten)]
    pub frame: Option<Frame>,
    pub source: String,
    pub destination: String,
    pub ttl: u8,
}

impl Wire {
    /// Whether the kernel has to resolve the neighbour first.
    #[must_use]
    pub fn waits_for_a_neighbour(&self) -> bool {
        let frame = self.frame.as_ref();
        frame.is_some_and(|frame| frame.destination_mac.is_none())
    }
}

/// The addresses of its frame.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Frame {
    pub source_mac: String,
    /// None: the kernel resolves the neighbour first.
    pub destination_mac: Option<String>,
}
