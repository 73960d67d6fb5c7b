//! Listing by state, or by a parent that attribution is asked for below.
//!
//! A state comes from a node itself or from above, so that in the order of the tree it forms *islands*: the subtree of a
//! revoked node is revoked throughout. The walk goes from island to island through marked nodes, reads an island from its
//! top to its end, and leaps over whatever cannot hold what it looks for.

use subgrant_domain::{DelegationId, NodePath, Status};
use subgrant_store::delegations::{self, Candidates, Found, Place, Rows, Span, StatusFilter};

use super::{MOST, Search, Stretch};
use crate::{ServiceError, locked::ReadTenant};

/// How many nodes are looked at per round trip, at first and at most.
const FIRST_CHUNK: usize = 128;
const LARGEST_CHUNK: usize = 1_000;

/// The most nodes whose state a page finds out, each with all that are above it.
const MOST_JUDGED: usize = 800;

/// The most round trips of a page.
const MOST_ROUNDS: usize = 100;

struct Walk<'a> {
    search: &'a Search<'a>,
    /// Where the walk has got to.
    from: Place,
    /// The end of the island that `from` is in, where it is in one.
    island: Option<Place>,
    hits: Vec<DelegationId>,
    /// The last node that was looked at.
    last: Option<DelegationId>,
}

/// What becomes of a node that was looked at.
enum Verdict {
    /// It belongs on the list.
    Hit,
    /// It does not, but what is below it may.
    Miss,
    /// Nothing before this place does.
    Leap(Place),
}

/// Walks until the page is full, the range ends, or so much was looked at that the rest is left to the next page.
pub(super) async fn walk(search: &Search<'_>, read: &mut ReadTenant) -> Result<Stretch, ServiceError> {
    read.load(&[&search.around]).await?;
    let mut walk =
        Walk { search, from: search.span.from.clone(), island: None, hits: Vec::new(), last: None };
    walk.island = walk.island_of(read, &search.around);
    let (mut looked_at, mut chunk) = (0, FIRST_CHUNK);
    for _ in 0..MOST_ROUNDS {
        let until =
            walk.island.clone().unwrap_or_else(|| search.span.until.clone()).min(search.span.until.clone());
        let span = Span { from: walk.from.clone(), until: until.clone() };
        let is_marks = walk.island.is_none() && walk.goes_by_marks();
        let rows = walk.read_rows(read, &span, is_marks, chunk).await?;
        looked_at += if rows.looked_until.is_some() { rows.found.len().max(chunk) } else { rows.found.len() };
        let Some(ends) = walk.take_in(read, rows, is_marks).await? else {
            return Ok(walk.full());
        };
        match ends {
            Ends::Range if until >= search.span.until => return Ok(Stretch { ids: walk.hits, next: None }),
            Ends::Range => (walk.from, walk.island) = (walk.from.max(until), None),
            Ends::Chunk => chunk = (chunk * 2).min(LARGEST_CHUNK),
        }
        if looked_at >= MOST_JUDGED {
            break;
        }
    }
    Ok(Stretch { next: walk.last, ids: walk.hits })
}

/// How a chunk of rows has ended.
enum Ends {
    /// With the range that was read.
    Range,
    /// Before it: there is more to read from where the walk is.
    Chunk,
}

