//! Shows the main job on real packets: `make demo`.

fn main() -> std::process::ExitCode {
    udplb_tests::demo::run()
}
