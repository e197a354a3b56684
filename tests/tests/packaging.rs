//! What `make install` puts on a host: the agent, its unit, man pages and completions that say what the command line
//! says, and a configuration that is the operator's from then on.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use nix::sys::signal::Signal;
use udplb_tests::{
    agent,
    lab::{BPFFS, shapes},
    scrape, wait,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a target of the Makefile with what was built last.
fn make(target: &str, variables: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let binary = agent::binary();
    let output = Command::new("make")
        .args(["--no-print-directory", "-s", target])
        .arg(format!("BUILD={}", binary.parent().unwrap().display()))
        .args(variables)
        .current_dir(root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "make {target}: {error}");
    output
}

/// A folder to install to, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("udplb-{}-install-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Installs as a package does.
    fn install(&self) {
        drop(make("install", &[&format!("DESTDIR={}", self.0.display())]));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Every file below, with its mode.
    fn files(&self) -> Vec<String> {
        let mut folders = vec![self.0.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                    let name = path.strip_prefix(&self.0).unwrap().display();
                    files.push(format!("{mode:o} {name}"));
                }
            }
        }
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `make test` installs what is missing first")
    });
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.is_empty(),
        "{command:?}: {error}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Every subcommand that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = succeeds(Command::new(agent::binary()).arg("--help"));
    let listed = help.lines().skip_while(|line| !line.starts_with("Usage"));
    let names: Vec<_> = listed
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .take_while(|word| *word != "udplb-agent")
        .map(str::to_owned)
        .collect();
    assert!(names.contains(&"check".to_owned()), "{names:?}");
    names
}

const CONFIG: &str = "etc/udplb/forwards.yaml";
const UNIT: &str = "usr/local/lib/systemd/system/udplb-agent.service";
const BASH: &str = "usr/local/share/bash-completion/completions/udplb-agent";

#[test]
fn everything_is_installed_and_taken_away_but_the_configuration() {
    let folder = Folder::new("all");
    folder.install();
    let mut expected = vec![
        format!("644 {CONFIG}"),
        format!("644 {UNIT}"),
        format!("644 {BASH}"),
        "644 usr/local/share/fish/vendor_completions.d/udplb-agent.fish".to_owned(),
        "644 usr/local/share/man/man1/udplb-agent.1".to_owned(),
        "644 usr/local/share/zsh/site-functions/_udplb-agent".to_owned(),
        "755 usr/local/bin/udplb-agent".to_owned(),
    ];
    let pages = subcommands().into_iter();
    expected.extend(pages.map(|name| format!("644 usr/local/share/man/man1/udplb-agent-{name}.1")));
    expected.sort();
    assert_eq!(folder.files(), expected);

    let config = folder.path(CONFIG);
    drop(succeeds(
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(agent::binary())
            .args(["check", "-c"])
            .arg(&config),
    ));
    // It is the operator's now.
    fs::write(&config, "# mine\n").unwrap();
    folder.install();
    assert_eq!(folder.text(CONFIG), "# mine\n");
    let destination = format!("DESTDIR={}", folder.0.display());
    drop(make("uninstall", &[&destination]));
    assert_eq!(folder.files(), [format!("644 {CONFIG}")]);
}

#[test]
fn pages_and_completions_say_what_the_command_line_says() {
    let folder = Folder::new("pages");
    folder.install();
    for name in subcommands() {
        let page = folder.path(&format!("usr/local/share/man/man1/udplb-agent-{name}.1"));
        // As `man` formats it, which minimal systems replace by a hint.
        let page = succeeds(
            Command::new("groff")
                .args(["-man", "-Tascii", "-ww", "-P-cbou", "-rLL=80n"])
                .arg(page),
        );
        let help = succeeds(Command::new(agent::binary()).args([&name, "--help"]));
        for flag in help
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let flag = flag.trim_end_matches([',', ';']);
            assert!(
                page.contains(flag),
                "{flag} is not in the page of {name}:\n{page}"
            );
        }
        // Lines are filled up with spaces.
        let example = page.split_once("Example").expect("no example").1;
        let words: Vec<&str> = example.split_whitespace().collect();
        assert!(
            words.join(" ").contains(&format!("udplb-agent {name}")),
            "no example:\n{page}"
        );
    }
    let bash = folder.path(BASH);
    drop(succeeds(Command::new("bash").arg("-n").arg(&bash)));
    let script = "source \"$1\"; [[ $(complete -p udplb-agent) =~ -F\\ ([^ ]+) ]]; \
                  COMP_WORDS=(udplb-agent chec); COMP_CWORD=1; \
                  ${BASH_REMATCH[1]} udplb-agent chec udplb-agent; echo \"${COMPREPLY[@]}\"";
    let completed = succeeds(Command::new("bash").args(["-c", script, "bash"]).arg(&bash));
    assert_eq!(completed, "check\n");
}

