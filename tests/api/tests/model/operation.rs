//! What may happen, in words that mean something in every state: nodes, tokens and holds are named by their place among
//! those that there will be, and amounts by what will be affordable. A sequence that was shrunk still makes sense.

use proptest::{prelude::*, sample::select};

use crate::reference::world::Period;

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Transition {
    Send(Request),
    /// Sends an earlier request again, that had an idempotency key.
    Again {
        which: u16,
        change: Change,
    },
    /// Somebody appends caveats to a token, without the server, and looks at the result.
    Append {
        who: Who,
        opens: Option<Opening>,
        says: Says,
    },
    /// Waits until whatever lasts briefly is over.
    Wait,
    /// Sends all at once, to two processes.
    Burst(Vec<Request>),
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) who: Who,
    pub(crate) what: What,
    pub(crate) is_keyed: bool,
    pub(crate) at_replica: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// One of the tokens that are good.
    Live(u16),
    /// Any token, good or not.
    Any(u16),
    /// The newest root token.
    Root,
    Session,
    Stranger(u8),
}

/// Which node, hold or spend.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// One that the caller may see, and that is as good as it should be.
    Fit(u16),
    /// One that the caller may see.
    Below(u16),
    Any(u16),
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Small(u64),
    /// The most that would pass, one less or one more.
    Edge(i8),
    Percent(u64),
    Hostile(u8),
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    Brief,
    Hour,
    TwoHours,
    Past,
    Hostile(u8),
}

/// What changes when a request is sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Nothing,
    /// It is sent with another token of the same node, if there is one.
    Caller(u16),
    Body,
}

#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) budget: Amount,
    pub(crate) id: NewId,
}

/// Which id an offline child claims.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewId {
    Fresh,
    /// None: a plain macaroon library appends the budget alone.
    Plain,
    /// Somebody else's.
    Taken(u16),
    /// That of another child that was made offline.
    Twin(u16),
}

/// What caveats narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Says {
    pub(crate) actions: Option<u8>,
    pub(crate) max_per_spend: Option<u64>,
    pub(crate) limit: Option<(Period, u64)>,
    pub(crate) max_depth: Option<u64>,
    pub(crate) expires: Option<Time>,
    pub(crate) cost_center: Option<&'static str>,
    pub(crate) department: Option<&'static str>,
    pub(crate) label: Option<&'static str>,
    pub(crate) source_ip: Option<&'static str>,
    pub(crate) route: Option<&'static str>,
}

/// New settings of a node.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) label: Option<&'static str>,
    pub(crate) budget: Option<Amount>,
    pub(crate) max_per_spend: Option<Option<u64>>,
    pub(crate) limits: Option<Vec<(Period, u64)>>,
    pub(crate) expiry: Option<Option<Time>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Debit {
    pub(crate) amount: Amount,
    /// Keys come from a small number of them, so that some are used twice.
    pub(crate) key: Option<u8>,
    pub(crate) who: Option<Who>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Spend { amount: Amount, dry_run: bool },
    Batch { items: Vec<Debit>, is_lines: bool },
    Hold { amount: Amount, lasts: Time },
    Capture { hold: Which, amount: Amount },
    Extend { hold: Which, lasts: Time },
    Release { hold: Which },
    Refund { entry: Which, amount: Option<Amount> },
    Mint { parent: Option<Which>, budget: Amount, carve: Option<bool>, says: Says },
    Change { node: Which, version: Option<u8>, settings: Settings },
    Revoke { node: Which, dry_run: bool, version: Option<u8>, descendants: Option<u8> },
    Freeze { node: Which },
    Unfreeze { node: Which },
    Rotate { node: Which, grace: Option<Time> },
    Restrict { node: Which, says: Says },
    RotateRoot { grace: Option<Time>, revoke_before: Option<u16> },
    Verify { token: Who, source_ip: Option<&'static str> },
    Own,
    One { node: Which },
    List,
    Tree { top: Option<Which> },
    Ledger { node: Option<Which> },
    Proof,
}

/// Who manages: more often somebody that stands high up.
fn manager() -> impl Strategy<Value = Who> {
    prop_oneof![1 => who(), 1 => Just(Who::Root), 1 => Just(Who::Session)]
}

/// The least likely comes last: shrinking prefers the first.
fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        12 => any::<u16>().prop_map(Who::Live),
        3 => Just(Who::Root),
        2 => Just(Who::Session),
        2 => any::<u16>().prop_map(Who::Any),
        1 => (0..4_u8).prop_map(Who::Stranger),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        9 => any::<u16>().prop_map(Which::Fit),
        4 => any::<u16>().prop_map(Which::Below),
        1 => any::<u16>().prop_map(Which::Any),
        1 => Just(Which::Unknown),
    ]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        10 => (1..=40_u64).prop_map(Amount::Small),
        5 => (-1..=1_i8).prop_map(Amount::Edge),
        3 => (1..=100_u64).prop_map(Amount::Percent),
        1 => (0..8_u8).prop_map(Amount::Hostile),
    ]
}

