//! The rate limit on real CPUs: its rate over time, and its burst after a pause.
#![cfg(test)]

use std::time::{Duration, Instant};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    scrape::Metrics,
    traffic::{Flooded, WINDOW, flood, send},
};

/// How long each flood lasts: long against a time slice of a busy machine.
const TIME: Duration = Duration::from_secs(3);

/// How far what is sent may be from what the limit says.
const ERROR: f64 = 0.02;

/// The CPUs that tests may use.
const CPUS: [usize; 2] = [0, 1];

fn limited(rate: u32, burst: u32) -> String {
    let spec = format!(
        "
  match: {{ports: [{{port: 514}}]}}
  action: Forward
  destinations:
  - {{name: one, rateLimit: {{packetsPerSecond: {rate}, burst: {burst}}}, upstreams: [{{address: 10.0.2.2}}]}}
"
    );
    forward("limited", &spec)
}

fn frame(lab: &Lab) -> Vec<u8> {
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello").frame(&ethernet)
}

fn sent(metrics: &Metrics) -> u64 {
    metrics.count("udplb_sent_packets_total", &[])
}

fn dropped(metrics: &Metrics) -> u64 {
    metrics.count("udplb_dropped_packets_total", &[("reason", "rate_limited")])
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets in seconds")]
fn float(count: u64) -> f64 {
    count as f64
}

/// What a limit lets through of a flood: a bucket that fills at the rate, holds a burst, and is emptied by what comes.
fn allowed(flooded: &Flooded, rate: u32, burst: u32) -> f64 {
    let (mut bucket, mut allowed) = (f64::from(burst), 0.0);
    for frames in &flooded.0 {
        let through = float(*frames).min(bucket);
        allowed += through;
        let filled = bucket - through + f64::from(rate) * WINDOW.as_secs_f64();
        bucket = filled.min(f64::from(burst));
    }
    allowed
}

#[test]
fn a_rate_holds_on_one_cpu_and_on_two() {
    for rate in [10_000, 50_000] {
        let burst = rate / 5;
        for count in 1..=CPUS.len() {
            let lab = shapes::two_collectors("rate-limit");
            let agent = Agent::start(lab.host("node"), &limited(rate, burst));
            let flooded = flood(
                lab.host("sender"),
                "eth0",
                &frame(&lab),
                &CPUS[..count],
                TIME,
            );
            let metrics = agent.metrics();
            let wanted = allowed(&flooded, rate, burst);
            let error = float(sent(&metrics)) / wanted - 1.0;
            println!(
                "{rate}/s on {count} CPUs: {} of {} sent, {:+.3} %",
                sent(&metrics),
                flooded.frames(),
                error * 100.0
            );
            assert_eq!(
                sent(&metrics) + dropped(&metrics),
                metrics.count("udplb_matched_packets_total", &[])
            );
            assert!(
                error.abs() <= ERROR,
                "{rate}/s on {count} CPUs: {:+.1} %",
                error * 100.0
            );
        }
    }
}

#[test]
fn a_burst_is_exact_after_every_pause() {
    const RATE: u32 = 4;
    const BURST: u32 = 2;
    let lab = shapes::two_collectors("rate-burst");
    let agent = Agent::start(lab.host("node"), &limited(RATE, BURST));
    let mut before = agent.metrics();
    for _ in 0..4 {
        let start = Instant::now();
        send(lab.host("sender"), "eth0", &vec![frame(&lab); 10]);
        let after = agent.metrics();
        let accrued = f64::from(RATE) * start.elapsed().as_secs_f64();
        let sent = sent(&after) - sent(&before);
        assert!(sent >= u64::from(BURST), "{sent} sent");
        // On a machine that stood still, a packet of the next burst may be among them.
        assert!(
            float(sent) <= f64::from(BURST) + accrued.floor(),
            "{sent} sent, {accrued} accrued"
        );
        before = after;
        // The pause is what this is about: all of a burst comes back, and no more.
        std::thread::sleep(Duration::from_secs(3) / RATE);
    }
}
