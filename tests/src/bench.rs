//! The benchmark: nanoseconds a packet by test-run, and packets a second beside bare programs. IO but for its parts.
//!
//! The agent configures the maps and is then killed: what is measured is the program alone, as it runs between two
//! changes of the configuration.

mod machine;
mod numbers;
mod options;
mod programs;
mod report;
mod scene;
mod throughput;
mod time;

use std::process::ExitCode;

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use machine::{Machine, Watch};
use options::{Options, Output};
use scene::Scene;

/// Everything that was measured.
struct Results {
    machine: Machine,
    cpu: usize,
    time: time::Results,
    throughput: Vec<throughput::Row>,
}

/// Runs it with the command line's arguments.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let output = match Options::parse(arguments) {
        Options::Run(output) => output,
        Options::Help => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Options::Unknown(argument) => {
            eprintln!(
                "udplb-bench: no such option: {argument}\n\n{}",
                options::HELP
            );
            return ExitCode::from(2);
        }
    };
    let progress: fn(&str) = |text| eprintln!("{text} …");
    let cpu = pin();
    progress("building two nodes with their collectors, starting the agent");
    let scene = Scene::new();
    let watch = Watch::start();
    progress("measuring packets a second");
    let throughput = throughput::measure(&scene, progress);
    scene.remove_egress();
    progress("measuring nanoseconds a packet");
    let time = time::measure(&scene, progress);
    let results = Results {
        machine: watch.stop(),
        cpu,
        time,
        throughput,
    };
    match output {
        Output::Table => print!("{}", report::table(&results)),
        Output::Json => println!("{:#}", report::json(&results)),
    }
    ExitCode::SUCCESS
}

/// Keeps this thread and those that it starts on one CPU, the last one, before other programs.
fn pin() -> usize {
    let all = std::thread::available_parallelism().unwrap().get();
    let mut one = CpuSet::new();
    one.set(all - 1).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    crate::sys::raise_priority().unwrap();
    all - 1
}
