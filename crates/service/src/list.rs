//! Lists of delegations: pages of the caller's subtree in the order of the tree.
//!
//! A page costs what it shows, not what the tenant has: attribution and labels are found through indexes, and a state
//! through the marks that it follows from. Where filters leave an index no hold, a page ends after so many nodes were
//! looked at, and the next one goes on from there.

mod walk;

use std::collections::HashSet;

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId, NodePath};
use subgrant_store::delegations::{self, Candidates, Filter, Place, Rows, Span, StatusFilter};

use crate::{
    AccessError, App, DelegationView, Principal, ServiceError, delegation::visible_path, locked::ReadTenant,
};

/// The most nodes that a page looks at.
const MOST: usize = 20_000;

/// An attribution that fewer nodes have than this is rare.
const RARE: u64 = 500;

/// Which delegations to list.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Only children of this node.
    pub parent: Option<DelegationId>,
    /// Only nodes in this state.
    pub status: Option<StatusFilter>,
    /// Only nodes of this cost centre.
    pub cost_center: Option<String>,
    /// Only nodes of this department.
    pub department: Option<String>,
    /// Only nodes whose label contains this text.
    pub label_contains: Option<String>,
    /// From the node after this one on.
    pub after: Option<DelegationId>,
    /// At most this many.
    pub limit: u8,
    /// What else to tell of the page's nodes.
    pub with: Vec<With>,
}

/// What a page tells only on request, because it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// The nodes above those of the page.
    Ancestors,
    /// When each node was last debited itself.
    LastUsed,
}

/// A page of delegations.
#[derive(Debug)]
pub struct DelegationPage {
    /// In the order of the tree: a parent, then its subtree; siblings oldest first.
    pub delegations: Vec<DelegationView>,
    /// Where the next page begins.
    pub next: Option<DelegationId>,
    /// The nodes above those of the page, from the caller's own down, without those of the page.
    pub ancestors: Option<Vec<DelegationView>>,
    /// When each node, above or on the page, was last debited itself; those that never were are left out.
    pub last_used: Option<Vec<(DelegationId, Timestamp)>>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The cursor is of another list.
    #[error("this is not a cursor of this list")]
    Cursor,
}

impl From<ServiceError> for ListError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for ListError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// A stretch of the list: the nodes on it, and the last one that was looked at, where it is not the end.
struct Stretch {
    ids: Vec<DelegationId>,
    next: Option<DelegationId>,
}

/// What is searched, and how.
struct Search<'a> {
    filter: Filter,
    status: Option<StatusFilter>,
    /// Only children of this node.
    parent: Option<NodePath>,
    span: Span,
    /// The node whose subtree the span begins in.
    around: NodePath,
    limit: usize,
    /// Grams that name all nodes with the label.
    grams: Option<&'a [String]>,
    /// Whether so few nodes have the attribution that their states are looked at one by one.
    is_rare: bool,
}

impl App {
    /// A page of the caller's subtree, its own node included.
    pub async fn delegations(
        &self,
        principal: &Principal,
        request: &ListRequest,
    ) -> Result<DelegationPage, ListError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let parent = match request.parent {
            Some(parent) => Some(visible_path(&mut read, principal, Some(parent)).await?),
            None => None,
        };
        let top = parent.as_ref().unwrap_or(&principal.path);
        let (span, around) = span(&mut read, top, parent.is_some(), request.after).await?;
        let grams = match &request.label_contains {
            Some(text) => delegations::grams_of(&mut read.tx, text, &span).await?,
            None => None,
        };
        let filter = Filter {
            cost_center: request.cost_center.clone(),
            department: request.department.clone(),
            label_contains: request.label_contains.clone(),
        };
        let is_attributed = filter.cost_center.is_some() || filter.department.is_some();
        let is_rare = is_attributed && delegations::count(&mut read.tx, &filter, &span, RARE).await? < RARE;
        let search = Search {
            filter,
            status: request.status,
            parent,
            span,
            around,
            limit: usize::from(request.limit),
            grams: grams.as_deref(),
            is_rare,
        };
        let stretch = search.run(&mut read).await?;
        let page = page(&mut read, principal, stretch).await?;
        Ok(complete(&read, principal, page, &request.with))
    }
}

