//! Nanoseconds a packet, by test-run. IO.
//!
//! The interface that copies would leave by is gone, so that everything but sending is in the numbers: parse, look
//! up, choose, rewrite, ask the kernel to clone (it finds no such interface), restore, count.

use std::{io, os::fd::OwnedFd};

use super::{
    numbers::Sample,
    programs::{self, NEXT, REDIRECTED, Restoring},
    scene::{self, Forward, Scene, datagram},
};
use crate::{
    packet::Udp,
    sys::bpf::run::{self, Arrival},
};

/// Repetitions in one batch.
pub(super) const REPEAT: u32 = 1000;
/// Batches of each case.
pub(super) const ROUNDS: usize = 600;

// Names of the lines that others are computed from.
pub(super) const CLONE_ONE: &str = "Clone to 1 destination";
pub(super) const CLONE_EIGHT: &str = "Clone to 8";
pub(super) const FORWARD_ONE: &str = "Forward to 1";
pub(super) const FORWARD_EIGHT: &str = "Forward to 8";

const TCP: u8 = 6;
/// Of the Ethernet, IP and UDP headers, by family.
const HEADERS: [usize; 2] = [42, 62];

/// One line of the report.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// By family.
    pub(super) cells: [Cell; 2],
    /// What the design allows for in each family, nanoseconds.
    pub(super) budgets: Option<[f64; 2]>,
}

/// One case in one family, with the empty program's time in it.
pub(super) struct Cell {
    pub(super) sample: Sample,
    /// The empty program's fastest batch.
    baseline: f64,
}

/// What an empty program takes, nanoseconds.
pub(super) struct Baselines {
    pub(super) empty: Sample,
    /// Behind a program that restores the headers, by family.
    pub(super) restored: [Sample; 2],
}

/// What there is to say about the time of a packet.
pub(super) struct Results {
    pub(super) baselines: Baselines,
    pub(super) rows: Vec<Row>,
    /// The functions of the kernel that any rewrite calls.
    pub(super) reference: Row,
}

impl Cell {
    /// The fastest batch, less an empty program.
    pub(super) fn minimum(&self) -> f64 {
        self.sample.minimum() - self.baseline
    }

    /// The middle batch, less an empty program.
    pub(super) fn median(&self) -> f64 {
        self.sample.median() - self.baseline
    }
}

enum Program<'a> {
    Shared(&'a OwnedFd),
    Own(OwnedFd),
    Restoring(Restoring),
}

/// Something to run over and over.
struct Case<'a> {
    program: Program<'a>,
    frame: Vec<u8>,
    verdict: i32,
    times: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(program: Program<'a>, frame: Vec<u8>, verdict: i32) -> Self {
        Self {
            program,
            frame,
            verdict,
            times: Vec::with_capacity(ROUNDS),
        }
    }

    /// Behind a program that restores the headers of each repetition.
    fn restored(
        program: &OwnedFd,
        frame: Vec<u8>,
        family: usize,
        verdict: i32,
    ) -> io::Result<Self> {
        let restoring = Restoring::new(program, &frame[..HEADERS[family]])?;
        Ok(Self::new(Program::Restoring(restoring), frame, verdict))
    }

    fn batch(&mut self, interface: u32) -> io::Result<()> {
        let program = match &self.program {
            Program::Shared(program) => program,
            Program::Own(program) | Program::Restoring(Restoring { program, .. }) => program,
        };
        let arrival = Arrival {
            interface,
            frame: &self.frame,
            repeat: REPEAT,
        };
        let mut output = vec![0; self.frame.len()];
        let run = run::classify(program, arrival, false, &mut output)?;
        assert_eq!(
            run.verdict.cast_signed(),
            self.verdict,
            "{:02x?}",
            self.frame
        );
        self.times.push(run.nanoseconds.into());
        Ok(())
    }

    fn sample(self) -> Sample {
        Sample::new(self.times)
    }
}

