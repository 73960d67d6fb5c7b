//! Requests that are sent at once, to two processes: some order of them must explain every answer.

use jiff::Timestamp;
use subgrant_tests::Reply;

use crate::{
    check,
    operation::Request,
    reference::{
        call::{Action, Call},
        world::World,
    },
    system::{System, compare, now, summary},
    tally,
};

impl System {
    /// Sends requests at once, to both processes; some order of them must explain all answers.
    pub(crate) fn burst(&mut self, requests: &[Request]) {
        // Whether something ended before or after a request is not asked here.
        self.outlast();
        let calls: Vec<_> = requests.iter().map(|request| self.for_burst(request)).collect();
        let sent_at = now();
        let requests: Vec<_> = calls.iter().map(|call| self.written(call)).collect();
        let replies = self.stage.send_at_once(requests);
        let received_at = now();
        for (call, reply) in calls.iter().zip(&replies) {
            let (method, path, body) = self.world.request(&call.action);
            self.log.push(format!(
                "{:>3}. at once: {:?} {method} {path} {} -> {} {} {}",
                self.world.step,
                call.caller,
                self.readable(&body.unwrap_or_default().to_string()),
                reply.status,
                reply.code(),
                summary(&reply.body)
            ));
            tally::note(call.action.name(), reply.status, reply.code());
        }
        tally::note_event("burst");
        let mut faults = Vec::new();
        for order in orders(calls.len()) {
            match self.explain(&order, &calls, &replies, (sent_at, received_at)) {
                Ok(mut world) => {
                    // Debits that do not get in each other's way may stand in the ledger in another order.
                    let new = self.world.entries.len();
                    let order = check::ledger_order(self);
                    let place = |id: &String| order.iter().position(|other| other == id);
                    world.entries[new..].sort_by_key(|entry| place(&entry.id));
                    self.world = world;
                    return;
                }
                Err(fault) => faults.push(format!("in the order {order:?}: {fault}")),
            }
        }
        self.fail(&format!("no order explains the answers\n{}", faults.join("\n")));
    }

    /// A batch is no unit: others' debits may come between its items.
    fn for_burst(&self, request: &Request) -> Call {
        let call = self.world.resolve(request, None, &self.starts);
        match &call.action {
            Action::Batch { items, .. } => {
                let action = Action::Spend { amount: items[0].amount.clone(), dry_run: false };
                Call { action, ..call }
            }
            _ => call,
        }
    }

    fn explain(
        &self,
        order: &[usize],
        calls: &[Call],
        replies: &[Reply],
        (sent_at, received_at): (Timestamp, Timestamp),
    ) -> Result<World, String> {
        let mut world = self.world.clone();
        (world.read_at, world.now) = (sent_at, sent_at);
        for &index in order {
            let mut expected = world.answer(&calls[index]);
            if let (Action::Revoke { .. }, Some(fields)) =
                (&calls[index].action, expected.body.as_object_mut())
            {
                // Counted before the lock is taken, because that takes longer in a larger subtree.
                fields.remove("active_last_hour");
            }
            compare(&expected, &replies[index]).map_err(|why| format!("request {index}: {why}"))?;
            world.learn(&expected.learn, &replies[index].body, received_at.duration_since(sent_at))?;
            // What this request ended at once is over for those after it.
            (world.read_at, world.now) = (received_at, received_at);
        }
        Ok(world)
    }
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let inserted = |order: &Vec<usize>| {
        let order = order.clone();
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    shorter.iter().flat_map(inserted).collect()
}
