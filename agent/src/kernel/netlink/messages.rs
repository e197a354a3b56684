//! Netlink framing: several messages in one datagram. Part of **IO**, opens nothing itself.

use netlink_packet_core::{NLMSG_ALIGNTO, NetlinkBuffer, NetlinkMessage, ParseableParametrized};
use netlink_packet_route::RouteNetlinkMessage;

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
}

impl Raw<'_> {
    /// The message's meaning. What the decoder does not know is logged and left out: one odd device
    /// must not hide the others.
    pub(super) fn decode(&self) -> Option<RouteNetlinkMessage> {
        RouteNetlinkMessage::parse_with_param(self.payload, self.kind)
            .inspect_err(|error| {
                tracing::warn!(kind = self.kind, %error, "cannot decode a netlink message");
            })
            .ok()
    }
}

/// The messages of a datagram; ends at the first that is cut short.
pub(super) fn split(datagram: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some(Raw {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload: buffer.payload(),
        })
    })
}

/// Appends a request to a datagram.
pub(super) fn append(
    datagram: &mut Vec<u8>,
    request: RouteNetlinkMessage,
    flags: u16,
    sequence: u32,
) {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = datagram.len();
    datagram.resize(start + align(message.buffer_len()), 0);
    message.serialize(&mut datagram[start..]);
}

const fn align(length: usize) -> usize {
    length.next_multiple_of(NLMSG_ALIGNTO as usize)
}
