//! What happens with a packet that may be ours: whose is it, what does each destination do with it,
//! then send.

use udplb_abi::counters::DropReason;

use crate::{
    Verdict,
    headers::Headers,
    lookup,
    parse::{ETHERNET_LENGTH, Packet, UDP_LENGTH},
    plan::Plan,
    rewrite::{Image, Transport},
    select::Facts,
    send::Delivery,
    skb::Skb,
    stats::{self, Amount},
    tags::Tags,
};

/// The UDP header as it is on the wire.
struct Udp {
    source: u16,
    destination: u16,
    length: u16,
    check: u16,
}

impl Udp {
    #[inline(always)]
    fn load(skb: &Skb, offset: u32) -> Option<Self> {
        let mut bytes = [0_u8; UDP_LENGTH as usize];
        skb.load(offset, &mut bytes).ok()?;
        let [a, b, c, d, e, f, g, h] = bytes;
        Some(Self {
            source: u16::from_ne_bytes([a, b]),
            destination: u16::from_ne_bytes([c, d]),
            length: u16::from_ne_bytes([e, f]),
            check: u16::from_ne_bytes([g, h]),
        })
    }
}

/// One family in a function of its own: both together overrun the stack.
#[inline(never)]
pub(crate) fn packet<H: Headers>(skb: &Skb, packet: &Packet) -> Verdict {
    decide::<H>(skb, packet).unwrap_or(Verdict::Next)
}

/// `None` where the packet is not ours.
#[inline(always)]
fn decide<H: Headers>(skb: &Skb, packet: &Packet) -> Option<Verdict> {
    if skb.is_for_another_host() {
        return None;
    }
    let udp = Udp::load(skb, packet.transport)?;
    let mut original = Image {
        headers: H::load(skb, packet.network - ETHERNET_LENGTH).ok()?,
        port: udp.destination,
    };
    let interface = skb.interface();
    let tag = skb.tag();
    if tag.is_some_and(|tag| lookup::belongs_to_vlan_device(interface, tag)) {
        return None;
    }
    let listener = lookup::listener(
        interface,
        packet.word,
        packet.family,
        &original.headers.destination(),
    )?;
    let forward = lookup::forward(listener.forward)?;
    if !lookup::takes_source(forward, &original.headers.source()) {
        return None;
    }

    let (amount, longest) = measure(skb, packet, &udp);
    stats::matched(forward.counters, amount);
    let facts = Facts {
        family: packet.family,
        headers: &original.headers,
        source_port: udp.source,
        destination_port: udp.destination,
        length: longest,
        packets: amount.packets,
    };
    let plan = Plan::make(forward, &facts);
    if !plan.sends() {
        return Some(plan.refuse(forward, amount));
    }

    let mut transport = Transport {
        offset: packet.transport,
        unchecked: udp.check == 0,
    };
    let mut tags = Tags::NONE;
    if tag.is_some() {
        let Ok(stripped) = Tags::strip(skb) else {
            return Some(plan.fail(forward, DropReason::RewriteFailed, amount));
        };
        tags = stripped;
        transport.offset -= packet.network - ETHERNET_LENGTH;
        // The link-layer addresses moved, and behind two tags they were not in the image.
        original.headers = H::load(skb, 0).ok()?;
    }
    let delivery = Delivery {
        skb,
        forward,
        plan: &plan,
        listener,
        transport,
        amount,
    };
    let verdict = delivery.run(&original);
    if matches!(verdict, Verdict::Next) && tags.restore(skb).is_err() {
        return Some(Verdict::Drop);
    }
    Some(verdict)
}

/// What the packet counts as, and the longest IP packet that it becomes on the wire: the kernel keeps
/// `gso_segs` at 0 for packets from tap devices, so the segments are counted here.
#[inline(always)]
fn measure(skb: &Skb, packet: &Packet, udp: &Udp) -> (Amount, u32) {
    let whole = Amount {
        packets: 1,
        bytes: u64::from(packet.length),
    };
    let segment = skb.gso_size();
    if segment == 0 {
        return (whole, packet.length);
    }
    let headers = packet.transport - packet.network + UDP_LENGTH;
    let payload = u32::from(u16::from_be(udp.length)) - UDP_LENGTH;
    let segments = u64::from(payload.div_ceil(segment)).max(1);
    let amount = Amount {
        packets: segments,
        bytes: whole.bytes + (segments - 1) * u64::from(headers),
    };
    (amount, packet.length.min(headers + segment))
}
