//! Runs steps against the server and the reference side by side.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use serde_json::Value;
use subgrant_tests::{Reply, Tenant};

use crate::{
    check,
    machine::{Course, Machine},
    operation::{Change, Request, Transition, Who},
    reference::{
        answer::{Expected, difference},
        call::{Action, Call, Caller, Expiry},
        world::{Period, World},
    },
    stage::Stage,
    tally,
};

/// Everything that lasts briefly is over by then.
const BRIEF: SignedDuration = SignedDuration::from_millis(1_500);

/// No step begins so shortly before something ends.
const NEAR: SignedDuration = SignedDuration::from_millis(100);

/// The server with one tenant, and what the reference thinks of it.
pub(crate) struct System {
    pub(crate) stage: &'static Stage,
    pub(crate) tenant: Tenant,
    pub(crate) world: World,
    /// When each step began.
    pub(crate) starts: Vec<Timestamp>,
    /// What can be sent again.
    sent: Vec<Call>,
    /// What happened, for the reader of a failure.
    pub(crate) log: Vec<String>,
}

/// An answer, with the time that it took.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    sent_at: Timestamp,
    received_at: Timestamp,
}

impl Answered {
    pub(crate) fn took(&self) -> SignedDuration {
        self.received_at.duration_since(self.sent_at)
    }

    /// The instants at which the decision may have been taken, as far as they differ for the rules: right away, or after
    /// something ended while the request was on its way.
    pub(crate) fn instants(&self, world: &World) -> Vec<Timestamp> {
        let first = self.sent_at - SignedDuration::from_millis(1);
        let last = self.received_at + SignedDuration::from_millis(1);
        let windows = Period::ALL.map(|period| period.window(first, &world.zone).1);
        let mut ends: Vec<_> = world.deadlines().into_iter().chain(windows).collect();
        ends.retain(|end| first < *end && *end <= last);
        ends.sort_unstable();
        std::iter::once(first).chain(ends).collect()
    }
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Machine;

    fn init_test(course: &Course) -> Self {
        let stage = Stage::get();
        // Before the tenant, whose first root key is of step 0: what a step issued is never older than its beginning.
        let starts = vec![now()];
        let tenant = stage.tenant(course.zone);
        let zone = TimeZone::get(course.zone).unwrap();
        let strangers = [stage.other_root_token.clone(), check::tampered(&tenant.root_token)];
        let world = World::new(&tenant, zone, strangers);
        let (sent, log) = (Vec::new(), vec![format!("{course:?}")]);
        Self { stage, tenant, world, starts, sent, log }
    }

    fn apply(mut system: Self, _: &Course, transition: Transition) -> Self {
        system.step(transition);
        system
    }

    fn teardown(mut state: Self, _: <Machine as ReferenceStateMachine>::State) {
        state.outlast();
        if let Err(fault) = check::at_the_end(&mut state) {
            state.fail(&fault);
        }
    }
}

/// PostgreSQL keeps microseconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

impl System {
    /// One step, and what must hold after it.
    fn step(&mut self, transition: Transition) {
        self.keep_away_from_deadlines();
        let now = now();
        self.starts.push(now);
        (self.world.now, self.world.step) = (now, self.starts.len() - 1);
        match transition {
            Transition::Send(request) => self.send_new(&request),
            Transition::Again { which, change } => self.send_again(which, change),
            Transition::Append { who, opens, says } => self.append(who, opens.as_ref(), &says),
            Transition::Wait => self.outlast(),
            Transition::Burst(requests) => self.burst(&requests),
        }
        if let Err(fault) = check::after_step(self) {
            self.fail(&fault);
        }
    }

    /// Ends the case, with all that led there.
    pub(crate) fn fail(&self, fault: &str) -> ! {
        panic!("{fault}\n{}", self.log.join("\n"));
    }

    fn send_new(&mut self, request: &Request) {
        let key = request.is_keyed.then(|| format!("key-{}", self.starts.len()));
        let call = self.world.resolve(request, key, &self.starts);
        self.send(&call);
        if call.key.is_some() {
            self.sent.push(call);
        }
    }

