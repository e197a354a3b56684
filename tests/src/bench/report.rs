//! The numbers as tables and as JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    Results,
    machine::Machine,
    numbers::Sample,
    throughput,
    time::{self, Row},
};

/// CPUs that others may use while the machine still counts as quiet.
const QUIET: f64 = 0.1;
/// How much longer than the fastest batch the middle one may take then. What a hypervisor's other guests do to
/// caches and shared cores shows nowhere else.
const STEADY: f64 = 1.2;

pub(super) fn table(results: &Results) -> String {
    let mut text = machine(results);
    text += &time(&results.time);
    text += &throughput(&results.throughput);
    text
}

fn machine(results: &Results) -> String {
    let Machine {
        kernel,
        processor,
        processors,
        others,
        stolen,
    } = &results.machine;
    let cpu = results.cpu;
    let mut text = format!(
        "{processor}, {processors} CPUs, kernel {kernel}; measured on CPU {cpu}, at the highest priority\n"
    );
    let noise = noise(&results.time);
    let quiet = if others + stolen < QUIET && noise < STEADY {
        "the machine was quiet"
    } else {
        "THE MACHINE WAS NOT QUIET. The fastest batches and the ratios say most"
    };
    writeln!(
        text,
        "Meanwhile other programs used {others:.2} CPUs, the hypervisor took {stolen:.2}, and the reference's middle \
         batch took\n{noise:.2} times its fastest: {quiet}."
    )
    .unwrap();
    text
}

/// The middle batch of the reference over its fastest.
fn noise(time: &time::Results) -> f64 {
    let cell = &time.reference.cells[0];
    cell.median() / cell.minimum()
}

