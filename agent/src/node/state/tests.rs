//! Hosts on which something is missing, and what is said of it.

use udplb_plan::ForwardKey;

use super::*;
use crate::{fixture, source::version::ToldForward};

const SPEC: &str = "  match: {ports: [{port: 514}]}
  action: Clone
  destinations: [{name: siem, upstreams: [{address: 203.0.113.1, port: 5514}]}]";

struct Host {
    version: Version,
    facts: Facts,
    full: Vec<MapFull>,
    errors: BTreeMap<Object, String>,
    in_force: Option<Arc<Input>>,
}

/// A host on which all is well, with these forwards; each is its name and its spec.
fn host(forwards: &[(&str, &str)]) -> Host {
    let input = match forwards {
        [] => Input {
            forwards: Vec::new(),
        },
        forwards => fixture::input(forwards),
    };
    let told = input.forwards.iter().map(|forward| ToldForward {
        key: ForwardKey {
            namespace: "default".to_owned(),
            name: forward.name.strip_prefix("default/").unwrap().to_owned(),
        },
        revision: Ok(1),
    });
    let told = Told {
        uid: "n".to_owned(),
        generation: 1,
        is_readable: true,
        forwards: told.collect(),
    };
    let mut version = Version::first(input, Vec::new());
    version.told = Some(Arc::new(told));
    Host {
        in_force: Some(Arc::clone(&version.input)),
        version,
        facts: fixture::host(),
        full: Vec::new(),
        errors: BTreeMap::new(),
    }
}

impl Host {
    fn state(&self) -> State {
        let desired = Desired::settle(&self.version.input, None, &self.facts);
        State::of(&Pass {
            version: &self.version,
            desired: &desired,
            facts: &self.facts,
            full: &self.full,
            errors: &self.errors,
            in_force: self.in_force.as_deref(),
        })
    }

    fn told(&mut self) -> &mut Told {
        Arc::make_mut(self.version.told.as_mut().unwrap())
    }
}

/// Truth, reason and message of both findings.
fn said(state: &State) -> [(Truth, Reason, &str); 2] {
    let [attached, synced] = &state.findings;
    [attached, synced].map(|it| (it.truth, it.reason, it.message.as_str()))
}

fn failed(state: &State) -> Vec<(&str, Reason)> {
    let failed = state.failed.iter();
    failed
        .map(|(forward, failure)| (forward.as_str(), failure.reason))
        .collect()
}

const IN_SYNC: (Truth, Reason, &str) = (
    Truth::True,
    Reason::InSync,
    "the kernel holds every forward of this node",
);

#[test]
fn all_is_well() {
    let state = host(&[("a", SPEC)]).state();
    let attached = (Truth::True, Reason::Attached, "attached to eth0");
    assert_eq!(said(&state), [attached, IN_SYNC]);
    assert_eq!(failed(&state), []);
    let state = host(&[]).state();
    assert_eq!(
        state.findings[0].message,
        "no forward asks for an interface"
    );
}

#[test]
fn a_forward_without_any_interface_fails() {
    let absent = format!("  interfaces: [eth7]\n{SPEC}");
    let some = format!(
        "  interfaces: [eth7, eth0]\n{}",
        SPEC.replace("{port: 514}", "{port: 515}")
    );
    let state = host(&[("absent", &absent), ("some", &some)]).state();
    assert_eq!(
        failed(&state),
        [("default/absent", Reason::InterfaceNotFound)]
    );
    let message = "forward default/absent: no interface matches eth7; it waits for one";
    let attached = (Truth::False, Reason::InterfaceNotFound, message);
    assert_eq!(said(&state), [attached, IN_SYNC]);
    // Paused, it asks for none.
    let paused = format!("  state: Paused\n{absent}");
    assert_eq!(failed(&host(&[("absent", &paused)]).state()), []);
}

#[test]
fn an_interface_that_takes_no_program_fails_who_listens_there() {
    let other = format!(
        "  interfaces: [eth1]\n{}",
        SPEC.replace("{port: 514}", "{port: 515}")
    );
    let mut host = host(&[("a", SPEC), ("b", &other)]);
    let error = "the kernel is not willing".to_owned();
    let _ = host.errors.insert(Object::Attachment(fixture::ETH0), error);
    let state = host.state();
    assert_eq!(failed(&state), [("default/a", Reason::ProgramRejected)]);
    let message = "interface eth0: the kernel is not willing";
    let attached = (Truth::False, Reason::ProgramRejected, message);
    assert_eq!(said(&state), [attached, IN_SYNC]);
}

/// Maps that cannot be changed: what is as it was goes on, the rest is not in force.
#[test]
fn a_revision_is_not_claimed_before_the_kernel_holds_it() {
    let b = SPEC.replace("{port: 514}", "{port: 515}");
    let before = fixture::input(&[("a", SPEC), ("b", &b)]);
    let edited = b.replace("5514", "7514");
    let mut host = host(&[
        ("a", SPEC),
        ("b", &edited),
        ("c", &b.replace("{port: 515}", "{port: 516}")),
    ]);
    host.in_force = Some(Arc::new(before));
    let _ = host.errors.insert(Object::Maps, "no memory".to_owned());
    let state = host.state();
    let retrying = [
        ("default/b", Reason::Retrying),
        ("default/c", Reason::Retrying),
    ];
    assert_eq!(failed(&state), retrying);
    assert_eq!(
        said(&state)[1],
        (Truth::False, Reason::Retrying, "no memory")
    );
    host.in_force = None;
    assert_eq!(host.state().failed.len(), 3);
}

#[test]
fn a_full_map_is_named() {
    let mut host = host(&[("a", SPEC)]);
    host.full.push(MapFull::Forward {
        index: 0,
        forward: "default/a".to_owned(),
        map: "PREFIXES",
    });
    let state = host.state();
    assert_eq!(failed(&state), [("default/a", Reason::MapFull)]);
    let (truth, reason, message) = said(&state)[1];
    assert_eq!((truth, reason), (Truth::False, Reason::MapFull));
    assert!(message.contains("PREFIXES"), "{message}");
}

#[test]
fn silent_upstreams_are_named_and_fail_nobody() {
    let upstreams =
        "{address: 203.0.113.10}, {address: 240.0.0.1}, {address: 203.0.113.1, port: 5514}";
    let silent = SPEC.replace("{address: 203.0.113.1, port: 5514}", upstreams);
    let state = host(&[("a", &silent)]).state();
    assert_eq!(failed(&state), []);
    let message =
        "no route or no answer from upstream 203.0.113.10, 240.0.0.1: see udplb-agent status";
    assert_eq!(
        said(&state)[1],
        (Truth::True, Reason::NeighbourUnresolved, message)
    );
}

#[test]
fn what_was_not_told_whole_is_pending() {
    let mut host = host(&[("a", SPEC)]);
    host.told().forwards[0].revision = Err(Wait::Unseen);
    let state = host.state();
    assert_eq!(failed(&state), [("default/a", Reason::Pending)]);
    let (truth, reason, message) = said(&state)[1];
    assert_eq!((truth, reason), (Truth::False, Reason::Pending));
    assert!(
        message.starts_with("forward default/a: waiting"),
        "{message}"
    );
    host.told().forwards[0].revision = Err(Wait::Unreadable("why".to_owned()));
    assert_eq!(failed(&host.state()), [("default/a", Reason::NotSupported)]);
    host.told().forwards[0].revision = Ok(1);
    host.told().is_readable = false;
    assert_eq!(said(&host.state())[1].1, Reason::NotSupported);
}