    fn send_again(&mut self, which: u16, change: Change) {
        let Some(mut call) = self.sent.get(usize::from(which) % self.sent.len().max(1)).cloned() else {
            return self.send_new(&Request {
                who: Who::Session,
                what: crate::operation::What::Own,
                is_keyed: false,
                at_replica: false,
            });
        };
        match change {
            Change::Nothing => {}
            Change::Caller(number) => {
                let node = self.world.node_of(call.caller);
                let same = |token: &usize| self.world.node_of(Caller::Token(*token)) == node;
                let same: Vec<_> = (0..self.world.tokens.len()).filter(same).collect();
                if let (Caller::Token(_), false) = (call.caller, same.is_empty()) {
                    call.caller = Caller::Token(same[usize::from(number) % same.len()]);
                }
            }
            Change::Body => change_body(&mut call.action),
        }
        call.at_replica = !call.at_replica;
        self.send(&call);
    }

    /// Sends a request, and fails unless it is answered as it must be.
    pub(crate) fn send(&mut self, call: &Call) {
        let answered = self.ask(call);
        let mut fault = None;
        let instants = answered.instants(&self.world);
        let judged = |now: usize| (0..=now).map(move |read_at| (read_at, now));
        for (read_at, now) in (0..instants.len()).flat_map(judged) {
            let mut world = self.world.clone();
            (world.read_at, world.now) = (instants[read_at], instants[now]);
            let expected = world.answer(call).with_ids_of(&answered.reply.body);
            let agreed = compare(&expected, &answered.reply)
                .and_then(|()| world.learn(&expected.learn, &answered.reply.body, answered.took()));
            match agreed {
                Ok(()) => {
                    self.note(call, &answered.reply, &expected, &world);
                    self.world = world;
                    return;
                }
                Err(why) => drop(fault.get_or_insert(why)),
            }
        }
        self.fail(&format!("{}\nanswered: {}", fault.unwrap_or_default(), answered.reply.body));
    }

    fn note(&self, call: &Call, reply: &Reply, expected: &Expected, after: &World) {
        tally::note(call.action.name(), reply.status, reply.code());
        let outcomes = reply.body["data"].as_array().filter(|_| matches!(call.action, Action::Batch { .. }));
        for outcome in outcomes.into_iter().flatten() {
            tally::note_outcome(outcome["code"].as_str().unwrap_or_default());
        }
        if expected.is_replayed {
            tally::note_event("replayed");
        }
        let is_mint = matches!(call.action, Action::Mint(_)) && reply.status == 201;
        if after.nodes.len() > self.world.nodes.len() + usize::from(is_mint) {
            tally::note_event("adopted");
        }
    }

    /// Sends a request and returns the answer, whatever it is.
    fn ask(&mut self, call: &Call) -> Answered {
        let answered = self.look(call);
        let reply = &answered.reply;
        let (method, path, body) = self.world.request(&call.action);
        let (step, caller) = (self.world.step, call.caller);
        let body = body.map(|body| self.readable(&body.to_string())).unwrap_or_default();
        let key = call.key.as_deref().unwrap_or("-");
        let told = if reply.code().is_empty() { String::new() } else { format!(" {}", reply.code()) };
        self.log.push(format!(
            "{step:>3}. {caller:?} {method} {path} {body} key {key} -> {}{told} {}",
            reply.status,
            summary(&reply.body)
        ));
        answered
    }

    /// With numbers in place of tokens.
    pub(crate) fn readable(&self, body: &str) -> String {
        let tokens = self.world.tokens.iter().enumerate();
        tokens.fold(body.to_owned(), |body, (number, token)| {
            body.replace(&token.text, &format!("token {number}"))
        })
    }

    /// The same for a look that is no step.
    pub(crate) fn look(&self, call: &Call) -> Answered {
        let request = self.written(call);
        let sent_at = now();
        let reply = self.stage.send(request);
        Answered { reply, sent_at, received_at: now() }
    }

