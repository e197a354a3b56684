//! Objects changed at random: the server and the offline check must agree on each.

use kube::Error;
use serde_json::{Map, Value, json};
use udplb_api::Checker;
use udplb_tests::traffic::Numbers;

use super::objects::{Server, full};

/// How many objects both judge.
const OBJECTS: u64 = 4_000;
/// Questions to the server at a time.
const AT_ONCE: usize = 16;

/// What is put where something else was.
fn anything(numbers: &mut Numbers) -> Value {
    let words = [
        "",
        "a",
        "A",
        "-",
        "eth0",
        "eth[0]",
        "é",
        "192.0.2.1",
        "192.0.2.0/24",
        "192.0.2.1/24",
        "192.0.2.300",
        "0.0.0.0",
        "255.255.255.255",
        "127.0.0.1",
        "224.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "2001:db8::1",
        "2001:DB8::/32",
        "2001:db8::1/32",
        "::ffff:192.0.2.1",
        "siem.example.com",
        "siem.example.com.",
        "-siem",
        "1",
        "514",
        "syslog",
        "SYSLOG",
        "Clone",
        "Forward",
        "clone",
        "Active",
        "Pass",
        "Drop",
        "Preserve",
        "Rewrite",
        "Flow",
        "Packet",
        "Random",
        "SourceIP",
        "In",
        "NotIn",
        "Exists",
        "DoesNotExist",
        "kubernetes.io/os",
        "a/b/c",
        "a.b",
    ];
    let whole: [i64; 16] = [
        -1,
        0,
        1,
        2,
        10,
        256,
        257,
        513,
        514,
        10_050,
        65_535,
        65_536,
        1_000_000,
        2_147_483_647,
        2_147_483_648,
        i64::MAX,
    ];
    match below(numbers, 12) {
        0 => json!(true),
        1 => json!(1.5),
        2 => json!([]),
        3 => json!({}),
        4 => json!("x".repeat([62, 63, 64, 253, 254, 300][index(numbers, 6)])),
        5 => json!(["192.0.2.1", 1]),
        6 => json!({ "port": 1 }),
        7..10 => json!(words[index(numbers, words.len())]),
        _ => json!(whole[index(numbers, whole.len())]),
    }
}

fn below(numbers: &mut Numbers, bound: u64) -> u64 {
    (numbers.next() >> 16) % bound
}

fn index(numbers: &mut Numbers, bound: usize) -> usize {
    usize::try_from(below(numbers, bound as u64)).unwrap()
}

/// The pointer to one place of a value, chosen at random.
fn place(value: &Value, numbers: &mut Numbers) -> String {
    let stays = below(numbers, 5) == 0;
    let (step, inner) = match value {
        Value::Object(fields) if !stays && !fields.is_empty() => {
            let (name, inner) = fields.iter().nth(index(numbers, fields.len())).unwrap();
            (name.replace('~', "~0").replace('/', "~1"), inner)
        }
        Value::Array(items) if !stays && !items.is_empty() => {
            let chosen = index(numbers, items.len());
            (chosen.to_string(), &items[chosen])
        }
        _ => return String::new(),
    };
    format!("/{step}{}", place(inner, numbers))
}

/// Changes a document in one place.
fn mutate(document: &mut Value, numbers: &mut Numbers) {
    let spec = &full()["spec"];
    let other = spec.pointer(&place(spec, numbers)).unwrap().clone();
    let pointer = place(&document["spec"], numbers);
    let place = document["spec"].pointer_mut(&pointer).unwrap();
    let choice = below(numbers, 8);
    match place {
        Value::Object(fields) if choice < 6 => in_fields(fields, choice, other, numbers),
        Value::Array(items) if choice < 6 && !items.is_empty() => {
            in_items(items, choice, other, numbers);
        }
        place if choice == 6 => *place = other,
        place => *place = anything(numbers),
    }
}

fn in_fields(fields: &mut Map<String, Value>, choice: u64, other: Value, numbers: &mut Numbers) {
    const NAMES: [&str; 12] = [
        "port",
        "endPort",
        "address",
        "hostname",
        "service",
        "weight",
        "name",
        "burst",
        "state",
        "sourceAddress",
        "unknown",
        "Port",
    ];
    let name = fields
        .keys()
        .nth(index(numbers, fields.len().max(1)))
        .cloned();
    match (choice, name) {
        (0 | 1, Some(name)) => drop(fields.remove(&name)),
        (2, _) => drop(fields.insert(NAMES[index(numbers, NAMES.len())].into(), other)),
        (3, _) => {
            let name = NAMES[index(numbers, NAMES.len())];
            drop(fields.insert(name.into(), anything(numbers)));
        }
        (_, Some(name)) => drop(fields.insert(name, anything(numbers))),
        _ => {}
    }
}

fn in_items(items: &mut Vec<Value>, choice: u64, other: Value, numbers: &mut Numbers) {
    let chosen = index(numbers, items.len());
    match choice {
        0 => drop(items.remove(chosen)),
        1 => items.push(items[chosen].clone()),
        2 => {
            // Up to each bound and one more.
            let counts = [8, 9, 16, 17, 32, 33, 64, 65];
            let count = counts[index(numbers, counts.len())];
            items.resize(count, items[chosen].clone());
        }
        3 => items.push(other),
        4 => items.swap(0, chosen),
        _ => items[chosen] = anything(numbers),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_offline_check_agrees_with_the_server() {
    let server = std::sync::Arc::new(Server::start("mutate").await);
    let checker = Checker::udp_forward();
    let mut numbers = Numbers::new(20);
    let mut tasks = tokio::task::JoinSet::new();
    let (mut accepted, mut differences) = (0, Vec::new());
    let mut judge = |(document, offline, answer): (Value, Vec<String>, Result<(), Error>)| {
        let online = match answer {
            Ok(()) => None,
            Err(Error::Api(status)) => Some(status.message),
            Err(error) => panic!("{error}"),
        };
        accepted += u64::from(online.is_none());
        if offline.is_empty() != online.is_none() {
            differences.push(format!(
                "server: {}\ncheck: {offline:?}\n{document:#}",
                online.as_deref().unwrap_or("accepted")
            ));
        }
    };
    for _object in 0..OBJECTS {
        let mut document = full();
        for _change in 0..=below(&mut numbers, 2) {
            mutate(&mut document, &mut numbers);
        }
        let problems = checker.problems(&document);
        let offline = problems.iter().map(ToString::to_string).collect();
        let server = std::sync::Arc::clone(&server);
        let _handle = tasks.spawn(async move {
            let answer = server.apply(&document).await;
            (document, offline, answer)
        });
        if tasks.len() == AT_ONCE {
            judge(tasks.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(done) = tasks.join_next().await {
        judge(done.unwrap());
    }
    println!(
        "{OBJECTS} objects, {accepted} accepted, {} differences",
        differences.len()
    );
    assert!(
        differences.is_empty(),
        "{} differences, the first of them:\n{}",
        differences.len(),
        differences
            .iter()
            .take(5)
            .map(|one| format!("{one}\n"))
            .collect::<String>()
    );
    assert!(
        (OBJECTS / 20..OBJECTS / 2).contains(&accepted),
        "{accepted} accepted"
    );
}