/// Brief lives only where the case is about them: they end in the middle of it.
fn time(is_brief: bool) -> impl Strategy<Value = Time> {
    prop_oneof![
        8 => Just(if is_brief { Time::Brief } else { Time::Hour }),
        4 => Just(Time::Hour),
        2 => Just(Time::TwoHours),
        1 => Just(Time::Past),
        1 => (0..5_u8).prop_map(Time::Hostile),
    ]
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    share: f64,
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(share, value)
}

fn limit() -> impl Strategy<Value = (Period, u64)> {
    (select(&Period::ALL[..]), 1..=150_u64)
}

fn says(is_brief: bool) -> impl Strategy<Value = Says> {
    let numbers =
        (maybe(0.15, 1..=7_u8), maybe(0.2, 1..=60_u64), maybe(0.25, limit()), maybe(0.15, 0..4_u64));
    let expires = maybe(if is_brief { 0.3 } else { 0.15 }, time(is_brief));
    let texts = (
        maybe(0.1, select(&["Engineering", "Finance"][..])),
        maybe(0.1, select(&["ML", "Platform"][..])),
        maybe(0.1, select(&["agent", "helper"][..])),
        maybe(0.04, select(&["127.0.0.0/8", "10.0.0.0/8"][..])),
        maybe(0.04, Just("/v1/*")),
    );
    (numbers, expires, texts).prop_map(|(numbers, expires, texts)| Says {
        actions: numbers.0,
        max_per_spend: numbers.1,
        limit: numbers.2,
        max_depth: numbers.3,
        expires,
        cost_center: texts.0,
        department: texts.1,
        label: texts.2,
        source_ip: texts.3,
        route: texts.4,
    })
}

fn mint(is_brief: bool) -> impl Strategy<Value = What> {
    let carve = maybe(0.7, any::<bool>());
    (maybe(0.4, which()), amount(), carve, says(is_brief)).prop_map(|(parent, budget, carve, says)| {
        What::Mint { parent, budget, carve, says: Says { source_ip: None, route: None, ..says } }
    })
}

fn batch() -> impl Strategy<Value = What> {
    let item = (amount(), maybe(0.4, 0..6_u8), maybe(0.5, who()));
    let items =
        proptest::collection::vec(item.prop_map(|(amount, key, who)| Debit { amount, key, who }), 1..7);
    (items, any::<bool>()).prop_map(|(items, is_lines)| What::Batch { items, is_lines })
}

/// Debits, holds and what becomes of them.
fn money(is_brief: bool) -> impl Strategy<Value = What> {
    prop_oneof![
        10 => amount().prop_map(|amount| What::Spend { amount, dry_run: false }),
        2 => amount().prop_map(|amount| What::Spend { amount, dry_run: true }),
        5 => (amount(), time(is_brief)).prop_map(|(amount, lasts)| What::Hold { amount, lasts }),
        4 => (which(), amount()).prop_map(|(hold, amount)| What::Capture { hold, amount }),
        2 => (which(), time(is_brief)).prop_map(|(hold, lasts)| What::Extend { hold, lasts }),
        2 => which().prop_map(|hold| What::Release { hold }),
        4 => (which(), maybe(0.6, amount())).prop_map(|(entry, amount)| What::Refund { entry, amount }),
        4 => batch(),
    ]
}

fn change(is_brief: bool) -> impl Strategy<Value = What> {
    let settings = (
        maybe(0.3, select(&["renamed", "agent"][..])),
        maybe(0.6, amount()),
        maybe(0.3, maybe(0.7, 1..=60_u64)),
        maybe(0.3, proptest::collection::vec(limit(), 0..3)),
        maybe(0.3, maybe(0.8, time(is_brief))),
    );
    let settings = settings.prop_map(|(label, budget, max_per_spend, limits, expiry)| Settings {
        label,
        budget,
        max_per_spend,
        limits,
        expiry,
    });
    (which(), maybe(0.95, 0..8_u8), settings).prop_map(|(node, version, settings)| What::Change {
        node,
        version,
        settings,
    })
}

