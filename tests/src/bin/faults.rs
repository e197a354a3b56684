//! Shows that no fault does harm: `make faults`.

fn main() -> std::process::ExitCode {
    udplb_tests::faults::run(std::env::args().skip(1))
}
