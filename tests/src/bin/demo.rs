//! Shows the main job on real packets: `make demo` on a cluster, `make demo-standalone` with a file.

use std::process::ExitCode;

use udplb_tests::demo;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cluster"] => demo::cluster::run(),
        ["standalone"] => demo::run(),
        _ => {
            eprintln!("write udplb-demo cluster, or udplb-demo standalone");
            ExitCode::FAILURE
        }
    }
}
