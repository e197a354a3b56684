//! Folders and addresses that cannot be used, and maps that do not fit.

use std::fs;

use nix::sys::signal::Signal;
use udplb_tests::{agent, wait};

use super::situation::{PATIENCE, Situation};

#[test]
fn a_missing_bpf_file_system_is_mounted_or_named() {
    let situation = Situation::new("env-no-bpffs")
        .pins("/sys/fs/bpf/udplb")
        .script("umount /sys/fs/bpf");
    let (failed, notes) = situation.checked();
    assert_eq!(failed, [""; 0]);
    assert_eq!(notes, ["no BPF file system is mounted; `run` mounts it"]);
    let mut agent = situation.run(&[]);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success());

    let situation = Situation::new("env-no-bpffs-no-mount")
        .pins("/sys/fs/bpf/udplb")
        .script("umount /sys/fs/bpf")
        .without("sys_admin");
    situation.refused(&["no BPF file system is at /sys/fs/bpf and it cannot be mounted from here; mount it as root (`mount -t bpf bpf /sys/fs/bpf`) or choose --pin-dir: EPERM: Operation not permitted"]);
}

#[test]
fn a_read_only_bpf_file_system_is_named() {
    let situation = Situation::new("env-read-only").script("mount -o remount,bind,ro /sys/fs/bpf");
    let expected = "/sys/fs/bpf is on a read-only BPF file system; remount it (`mount -o remount,rw /sys/fs/bpf`) or choose another folder with --pin-dir";
    situation.refused(&[expected]);
    // Also where an agent had its folder before.
    fs::create_dir(&situation.pins).unwrap();
    let expected = expected.replacen("/sys/fs/bpf", &situation.pins.display().to_string(), 1);
    situation.refused(&[&expected]);
}

#[test]
fn a_folder_of_another_kind_is_named_and_stays() {
    let situation = Situation::new("env-no-pins");
    let pins = situation.node().folder().join("pins");
    let situation = situation.pins(&pins);
    let expected = format!(
        "{} is not on a BPF file system; mount one (`mount -t bpf bpf /sys/fs/bpf`) or choose another folder with --pin-dir",
        pins.display()
    );
    situation.refused(&[&expected]);
    assert!(!pins.exists());
    fs::create_dir(&pins).unwrap();
    situation.refused(&[&expected]);
    assert!(pins.exists());
}

#[test]
fn a_folder_of_another_user_is_named() {
    let situation = Situation::new("env-denied").without("sys_admin,dac_override,fowner");
    fs::create_dir(&situation.pins).unwrap();
    std::os::unix::fs::chown(&situation.pins, Some(65534), None).unwrap();
    situation.refused(&[&format!(
        "this user may not write to {}; run as its owner, or choose another folder with --pin-dir",
        situation.pins.display()
    )]);
}

#[test]
fn a_second_agent_is_refused_and_the_first_goes_on() {
    let situation = Situation::new("env-second");
    let _agent = situation.run(&[]);
    for (command, arguments) in [
        ("run", &["--http-address", "127.0.0.1:9466"][..]),
        ("cleanup", &[]),
    ] {
        let mut second = situation.node().command(agent::binary());
        let second = second.arg(command).arg("--pin-dir").arg(&situation.pins);
        let second = second.args(arguments);
        if command == "run" {
            let _ = second.arg("-c").arg(situation.config());
        }
        let output = second.output().unwrap();
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!(
                "udplb-agent: another udplb-agent uses {}; stop it, or give this one its own folder with --pin-dir\n",
                situation.pins.display()
            )
        );
        situation.use_it();
    }
}

/// Lets an agent run and end, with its maps left there.
fn leave_maps(situation: &Situation) {
    let mut agent = situation.run(&["--keep"]);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success());
}

#[test]
fn records_that_cannot_be_read_are_taken_down() {
    let situation = Situation::new("env-records");
    leave_maps(&situation);
    fs::remove_file(situation.pins.join("records/ATTACHMENTS")).unwrap();
    let output = situation.output("cleanup", &[]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the records of what is ours cannot be read: the pins are removed"),
        "{said}"
    );
    assert!(!situation.pins.exists());
    assert_eq!(udplb_tests::foreign::attached(situation.node(), "eth0"), 0);
}

#[test]
fn a_map_of_another_shape_is_named() {
    let situation = Situation::new("env-shape");
    leave_maps(&situation);
    let maps = situation.pins.join("tables-1");
    // A hash in the place of an array.
    fs::remove_file(maps.join("FORWARDS")).unwrap();
    fs::rename(maps.join("LISTENERS"), maps.join("FORWARDS")).unwrap();
    situation.refused(&[&format!(
        "the pinned map {}/FORWARDS is of another version of udplb-agent (type 1 instead of 2); run `udplb-agent cleanup` of that version, or give this one its own folder with --pin-dir",
        maps.display()
    )]);
    situation.use_it();
}

#[test]
fn maps_keep_their_size_until_cleanup() {
    let situation = Situation::new("env-size");
    let mut agent = situation.run(&["--keep", "--max-forwards", "100"]);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success());
    let agent = situation.run(&["--keep"]);
    assert!(
        agent.log().contains("the maps that are in use keep their size: --max-forwards and --table-memory take effect after `udplb-agent cleanup`\n"),
        "{}",
        agent.log()
    );
}

#[test]
fn a_taken_address_is_named() {
    let situation = Situation::new("env-address");
    let address: std::net::SocketAddr = agent::ADDRESS.parse().unwrap();
    let _listener = situation
        .node()
        .enter(|| std::net::TcpListener::bind(address))
        .unwrap();
    situation.refused(&["cannot listen on 127.0.0.1:9465, choose another address with --http-address: Address already in use (os error 98)"]);
}

/// It runs all the same, and says what that means.
#[test]
fn a_full_disk_under_the_state_directory_is_named() {
    let situation = Situation::new("env-full");
    let state = situation.state();
    fs::create_dir(&state).unwrap();
    let path = state.display().to_string();
    let situation = situation.script(&format!(
        "mount -t tmpfs -o size=4k tmpfs {path}; head -c 4096 /dev/zero > {path}/filler"
    ));
    let (failed, notes) = situation.checked();
    assert_eq!(failed, [""; 0]);
    assert_eq!(
        notes,
        [format!(
            "{path} is full: choose another folder with --state-dir, or the next start needs a good file"
        )]
    );
    let agent = situation.run(&[]);
    let expected = format!(
        "the next start needs the file error=the disk that holds {path}/last-good.new is full; free some of it, or choose another folder with --state-dir\n"
    );
    wait::until(PATIENCE, &expected, || {
        agent.log().contains(&expected).then_some(())
    });
    let left = fs::read_dir(format!("/proc/{}/root{path}", agent.id())).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["filler"]);
}
