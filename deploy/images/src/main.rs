//! Packs static binaries as container images, one archive each, without a container engine. **IO**
//!
//! ```text
//! a binary ─ program: is it static, for which processor? ─ image: user, labels ─▶ archive ─▶ NAME.tar
//! ```
//!
//! An archive is an OCI layout that `ctr images import`, `podman load` and `docker load` take. Equal binaries give
//! equal bytes.
#![forbid(unsafe_code)]

mod archive;
mod image;
mod program;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ArgGroup, Parser};

use image::Image;

/// Packs static binaries as container images, one archive each.
///
/// udplb-images --agent target/x86_64-unknown-linux-musl/release/udplb-agent --output target/images
///
/// To use one: ctr -n k8s.io images import target/images/udplb-agent.tar
#[derive(Parser)]
#[command(name = "udplb-images", version, arg_required_else_help = true)]
#[command(group(ArgGroup::new("binary").required(true).multiple(true)))]
struct Arguments {
    /// The static udplb-agent
    #[arg(long, value_name = "FILE", group = "binary")]
    agent: Option<PathBuf>,
    /// The static udplb-operator
    #[arg(long, value_name = "FILE", group = "binary")]
    operator: Option<PathBuf>,
    /// The static udplb-pause, which holds the namespaces of a pod; for clusters of tests
    #[arg(long, value_name = "FILE", group = "binary")]
    pause: Option<PathBuf>,
    /// The folder to write to
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let wanted = [
        (&image::AGENT, arguments.agent),
        (&image::OPERATOR, arguments.operator),
        (&image::PAUSE, arguments.pause),
    ];
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("failed to make {}", arguments.output.display()))?;
    for (image, binary) in wanted {
        if let Some(binary) = binary {
            pack(image, &binary, &arguments.output)?;
        }
    }
    Ok(())
}

/// Writes the archive of one image, and says so.
fn pack(image: &Image, binary: &Path, output: &Path) -> anyhow::Result<()> {
    let program =
        fs::read(binary).with_context(|| format!("failed to read {}", binary.display()))?;
    let platform = program::platform(&program)
        .with_context(|| format!("{} cannot be the whole of an image", binary.display()))?;
    let archive = archive::of(image, platform, &program)?;
    let path = output.join(format!("{}.tar", image.name));
    fs::write(&path, &archive.bytes)
        .with_context(|| format!("failed to write {}", path.display()))?;
    let said = format!(
        "{}: {}, {platform}, {} KiB\n  {}\n",
        path.display(),
        image.reference(),
        archive.bytes.len() / 1024,
        archive.digest
    );
    std::io::stdout()
        .write_all(said.as_bytes())
        .context("failed to print")
}
