//! `top` against real traffic: the rates add up to the packets that were sent, and the terminal obeys its keys
//! and is given back.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    num::NonZero,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    process::{Child, Command},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::Pid,
};
use serde_json::Value;
use udplb_tests::{
    agent::{self, Agent, forward},
    lab::{Host, Lab, shapes},
    packet::{Ethernet, Udp},
    traffic::send,
    wait::{self, Deadline, SetAtEnd},
};

const PATIENCE: Duration = Duration::from_secs(20);

const LINES: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();

/// `aa` gets few large packets, `zz` twice as many small ones.
fn config() -> String {
    let spec = |port: u16| {
        format!(
            "
  interfaces: [eth0]
  match: {{addresses: [10.0.1.1], ports: [{{port: {port}}}]}}
  action: Clone
  destinations:
  - {{name: siem, upstreams: [{{address: 10.0.2.2, port: 5514}}]}}
  - {{name: nowhere, upstreams: [{{address: '2001:db8:2::2'}}]}}
"
        )
    };
    forward("aa", &spec(514)) + &forward("zz", &spec(515))
}

fn start(name: &str) -> (Lab, Agent) {
    let lab = shapes::two_collectors(name);
    let small = ["--keep", "--max-forwards", "64", "--table-memory", "4"];
    let mut agent = Agent::new(lab.host("node"), &small);
    agent.write(&config());
    agent.run();
    agent.settle();
    (lab, agent)
}

fn top(command: &mut Command, agent: &Agent, arguments: &[&str]) {
    let _: &mut Command = command.arg("top").arg("--pin-dir").arg(agent.pins());
    let _: &mut Command = command.args(arguments);
}

/// Frames of `count` datagrams.
fn frames(lab: &Lab, port: u16, size: usize, count: usize) -> Vec<Vec<u8>> {
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let to = format!("10.0.1.1:{port}");
    vec![Udp::new("10.0.1.2:1000", &to, &vec![0; size]).frame(&ethernet); count]
}

/// The sum over all intervals of a rate times its time.
fn passed(log: &str, rate: impl Fn(&Value) -> f64) -> f64 {
    // The last line may not be whole yet.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let intervals = whole
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    intervals
        .map(|interval| {
            assert_eq!(interval["version"], 1);
            let zz = interval["forwards"].as_array().unwrap().iter();
            let zz = zz.clone().find(|one| one["name"] == "zz").unwrap();
            rate(zz) * interval["seconds"].as_f64().unwrap()
        })
        .sum()
}

#[test]
fn rates_add_up_to_what_was_sent() {
    const COUNT: usize = 3_000;
    let (lab, agent) = start("top-json");
    let node = lab.host("node");
    let mut command = node.command(agent::binary());
    top(
        &mut command,
        &agent,
        &["--interval", "0.2", "--output", "json"],
    );
    let process = node.spawn("top", &mut command);
    // The first interval is told, so the counters have been read before anything comes.
    wait::until(PATIENCE, "the first interval", || {
        process.log().contains('\n').then_some(())
    });
    send(lab.host("sender"), "eth0", &frames(&lab, 515, 100, COUNT));
    let packets = |one: &Value| one["packetsPerSecond"].as_f64().unwrap();
    let close = |found: f64, expected: f64| (found - expected).abs() < 0.01;
    let count = f64::from(u32::try_from(COUNT).unwrap());
    let log = wait::until(PATIENCE, "all packets to be told", || {
        let log = process.log();
        close(passed(&log, packets), count).then_some(log)
    });
    let destination = |one: &Value, name: &str| {
        let all = one["destinations"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == name).unwrap()
    };
    let bits = passed(&log, |one| one["bitsPerSecond"].as_f64().unwrap());
    assert!(close(bits, count * 128.0 * 8.0), "{bits} bits");
    let sent = passed(&log, |one| {
        packets(&destination(one, "siem")["upstreams"][0])
    });
    assert!(close(sent, count), "{sent} sent");
    let dropped = passed(&log, |one| {
        destination(one, "nowhere")["dropped"]["no_upstream"]
            .as_f64()
            .unwrap_or(0.0)
    });
    assert!(close(dropped, count), "{dropped} dropped");
}

