//! The end of a process: the first SIGTERM or SIGINT asks it to finish, a second one ends it. **IO**

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// From now on signals no longer end the process at once: the returned token is cancelled by the
/// first. To be called once, inside the runtime, before anything that has to be cleaned up exists.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let _task = tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await.0;
        tracing::info!(signal = name, "finishing; the same again ends at once");
        cancelled.cancel();
        let (name, code) = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "ending at once");
        std::process::exit(code);
    });
    Ok(token)
}

/// A signal's name, and the exit code of a process that it ends.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", 128 + SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", 128 + SignalKind::interrupt().as_raw_value()),
    }
}
