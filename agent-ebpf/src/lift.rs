//! From a device without link headers out of one with them: copies get a header first.
//!
//! A header can be put in front of a packet, but not of a copy before it is sent, nor taken off again for the original.
//! So a copy comes in once more on the packet's own interface, where this program finds it, puts the header on, and
//! sends it. The packet itself, where it is not needed any more, gets its header at once.

use udplb_abi::next_hop::{LINK_HEADER, NextHopSlot};

use crate::{
    Verdict,
    maps::NEXT_HOPS,
    send::Way,
    skb::{self, Gate, Refused, Skb},
    slots,
};

/// `tc_index` of such a copy, whose mark is the slot of its next hop. Nothing outside this host can set either.
const WAITING: u32 = 0xd1b0;

/// Sends a copy.
#[inline(always)]
pub(crate) fn send_copy(skb: Skb, way: &Way) -> Result<(), Refused> {
    if way.next_hop.link_header == 0 {
        return skb.send_copy(way.gate(skb));
    }
    let (index, mark) = (skb.class_index(), skb.mark());
    skb.set_class_index(WAITING);
    skb.set_mark(way.slot);
    let sent = skb.send_copy(Gate {
        interface: skb.interface(),
        up: 1,
    });
    skb.set_class_index(index);
    skb.set_mark(mark);
    sent
}

/// Sends the packet itself, once the program has ended.
#[inline(always)]
pub(crate) fn redirect(skb: Skb, way: &Way) -> Result<(), Refused> {
    if way.next_hop.link_header != 0 {
        put_header_on(skb, way.next_hop)?;
    }
    way.redirect(skb)
}

/// Whether this is a copy that came in for its header.
#[inline(always)]
pub(crate) fn is_waiting(skb: Skb) -> bool {
    skb.class_index() == WAITING
}

/// Puts the header on a copy that came in for it, and sends it.
///
/// It has waited in a queue, which no grace period waits for. In theory, its next hop has become another one of ours.
#[inline(always)]
pub(crate) fn take_out(skb: Skb) -> Verdict {
    let slot = skb.mark();
    skb.set_class_index(0);
    skb.set_mark(0);
    let Some(next_hop) = NEXT_HOPS.get(slot) else {
        return Verdict::Drop;
    };
    let gate = Gate {
        interface: next_hop.interface,
        up: 0,
    };
    let sent = put_header_on(skb, next_hop).and_then(|()| skb::redirect(gate));
    match sent {
        Ok(()) => Verdict::Redirect,
        Err(Refused) => Verdict::Drop,
    }
}

#[inline(always)]
fn put_header_on(skb: Skb, next_hop: &NextHopSlot) -> Result<(), Refused> {
    let protocol = skb.protocol();
    skb.make_room(u32::from(LINK_HEADER))?;
    // From where they are: the stack has no room for them.
    skb.store(0, slots::link_bytes(next_hop))?;
    skb.store(u32::from(LINK_HEADER) - 2, &protocol.to_ne_bytes())
}
