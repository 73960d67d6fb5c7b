//! What is known of one connection.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::ConnectionLimits;

/// Stands for no moment.
const NEVER: u64 = u64::MAX;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A request's head did not come in time.
    Head,
    /// No request came.
    Idle,
    /// The client takes nothing.
    Stalled,
}

/// One connection. All that requests write is atomic, because each of them does.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Whose it is, for limits.
    pub(super) network: IpAddr,
    /// Whether it is a trusted proxy's.
    pub(super) is_proxy: bool,
    opened: Instant,
    is_http2: AtomicBool,
    has_asked: AtomicBool,
    /// Requests whose answers are not sent yet.
    under_way: AtomicUsize,
    /// Moments, as milliseconds since the connection was opened.
    quiet_since: AtomicU64,
    head_since: AtomicU64,
    unwritten_since: AtomicU64,
    /// Bytes that came while nothing was under way.
    pub(super) head_bytes: AtomicUsize,
    /// When the answers of HTTP/2's streams were last asked for more.
    answers: Mutex<Vec<Weak<AtomicU64>>>,
    closing: Notify,
    is_closing: AtomicBool,
    is_stalled: AtomicBool,
}

impl Connection {
    pub(super) fn new(network: IpAddr, is_proxy: bool) -> Self {
        Self {
            network,
            is_proxy,
            opened: Instant::now(),
            is_http2: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            unwritten_since: AtomicU64::new(NEVER),
            head_bytes: AtomicUsize::new(0),
            answers: Mutex::default(),
            closing: Notify::new(),
            is_closing: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// A request has come, or something else for which the connection is needed.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// The same for a request's head, which has come as a whole.
    pub(super) fn asked(self: &Arc<Self>, is_http2: bool) -> UnderWay {
        let under_way = self.begin();
        self.has_asked.store(true, Relaxed);
        if is_http2 {
            self.is_http2.store(true, Relaxed);
        }
        self.head_since.store(NEVER, Relaxed);
        under_way
    }

    /// Whether nothing is under way, and since when in milliseconds.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        let is_quiet = self.under_way.load(Relaxed) == 0;
        is_quiet.then(|| Duration::from_millis(self.now().saturating_sub(self.quiet_since.load(Relaxed))))
    }

    /// Bytes came. Says whether they belong to a head.
    pub(super) fn received(&self) -> bool {
        if self.under_way.load(Relaxed) > 0 {
            return false;
        }
        // What HTTP/2 sends between requests need not be the beginning of one.
        if self.head_since.load(Relaxed) == NEVER && !self.is_http2.load(Relaxed) {
            self.head_since.store(self.now(), Relaxed);
        }
        true
    }

    /// The client takes nothing just now.
    pub(super) fn is_full(&self) {
        if self.unwritten_since.load(Relaxed) == NEVER {
            self.unwritten_since.store(self.now(), Relaxed);
        }
    }

    /// The client has taken something.
    pub(super) fn has_taken(&self) {
        if self.unwritten_since.load(Relaxed) != NEVER {
            self.unwritten_since.store(NEVER, Relaxed);
        }
    }

    /// An answer that HTTP/2 asks for piece by piece, as its client makes room. Returns where to note each piece.
    pub(super) fn answers(&self) -> Option<Arc<AtomicU64>> {
        if !self.is_http2.load(Relaxed) {
            return None;
        }
        let asked_at = Arc::new(AtomicU64::new(self.now()));
        let mut answers = self.answers.lock().expect("nothing panics under this lock");
        answers.retain(|answer| answer.strong_count() > 0);
        answers.push(Arc::downgrade(&asked_at));
        Some(asked_at)
    }

    pub(super) fn note(&self, asked_at: &AtomicU64) {
        asked_at.store(self.now(), Relaxed);
    }

    /// Whether the client has had its time, and was not told so yet.
    pub(super) fn overdue(&self, limits: &ConnectionLimits) -> Option<Overdue> {
        if self.is_closing.load(Relaxed) {
            return None;
        }
        let now = self.now();
        let is_over = |since: u64, limit: Duration| {
            since != NEVER && u128::from(now.saturating_sub(since)) >= limit.as_millis()
        };
        if is_over(self.unwritten_since.load(Relaxed), limits.stalled) {
            return Some(Overdue::Stalled);
        }
        if self.under_way.load(Relaxed) > 0 {
            let answers = self.answers.lock().expect("nothing panics under this lock");
            let mut open = answers.iter().filter_map(Weak::upgrade);
            // A stream of events shows every quarter of a minute that it lives.
            let patience = limits.stalled + Duration::from_secs(15);
            return open.any(|at| is_over(at.load(Relaxed), patience)).then_some(Overdue::Stalled);
        }
        if is_over(self.head_since.load(Relaxed), limits.head) {
            return Some(Overdue::Head);
        }
        let limit = if self.has_asked.load(Relaxed) { limits.idle } else { limits.head };
        is_over(self.quiet_since.load(Relaxed), limit).then_some(Overdue::Idle)
    }

    /// Asks the connection's task to end it.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Relaxed);
        self.closing.notify_one();
    }

    /// The same where the client takes nothing, not even a farewell.
    pub(super) fn cut_off(&self) {
        self.is_stalled.store(true, Relaxed);
        self.close();
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Relaxed)
    }

    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }
}

/// Something is under way on a connection until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Connection>);

impl UnderWay {
    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.load(Relaxed) == 1 {
            self.0.quiet_since.store(self.0.now(), Relaxed);
            self.0.head_bytes.store(0, Relaxed);
        }
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            head: Duration::from_millis(20),
            idle: Duration::from_millis(60),
            stalled: Duration::from_millis(20),
            ..ConnectionLimits::default()
        }
    }

    fn connection() -> Arc<Connection> {
        Arc::new(Connection::new("192.0.2.1".parse().unwrap(), false))
    }

    #[test]
    fn a_connection_without_a_request_has_the_time_of_a_head() {
        let silent = connection();
        assert_eq!(silent.overdue(&limits()), None);
        std::thread::sleep(limits().head);
        assert_eq!(silent.overdue(&limits()), Some(Overdue::Head));
    }

    #[test]
    fn a_request_under_way_has_any_time_and_what_comes_after_it_its_own() {
        let busy = connection();
        let request = busy.asked(false);
        std::thread::sleep(limits().idle);
        assert_eq!((busy.overdue(&limits()), busy.quiet_for()), (None, None));
        drop(request);
        assert_eq!(busy.overdue(&limits()), None);
        assert!(busy.received());
        std::thread::sleep(limits().head);
        assert_eq!(busy.overdue(&limits()), Some(Overdue::Head), "the next head has begun");
        drop(busy.asked(false));
        std::thread::sleep(limits().idle);
        assert_eq!(busy.overdue(&limits()), Some(Overdue::Idle));
    }

    #[test]
    fn who_takes_nothing_is_noticed_and_forgiven() {
        let full = connection();
        let _request = full.asked(false);
        full.is_full();
        std::thread::sleep(limits().stalled);
        assert_eq!(full.overdue(&limits()), Some(Overdue::Stalled));
        full.has_taken();
        assert_eq!(full.overdue(&limits()), None);
    }

    #[test]
    fn what_http2_sends_between_requests_is_no_head() {
        let calm = connection();
        drop(calm.asked(true));
        calm.received();
        std::thread::sleep(limits().head);
        assert_eq!(calm.overdue(&limits()), None);
    }
}
