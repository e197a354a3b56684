//! Follows the objects of one kind. **IO**
//!
//! A watch goes on from the version that it saw last. A server whose store was set back to an older state takes such a
//! watch and tells nothing until it has come as far again (kubernetes/kubernetes#107457), and nobody hears of what
//! happens meanwhile. So a watch that broke, as all do when a store is set back, begins again with a list.

use std::{fmt::Debug, pin::Pin};

use futures::{Stream, StreamExt as _, stream};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, Error, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

/// What becomes of the objects, for as long as somebody asks. What fails is tried again, later and later.
pub fn events<K>(
    api: Api<K>,
    config: Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    stream::repeat_with(move || until_broken(watcher(api.clone(), config.clone())))
        .flatten()
        .default_backoff()
}

/// The events up to the first that says that the watch is broken, this one included.
fn until_broken<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Send + 'static,
{
    let events: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(events);
    stream::unfold(Some(events), async |events| {
        let mut events = events?;
        let event = events.next().await?;
        let rest = (!is_broken(&event)).then_some(events);
        Some((event, rest))
    })
}

/// A list that failed is asked for again anyway.
const fn is_broken<K>(event: &watcher::Result<Event<K>>) -> bool {
    matches!(
        event,
        Err(Error::WatchStartFailed(_) | Error::WatchFailed(_) | Error::WatchError(_))
    )
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn broken() -> watcher::Result<Event<u8>> {
        Err(Error::WatchError(Box::new(Status::failure("", ""))))
    }

    #[tokio::test]
    async fn what_is_broken_is_told_and_ends() {
        let events = vec![
            Err(Error::NoResourceVersion),
            Ok(Event::Apply(1)),
            broken(),
            Ok(Event::Apply(2)),
        ];
        let told = until_broken(stream::iter(events));
        let told: Vec<_> = told.collect().await;
        let [
            Err(Error::NoResourceVersion),
            Ok(Event::Apply(1)),
            Err(Error::WatchError(_)),
        ] = told.as_slice()
        else {
            panic!("{told:?}");
        };
    }
}
