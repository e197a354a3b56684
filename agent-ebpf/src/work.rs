//! A packet that matched a forward, with everything that the later steps need of it.

use udplb_abi::{forward::ForwardSlot, hash::FlowKey, listener::ListenerSlot};

use crate::{
    headers::{Headers, Words},
    skb::Skb,
    stats::Amount,
};

/// One structure for all steps: the stack has 512 bytes for the whole chain of calls.
pub(crate) struct Work {
    pub(crate) skb: Skb,
    pub(crate) forward: &'static ForwardSlot,
    pub(crate) listener: &'static ListenerSlot,
    pub(crate) amount: Amount,
    /// Offset of the UDP header.
    pub(crate) transport: u32,
    /// Longest IP packet that it becomes on the wire, bytes.
    pub(crate) longest: u32,
    /// Source port as it is on the wire.
    pub(crate) source_port: u16,
    /// Destination port as it is on the wire.
    pub(crate) destination_port: u16,
    /// Not zero where it arrived without a UDP checksum. Hidden from the verifier, which would walk everything
    /// twice: see [`ForwardSlot::zero`].
    pub(crate) unchecked: u32,
}

impl Work {
    /// What the strategies and sampling hash. Made anew for each destination: keeping it costs stack.
    #[inline(always)]
    pub(crate) fn flow<H: Headers>(&self, headers: &H) -> FlowKey {
        FlowKey {
            source: halves(&headers.source()),
            destination: halves(&headers.destination()),
            source_port: u16::from_be(self.source_port),
            destination_port: u16::from_be(self.destination_port),
        }
    }
}

#[inline(always)]
const fn halves(words: &Words) -> [u64; 2] {
    let [first, second, third, fourth] = *words;
    [half(first, second), half(third, fourth)]
}

#[inline(always)]
const fn half(low: u32, high: u32) -> u64 {
    // Words are in memory order: a half is little-endian whatever the machine is.
    (low.to_le() as u64) | ((high.to_le() as u64) << 32)
}
