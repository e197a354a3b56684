//! The tc classifier that clones and forwards UDP packets.
//!
//! A packet takes these steps, one module each; whatever is not ours leaves at once for the next
//! program on the hook:
//!
//! ```text
//! parse ─▶ lookup ─▶ plan ─▶ send ─▶ verdict
//! UDP?     ours?     per destination: rewrite, send,
//!                    one upstream     restore, count
//! ```
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    clippy::inline_always,
    reason = "a function that is not inlined is a call that the verifier follows"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "sizes of headers, and fields of the context that hold 16 bits"
)]

mod atomic;
mod deliver;
mod fragments;
mod headers;
mod lift;
mod lookup;
mod maps;
mod parse;
mod plan;
mod rewrite;
mod select;
mod send;
mod skb;
mod slots;
mod stats;
mod tags;
mod trace;
mod work;

use aya_ebpf::{EbpfContext as _, macros::classifier, programs::TcContext};

use udplb_abi::address::Family;

use crate::{
    deliver::Offsets,
    headers::{ETHERNET, NONE, V4, V6},
    parse::{Packet, Parsed},
    skb::Skb,
};

/// What becomes of the packet after this program (`enum tcx_action_base`, kernel 6.6; the numbers are
/// those of the older `TC_ACT_*`).
#[derive(Clone, Copy)]
#[repr(i32)]
enum Verdict {
    /// The next program, then the local stack.
    Next = -1,
    /// Consumed.
    Drop = 2,
    /// Consumed: `bpf_redirect` noted where it goes.
    Redirect = 7,
}

/// Ingress classifier for interfaces with Ethernet frames.
#[classifier]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the macro hands the context over by value"
)]
fn udplb_ethernet(ctx: TcContext) -> i32 {
    let skb = Skb::new(ctx.as_ptr());
    classify::<ETHERNET>(skb, parse::ethernet(skb)) as i32
}

/// Ingress classifier for interfaces whose frames are bare IP packets: tun, wireguard, ipip and the like.
#[classifier]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the macro hands the context over by value"
)]
fn udplb_ip(ctx: TcContext) -> i32 {
    let skb = Skb::new(ctx.as_ptr());
    if lift::is_waiting(skb) {
        return lift::take_out(skb) as i32;
    }
    classify::<NONE>(skb, parse::ip(skb)) as i32
}

#[inline(always)]
fn classify<const LINK: usize>(skb: Skb, parsed: Parsed) -> Verdict {
    let Parsed::Udp(Packet {
        family,
        network,
        transport,
        length,
        word,
        part,
    }) = parsed
    else {
        return Verdict::Next;
    };
    let offsets = Offsets::new(network, transport);
    match family {
        Family::V4 => deliver::packet::<V4<LINK>>(skb, offsets, length, word, part),
        Family::V6 => deliver::packet::<V6<LINK>>(skb, offsets, length, word, part),
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
