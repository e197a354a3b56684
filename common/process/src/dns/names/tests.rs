//! Times are given in, so no test waits.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const START: Time = Duration::from_secs(1_000_000);
const NAME: &str = "siem.example.com";

fn after(seconds: u64) -> Time {
    START + Duration::from_secs(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn found(addresses: &[&str], ttl: u64) -> Found {
    Found::Addresses {
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        ttl: Duration::from_secs(ttl),
    }
}

fn failed() -> Found {
    Found::Failed(Failure::Unanswered(Vec::new()))
}

fn no_such_name() -> Found {
    let server = ip("192.0.2.53");
    Found::Failed(Failure::NoSuchName { server })
}

fn wanted<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn names(known: &[&str]) -> Names {
    let known = Known {
        addresses: known.iter().map(|text| ip(text)).collect(),
        answered: 7,
    };
    let mut names = Names::new(BTreeMap::from([(NAME.to_owned(), known)]), 1);
    names.want(&wanted([NAME]), START);
    names
}

/// Asks the one name, which must be due, and takes the reply in.
fn reply(names: &mut Names, now: Time, reply: [Found; 2]) -> bool {
    let question = names.ask(now).unwrap();
    assert_eq!(question.name, NAME);
    assert_eq!(names.ask(now), None, "it is asked once");
    names.take(&question, Reply(reply), now)
}

/// Addresses, and whether the last question failed.
fn counts(names: &Names) -> (Vec<String>, bool) {
    let answer = names.answer(NAME).unwrap();
    let addresses = answer.addresses.iter().map(ToString::to_string);
    (addresses.collect(), answer.failure.is_some())
}

#[test]
fn a_name_is_asked_again_as_its_ttl_runs_out_within_bounds() {
    let mut names = names(&[]);
    assert_eq!(names.answer(NAME), None);
    for (ttl, wait) in [(30, 30), (0, 5), (4, 5), (300, 300), (86_400, 300)] {
        let now = names.due().unwrap();
        let _changed = reply(&mut names, now, [found(&["10.0.0.1"], ttl), Found::Nothing]);
        let due = now + Duration::from_secs(wait);
        assert_eq!(names.due(), Some(due), "ttl {ttl}");
        let before = due.saturating_sub(Duration::from_millis(1));
        assert_eq!(names.ask(before), None);
    }
    let now = names.due().unwrap();
    let both = [found(&["10.0.0.1"], 60), found(&["2001:db8::1"], 20)];
    let _changed = reply(&mut names, now, both);
    assert_eq!(names.due(), Some(now + Duration::from_secs(20)));
}

#[test]
fn a_changed_answer_counts_and_an_equal_one_is_no_change() {
    let mut names = names(&[]);
    let first = || {
        [
            found(&["10.0.0.2", "10.0.0.1"], 5),
            found(&["2001:db8::1"], 5),
        ]
    };
    assert!(reply(&mut names, START, first()));
    assert_eq!(counts(&names).0, ["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    let other_order = [
        found(&["10.0.0.1", "10.0.0.2"], 9),
        found(&["2001:db8::1"], 5),
    ];
    assert!(!reply(&mut names, after(5), other_order));
    assert!(reply(
        &mut names,
        after(10),
        [found(&["10.0.0.3"], 5), found(&["2001:db8::1"], 5)]
    ));
    assert_eq!(counts(&names).0, ["10.0.0.3", "2001:db8::1"]);
}

/// The one way in which addresses vanish without others: the name server has one family and not the other.
#[test]
fn a_family_leaves_when_the_other_is_answered_without_it() {
    let mut names = names(&["10.0.0.1", "2001:db8::1"]);
    assert!(reply(
        &mut names,
        START,
        [found(&["10.0.0.1"], 5), Found::Nothing]
    ));
    assert_eq!(counts(&names), (vec!["10.0.0.1".to_owned()], false));
}

#[test]
fn the_last_good_answer_outlives_every_failure() {
    for failure in [
        [no_such_name(), no_such_name()],
        [Found::Nothing, Found::Nothing],
        [failed(), failed()],
        [Found::Nothing, failed()],
    ] {
        let mut names = names(&[]);
        let good = || [found(&["10.0.0.1"], 5), found(&["2001:db8::1"], 5)];
        let _changed = reply(&mut names, START, good());
        assert!(reply(&mut names, after(5), failure.clone()), "it is told");
        let both = vec!["10.0.0.1".to_owned(), "2001:db8::1".to_owned()];
        assert_eq!(counts(&names), (both.clone(), true), "{failure:?}");
        assert_eq!(names.answer(NAME).unwrap().answered, Some(START));
        let now = names.due().unwrap();
        assert!(!reply(&mut names, now, failure), "it is told once");
        let now = names.due().unwrap();
        assert!(reply(&mut names, now, good()));
        assert_eq!(counts(&names), (both, false));
    }
}

#[test]
fn one_family_fails_alone() {
    let mut names = names(&["10.0.0.1", "2001:db8::1"]);
    assert!(reply(
        &mut names,
        START,
        [found(&["10.0.0.2"], 300), failed()]
    ));
    let both = vec!["10.0.0.2".to_owned(), "2001:db8::1".to_owned()];
    assert_eq!(counts(&names), (both, true));
    let answer = names.answer(NAME).unwrap();
    assert_eq!(
        answer.answered,
        Some(Duration::from_secs(7)),
        "the older one"
    );
    assert!(
        names.due().unwrap() <= after(1),
        "the failure is asked for soon"
    );
}

#[test]
fn what_was_known_counts_until_there_is_an_answer() {
    let mut names = names(&["10.0.0.1"]);
    assert_eq!(counts(&names), (vec!["10.0.0.1".to_owned()], false));
    assert_eq!(names.due(), Some(START), "it is asked at once");
    assert!(reply(&mut names, START, [failed(), failed()]));
    assert_eq!(counts(&names), (vec!["10.0.0.1".to_owned()], true));
}

#[test]
fn a_failing_name_is_asked_less_and_less_often() {
    let mut names = names(&[]);
    let (mut now, mut pauses) = (START, Vec::new());
    for _ in 0..20 {
        let _changed = reply(&mut names, now, [failed(), failed()]);
        let due = names.due().unwrap();
        pauses.push(due.abs_diff(now));
        now = due;
    }
    for (round, pause) in pauses.iter().enumerate() {
        let whole = LONGEST_PAUSE.min(FIRST_PAUSE * (1 << round.min(10)));
        assert!((whole / 2..=whole).contains(pause), "{round}: {pause:?}");
    }
    let _changed = reply(&mut names, now, [found(&["10.0.0.1"], 5), Found::Nothing]);
    now = names.due().unwrap();
    let _changed = reply(&mut names, now, [failed(), failed()]);
    assert!(names.due().unwrap() <= now + FIRST_PAUSE, "it starts over");
}

#[test]
fn names_that_failed_together_part() {
    let pauses: BTreeSet<Duration> = (0..100)
        .map(|name| jittered(4, (1, &format!("name-{name}"))))
        .collect();
    assert!(pauses.len() > 50, "{pauses:?}");
}

#[test]
fn failing_names_leave_room_for_the_others() {
    let all: BTreeSet<String> = (0..100).map(|number| format!("bad-{number:02}")).collect();
    let mut names = Names::new(BTreeMap::new(), 1);
    names.want(&all, START);
    while let Some(question) = names.ask(START) {
        let _changed = names.take(&question, Reply([failed(), failed()]), START);
    }
    let now = after(10);
    let asked: Vec<Question> = std::iter::from_fn(|| names.ask(now)).collect();
    assert_eq!(asked.len(), MAX_FAILED_ASKED);
    assert_eq!(names.due(), None, "the rest waits for these");
    let mut with_good = all.clone();
    let _new = with_good.insert(NAME.to_owned());
    names.want(&with_good, now);
    assert_eq!(names.ask(now).unwrap().name, NAME);
    let _changed = names.take(&asked[0], Reply([failed(), failed()]), now);
    assert!(names.ask(now).is_some());
}

#[test]
fn asking_everything_counts_for_what_is_on_its_way_too() {
    let mut names = names(&[]);
    let question = names.ask(START).unwrap();
    names.ask_all(after(1));
    assert_eq!(names.ask(after(1)), None);
    let answer = Reply([found(&["10.0.0.1"], 300), Found::Nothing]);
    let _changed = names.take(&question, answer, after(2));
    assert_eq!(
        names.due(),
        Some(after(2)),
        "the answer is of another server"
    );
    let question = names.ask(after(2)).unwrap();
    let answer = Reply([found(&["10.0.0.1"], 300), Found::Nothing]);
    let _changed = names.take(&question, answer, after(2));
    assert_eq!(names.due(), Some(after(302)));
    names.ask_all(after(3));
    assert_eq!(names.due(), Some(after(3)));
}

#[test]
fn names_that_nobody_wants_are_forgotten() {
    let mut names = names(&[]);
    let question = names.ask(START).unwrap();
    names.want(&wanted(["other"]), START);
    assert!(!names.take(&question, Reply([failed(), failed()]), START));
    assert_eq!(names.answer(NAME), None);
    assert_eq!(names.answers().len(), 0);
    assert_eq!(names.ask(START).unwrap().name, "other");
    assert_eq!(names.due(), None);
}

/// What a random name server does next.
#[derive(Clone, Debug)]
enum Step {
    Reply(u8, u8, u8),
    Want(u8),
    AskAll,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u8, 0..5_u8, 0..40_u8).prop_map(|(v4, v6, ttl)| Step::Reply(v4, v6, ttl)),
        1 => (0..16_u8).prop_map(Step::Want),
        1 => Just(Step::AskAll),
        3 => (0..400_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes: every wanted name is asked or due within bounds, is asked by one at a time, and has
    /// addresses for ever once it has had some.
    #[test]
    fn no_name_is_lost_and_no_answer_either(steps in prop::collection::vec(step(), 1..120)) {
        let mut names = Names::new(BTreeMap::new(), 9);
        let mut now = START;
        let (mut all, mut asked): (BTreeSet<String>, Vec<Question>) = Default::default();
        let mut had: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Want(bits) => {
                    all = (0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| format!("n{bit}")).collect();
                    names.want(&all, now);
                    had.retain(|name| all.contains(name));
                    // The model forgets what is on its way; the names have to cope with either.
                    asked.retain(|question| all.contains(&question.name));
                }
                Step::AskAll => names.ask_all(now),
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Reply(v4, v6, ttl) => {
                    while let Some(question) = names.ask(now) {
                        prop_assert!(all.contains(&question.name));
                        asked.push(question);
                    }
                    let Some(question) = asked.pop() else { continue };
                    let family = |kind: u8, address: IpAddr| match kind {
                        0 => Found::Nothing,
                        1 => failed(),
                        2 => no_such_name(),
                        _ => Found::Addresses { addresses: vec![address], ttl: Duration::from_secs(ttl.into()) },
                    };
                    let v4 = family(v4, Ipv4Addr::new(10, 0, 0, ttl).into());
                    let v6 = family(v6, ip("2001:db8::1"));
                    let before = names.answer(&question.name);
                    let changed = names.take(&question, Reply([v4, v6]), now);
                    let after = names.answer(&question.name).unwrap();
                    let is_same = before.is_some_and(|before| before.is_same(&after));
                    prop_assert_eq!(changed, !is_same);
                    if !after.addresses.is_empty() {
                        let _new = had.insert(question.name);
                    }
                }
            }
            for name in &had {
                prop_assert!(!names.answer(name).unwrap().addresses.is_empty());
            }
            for (name, state) in &names.states {
                prop_assert!(all.contains(name));
                let queued = names.queues.iter().flatten().filter(|(_, queued)| queued == name).count();
                match state.phase {
                    Phase::Waiting { due } => {
                        prop_assert_eq!(queued, 1);
                        prop_assert!(due <= now + CEILING);
                    }
                    Phase::Asked { .. } => prop_assert_eq!(queued, 0),
                }
            }
        }
    }
}
