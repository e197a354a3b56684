//! Traffic while everything changes, breaks and restarts: `make soak`.

fn main() -> std::process::ExitCode {
    udplb_tests::soak::run()
}