impl Walk<'_> {
    /// Whether nodes in the state are found through marks. Most nodes are active, and are found by looking.
    fn goes_by_marks(&self) -> bool {
        let is_marked = self.search.status.is_some_and(|status| status != StatusFilter::Active);
        is_marked && self.search.grams.is_none() && !self.search.is_rare
    }

    async fn read_rows(
        &self,
        read: &mut ReadTenant,
        span: &Span,
        is_marks: bool,
        chunk: usize,
    ) -> Result<Rows, ServiceError> {
        let search = self.search;
        let tx = &mut read.tx;
        Ok(match (search.status, search.source()) {
            (Some(status), _) if is_marks => {
                delegations::marked(tx, status, &search.filter, span, chunk).await?
            }
            (Some(StatusFilter::Active), Candidates::All) => {
                delegations::rows(tx, Candidates::Unmarked, &search.filter, span, chunk, MOST).await?
            }
            (_, source) => delegations::rows(tx, source, &search.filter, span, chunk, MOST).await?,
        })
    }

    /// Goes through rows; `None` once the page is full.
    async fn take_in(
        &mut self,
        read: &mut ReadTenant,
        rows: Rows,
        is_marks: bool,
    ) -> Result<Option<Ends>, ServiceError> {
        if self.search.status.is_some() {
            read.load(&rows.found.iter().map(|found| &found.path).collect::<Vec<_>>()).await?;
        }
        for found in &rows.found {
            if found.place < self.from {
                continue;
            }
            match self.judge(read, found) {
                Verdict::Leap(place) => self.from = place,
                Verdict::Miss => self.from = found.place.next(),
                Verdict::Hit => {
                    self.from = found.place.next();
                    if !is_marks || self.passes_filter(read, found) {
                        if self.hits.len() == self.search.limit {
                            return Ok(None);
                        }
                        self.hits.push(found.path.id());
                    }
                    if is_marks && found.descendants > 0 {
                        self.last = Some(found.path.id());
                        self.island = self.island_of(read, &found.path);
                        return Ok(Some(Ends::Chunk));
                    }
                }
            }
            self.last = Some(found.path.id());
        }
        let Some(looked_until) = rows.looked_until else { return Ok(Some(Ends::Range)) };
        if looked_until >= self.from {
            self.from = looked_until.next();
            self.last = looked_until.id().or(self.last);
        }
        Ok(Some(Ends::Chunk))
    }

    /// The page when one more was found than it holds.
    fn full(self) -> Stretch {
        Stretch { next: self.hits.last().copied(), ids: self.hits }
    }

    fn judge(&self, read: &ReadTenant, found: &Found) -> Verdict {
        if let Some(parent) = &self.search.parent
            && found.path.depth() > parent.depth() + 1
        {
            // Below a child, which alone could have been meant.
            return Verdict::Leap(Place::of(&found.path.prefix(parent.depth() + 1)).end());
        }
        let Some(wanted) = self.search.status else { return Verdict::Hit };
        let status = read.tree.status(&found.path);
        if status.as_str() == wanted.as_str() {
            return Verdict::Hit;
        }
        match island_top(status, &found.path) {
            // Within an island are only states that are worse.
            Some(top) if rank(wanted.as_str()) < rank(status.as_str()) => {
                Verdict::Leap(Place::of(&top).end())
            }
            _ => Verdict::Miss,
        }
    }

    /// The end of the island in which the nodes below `path` are, where they are in one that is looked for.
    fn island_of(&self, read: &ReadTenant, path: &NodePath) -> Option<Place> {
        let wanted = self.search.status.filter(|_| self.goes_by_marks())?;
        // From the root down, because a worse island may lie between the wanted one's top and the node.
        let mut above = (0..=path.depth()).map(|depth| path.prefix(depth));
        let path = above.find(|above| read.tree.status(above).as_str() == wanted.as_str())?;
        island_top(read.tree.status(&path), &path).map(|top| Place::of(&top).end())
    }

    /// Marks are found where what is below them may pass the filter, even if they do not.
    fn passes_filter(&self, read: &ReadTenant, found: &Found) -> bool {
        let Some(row) = read.rows.get(&found.path.id()) else { return false };
        let filter = &self.search.filter;
        let is = |wanted: &Option<String>, value: Option<&subgrant_domain::AttributeText>| {
            wanted.as_deref().is_none_or(|wanted| value.is_some_and(|value| value.as_str() == wanted))
        };
        let has_label = filter
            .label_contains
            .as_deref()
            .is_none_or(|text| row.label.as_str().to_lowercase().contains(&text.to_lowercase()));
        has_label
            && is(&filter.cost_center, row.node.terms.cost_center.as_ref())
            && is(&filter.department, row.node.terms.department.as_ref())
    }
}

/// The top of the subtree throughout which the state of the node at `path` holds, or a worse one.
fn island_top(status: Status, path: &NodePath) -> Option<NodePath> {
    let depth_of = |id| path.ids().iter().position(|other| *other == id);
    match status {
        Status::Active => None,
        // Nothing is left for what is below it either: what it had set aside is spent as well.
        Status::Exhausted(None) => Some(path.clone()),
        // The named node has nothing available, which concerns those below its cap children.
        Status::Exhausted(Some(above)) => depth_of(above).map(|depth| path.prefix(depth + 1)),
        Status::Frozen(top) | Status::Expired(top) | Status::Revoked(top) => {
            depth_of(top).map(|depth| path.prefix(depth))
        }
    }
}

/// Which state prevails where several would hold.
fn rank(status: &str) -> u8 {
    match status {
        "revoked" => 4,
        "expired" => 3,
        "frozen" => 2,
        "exhausted" => 1,
        _ => 0,
    }
}