/// The range to search, and the node in whose subtree it begins.
async fn span(
    read: &mut ReadTenant,
    top: &NodePath,
    only_children: bool,
    after: Option<DelegationId>,
) -> Result<(Span, NodePath), ListError> {
    let whole = Place::of(top).subtree();
    let (from, around) = match after {
        None if only_children => (whole.from.next(), top.clone()),
        None => (whole.from.clone(), top.clone()),
        Some(id) => {
            let path = delegations::path_by_id(&mut read.tx, id).await?;
            let path = path.filter(|path| path.is_within(top.id())).ok_or(ListError::Cursor)?;
            (Place::of(&path).next(), path)
        }
    };
    Ok((Span { from, until: whole.until }, around))
}

async fn page(
    read: &mut ReadTenant,
    principal: &Principal,
    stretch: Stretch,
) -> Result<DelegationPage, ListError> {
    let missing: Vec<_> = stretch.ids.iter().filter(|id| !read.rows.contains_key(id)).copied().collect();
    read.load_nodes(&missing).await?;
    let paths: Vec<_> =
        stretch.ids.iter().filter_map(|id| read.rows.get(id)).map(|row| row.node.path.clone()).collect();
    read.load(&paths.iter().collect::<Vec<_>>()).await?;
    let views = stretch.ids.iter().map(|id| {
        let row =
            read.rows.get(id).ok_or_else(|| ServiceError::Inconsistent(format!("{id} was not loaded")))?;
        Ok(DelegationView::new(&read.tree, row, principal))
    });
    let delegations = views.collect::<Result<_, ServiceError>>()?;
    Ok(DelegationPage { delegations, next: stretch.next, ancestors: None, last_used: None })
}

/// Adds what was asked for besides.
fn complete(
    read: &ReadTenant,
    principal: &Principal,
    mut page: DelegationPage,
    with: &[With],
) -> DelegationPage {
    let listed: HashSet<_> = page.delegations.iter().map(|view| view.id).collect();
    if with.contains(&With::Ancestors) {
        let paths = listed.iter().filter_map(|id| read.rows.get(id)).map(|row| &row.node.path);
        let above: HashSet<_> = paths.flat_map(|path| &path.ids()[principal.path.depth()..]).collect();
        let above = above.into_iter().filter(|id| !listed.contains(id)).filter_map(|id| read.rows.get(id));
        let mut above: Vec<_> = above.collect();
        above.sort_by_key(|row| (row.node.path.depth(), row.node.id()));
        page.ancestors =
            Some(above.into_iter().map(|row| DelegationView::new(&read.tree, row, principal)).collect());
    }
    if with.contains(&With::LastUsed) {
        let above = page.ancestors.iter().flatten().map(|view| view.id);
        let rows = listed.iter().copied().chain(above).filter_map(|id| read.rows.get(&id));
        page.last_used = Some(rows.filter_map(|row| Some((row.node.id(), row.node.newest?.at))).collect());
    }
    page
}

impl Search<'_> {
    async fn run(&self, read: &mut ReadTenant) -> Result<Stretch, ServiceError> {
        let is_plain = self.status.is_none()
            && (self.parent.is_none() || matches!(self.source(), Candidates::ChildrenOf(_)));
        if is_plain {
            let rows = self.rows(read, &self.span, self.limit + 1).await?;
            return Ok(self.stretch(rows));
        }
        walk::walk(self, read).await
    }

    /// The rows that a search of everything in a range reads.
    fn source(&self) -> Candidates<'_> {
        let is_attributed = self.filter.cost_center.is_some() || self.filter.department.is_some();
        match (self.grams, &self.parent) {
            (Some(grams), _) => Candidates::Labelled(grams),
            (None, Some(parent)) if !is_attributed => Candidates::ChildrenOf(parent.id()),
            _ => Candidates::All,
        }
    }

    async fn rows(&self, read: &mut ReadTenant, span: &Span, limit: usize) -> Result<Rows, ServiceError> {
        Ok(delegations::rows(&mut read.tx, self.source(), &self.filter, span, limit, MOST).await?)
    }

    /// A page of rows of which none has to be left out.
    fn stretch(&self, rows: Rows) -> Stretch {
        let is_full = rows.found.len() > self.limit;
        let ids: Vec<_> = rows.found.iter().take(self.limit).map(|found| found.path.id()).collect();
        let next = if is_full { ids.last().copied() } else { rows.looked_until.and_then(|place| place.id()) };
        Stretch { ids, next }
    }
}
