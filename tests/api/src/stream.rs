//! A reader of server-sent events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::Api;

/// Far longer than anything takes: a test that waits in vain fails, and does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream.
pub struct EventStream {
    response: Response,
    buffer: String,
}

/// One event as it came over the wire.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The field `id`.
    pub id: String,
    /// The field `event`.
    pub event: String,
    /// The field `data`.
    pub data: Value,
}

impl Api {
    /// Opens a stream, which must succeed, after the event with this id or from now on, and takes its greeting.
    pub async fn watch(&self, last_event_id: Option<&str>) -> (EventStream, Sent) {
        let mut request = self.request(Method::GET, "/event");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200, "{:?}", response.text().await);
        EventStream::of(response).await
    }
}

impl EventStream {
    /// Takes the greeting of a stream that was opened.
    pub async fn of(response: Response) -> (Self, Sent) {
        let mut stream = Self { response, buffer: String::new() };
        let greeting = stream.next().await;
        (stream, greeting)
    }

    /// The headers of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next event, which must come.
    pub async fn next(&mut self) -> Sent {
        self.next_or_end().await.expect("the stream goes on")
    }

    /// The next event; `None` where the stream ends.
    pub async fn next_or_end(&mut self) -> Option<Sent> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                match Sent::parse(&block) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("an event comes, or the stream ends");
            // A server that is gone ends the stream as well.
            let bytes = chunk.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&bytes).expect("chunks end between events"));
        }
    }

    /// The next event of this kind; those before it are passed over.
    pub async fn until(&mut self, kind: &str) -> Sent {
        loop {
            let event = self.next().await;
            if event.event == kind {
                return event;
            }
        }
    }

    /// Everything up to the end of the stream.
    pub async fn to_end(&mut self) -> Vec<Sent> {
        let mut events = Vec::new();
        while let Some(event) = self.next_or_end().await {
            events.push(event);
        }
        events
    }
}

impl Sent {
    /// `None`: a comment.
    fn parse(block: &str) -> Option<Self> {
        let field = |name: &str| {
            let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
        };
        let data = serde_json::from_str(&field("data")?).expect("events are JSON");
        Some(Self { id: field("id")?, event: field("event")?, data })
    }

    /// A text in the data, by JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        let value = self.data.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.data)).to_owned()
    }

    /// A whole number in the data, by JSON pointer.
    pub fn number(&self, pointer: &str) -> u64 {
        let value = self.data.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no number at {pointer} in {}", self.data))
    }

    /// The state of a delegation that the event carries.
    pub fn delegation(&self, id: &str) -> Option<&Value> {
        self.data["delegations"].as_array()?.iter().find(|node| node["id"] == id)
    }
}