fn time(results: &time::Results) -> String {
    let time::Results {
        baselines,
        rows,
        reference,
    } = results;
    let mut text = "
Nanoseconds a packet, by test-run
                                            IPv4                        IPv6
                                    fastest  middle ÷ref budget  fastest  middle ÷ref budget
"
    .to_owned();
    for row in rows.iter().chain([reference]) {
        let mut line = format!("  {:<34}", row.name);
        for family in [0, 1] {
            let cell = &row.cells[family];
            let budget = row.budgets.map_or(String::new(), |budgets| {
                let over = if cell.minimum() > budgets[family] {
                    "!"
                } else {
                    ""
                };
                format!("{over}{}", budgets[family])
            });
            write!(
                line,
                "{:>7.0} {:>7.0} {:>5.2} {budget:>6}  ",
                cell.minimum(),
                cell.median(),
                cell.minimum() / reference.cells[family].minimum(),
            )
            .unwrap();
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    for (name, each) in further(rows) {
        let cells = each.map(|each| {
            let over = if each > FURTHER { "!" } else { "" };
            format!("{each:>7.0} {:>13} {:>6}  ", "", format!("{over}{FURTHER}"))
        });
        writeln!(text, "  {name:<34}{}", cells.concat().trim_end()).unwrap();
    }
    let [v4, v6] = &baselines.restored;
    let (rounds, repeat) = (time::ROUNDS, time::REPEAT);
    writeln!(
        text,
        "
  Fastest and middle of {rounds} batches of {repeat}, to 1 ns, less the fastest of an empty program: {:.0} ns (middle
  {:.0}), or {:.0} and {:.0} ns (IPv4, IPv6) where a program in front restores the headers for each repetition.
  All but sending is in it: copies are for an interface that is gone, so that the kernel makes none; `redirect`
  only notes where the packet shall go. Each destination chooses one of four upstreams by source address. ÷ref: over
  the reference, which loads and stores all headers, adjusts the checksum twice and redirects.{}",
        baselines.empty.minimum(),
        baselines.empty.median(),
        v4.minimum(),
        v6.minimum(),
        if text.contains('!') { " !: over budget." } else { "" },
    )
    .unwrap();
    text
}

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// What the design allows each further destination, nanoseconds.
const FURTHER: f64 = 70.0;

/// What each destination from the second on adds, by family.
fn further(rows: &[Row]) -> Vec<(&'static str, [f64; 2])> {
    let minima = |name: &str| {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        row.cells.each_ref().map(time::Cell::minimum)
    };
    let each = |one: &str, eight: &str| {
        let (one, eight) = (minima(one), minima(eight));
        [0, 1].map(|family| (eight[family] - one[family]) / 7.0)
    };
    vec![
        (
            "Clone: each further destination",
            each(time::CLONE_ONE, time::CLONE_EIGHT),
        ),
        (
            "Forward: each further destination",
            each(time::FORWARD_ONE, time::FORWARD_EIGHT),
        ),
    ]
}

fn throughput(rows: &[throughput::Row]) -> String {
    let mut text = "
Millions of packets a second on one CPU, veth to veth
                                  fastest  middle  (10–90 %)    ratio: fastest  middle  (10–90 %)
"
    .to_owned();
    for throughput::Row {
        name,
        rate,
        against,
    } in rows
    {
        let mut line = format!(
            "  {name:<31}{:>8.2}{:>8.2}  {:<18}",
            rate.maximum(),
            rate.median(),
            spread(rate)
        );
        if let Some(ratio) = against {
            write!(
                line,
                "{:>8.2}{:>8.2}  {} of {}",
                ratio.fastest,
                ratio.rounds.median(),
                spread(&ratio.rounds),
                ratio.name
            )
            .unwrap();
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    writeln!(
        text,
        "
  {} rounds of {} packets of 64 bytes (84 with IPv6), in turn; ratios of the fastest rounds, and within each round.
  One CPU does everything: the kernel makes packets out of a frame at the node's eth0 (no sender's system calls), tc,
  eth2, and a drop at its peer. Each of those costs the bare programs the same.",
        throughput::ROUNDS,
        throughput::PACKETS,
    )
    .unwrap();
    text
}

fn spread(sample: &Sample) -> String {
    format!(
        "({:.2}–{:.2})",
        sample.percentile(10),
        sample.percentile(90)
    )
}

pub(super) fn json(results: &Results) -> Value {
    let machine = &results.machine;
    let time = &results.time;
    let cells = |row: &Row| -> Vec<Value> {
        let family = |family: usize| {
            let cell = &row.cells[family];
            json!({
                "case": row.name,
                "family": (FAMILIES[family]),
                "fastest": cell.minimum(),
                "middle": cell.median(),
                "ratio_to_reference": cell.minimum() / time.reference.cells[family].minimum(),
                "budget": row.budgets.map(|budgets| budgets[family]),
            })
        };
        [0, 1].map(family).to_vec()
    };
    let further = further(&time.rows).into_iter().flat_map(|(name, each)| {
        [0, 1].map(|family| {
            json!({
                "case": name,
                "family": (FAMILIES[family]),
                "fastest": each[family],
                "budget": FURTHER,
            })
        })
    });
    let sample = |sample: &Sample| {
        json!({
            "middle": sample.median(),
            "percentile_10": sample.percentile(10),
            "percentile_90": sample.percentile(90),
            "fastest": sample.maximum(),
        })
    };
    let comparison = |ratio: &throughput::Comparison| {
        json!({
            "with": ratio.name,
            "fastest": ratio.fastest,
            "rounds": {
                "middle": ratio.rounds.median(),
                "percentile_10": ratio.rounds.percentile(10),
                "percentile_90": ratio.rounds.percentile(90),
            },
        })
    };
    let rates = results.throughput.iter().map(|row| {
        json!({
            "case": row.name,
            "million_packets_per_second": sample(&row.rate),
            "ratio": row.against.as_ref().map(comparison),
        })
    });
    json!({
        "machine": {
            "kernel": machine.kernel,
            "processor": machine.processor,
            "processors": machine.processors,
            "measured_on": results.cpu,
            "used_by_others": machine.others,
            "stolen": machine.stolen,
            "reference_middle_to_fastest": noise(time),
        },
        "nanoseconds": {
            "rounds": time::ROUNDS,
            "repeat": time::REPEAT,
            "empty_program": time.baselines.empty.minimum(),
            "empty_program_behind_restore": time.baselines.restored.each_ref().map(Sample::minimum),
            "cases": time.rows.iter().chain([&time.reference]).flat_map(cells).chain(further).collect::<Vec<_>>(),
        },
        "throughput": {
            "rounds": throughput::ROUNDS,
            "packets": throughput::PACKETS,
            "cases": rates.collect::<Vec<_>>(),
        },
    })
}
