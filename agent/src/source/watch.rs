//! Waits for a file to change. **IO**
//!
//! A rename over the file, or its closing after a write, is seen at once by inotify on its folder.
//! Everything else — a symbolic link on the way that now leads elsewhere, a folder that was replaced —
//! is seen by a look every second, and believed once the file has kept still for as long.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

const LOOK: Duration = Duration::from_secs(1);

/// What tells one content of a file from another without reading it: device, inode, time, size.
type Signature = Option<(u64, u64, (i64, i64), u64)>;

/// Follows one file.
pub(super) struct Watch {
    path: PathBuf,
    written: mpsc::UnboundedReceiver<()>,
    /// What is told once somebody waits.
    no_inotify: Option<io::Error>,
    reported: Signature,
    last_look: Signature,
    /// When to look next, also for a wait that begins anew.
    next_look: Instant,
}

impl Watch {
    /// Starts to follow; what happens from now on is reported.
    pub(super) fn new(path: &Path) -> Self {
        let (sender, written) = mpsc::unbounded_channel();
        let no_inotify = follow_folder(path, sender).err();
        let signature = signature(path);
        Self {
            path: path.to_owned(),
            written,
            no_inotify,
            reported: signature,
            last_look: signature,
            next_look: Instant::now() + LOOK,
        }
    }

    /// Waits until the file has changed. May be cancelled without missing a change.
    pub(super) async fn changed(&mut self) {
        if let Some(error) = self.no_inotify.take() {
            tracing::warn!(%error, "no inotify; looking at the file every second instead");
        }
        loop {
            let is_written = tokio::select! {
                Some(()) = self.written.recv() => true,
                () = sleep_until(self.next_look) => false,
            };
            self.next_look = Instant::now() + LOOK;
            // Several writes are one change.
            while self.written.try_recv().is_ok() {}
            let now = signature(&self.path);
            let has_settled = now == self.last_look;
            self.last_look = now;
            if is_written || (now != self.reported && has_settled) {
                self.reported = now;
                return;
            }
        }
    }
}

/// Tells of each time that the file was written, from a thread that ends with the receiver: after the
/// next event, or with the process.
fn follow_folder(path: &Path, written: mpsc::UnboundedSender<()>) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let events = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO;
    let _watch = inotify.add_watch(folder, events)?;
    let file = path.file_name().map(OsString::from);
    let follow = move || {
        while let Ok(events) = inotify.read_events() {
            let is_written = events.iter().any(|event| event.name == file);
            if is_written && written.send(()).is_err() {
                return;
            }
        }
    };
    let _thread = thread::Builder::new()
        .name("file".to_owned())
        .spawn(follow)?;
    Ok(())
}

/// None where there is no file.
fn signature(path: &Path) -> Signature {
    let metadata = fs::metadata(path).ok()?;
    let time = (metadata.mtime(), metadata.mtime_nsec());
    Some((metadata.dev(), metadata.ino(), time, metadata.len()))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(500);

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("udplb-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[tokio::test]
    async fn renames_and_writes_are_seen_at_once() {
        let place = Place::new("watch");
        let file = place.file("config.yaml");
        let mut watch = Watch::new(&file);
        fs::write(place.file("new"), "a").unwrap();
        fs::rename(place.file("new"), &file).unwrap();
        timeout(SOON, watch.changed()).await.unwrap();
        fs::write(&file, "a").unwrap();
        timeout(SOON, watch.changed()).await.unwrap();
        fs::write(place.file("other"), "a").unwrap();
        let _nothing = timeout(SOON, watch.changed()).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_seen_once_it_keeps_still() {
        let place = Place::new("watch-link");
        fs::create_dir(place.file("data")).unwrap();
        fs::write(place.file("data/config.yaml"), "a").unwrap();
        let link = place.file("config.yaml");
        std::os::unix::fs::symlink("data/config.yaml", &link).unwrap();
        let mut watch = Watch::new(&link);
        fs::write(place.file("data/config.yaml"), "ab").unwrap();
        timeout(LOOK * 4, watch.changed()).await.unwrap();
    }
}