#[test]
fn the_unit_is_sound_and_hardened() {
    let folder = Folder::new("unit");
    let prefix = folder.path("usr");
    let variables = [
        format!("PREFIX={}", prefix.display()),
        format!("SYSCONFDIR={}", folder.path("etc").display()),
    ];
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    drop(make("install", &variables));
    let unit = prefix.join("lib/systemd/system/udplb-agent.service");
    let text = fs::read_to_string(&unit).unwrap();
    let start = format!(
        "ExecStart={}/bin/udplb-agent run --keep -c {}/udplb/forwards.yaml\n",
        prefix.display(),
        folder.path("etc").display()
    );
    assert!(text.contains(&start), "{text}");
    drop(succeeds(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit),
    ));
    // In tenths: 2.2 as it is, 9.6 without any hardening.
    drop(succeeds(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=25", "--no-pager"])
            .arg(&unit),
    ));
}

/// The words of a setting of the unit.
fn setting(unit: &str, name: &str) -> Vec<String> {
    let values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// The service as the unit confines it, without systemd: its capabilities, and what it may write to.
#[test]
fn what_the_unit_leaves_the_agent_suffices() {
    let folder = Folder::new("confined");
    folder.install();
    let unit = folder.text(UNIT);
    let lab = shapes::two_collectors("packaging");
    let node = lab.host("node");
    let capabilities = setting(&unit, "CapabilityBoundingSet")
        .iter()
        .map(|name| format!("+{}", name.strip_prefix("CAP_").unwrap().to_lowercase()))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(setting(&unit, "NoNewPrivileges"), ["yes"]);
    assert_eq!(setting(&unit, "ProtectSystem"), ["strict"]);
    assert_eq!(setting(&unit, "ReadWritePaths"), [BPFFS]);
    let mut start = setting(&unit, "ExecStart");
    assert_eq!(start.remove(0), "/usr/local/bin/udplb-agent");
    let config = folder.path(CONFIG).display().to_string();
    let start = start.join(" ").replace("/etc/udplb/forwards.yaml", &config);
    let text = folder.text(CONFIG).replace("Paused", "Active");
    fs::write(&config, text).unwrap();
    let binary = folder.path("usr/local/bin/udplb-agent");
    let script = format!(
        "set -e
        mount -o remount,bind,ro /
        mount -o remount,bind,ro /sys
        mount -t bpf bpf {BPFFS}
        mount -t tmpfs tmpfs /var/lib
        exec setpriv --no-new-privs --bounding-set=-all,{capabilities} --inh-caps=-all -- \
            {} {start} --http-address {}",
        binary.display(),
        agent::ADDRESS
    );
    let mut command = node.command("unshare");
    let command = command.args(["--mount", "--", "sh", "-c", &script]);
    let mut agent = node.spawn("agent", command);
    wait::until(PATIENCE, "the agent to be ready", || {
        if let Some(status) = agent.ended() {
            panic!("the agent ended with {status}:\n{}", agent.log());
        }
        let answer = scrape::get(node, agent::ADDRESS, "/readyz").ok()?;
        (answer.status == 200).then_some(())
    });
    let log = agent.log();
    assert!(log.contains(" attachments=1 "), "{log}");
    assert!(
        !log.contains("ERROR") && !log.contains("the next start needs"),
        "{log}"
    );
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success(), "{}", agent.log());
}
