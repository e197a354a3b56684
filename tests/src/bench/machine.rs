//! The machine, and how busy others keep it while the benchmark runs. IO.

use std::{fs, time::Instant};

/// Clock ticks a second in `/proc`, on every architecture (`USER_HZ`).
const TICKS: f64 = 100.0;

/// What the numbers depend on.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) processor: String,
    pub(super) processors: usize,
    /// CPUs that other programs used.
    pub(super) others: f64,
    /// CPUs that the hypervisor gave to somebody else.
    pub(super) stolen: f64,
}

/// A measurement of the machine that has begun.
pub(super) struct Watch {
    start: Instant,
    before: Ticks,
}

#[derive(Clone, Copy)]
struct Ticks {
    busy: f64,
    stolen: f64,
    ours: f64,
}

impl Watch {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            before: Ticks::now(),
        }
    }

    pub(super) fn stop(&self) -> Machine {
        let after = Ticks::now();
        let before = self.before;
        let ticks = self.start.elapsed().as_secs_f64() * TICKS;
        let busy = after.busy - before.busy;
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = processors
                .lines()
                .find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        Machine {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: field("model name").unwrap_or_else(|| "unknown processor".to_owned()),
            processors: processors
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            others: ((busy - (after.ours - before.ours)) / ticks).max(0.0),
            stolen: (after.stolen - before.stolen) / ticks,
        }
    }
}

impl Ticks {
    fn now() -> Self {
        let numbers = |line: &str| -> Vec<f64> {
            line.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        };
        let machine = numbers(read("/proc/stat").lines().next().unwrap());
        let [
            user,
            nice,
            system,
            _idle,
            _waiting,
            interrupt,
            soft_interrupt,
            stolen,
            ..,
        ] = machine[..]
        else {
            panic!("/proc/stat has no line of CPU times: {machine:?}")
        };
        // Behind the name, which may hold spaces: the state, and numbers from the fourth field of proc_pid_stat(5).
        let process = read("/proc/self/stat");
        let process = numbers(process.rsplit_once(')').unwrap().1);
        let [user_here, system_here, user_children, system_children] = process[10..14] else {
            unreachable!("a range of four")
        };
        Self {
            busy: user + nice + system + interrupt + soft_interrupt,
            stolen,
            ours: user_here + system_here + user_children + system_children,
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