    pub(crate) fn written(&self, call: &Call) -> reqwest::RequestBuilder {
        let credential = match call.caller {
            Caller::Session => self.tenant.session.clone(),
            other => self.world.token_text(other),
        };
        let (method, path, body) = self.world.request(&call.action);
        let is_lines = matches!(call.action, Action::Batch { is_lines: true, .. });
        let lines = body.as_ref().filter(|_| is_lines).map(|body| {
            let items = body["items"].as_array().expect("a batch has items");
            items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
        });
        let body = body.filter(|_| !is_lines);
        let mut request = self.stage.request(call.at_replica, call.caller, &credential, (method, path, body));
        if let Some(lines) = lines {
            request = request.header("Content-Type", "application/x-ndjson").body(lines);
        }
        if let Action::Change(change) = &call.action
            && let Some(version) = change.if_match
        {
            let tag = if version == 0 { "*".to_owned() } else { format!("\"{version}\"") };
            request = request.header("If-Match", tag);
        }
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        request
    }

    /// A request on whose way something ends could be answered as before or as after: that is left to slow machines.
    fn keep_away_from_deadlines(&self) {
        let near = |end: &Timestamp| *end > now() && *end <= now() + NEAR;
        while let Some(end) = self.world.deadlines().into_iter().find(near) {
            let left = end.duration_since(now()) + SignedDuration::from_millis(2);
            std::thread::sleep(left.unsigned_abs());
        }
    }

    /// Waits until whatever lasts briefly has ended.
    pub(crate) fn outlast(&mut self) {
        let soon = now() + BRIEF;
        let ends = self.world.deadlines().into_iter().filter(|end| *end > now() && *end <= soon);
        if let Some(last) = ends.max() {
            tally::note_event("outlasted");
            self.log.push(format!("{:>3}. wait until {last}", self.world.step));
            let left = last.duration_since(now()) + SignedDuration::from_millis(2);
            std::thread::sleep(left.unsigned_abs());
        }
        self.world.now = now();
    }
}

pub(crate) fn compare(expected: &Expected, reply: &Reply) -> Result<(), String> {
    let told = (reply.status, reply.header("idempotent-replayed").is_some());
    if told != (expected.status, expected.is_replayed) {
        return Err(format!(
            "expected {} (replayed: {}) {}, but it is {} (replayed: {})",
            expected.status, expected.is_replayed, expected.body, told.0, told.1
        ));
    }
    difference(&expected.body, &reply.body, "").map_or(Ok(()), Err)
}

/// The same request with something else in it, where it says anything.
fn change_body(action: &mut Action) {
    let more = |amount: &mut Value| *amount = Value::from(amount.as_u64().unwrap_or(1).wrapping_add(1) >> 1);
    match action {
        Action::Spend { amount, .. } | Action::Hold { amount, .. } | Action::Capture { amount, .. } => {
            more(amount);
        }
        Action::Refund { amount, .. } => match amount {
            Some(_) => *amount = None,
            None => *amount = Some(Value::from(1)),
        },
        Action::Mint(mint) => {
            mint.expiry = mint.expiry.is_none().then_some(Expiry::After(crate::reference::call::Lasts::Hour));
        }
        Action::Change(change) => change.label = Some("otherwise".to_owned()),
        Action::Batch { items, .. } => items.iter_mut().for_each(|item| more(&mut item.amount)),
        Action::Revoke { if_version, .. } => *if_version = if_version.is_none().then_some(1),
        _ => {}
    }
}

/// What a reader wants to know of an answer first.
pub(crate) fn summary(body: &Value) -> String {
    let shown =
        ["id", "remaining_credits", "effective_remaining_credits", "max_affordable_credits", "expires_at"];
    let shown = shown.iter().filter(|field| !body[**field].is_null());
    let shown: Vec<_> = shown.map(|field| format!("{field}: {}", body[*field])).collect();
    shown.join(", ")
}
