//! [`Node`]: a node of a Maelstrom network, without any I/O.

use std::{collections::BTreeMap, time::Duration};

use repred::{
    ReplicaId,
    net::{Clock, SystemClock},
    sans_io::{Core, Monotonic, Now},
};
use serde_json::{Value, json};

use crate::{
    link::{Link, Pace, Packet},
    store::Store,
    workload::{Answer, Ids, Workload, error},
};

/// With whom a node is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// As the `topology` message says; a star before it comes.
    Given,
    /// All with the first: two hops from anywhere to anywhere.
    Star,
}

/// A node of a Maelstrom network. It takes lines and the time, and returns lines.
#[derive(Debug)]
pub(crate) struct Node {
    workload: Workload,
    layout: Links,
    pace: Pace,
    core: Core<Store>,
    name: String,
    links: BTreeMap<String, Link>,
    ids: Ids,
    start: Monotonic,
}

impl Node {
    pub(crate) fn new(
        workload: Workload,
        layout: Links,
        pace: Pace,
        id: ReplicaId,
        start: Monotonic,
    ) -> Self {
        let core = Core::new(id, Store::default());
        let (name, links, ids) = (String::new(), BTreeMap::new(), Ids::new(id));
        Self { workload, layout, pace, core, name, links, ids, start }
    }

    /// Takes in a message of the network. What is to be answered at once is appended to `out`.
    pub(crate) fn handle(&mut self, message: &Value, now: Now, out: &mut Vec<Value>) {
        let body = &message["body"];
        let from = message["src"].as_str().unwrap_or_default();
        let is_named = !self.name.is_empty();
        if body["type"] == "repred" {
            // What is said before there is a name will be said again; an answer would have no sender.
            if is_named {
                self.handle_packet(from, body, now);
            }
            return;
        }
        let answer = match body["type"].as_str() {
            Some("init") => self.init(body, now),
            _ if !is_named => Err(error(11, "the node waits for its `init`")),
            _ => self.answer(body, now),
        };
        let mut answer = answer.unwrap_or_else(|error| error);
        answer["in_reply_to"] = body["msg_id"].clone();
        out.push(json!({ "src": self.name, "dest": from, "body": answer }));
    }

    fn init(&mut self, body: &Value, now: Now) -> Result<Value, Value> {
        let name =
            body["node_id"].as_str().ok_or_else(|| error(12, "an `init` has a `node_id`"))?;
        self.name = name.to_owned();
        let nodes: Vec<_> = names(&body["node_ids"]);
        let hub = nodes.first().cloned().unwrap_or_default();
        let neighbours = if hub == self.name { nodes } else { vec![hub] };
        self.link_with(neighbours, now);
        Ok(json!({ "type": "init_ok" }))
    }

    fn answer(&mut self, body: &Value, now: Now) -> Result<Value, Value> {
        if body["type"] == "topology" && self.layout == Links::Given {
            self.links.clear();
            self.link_with(names(&body["topology"][&self.name]), now);
        }
        match self.workload.answer(body, &self.core, &mut self.ids)? {
            Answer::Now(answer) => Ok(answer),
            Answer::After(update, answer) => {
                let written = self.core.update(update, now.wall);
                written.map(|_| answer).map_err(|reason| error(13, &reason.to_string()))
            }
        }
    }

    fn link_with(&mut self, neighbours: Vec<String>, now: Now) {
        for neighbour in neighbours.into_iter().filter(|name| *name != self.name) {
            let epoch = now.wall.as_micros();
            let link = Link::new(self.pace, epoch, &mut self.core, now);
            self.links.entry(neighbour).or_insert(link);
        }
    }

    fn handle_packet(&mut self, from: &str, body: &Value, now: Now) {
        let Ok(packet) = serde_json::from_value::<Packet>(body["packet"].clone()) else { return };
        let at = self.since(now);
        // A node that talks to us gets a link, whatever the topology says.
        let Self { links, core, pace, .. } = self;
        let link = links.entry(from.to_owned());
        let link = link.or_insert_with(|| Link::new(*pace, now.wall.as_micros(), core, now));
        link.handle_packet(core, &packet, now, at);
    }

    /// Appends what is to be said now.
    pub(crate) fn poll(&mut self, now: Now, out: &mut Vec<Value>) {
        let at = self.since(now);
        for (peer, link) in &mut self.links {
            if let Some(packet) = link.poll_packet(&mut self.core, now, at) {
                let body = json!({ "type": "repred", "packet": packet });
                out.push(json!({ "src": self.name, "dest": peer, "body": body }));
            }
        }
    }

    /// How long nothing needs to be done, if nothing comes.
    pub(crate) fn rest(&self, now: Now) -> Duration {
        let at = self.since(now);
        let due = self.links.values().filter_map(Link::poll_timeout).min();
        due.map_or(Duration::from_secs(1), |due| due.saturating_sub(at))
    }

    /// What the node knows.
    pub(crate) fn core(&mut self) -> &mut Core<Store> {
        &mut self.core
    }

    fn since(&self, now: Now) -> Duration {
        now.monotonic.since(self.start)
    }
}

fn names(value: &Value) -> Vec<String> {
    let names = value.as_array().into_iter().flatten();
    names.filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// The time, as a node wants it.
pub(crate) fn now() -> Now {
    SystemClock.now()
}
