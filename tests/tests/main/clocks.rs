//! Clocks that differ, step and stand still: what comes too early waits on an open link, everything that does not
//! come after it passes, and whoever writes too early is told.

use std::{
    future::poll_fn,
    path::PathBuf,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

use repred::{
    Counter, GrowSet, LwwMap, Map, ProblemKind, Register, Replica, Replicated, Time,
    error::{SessionError, UpdateError},
    net::Clock,
    sans_io::{Core, CoreLimits, Monotonic, Now, SessionConfig},
};
use repred_tests::{LEFT, Link, Network, RIGHT, now_at};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: i64 = 365 * 24 * 3600;

/// Cores with clocks of their own, and conversations between them.
struct Fleet<R: Replicated> {
    cores: Vec<Core<R>>,
    /// How many seconds each clock is ahead.
    ahead: Vec<i64>,
    links: Vec<([usize; 2], Link)>,
    since: Duration,
}

fn with_skew(since: Duration, ahead: i64) -> Now {
    let now = now_at(since);
    let wall = now.wall.as_micros().saturating_add_signed(ahead * 1_000_000);
    Now { wall: Time::from_micros(wall), ..now }
}

impl<R: Replicated> Fleet<R> {
    fn new(ahead: &[i64], state: impl Fn() -> R) -> Self {
        let cores = (0..ahead.len()).map(|at| Core::new((0xa + at as u128).into(), state()));
        let (cores, ahead) = (cores.collect(), ahead.to_vec());
        Self { cores, ahead, links: Vec::new(), since: Duration::ZERO }
    }

    fn now(&self, at: usize) -> Now {
        with_skew(self.since, self.ahead[at])
    }

    fn connect(&mut self, one: usize, other: usize) {
        let configs = [(); 2].map(|()| SessionConfig::for_state::<R>());
        // Opens are compared with the present time as well.
        let now = self.now(one);
        let [a, b] = self.cores.get_disjoint_mut([one, other]).unwrap();
        let mut link = Link::new(configs.clone(), [a, &mut *b], now);
        let late = with_skew(self.since, self.ahead[other]);
        let [_, config] = configs;
        link.sessions[RIGHT] = repred::sans_io::Session::new(config, b, late);
        self.links.push(([one, other], link));
        self.settle();
    }

    fn disconnect_all(&mut self) -> Vec<[usize; 2]> {
        self.links.drain(..).map(|(ends, _)| ends).collect()
    }

    fn write(&mut self, at: usize, write: impl FnOnce(&mut Core<R>, Time)) {
        let wall = self.now(at).wall;
        write(&mut self.cores[at], wall);
    }

    /// Says and hears what there is to say.
    fn try_settle(&mut self) -> Result<(), (usize, SessionError)> {
        for _ in 0..100_000 {
            let mut moved = false;
            for (ends, link) in &mut self.links {
                for side in [LEFT, RIGHT] {
                    let at = ends[side];
                    let now = with_skew(self.since, self.ahead[at]);
                    let core = &mut self.cores[at];
                    let failed = |error| (at, error);
                    while link.hear(side, core, now).map_err(failed)? {
                        moved = true;
                    }
                    moved |= link.say(side, core, now).map_err(failed)?.is_some();
                }
            }
            if !moved {
                return Ok(());
            }
        }
        panic!("the fleet does not come to rest");
    }

    #[track_caller]
    fn settle(&mut self) {
        self.try_settle().expect("no link ends");
    }

    #[track_caller]
    fn pass(&mut self, time: Duration) {
        self.since += time;
        self.settle();
    }

    /// How much of what one has written another has.
    fn seq(&self, at: usize, of: usize) -> u64 {
        self.cores[at].version().seq(self.cores[of].id())
    }

    fn waiting(&self) -> usize {
        self.links.iter().flat_map(|(_, link)| &link.sessions).map(|end| end.waiting()).sum()
    }

    #[track_caller]
    fn assert_converged(&self) {
        for core in &self.cores {
            assert_eq!(core.version(), self.cores[0].version());
            assert_eq!(core.state_digest(), self.cores[0].state_digest());
        }
    }
}

fn votes(ahead: &[i64]) -> Fleet<Counter> {
    Fleet::new(ahead, Counter::default)
}

fn vote(core: &mut Core<Counter>, wall: Time) {
    core.update(1, wall).unwrap();
}

// ---- those who differ by less than the limit ----

/// A hub, five peers and a sixth whose clock is 295 seconds ahead.
fn five_peers_and_a_hub<R: Replicated>(
    state: impl Fn() -> R,
    mut write: impl FnMut(&mut Core<R>, Time, u64),
) {
    const HUB: usize = 0;
    const SIXTH: usize = 6;
    let mut fleet = Fleet::new(&[0, 0, -2, -8, -15, -30, 295], state);
    (1..=SIXTH).for_each(|peer| fleet.connect(HUB, peer));
    for round in 0..40 {
        // Some write while they are apart, so that blocks and skips are sent when they meet again.
        let ends = if round % 10 == 5 { fleet.disconnect_all() } else { Vec::new() };
        let is_apart = !ends.is_empty();
        for at in 0..=SIXTH {
            for part in 0..=u64::from(is_apart) * 3 {
                fleet.write(at, |core, wall| write(core, wall, 4 * round + part));
            }
        }
        ends.into_iter().for_each(|[one, other]| fleet.connect(one, other));
        fleet.settle();
        fleet.assert_converged();
        fleet.pass(SECOND);
        assert_eq!(fleet.waiting(), 0);
    }
}

#[test]
fn five_peers_and_a_hub_hear_everybody_at_once_while_one_clock_is_295_seconds_ahead_counting() {
    five_peers_and_a_hub(Counter::default, |core, wall, _| vote(core, wall));
}

#[test]
fn five_peers_and_a_hub_hear_everybody_at_once_while_one_clock_is_295_seconds_ahead_in_a_register()
{
    five_peers_and_a_hub(Register::<u64>::default, |core, wall, round| {
        core.edit(wall, |register| register.set(round)).unwrap();
    });
}

#[test]
fn five_peers_and_a_hub_hear_everybody_at_once_while_one_clock_is_295_seconds_ahead_in_a_map() {
    five_peers_and_a_hub(Map::<u64, Counter>::default, |core, wall, round| {
        core.edit(wall, |map| {
            map.entry(round % 5).add(1);
            map.remove(&((round + 2) % 5));
        })
        .unwrap();
    });
}

#[test]
fn five_peers_and_a_hub_hear_everybody_at_once_while_one_clock_is_295_seconds_ahead_in_an_lww_map()
{
    five_peers_and_a_hub(LwwMap::<u64, u64>::default, |core, wall, round| {
        core.edit(wall, |map| {
            map.insert(round % 5, round);
            map.remove(&((round + 2) % 5));
        })
        .unwrap();
    });
}

#[test]
fn a_peer_that_differs_from_the_writer_by_more_than_the_limit_gets_its_updates_seconds_later() {
    let mut fleet = votes(&[-30, 295]);
    fleet.connect(0, 1);
    for _ in 0..40 {
        fleet.write(0, vote);
        fleet.write(1, vote);
        fleet.pass(SECOND);
    }
    assert_eq!(fleet.seq(1, 0), 40, "at once");
    assert_eq!(fleet.seq(0, 1), 40 - 24);
    for _ in 0..26 {
        fleet.pass(SECOND);
    }
    fleet.assert_converged();
}

#[test]
fn a_burst_in_one_tick_stays_within_a_limit_of_50_milliseconds() {
    let mut limits = CoreLimits::default();
    limits.time_ahead = Duration::from_millis(50);
    let mut fleet = votes(&[0, 0]);
    for (at, core) in fleet.cores.iter_mut().enumerate() {
        *core = Core::with_limits((0xa + at as u128).into(), Counter::default(), limits);
    }
    fleet.connect(0, 1);
    for _ in 0..100_000 {
        fleet.write(0, vote);
    }
    assert_eq!(fleet.cores[0].clock_ahead(fleet.now(0).wall), None);
    fleet.settle();
    assert_eq!(fleet.waiting(), 0);
    fleet.assert_converged();
}

// ---- those who differ by more ----

#[test]
fn what_is_too_early_waits_and_what_others_write_passes_it_on_the_same_link() {
    for ahead in [310, YEAR] {
        // The hub is the one whose clock is ahead.
        let mut fleet = votes(&[0, ahead, 0]);
        fleet.connect(0, 1);
        fleet.connect(1, 2);
        fleet.write(1, vote);
        fleet.settle();
        assert_eq!(fleet.waiting(), 2);
        for _ in 0..5 {
            fleet.write(2, vote);
            fleet.write(0, vote);
            fleet.settle();
        }
        assert_eq!((fleet.seq(0, 2), fleet.seq(2, 0)), (5, 5), "they passed");
        assert_eq!((fleet.seq(0, 1), fleet.seq(2, 1)), (0, 0));
        assert!(
            fleet.cores[0].latest_time() < fleet.now(0).wall + SECOND,
            "no clock is dragged along"
        );
        fleet.pass(Duration::from_secs(ahead as u64 - 301));
        assert_eq!(fleet.waiting(), 2);
        fleet.pass(SECOND);
        assert_eq!(fleet.waiting(), 0);
        fleet.assert_converged();
        // The one that had the entries waiting has acknowledged them.
        assert_eq!(fleet.links[0].1.sessions[RIGHT].lag(&fleet.cores[1]), Some(0));
    }
}

#[test]
fn what_was_written_with_knowledge_of_an_early_update_waits_with_it() {
    // The second and the third are within the limit of each other.
    let mut fleet = votes(&[0, 310, 320]);
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.write(2, vote);
    fleet.settle();
    fleet.write(1, vote);
    fleet.settle();
    assert_eq!((fleet.seq(0, 1), fleet.seq(0, 2), fleet.waiting()), (0, 0, 2));
    fleet.pass(Duration::from_secs(19));
    assert_eq!((fleet.seq(0, 1), fleet.seq(0, 2)), (0, 0), "also once its author's clock is near");
    fleet.pass(SECOND);
    fleet.pass(SECOND);
    fleet.assert_converged();
}

#[test]
fn an_edit_that_is_early_waits_as_a_whole() {
    let mut fleet = votes(&[0, 310, 0]);
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.write(1, |core, wall| drop(core.update_all([1, 2], wall).unwrap()));
    fleet.write(2, vote);
    fleet.settle();
    assert_eq!((fleet.seq(0, 1), fleet.seq(0, 2)), (0, 1));
    fleet.pass(10 * SECOND);
    assert_eq!(fleet.seq(0, 1), 0, "its second part is later by a tick");
    fleet.pass(SECOND);
    assert_eq!(fleet.seq(0, 1), 2);
    fleet.assert_converged();
}

#[test]
fn the_place_of_an_update_that_an_early_one_has_superseded_waits_for_it() {
    let mut fleet = Fleet::new(&[0, 310, 0], Register::<u8>::default);
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.write(1, |core, wall| core.edit(wall, |register| register.set(1)).unwrap());
    fleet.settle();
    // To the one in the middle it comes too late to change anything, so what is sent on is its place alone.
    fleet.write(2, |core, wall| core.edit(wall, |register| register.set(2)).unwrap());
    fleet.settle();
    assert_eq!(fleet.seq(1, 2), 1);
    assert_eq!(fleet.seq(0, 2), 0, "its effect has not come");
    fleet.pass(10 * SECOND);
    fleet.assert_converged();
}

#[test]
fn a_link_that_breaks_brings_again_what_has_waited() {
    let mut fleet = votes(&[0, 310]);
    fleet.connect(0, 1);
    fleet.write(1, vote);
    fleet.settle();
    fleet.disconnect_all();
    fleet.pass(4 * SECOND);
    fleet.connect(0, 1);
    assert_eq!((fleet.seq(0, 1), fleet.waiting()), (0, 1));
    fleet.pass(6 * SECOND);
    fleet.assert_converged();
}

#[test]
fn a_clock_that_is_set_right_lets_everything_in_within_a_second() {
    let mut fleet = votes(&[-YEAR, 0]);
    fleet.connect(0, 1);
    fleet.write(0, vote);
    fleet.write(1, vote);
    fleet.settle();
    assert_eq!((fleet.seq(1, 0), fleet.seq(0, 1)), (1, 0));
    fleet.ahead[0] = 0;
    fleet.pass(SECOND);
    fleet.assert_converged();
}

#[test]
fn what_there_is_no_room_for_is_left_out_and_sent_again_when_its_time_has_come() {
    let mut fleet = Fleet::new(&[0, 310, 0], GrowSet::<String>::default);
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    for index in 0..20 {
        let text = format!("{index:02}").repeat(450_000);
        fleet.write(1, |core, wall| drop(core.update(text, wall).unwrap()));
        fleet.settle();
        fleet.since += Duration::from_millis(1);
    }
    let waiting = fleet.links[0].1.sessions[LEFT].waiting();
    assert!((10..20).contains(&waiting), "{waiting} wait");
    fleet.write(2, |core, wall| drop(core.update("small".into(), wall).unwrap()));
    fleet.settle();
    assert_eq!(fleet.seq(0, 2), 1, "the link is open to everything else");
    fleet.since += 10 * SECOND;
    let (_, error) = fleet.try_settle().unwrap_err();
    assert_eq!(error, SessionError::LeftOut);
    assert_eq!(fleet.seq(0, 1), waiting as u64, "what has waited is here");
    fleet.disconnect_all();
    fleet.connect(0, 1);
    fleet.connect(1, 2);
    fleet.assert_converged();
}

// ---- who is told, and the way back ----

#[test]
fn after_one_write_a_year_ahead_each_write_says_so_and_what_replaces_the_state_is_a_way_back() {
    let mut fleet = votes(&[YEAR, 0]);
    fleet.write(0, vote);
    fleet.ahead[0] = 0;
    fleet.write(1, vote);
    fleet.connect(0, 1);
    let wall = fleet.now(0).wall;
    let before = fleet.cores[0].version();
    for refused in [
        fleet.cores[0].update(1, wall).map(drop),
        fleet.cores[0].update_all([1], wall).map(drop),
        fleet.cores[0].edit(wall, |votes| votes.add(1)),
    ] {
        let Err(error @ UpdateError::ClockAhead { by, limit }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((by.as_secs(), limit), (YEAR as u64, Duration::from_secs(600)));
        assert!(error.to_string().contains("rejoin"), "{error}");
    }
    assert_eq!(fleet.cores[0].version(), before, "nothing was written");
    assert_eq!(fleet.cores[0].clock_ahead(wall).map(|by| by.as_secs()), Some(YEAR as u64));
    assert_eq!(fleet.seq(0, 1), 1, "what others write comes");

    let snapshot = fleet.cores[1].snapshot().unwrap();
    fleet.disconnect_all();
    fleet.cores[0].discard_and_adopt(&snapshot, wall).unwrap();
    fleet.cores[0].set_id(0xf.into());
    fleet.write(0, vote);
    fleet.connect(0, 1);
    fleet.assert_converged();
    assert_eq!(fleet.waiting(), 0);
}

#[test]
fn both_ends_know_how_far_their_clocks_differ() {
    let mut fleet = votes(&[0, YEAR]);
    fleet.connect(0, 1);
    let [left, right] = [LEFT, RIGHT].map(|end| fleet.links[0].1.sessions[end].clock_difference());
    let (left, right) = (left.unwrap(), right.unwrap());
    assert!(left.is_ours_behind() && !right.is_ours_behind());
    assert_eq!((left.by().as_secs(), right.by().as_secs()), (YEAR as u64, YEAR as u64));
}

// ---- shared replicas ----

/// The time of all, and who waits for it.
#[derive(Clone, Default)]
struct Hour(Arc<Mutex<(Duration, Vec<Waker>)>>);

impl Hour {
    fn since(&self) -> Duration {
        self.0.lock().unwrap().0
    }

    fn pass(&self, time: Duration) {
        let mut hour = self.0.lock().unwrap();
        hour.0 += time;
        hour.1.drain(..).for_each(Waker::wake);
    }

    /// A timer that goes with it.
    fn timer(
        &self,
    ) -> impl Fn(Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + use<> {
        let hour = self.clone();
        move |duration| {
            let (hour, deadline) = (hour.clone(), hour.since().saturating_add(duration));
            Box::pin(poll_fn(move |cx| {
                let mut hour = hour.0.lock().unwrap();
                if hour.0 >= deadline {
                    return Poll::Ready(());
                }
                hour.1.push(cx.waker().clone());
                Poll::Pending
            }))
        }
    }
}

/// A clock that is some seconds ahead, and can be set.
#[derive(Clone)]
struct Watch(Hour, Arc<Mutex<i64>>);

impl Watch {
    fn new(hour: &Hour, ahead: i64) -> Self {
        Self(hour.clone(), Arc::new(Mutex::new(ahead)))
    }

    fn set(&self, ahead: i64) {
        *self.1.lock().unwrap() = ahead;
    }
}

impl Clock for Watch {
    fn wall(&self) -> Time {
        with_skew(self.0.since(), *self.1.lock().unwrap()).wall
    }

    fn monotonic(&self) -> Monotonic {
        now_at(self.0.since()).monotonic
    }
}

fn replica(hour: &Hour, watch: &Watch) -> Replica<Counter> {
    Replica::builder(Counter::default()).clock(watch.clone()).timer(hour.timer()).build()
}

fn problems(replica: &Replica<Counter>) -> Vec<ProblemKind> {
    replica.health().unwrap().problems.into_iter().map(|problem| problem.kind).collect()
}

#[test]
fn a_chain_of_connections_passes_on_what_has_waited_when_its_time_has_come() {
    let hour = Hour::default();
    let watches = [310, 0, 0].map(|ahead| Watch::new(&hour, ahead));
    let mut network = Network::of(watches.iter().map(|watch| replica(&hour, watch)));
    let links = [network.connect(0, 1), network.connect(1, 2)];
    network.update(0, 5);
    network.update(1, 100);
    network.run_until_quiet();
    assert_eq!(network[0].read(|votes| votes.value()), Ok(105));
    assert_eq!(network[2].read(|votes| votes.value()), Ok(100));
    for _ in 0..10 {
        hour.pass(SECOND);
        network.run_until_quiet();
    }
    hour.pass(Duration::from_millis(20));
    network.run_until_quiet();
    network.assert_converged();
    for link in links {
        assert!(network.endings(link).iter().all(Option::is_none), "no link ends");
    }
}

#[test]
fn whoever_writes_too_early_is_told_by_a_notice_and_so_is_the_peer() {
    let hour = Hour::default();
    let watches = [YEAR, 0].map(|ahead| Watch::new(&hour, ahead));
    let mut network = Network::of(watches.iter().map(|watch| replica(&hour, watch)));
    let id = network[0].id().unwrap();
    network.update(0, 5);
    assert_eq!(problems(&network[0]), [], "alone it cannot know");
    network.connect(0, 1);
    network.run_until_quiet();
    let by = Duration::from_secs(YEAR as u64);
    assert_eq!(problems(&network[0]), [ProblemKind::ClockAhead { whose: None, by }]);
    assert_eq!(problems(&network[1]), [ProblemKind::ClockAhead { whose: Some(id), by }]);

    watches[0].set(0);
    assert!(matches!(network[0].update(1), Err(UpdateError::ClockAhead { .. })));
    let is_told = |kind: &ProblemKind| matches!(kind, ProblemKind::StampsAhead { .. });
    assert!(problems(&network[0]).iter().any(is_told));
    network.update(1, 7);
    network.run_until_quiet();
    assert_eq!(network[0].read(|votes| votes.value()), Ok(12), "it hears what others write");
}

#[test]
fn a_folder_that_was_written_a_year_ahead_says_so_when_it_is_opened_again() {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("repred-clocks-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let hour = Hour::default();
    let watch = Watch::new(&hour, YEAR);
    let open = || Replica::builder(Counter::default()).clock(watch.clone()).open(&folder).unwrap();
    let votes = open();
    votes.update(3).unwrap();
    votes.close().unwrap();
    watch.set(0);
    let votes = open();
    assert_eq!(votes.read(|votes| votes.value()), Ok(3));
    assert!(matches!(votes.update(1), Err(UpdateError::ClockAhead { .. })));
    let is_told = |kind: &ProblemKind| matches!(kind, ProblemKind::StampsAhead { .. });
    assert!(problems(&votes).iter().any(is_told));
    drop(votes);
    std::fs::remove_dir_all(&folder).unwrap();
}