/// A name, a case for each family, and what they may take.
type Line<'a> = (&'static str, [Case<'a>; 2], Option<[f64; 2]>);

/// Measures all cases in turn.
pub(super) fn measure(scene: &Scene, progress: fn(&str)) -> Results {
    let node = scene.lab.host("node");
    let interface = node.index("eth0");
    node.enter(|| {
        let program = scene.program.program();
        let empty = programs::verdict(NEXT)?;
        let mut lines = not_ours(scene, program);
        lines.extend(ours(scene, program)?);
        lines.push(reference(scene)?);
        let plain = |family| scene.frame(&datagram(family, scene::UNUSED));
        let mut baselines = [
            Case::new(Program::Shared(&empty), plain(0), NEXT),
            Case::restored(&empty, plain(0), 0, NEXT)?,
            Case::restored(&empty, plain(1), 1, NEXT)?,
        ];
        for round in 0..ROUNDS {
            if round % (ROUNDS / 4) == 0 {
                progress(&format!("  round {round} of {ROUNDS}"));
            }
            let cases = lines.iter_mut().flat_map(|(_, cases, _)| cases);
            for case in baselines.iter_mut().chain(cases) {
                case.batch(interface)?;
            }
        }
        Ok::<_, io::Error>(results(baselines, lines))
    })
    .unwrap_or_else(|error| panic!("test-run: {error}"))
}

fn results(baselines: [Case<'_>; 3], lines: Vec<Line<'_>>) -> Results {
    let [empty, v4, v6] = baselines.map(Case::sample);
    let baselines = Baselines {
        empty,
        restored: [v4, v6],
    };
    let row = |(name, cases, budgets): Line<'_>| {
        let mut family = 0;
        let cells = cases.map(|case| {
            let baseline = match case.program {
                Program::Restoring(_) => baselines.restored[family].minimum(),
                _ => baselines.empty.minimum(),
            };
            family += 1;
            Cell {
                sample: case.sample(),
                baseline,
            }
        });
        Row {
            name,
            cells,
            budgets,
        }
    };
    let mut rows: Vec<Row> = lines.into_iter().map(row).collect();
    let reference = rows.pop().expect("there is a reference");
    Results {
        baselines,
        rows,
        reference,
    }
}

fn not_ours<'a>(scene: &Scene, program: &'a OwnedFd) -> Vec<Line<'a>> {
    let line = |name, frame: &dyn Fn(usize) -> Vec<u8>, budget: f64| {
        let case = |family| Case::new(Program::Shared(program), frame(family), NEXT);
        (name, [0, 1].map(case), Some([budget; 2]))
    };
    let tcp = |family| {
        let datagram = datagram(family, scene::UNUSED);
        let packet = datagram.around(TCP, &[&datagram.segment()[..], &[0; 12]].concat());
        scene.towards_node().frame(datagram.ether_type(), &packet)
    };
    let unused = |family| scene.frame(&datagram(family, scene::UNUSED));
    let elsewhere = |family| {
        let port = scene::CLONE_ONE.port;
        let address = ["10.0.1.77", "[2001:db8:1::77]"][family];
        scene.frame(&Udp {
            destination: format!("{address}:{port}").parse().unwrap(),
            ..datagram(family, port)
        })
    };
    vec![
        line("not ours: TCP", &tcp, 10.0),
        line("not ours: UDP, unused port", &unused, 10.0),
        line("not ours: used port, other address", &elsewhere, 40.0),
    ]
}

fn ours<'a>(scene: &Scene, program: &'a OwnedFd) -> io::Result<Vec<Line<'a>>> {
    let frame = |family, forward: Forward| scene.frame(&datagram(family, forward.port));
    let cloned = |name, forward| {
        let case = |family| Case::new(Program::Shared(program), frame(family, forward), NEXT);
        (name, [0, 1].map(case), None)
    };
    let forwarded = |name, forward, budgets| {
        let case = |family| Case::restored(program, frame(family, forward), family, REDIRECTED);
        Ok::<_, io::Error>((name, [case(0)?, case(1)?], budgets))
    };
    Ok(vec![
        cloned(CLONE_ONE, scene::CLONE_ONE),
        cloned(CLONE_EIGHT, scene::CLONE_EIGHT),
        forwarded(FORWARD_ONE, scene::FORWARD_ONE, Some([110.0, 120.0]))?,
        forwarded("Forward to 2", scene::FORWARD_TWO, None)?,
        forwarded(FORWARD_EIGHT, scene::FORWARD_EIGHT, None)?,
    ])
}

fn reference(scene: &Scene) -> io::Result<Line<'static>> {
    let case = |family: usize| {
        let program = programs::reference(HEADERS[family])?;
        let frame = scene.frame(&datagram(family, scene::REFERENCE_PORT));
        Ok::<_, io::Error>(Case::new(Program::Own(program), frame, REDIRECTED))
    };
    Ok((
        "reference: a rewrite's calls alone",
        [case(0)?, case(1)?],
        None,
    ))
}