#[test]
fn without_a_terminal_it_prints_plain_lines() {
    let (_lab, agent) = start("top-plain");
    let text = agent.ask("top", &["--count", "2", "--interval", "0.1"]);
    let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{text}");
    for block in blocks {
        let first: Vec<_> = block
            .lines()
            .map(|line| line.split_whitespace().next().unwrap())
            .collect();
        let own = ["nowhere", "2001:db8:2::2", "siem", "10.0.2.2:5514"];
        let expected = [&["FORWARD", "default/aa"][..], &own, &["default/zz"], &own].concat();
        assert_eq!(first, expected, "{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

/// `top` in a terminal of 80 columns and 24 lines.
struct Terminal {
    process: Child,
    master: File,
    slave: OwnedFd,
    before: Termios,
    parser: vt100::Parser,
}

impl Terminal {
    fn start(node: &Host, agent: &Agent) -> Self {
        let size = Winsize {
            ws_row: LINES.get(),
            ws_col: COLUMNS.get(),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).unwrap();
        let before = tcgetattr(&pair.slave).unwrap();
        // A session of its own, with this as its terminal.
        let mut command = node.command("setsid");
        let _: &mut Command = command.arg("--ctty").arg(agent::binary());
        top(&mut command, agent, &["--interval", "0.5"]);
        let [input, output, error] = [0; 3].map(|_| pair.slave.try_clone().unwrap());
        let process = command
            .stdin(input)
            .stdout(output)
            .stderr(error)
            .spawn()
            .unwrap();
        Self {
            process,
            master: pair.master.into(),
            slave: pair.slave,
            before,
            parser: vt100::Parser::new(LINES, COLUMNS, 0),
        }
    }

    fn press(&mut self, key: &str) {
        self.master.write_all(key.as_bytes()).unwrap();
    }

    /// Reads what comes until the screen is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Deadline::after(PATIENCE);
        let mut buffer = [0; 4096];
        while !wanted(self.parser.screen()) {
            assert!(
                wait::readable(&self.master.as_fd(), deadline),
                "no {what}:\n{}",
                self.parser.screen().contents()
            );
            let length = self.master.read(&mut buffer).unwrap();
            self.parser.process(&buffer[..length]);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Whether one forward's row is above the other's.
fn above(screen: &vt100::Screen, first: &str, second: &str) -> bool {
    let contents = screen.contents();
    let at = |name: &str| contents.find(name);
    at(first)
        .zip(at(second))
        .is_some_and(|(first, second)| first < second)
}

#[test]
fn keys_sort_and_the_terminal_is_given_back() {
    let (lab, agent) = start("top-terminal");
    let [large, small] = [frames(&lab, 514, 1_400, 10), frames(&lab, 515, 10, 20)];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _traffic = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                send(lab.host("sender"), "eth0", &large);
                send(lab.host("sender"), "eth0", &small);
                // What passes in between does not matter, only that the rates differ.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut terminal = Terminal::start(lab.host("node"), &agent);
        // Not while panicking only: or the traffic would go on for ever.
        let _end = SetAtEnd(&done);
        terminal.until("screen", |screen| {
            screen.alternate_screen()
                && screen.hide_cursor()
                && screen.contents().contains("q quit")
        });
        terminal.until("order by packets", |screen| {
            screen.contents().contains("by packets") && above(screen, "default/zz", "default/aa")
        });
        terminal.press("b");
        terminal.until("order by bits", |screen| {
            screen.contents().contains("by bits") && above(screen, "default/aa", "default/zz")
        });
        terminal.press("p");
        terminal.until("order by packets", |screen| {
            screen.contents().contains("by packets") && above(screen, "default/zz", "default/aa")
        });
        terminal.press("q");
        terminal.until("end of the screen", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let status = terminal.process.wait().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(tcgetattr(&terminal.slave).unwrap(), terminal.before);
    });
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_given_back() {
    let (lab, agent) = start("top-signal");
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = Terminal::start(lab.host("node"), &agent);
        terminal.until("screen", |screen| {
            screen.alternate_screen() && screen.contents().contains("q quit")
        });
        kill(Pid::from_raw(terminal.process.id().cast_signed()), signal).unwrap();
        terminal.until("end of the screen", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let status = terminal.process.wait().unwrap();
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
        assert_eq!(tcgetattr(&terminal.slave).unwrap(), terminal.before);
    }
}
