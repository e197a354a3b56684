//! Measures the datapath: `make bench`.

fn main() -> std::process::ExitCode {
    udplb_tests::bench::run(std::env::args().skip(1))
}
