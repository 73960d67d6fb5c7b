//! The revocation feed as it happens: the tenant's stream of events, of which it passes on what matters to it.

use subgrant_domain::{EventId, EventPosition, NodePath};
use subgrant_store::events::StoredEvent;
use tokio::sync::mpsc;

use super::{Delivery, EventContent, EventView, Revocation, Start, SubscribeError, revocation::check_reader};
use crate::{AccessError, App, Caller, background::task};

/// What a reader of the feed is sent.
#[derive(Debug)]
pub enum RevocationDelivery {
    /// The stream is open; everything after this id follows.
    Ready(EventId),
    /// What lies between the resume point and this id cannot be told any more: read from the beginning anew.
    Reset(EventId),
    /// Something to refuse, or not to refuse any more.
    Entry(Box<Revocation>),
    /// The credential is not good any more, or the database is away. The last one.
    Closed(EventId, AccessError),
}

impl App {
    /// Opens the feed as a stream.
    pub async fn watch_revocations(
        &self,
        caller: &Caller,
        start: Start,
    ) -> Result<mpsc::Receiver<RevocationDelivery>, SubscribeError> {
        drop(self.admit(caller).await?);
        check_reader(caller)?;
        let deliveries = self.open_stream(caller, start).await?;
        let (sink, told) = mpsc::channel(self.shared().options.stream_buffer);
        let (app, caller) = (self.clone(), caller.clone());
        tokio::spawn(async move {
            app.isolate(task::EVENTS, pass_on(app.clone(), caller, deliveries, sink)).await
        });
        Ok(told)
    }
}

/// Ends when either side does. Whoever takes nothing holds the stream of events up, which then drops it.
async fn pass_on(
    app: App,
    caller: Caller,
    mut deliveries: mpsc::Receiver<Delivery>,
    sink: mpsc::Sender<RevocationDelivery>,
) {
    loop {
        let delivery = tokio::select! {
            delivery = deliveries.recv() => delivery,
            () = sink.closed() => None,
        };
        let told = match delivery {
            None => return,
            Some(Delivery::Ready(id)) => RevocationDelivery::Ready(id),
            Some(Delivery::Reset(id)) => RevocationDelivery::Reset(id),
            Some(Delivery::Closed(id, error)) => RevocationDelivery::Closed(id, error),
            Some(Delivery::Event(view)) => match entry(&app, &caller, *view).await {
                Ok(Some(entry)) => RevocationDelivery::Entry(Box::new(entry)),
                Ok(None) => continue,
                // To go on would leave a revocation out: whoever resumes asks for it again.
                Err(_) => return,
            },
        };
        if sink.send(told).await.is_err() {
            return;
        }
    }
}

async fn entry(app: &App, caller: &Caller, view: EventView) -> Result<Option<Revocation>, AccessError> {
    let EventContent::Recorded(data) = view.content else { return Ok(None) };
    let Some((_, position)) = EventPosition::read(view.id) else { return Ok(None) };
    let mut ids = view.path.into_iter();
    let Some(root) = ids.next() else { return Ok(None) };
    let Ok(path) = ids.try_fold(NodePath::root(root), |path, id| path.child(id)) else { return Ok(None) };
    let data = data.to_string();
    let event = StoredEvent { position, kind: view.kind, at: view.at, path: Some(path), data };
    app.revocation_of(caller, event).await
}
