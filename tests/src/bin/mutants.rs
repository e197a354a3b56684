//! Shows that the packet suite notices defects: `make mutants`.

fn main() -> std::process::ExitCode {
    udplb_tests::mutants::run(std::env::args().skip(1))
}
