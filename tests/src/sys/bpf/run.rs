//! Programs that are loaded already: found on a hook, looked at, and run on a frame. IO.

use std::{io, os::fd::OwnedFd, ptr};

use super::{Attributes, TCX_INGRESS, command, open};

// Commands and flags of linux/bpf.h.
const TEST_RUN: u32 = 10;
const PROGRAM_BY_ID: u32 = 13;
const INFO: u32 = 15;
const QUERY: u32 = 16;
const LIVE_FRAMES: u32 = 1 << 1;
const CHECKSUM_COMPLETE: u32 = 1 << 2;
/// Where a test-run tells its time.
const NANOSECONDS: usize = 36;

/// What the kernel knows of a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) name: String,
    /// Bytes after the verifier's rewriting, before compilation.
    pub(crate) translated: u32,
    /// Instructions that the verifier walked, over all paths.
    pub(crate) verified: u32,
}

/// What one test-run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) verdict: u32,
    /// Nanoseconds of one repetition, on average and rounded down.
    pub(crate) nanoseconds: u32,
    /// Length of the frame afterwards.
    pub(crate) length: usize,
}

/// A frame as it arrives at an interface of the calling thread's network namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) interface: u32,
    pub(crate) frame: &'a [u8],
    pub(crate) repeat: u32,
}

/// The programs on an interface's TCX ingress hook, in their order.
pub(crate) fn on_tcx_ingress(interface: u32) -> io::Result<Vec<OwnedFd>> {
    const COUNT: usize = 24;
    let mut programs = [0_u32; 64];
    let mut attributes = Attributes::default()
        .set(0, interface)
        .set(4, TCX_INGRESS)
        .point(16, programs.as_mut_ptr())
        .set(COUNT, programs.len().try_into().unwrap());
    command(QUERY, &mut attributes)?;
    let count = attributes.get(COUNT);
    programs[..usize::try_from(count).unwrap()]
        .iter()
        .map(|id| open(PROGRAM_BY_ID, Attributes::default().set(0, *id)))
        .collect()
}

/// Asks what a program is.
pub(crate) fn info(program: &OwnedFd) -> io::Result<Info> {
    // `struct bpf_prog_info`, by offset.
    let mut answer = [0_u64; 29];
    let attributes = Attributes::default()
        .descriptor(0, program)
        .set(4, size_of_val(&answer).try_into().unwrap())
        .point(8, answer.as_mut_ptr());
    command(INFO, &mut { attributes })?;
    let bytes = answer.map(u64::to_ne_bytes).concat();
    let word = |offset: usize| u32::from_ne_bytes(*bytes[offset..].first_chunk().unwrap());
    let name = bytes[64..80].split(|byte| *byte == 0).next().unwrap();
    Ok(Info {
        name: String::from_utf8_lossy(name).into_owned(),
        translated: word(20),
        verified: word(216),
    })
}

/// Runs a tc program on a frame and leaves the changed frame in `output`.
///
/// With `summed` the frame carries a checksum over its bytes as some hardware makes it (`CHECKSUM_COMPLETE`), and
/// the run fails with `EBADMSG` where that does not fit the bytes any more.
pub(crate) fn classify(
    program: &OwnedFd,
    arrival: Arrival<'_>,
    summed: bool,
    output: &mut [u8],
) -> io::Result<Run> {
    // `struct __sk_buff` as far as its `ifindex`.
    let mut context = [0_u32; 11];
    context[10] = arrival.interface;
    let flags = if summed { CHECKSUM_COMPLETE } else { 0 };
    let mut attributes = attributes(program, arrival, &context)
        .set(12, output.len().try_into().unwrap())
        .point(24, output.as_mut_ptr())
        .set(64, flags);
    command(TEST_RUN, &mut attributes)?;
    Ok(Run {
        verdict: attributes.get(4),
        nanoseconds: attributes.get(NANOSECONDS),
        length: attributes.get(12).try_into().unwrap(),
    })
}

/// Runs an XDP program on copies of a frame and does with each what the program says. Where that is to pass, each
/// becomes a packet that the interface receives, on this CPU and before this returns. Returns the nanoseconds that one
/// takes, without those in which the CPU was given to another process between two batches.
pub(crate) fn receive(program: &OwnedFd, arrival: Arrival<'_>) -> io::Result<u32> {
    const BATCH: u32 = 64;
    let length = u32::try_from(arrival.frame.len()).unwrap();
    // `struct xdp_md`: start and end of the data, metadata, interface, queue, egress interface.
    let context = [0, length, 0, arrival.interface, 0, 0];
    let mut attributes = attributes(program, arrival, &context)
        .set(64, LIVE_FRAMES)
        .set(72, BATCH);
    command(TEST_RUN, &mut attributes)?;
    Ok(attributes.get(NANOSECONDS))
}

fn attributes(program: &OwnedFd, arrival: Arrival<'_>, context: &[u32]) -> Attributes {
    Attributes::default()
        .descriptor(0, program)
        .set(8, arrival.frame.len().try_into().unwrap())
        .point(16, arrival.frame.as_ptr())
        .set(32, arrival.repeat)
        .set(40, size_of_val(context).try_into().unwrap())
        .point(48, ptr::from_ref(context).cast::<u32>())
}