/// What ends, stops, or changes a credential.
fn control(is_brief: bool) -> impl Strategy<Value = What> {
    let grace = || maybe(0.7, time(is_brief));
    prop_oneof![
        5 => change(is_brief),
        3 => (which(), any::<bool>(), maybe(0.3, 0..3_u8), maybe(0.3, 0..3_u8)).prop_map(
            |(node, dry_run, version, descendants)| What::Revoke { node, dry_run, version, descendants }
        ),
        2 => which().prop_map(|node| What::Freeze { node }),
        4 => which().prop_map(|node| What::Unfreeze { node }),
        3 => (which(), grace()).prop_map(|(node, grace)| What::Rotate { node, grace }),
        2 => (which(), says(is_brief)).prop_map(|(node, says)| What::Restrict { node, says }),
        1 => (grace(), maybe(0.15, any::<u16>()))
            .prop_map(|(grace, revoke_before)| What::RotateRoot { grace, revoke_before }),
    ]
}

fn looks() -> impl Strategy<Value = What> {
    prop_oneof![
        Just(What::Own),
        which().prop_map(|node| What::One { node }),
        Just(What::List),
        maybe(0.5, which()).prop_map(|top| What::Tree { top }),
        maybe(0.5, which()).prop_map(|node| What::Ledger { node }),
        Just(What::Proof),
        (who(), maybe(0.3, select(&["127.0.0.1", "10.1.2.3"][..])))
            .prop_map(|(token, source_ip)| What::Verify { token, source_ip }),
        (who(), maybe(0.3, select(&["127.0.0.1", "10.1.2.3"][..])))
            .prop_map(|(token, source_ip)| What::Verify { token, source_ip }),
    ]
}

fn request(
    who: impl Strategy<Value = Who>,
    what: impl Strategy<Value = What>,
) -> impl Strategy<Value = Request> {
    let keyed = proptest::bool::weighted(0.4);
    (who, what, keyed, any::<bool>()).prop_map(|(who, what, is_keyed, at_replica)| Request {
        who,
        what,
        is_keyed,
        at_replica,
    })
}

fn send(
    who: impl Strategy<Value = Who>,
    what: impl Strategy<Value = What>,
) -> impl Strategy<Value = Transition> {
    request(who, what).prop_map(Transition::Send)
}

fn again() -> impl Strategy<Value = Transition> {
    let change = prop_oneof![
        5 => Just(Change::Nothing),
        2 => any::<u16>().prop_map(Change::Caller),
        2 => Just(Change::Body),
    ];
    (any::<u16>(), change).prop_map(|(which, change)| Transition::Again { which, change })
}

fn append(is_brief: bool) -> impl Strategy<Value = Transition> {
    let id = prop_oneof![
        6 => Just(NewId::Fresh),
        3 => Just(NewId::Plain),
        1 => any::<u16>().prop_map(NewId::Taken),
        1 => any::<u16>().prop_map(NewId::Twin),
    ];
    let opens = maybe(0.7, (amount(), id).prop_map(|(budget, id)| Opening { budget, id }));
    (who(), opens, says(is_brief)).prop_map(|(who, opens, says)| Transition::Append { who, opens, says })
}

/// The steps of a case of which some things last only briefly, or none. A case that has just begun grows a tree first.
pub(crate) fn step(is_brief: bool, is_young: bool) -> BoxedStrategy<Transition> {
    if is_young {
        return prop_oneof![
            6 => send(who(), mint(is_brief)),
            1 => append(is_brief),
            2 => send(who(), money(is_brief)),
        ]
        .boxed();
    }
    prop_oneof![
        30 => send(who(), money(is_brief)),
        9 => send(who(), mint(is_brief)),
        7 => send(manager(), control(is_brief)),
        8 => again(),
        6 => append(is_brief),
        6 => send(who(), looks()),
        1 => Just(if is_brief { Transition::Wait } else { Transition::Again { which: 0, change: Change::Nothing } }),
    ]
    .boxed()
}

/// Several requests that are sent at once. Without keys: which of them comes first is not known beforehand.
pub(crate) fn burst() -> BoxedStrategy<Transition> {
    let what = prop_oneof![6 => money(false), 1 => control(false), 1 => mint(false)];
    let request = request(who(), what).prop_map(|request| Request { is_keyed: false, ..request });
    proptest::collection::vec(request, 2..5).prop_map(Transition::Burst).boxed()
}
