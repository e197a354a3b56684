//! The archive of an image: an OCI layout, with the index that `docker load` reads besides. **Pure**
//!
//! Nothing in it depends on when, where or by whom it is made: equal programs give equal bytes.

use std::io;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{image::Image, program::Platform};

/// An archive, and the digest of the image in it.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

/// Packs a program as an image.
pub(crate) fn of(image: &Image, platform: Platform, program: &[u8]) -> io::Result<Archive> {
    let layer = Blob::new(
        "application/vnd.oci.image.layer.v1.tar",
        layer(image, program)?,
    );
    let config = Blob::json(
        "application/vnd.oci.image.config.v1+json",
        &json!({
            "architecture": platform.to_string(),
            "os": "linux",
            "config": {
                "User": image.user,
                "Entrypoint": [image.entrypoint()],
                "WorkingDir": "/",
                "Labels": image.labels(),
            },
            "rootfs": { "type": "layers", "diff_ids": [layer.digest()] },
            "history": [{ "created_by": "udplb-images" }],
        }),
    );
    let manifest = Blob::json(
        "application/vnd.oci.image.manifest.v1+json",
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
            "annotations": image.labels(),
        }),
    );
    let mut described = manifest.descriptor();
    described["platform"] = json!({ "architecture": platform.to_string(), "os": "linux" });
    described["annotations"] = json!({
        "io.containerd.image.name": image.full_reference(),
        "org.opencontainers.image.ref.name": crate::image::TAG,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described],
    });
    let for_docker = json!([{
        "Config": config.path(),
        "RepoTags": [image.reference()],
        "Layers": [layer.path()],
    }]);

    let mut archive = Builder::new(Vec::new());
    for folder in ["blobs/", "blobs/sha256/"] {
        folder_entry(&mut archive, folder)?;
    }
    let mut blobs = [&layer, &config, &manifest];
    blobs.sort_by_key(|blob| blob.path());
    for blob in blobs {
        file(&mut archive, &blob.path(), 0o644, &blob.bytes)?;
    }
    file(&mut archive, "index.json", 0o644, &text(&index))?;
    file(&mut archive, "manifest.json", 0o644, &text(&for_docker))?;
    let layout = text(&json!({ "imageLayoutVersion": "1.0.0" }));
    file(&mut archive, "oci-layout", 0o644, &layout)?;
    Ok(Archive {
        bytes: archive.into_inner()?,
        digest: manifest.digest(),
    })
}

/// The file system of an image: its program, and nothing else.
fn layer(image: &Image, program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    file(&mut layer, image.name, 0o755, program)?;
    layer.into_inner()
}

/// Content that others name by its digest.
struct Blob {
    kind: &'static str,
    hash: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(kind: &'static str, bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes);
        let hash = hash
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Self { kind, hash, bytes }
    }

    fn json(kind: &'static str, value: &Value) -> Self {
        Self::new(kind, text(value))
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hash)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash)
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.kind, "digest": self.digest(), "size": self.bytes.len() })
    }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn file(archive: &mut Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut header = header(EntryType::Regular, mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

fn folder_entry(archive: &mut Builder<Vec<u8>>, path: &str) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Directory, 0o755), path, io::empty())
}

/// Root's, of the first second: the same always and everywhere.
fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}
