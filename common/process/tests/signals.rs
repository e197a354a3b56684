//! Shutdown of a real process. Without a test harness: the process under test is this one, started
//! again with an argument.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::timeout;

/// Longest time that the process under test may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if env::args().any(|argument| argument == "child") {
        return child();
    }
    // A process that finishes after the first signal, and one that hangs until the second.
    assert_eq!(exit_code("finishing", &[Signal::SIGTERM]), Some(7));
    assert_eq!(exit_code("finishing", &[Signal::SIGINT]), Some(7));
    assert_eq!(
        exit_code("hanging", &[Signal::SIGTERM, Signal::SIGTERM]),
        Some(143)
    );
    assert_eq!(
        exit_code("hanging", &[Signal::SIGTERM, Signal::SIGINT]),
        Some(130)
    );
    say("shutdown by signals: ok");
    ExitCode::SUCCESS
}

/// Sends each signal once the child has said that it is ready for it.
fn exit_code(behaviour: &str, signals: &[Signal]) -> Option<i32> {
    let executable = env::current_exe().expect("the test knows its own path");
    let mut child = Command::new(executable)
        .args(["child", behaviour])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test can be started again");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive"));
    let output = child.stdout.take().expect("stdout is a pipe");
    for (line, signal) in BufReader::new(output).lines().zip(signals) {
        assert!(line.is_ok_and(|line| line == "ready"));
        kill(pid, *signal).expect("the child is alive");
    }
    child.wait().expect("the child ends").code()
}

fn child() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let life = async {
        let token = udplb_process::shutdown::on_signals().expect("signals can be followed");
        assert!(!token.is_cancelled());
        say("ready");
        token.cancelled().await;
        if env::args().any(|argument| argument == "hanging") {
            say("ready");
            std::future::pending::<()>().await;
        }
    };
    // A signal that does nothing fails the test instead of hanging it.
    let in_time = runtime.block_on(async { timeout(PATIENCE, life).await.is_ok() });
    ExitCode::from(if in_time { 7 } else { 8 })
}

fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("stdout is open");
}
