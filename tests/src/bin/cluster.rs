//! A Kubernetes cluster on this machine, to try udplb on: `make cluster`.

fn main() -> std::process::ExitCode {
    udplb_tests::cluster::kept::run()
}
