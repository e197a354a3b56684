//! Runs the agent's program on single frames, without sending them (`BPF_PROG_TEST_RUN`). IO.
//!
//! It is the attached program with its real maps, so that a frame meets what the agent configured. A copy that it
//! sends is really sent; the packet itself is not: `redirect` is only a verdict here.

use std::{fmt, io, os::fd::OwnedFd};

use crate::{
    lab::Host,
    sys::{
        self,
        bpf::{
            listing,
            run::{self, Arrival},
        },
    },
};

/// How the names of the agent's programs begin.
const NAMES: &str = "udplb_";

/// What the program says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The next program, then the stack: `TCX_NEXT`.
    Next,
    /// Nobody gets it.
    Drop,
    /// It leaves by another interface.
    Redirect,
    /// Anything else, which nobody asked for.
    Other(i32),
}

/// A packet after the program.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Its bytes.
    pub frame: Vec<u8>,
}

/// What a program costs to load and to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Instructions that the verifier walked, of 1,000,000.
    pub verified: u32,
    /// Instructions of the program.
    pub instructions: u32,
}

/// What an instruction does, for a walk over all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on with the next one; so does every other step but a jump and the end.
    Other,
    /// Takes the address of a map, or of what is in it.
    Map(String),
    /// Combines the bits of two words.
    Or,
    /// Reaches this many bytes down the stack of its function.
    Stack(u32),
    /// Calls a function of the program.
    Call(usize),
    /// Goes on somewhere else.
    Jump(usize),
    /// Goes on somewhere else, or with the next one.
    Branch {
        /// Where else.
        to: usize,
        /// Whether a word that is zero leads there; none where that is not what is asked.
        on_zero: Option<bool>,
    },
    /// Returns.
    End,
}

/// The agent's program on one interface.
#[derive(Debug)]
pub struct TestRun {
    host: Host,
    interface: u32,
    program: OwnedFd,
}

impl TestRun {
    /// Finds it.
    pub fn of(host: &Host, interface: &str) -> Self {
        let index = host.index(interface);
        let programs = host
            .enter(|| run::on_tcx_ingress(index))
            .unwrap_or_else(|error| panic!("programs of {interface}: {error}"));
        let program = programs
            .into_iter()
            .find(|program| run::info(program).unwrap().name.starts_with(NAMES))
            .unwrap_or_else(|| panic!("{}: {interface} has no program of the agent", host.name()));
        Self {
            host: host.clone(),
            interface: index,
            program,
        }
    }

    /// What becomes of frames, one after the other.
    pub fn run(&self, frames: &[Vec<u8>]) -> Vec<Outcome> {
        let refused = |outcome: Option<Outcome>| outcome.expect("the kernel takes no such frame");
        self.try_run(frames).into_iter().map(refused).collect()
    }

    /// The same with frames that need not make sense. None where the kernel's test-run takes no such frame: it wants
    /// a whole IP header behind an Ethernet type that promises one.
    pub fn try_run(&self, frames: &[Vec<u8>]) -> Vec<Option<Outcome>> {
        self.each(frames, false, libc::EINVAL)
    }

    /// The same for frames that carry a checksum over their bytes (`CHECKSUM_COMPLETE`). None where that does not
    /// fit the bytes any more.
    pub fn run_summed(&self, frames: &[Vec<u8>]) -> Vec<Option<Outcome>> {
        self.each(frames, true, libc::EBADMSG)
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        const INSTRUCTION: u32 = 8;
        let info = run::info(&self.program).unwrap();
        Size {
            verified: info.verified,
            instructions: info.translated / INSTRUCTION,
        }
    }

    /// Its instructions.
    pub fn steps(&self) -> Vec<Step> {
        listing::read(&self.program).unwrap_or_else(|error| panic!("instructions: {error}"))
    }

    /// The program itself.
    pub(crate) fn program(&self) -> &OwnedFd {
        &self.program
    }

    /// One expected error is an answer too.
    fn each(&self, frames: &[Vec<u8>], summed: bool, expected: i32) -> Vec<Option<Outcome>> {
        let one = |frame: &Vec<u8>| match self.classify(frame, summed) {
            Err(error) if error.raw_os_error() == Some(expected) => None,
            outcome => Some(outcome.unwrap_or_else(|error| panic!("{error}: {frame:02x?}"))),
        };
        self.host.enter(|| {
            // Where all that a test sends starts from: copies keep their order.
            sys::stay_on_cpu(0).unwrap();
            frames.iter().map(one).collect()
        })
    }

    fn classify(&self, frame: &[u8], summed: bool) -> io::Result<Outcome> {
        // A program may not make a frame longer here, but then a test should see it.
        let mut output = vec![0; frame.len() + 64];
        let arrival = Arrival {
            interface: self.interface,
            frame,
            repeat: 1,
        };
        let run = run::classify(&self.program, arrival, summed, &mut output)?;
        output.truncate(run.length);
        Ok(Outcome {
            verdict: Verdict::new(run.verdict),
            frame: output,
        })
    }
}

impl Verdict {
    fn new(value: u32) -> Self {
        match value.cast_signed() {
            -1 => Self::Next,
            2 => Self::Drop,
            7 => Self::Redirect,
            other => Self::Other(other),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} with", self.verdict)?;
        for byte in &self.frame {
            write!(formatter, " {byte:02x}")?;
        }
        Ok(())
    }
}
