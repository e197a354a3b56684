//! The archives as a container runtime reads them: by digest, from the index down.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::Archive;

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("udplb-images-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The smallest static program: the header of one.
    fn program(&self, processor: u8) -> PathBuf {
        let mut program = vec![0; 64];
        program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        program[16] = 2;
        program[18] = processor;
        program[20] = 1;
        program[52] = 64;
        let path = self.0.join(format!("program-{processor}"));
        fs::write(&path, program).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn pack(flag: &str, program: &Path, output: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_udplb-images"))
        .arg(flag)
        .arg(program)
        .arg("--output")
        .arg(output)
        .output()
        .unwrap()
}

/// Every file of an archive, with its mode.
fn files(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.mtime().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap()
            ),
            (0, 0, 0)
        );
        let mode = header.mode().unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        let _length = entry.read_to_end(&mut content).unwrap();
        assert!(files.insert(path, (mode, content)).is_none());
    }
    files
}

/// What a descriptor leads to, if it is what the descriptor says.
fn blob(files: &BTreeMap<String, (u32, Vec<u8>)>, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let hash = digest.strip_prefix("sha256:").unwrap();
    let (_, content) = &files[&format!("blobs/sha256/{hash}")];
    let actual = Sha256::digest(content)
        .iter()
        .fold(String::new(), |hex, it| hex + &format!("{it:02x}"));
    assert_eq!(actual, hash);
    assert_eq!(descriptor["size"], content.len());
    content.clone()
}

fn json_of(content: &[u8]) -> Value {
    serde_json::from_slice(content).unwrap()
}

#[test]
fn a_runtime_finds_the_program_by_digests() {
    let folder = Folder::new("digests");
    let version = env!("CARGO_PKG_VERSION");
    for (flag, name, user, processor, architecture) in [
        ("--agent", "udplb-agent", "0:0", 62, "amd64"),
        ("--operator", "udplb-operator", "65532:65532", 183, "arm64"),
        ("--pause", "udplb-pause", "65535:65535", 62, "amd64"),
    ] {
        let program = folder.program(processor);
        let output = pack(flag, &program, &folder.0);
        assert!(output.status.success(), "{output:?}");
        let archive = fs::read(folder.0.join(format!("{name}.tar"))).unwrap();
        let files = files(&archive);
        let layout = json_of(&files["oci-layout"].1);
        assert_eq!(layout, json!({ "imageLayoutVersion": "1.0.0" }));

        let index = json_of(&files["index.json"].1);
        let [described] = index["manifests"].as_array().unwrap().as_slice() else {
            panic!("{index:#}");
        };
        let annotations = &described["annotations"];
        let full = format!("docker.io/library/{name}:{version}");
        assert_eq!(annotations["io.containerd.image.name"], *full);
        assert_eq!(described["platform"]["architecture"], architecture);
        let manifest = json_of(&blob(&files, described));
        let config = json_of(&blob(&files, &manifest["config"]));
        assert_eq!(config["architecture"], architecture);
        assert_eq!(config["config"]["User"], user);
        assert_eq!(config["config"]["Entrypoint"], json!([format!("/{name}")]));
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], version);

        let [layer] = manifest["layers"].as_array().unwrap().as_slice() else {
            panic!("{manifest:#}");
        };
        assert_eq!(config["rootfs"]["diff_ids"], json!([layer["digest"]]));
        let content = self::files(&blob(&files, layer));
        let expected = (0o755, fs::read(&program).unwrap());
        assert_eq!(content, [(name.to_owned(), expected)].into());

        let for_docker = json_of(&files["manifest.json"].1);
        assert_eq!(
            for_docker[0]["RepoTags"],
            json!([format!("{name}:{version}")])
        );
        assert_eq!(
            json_of(&files[for_docker[0]["Config"].as_str().unwrap()].1),
            config
        );
    }
}

#[test]
fn equal_programs_give_equal_bytes() {
    let (first, second) = (Folder::new("first"), Folder::new("second"));
    let program = first.program(62);
    for output in [&first, &second] {
        assert!(pack("--agent", &program, &output.0).status.success());
    }
    let archive = |folder: &Folder| fs::read(folder.0.join("udplb-agent.tar")).unwrap();
    assert_eq!(archive(&first), archive(&second));
    let mut other = fs::read(&program).unwrap();
    other.push(0);
    fs::write(&program, other).unwrap();
    assert!(pack("--agent", &program, &second.0).status.success());
    assert_ne!(archive(&first), archive(&second));
}

#[test]
fn what_cannot_run_on_an_empty_base_is_refused_with_what_to_do() {
    let folder = Folder::new("refused");
    let script = folder.0.join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let here = std::env::current_exe().unwrap();
    let strange = folder.program(8);
    for (program, expected) in [
        (script.as_path(), "no 64-bit ELF program: name a binary"),
        (&here, "build it with --target x86_64-unknown-linux-musl"),
        (
            &strange,
            "number 8 of ELF, is none that images are made for",
        ),
        (Path::new("/absent"), "failed to read /absent"),
    ] {
        let output = pack("--operator", program, &folder.0);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(expected),
            "{error}"
        );
        assert!(error.contains(&program.display().to_string()), "{error}");
        assert!(!folder.0.join("udplb-operator.tar").exists());
    }
}
