//! What is restored, lost, copied or put to sleep, and when.

use std::time::Duration;

use anyhow::ensure;
use archety_harness::Secret;
use messages_stand_in::osascript::Mode;

use super::world::{LINE, Place, World};

/// The quiet gap of turns, in milliseconds.
const QUIET_MS: u32 = 20;
/// A quiet gap that is long enough to copy the database before its turns are answered.
const LONG_QUIET_MS: u32 = 3_000;
const PER_SECOND: u32 = 6;
/// For how long people write before, between and after what happens. It stands for ten minutes.
pub(super) const SPAN: Duration = Duration::from_secs(6);
/// How long a Mac sleeps: longer than the lease of the relay.
pub(super) const SLEEP: Duration = Duration::from_secs(70);
/// In this time Messages has sent a text that it has taken.
const SENT_WITHIN: Duration = Duration::from_secs(1);
/// How long a relay that may not send is watched.
const WATCH: Duration = Duration::from_secs(4);

/// What happens, and how often each message has to be stored at the end.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) on_postgres: bool,
    pub(super) stored: usize,
    pub(super) run: fn(Place) -> anyhow::Result<World>,
}

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "backend_fewer",
        what: "backend restored; the relay knows more commands",
        on_postgres: true,
        stored: 1,
        run: backend_fewer,
    },
    Scenario {
        name: "backend_more",
        what: "backend restored; it has more commands than the relay",
        on_postgres: true,
        stored: 1,
        run: backend_more,
    },
    Scenario {
        name: "backend_same",
        what: "backend restored; it has made the same commands again",
        on_postgres: true,
        stored: 1,
        run: backend_same,
    },
    Scenario {
        name: "state_in_place",
        what: "relay state restored, file by file",
        on_postgres: false,
        stored: 1,
        run: state_in_place,
    },
    Scenario {
        name: "state_folder",
        what: "relay state restored, as a folder",
        on_postgres: false,
        stored: 1,
        run: state_folder,
    },
    Scenario {
        name: "state_lost",
        what: "relay state lost",
        on_postgres: false,
        stored: 1,
        run: state_lost,
    },
    Scenario {
        name: "cloned",
        what: "Mac cloned, both run, then the first one dies",
        on_postgres: true,
        stored: 1,
        run: cloned,
    },
    Scenario {
        name: "two_relays",
        what: "two relays on one line, then `line move`",
        on_postgres: false,
        stored: 2,
        run: two_relays,
    },
    Scenario {
        name: "slept",
        what: "Mac sleeps through its lease, a text in flight",
        on_postgres: false,
        stored: 1,
        run: slept,
    },
    Scenario {
        name: "slept_replaced",
        what: "the same, and another Mac takes over meanwhile",
        on_postgres: false,
        stored: 1,
        run: slept_replaced,
    },
];

/// A world in which people have written for a while.
fn begun(place: Place) -> anyhow::Result<World> {
    let mut world = World::with_one_mac(place)?;
    world.start_backend(QUIET_MS)?;
    world.start_relay(0)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    Ok(world)
}

fn backend_fewer(place: Place) -> anyhow::Result<World> {
    let mut world = begun(place)?;
    world.back_up_database(QUIET_MS)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    world.kill_backend()?;
    world.restore_database()?;
    world.start_backend(QUIET_MS)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    world.settle(&[0])?;
    expect_restore(&world)?;
    Ok(world)
}

/// The backup has open turns. The backend had answered them, and the relay had taken the first of these commands and
/// died. The restored backend answers all of them before the relay is back.
fn backend_more(place: Place) -> anyhow::Result<World> {
    let mut world = with_open_turns_in_the_backup(place)?;
    let before = world.machines[0].last_command()?;
    world.wait("the relay has taken a command", |world| {
        Ok(world.machines[0].commands_above(before)? > 0)
    })?;
    world.machines[0].kill()?;
    restored_backend_answers_alone(world)
}

/// As above, but the relay had taken all commands and its acks had reached the backend.
fn backend_same(place: Place) -> anyhow::Result<World> {
    let mut world = with_open_turns_in_the_backup(place)?;
    world.settle(&[0])?;
    world.machines[0].stop()?;
    restored_backend_answers_alone(world)
}

/// Turns are open, and the database is copied before they are answered.
fn with_open_turns_in_the_backup(place: Place) -> anyhow::Result<World> {
    let mut world = begun(place)?;
    world.settle(&[0])?;
    world.kill_backend()?;
    world.start_backend(LONG_QUIET_MS)?;
    for chat in 0..8 {
        world.ask(&[0], chat)?;
    }
    world.wait("the questions are stored", |world| {
        let stored = world.database()?.stored()?;
        Ok(world
            .asked
            .iter()
            .all(|asked| stored.contains_key(&asked.guid)))
    })?;
    world.back_up_database(LONG_QUIET_MS)?;
    Ok(world)
}

fn restored_backend_answers_alone(mut world: World) -> anyhow::Result<World> {
    world.kill_backend()?;
    world.restore_database()?;
    world.start_backend(QUIET_MS)?;
    world.wait(
        "the restored backend has answered the open turns",
        |world| Ok(world.database()?.unanswered()?.is_empty()),
    )?;
    world.start_relay(0)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    world.settle(&[0])?;
    expect_restore(&world)?;
    let pending = world.database()?.bubbles()?;
    let pending = pending.iter().filter(|bubble| bubble.state == "pending");
    let pending = pending.count();
    ensure!(pending == 0, "{pending} bubbles were never acked");
    Ok(world)
}

fn expect_restore(world: &World) -> anyhow::Result<()> {
    let noticed = world.logged("it was restored from a backup");
    ensure!(
        noticed > 0,
        "the backend did not notice that it was restored"
    );
    Ok(())
}

fn state_in_place(place: Place) -> anyhow::Result<World> {
    with_older_state(place, |world| {
        let backup = world.path("state-backup");
        world.machines[0].restore_state_in_place(&backup)
    })
}

fn state_folder(place: Place) -> anyhow::Result<World> {
    with_older_state(place, |world| {
        let backup = world.path("state-backup");
        world.machines[0].restore_state_folder(&backup)
    })
}

fn state_lost(place: Place) -> anyhow::Result<World> {
    with_older_state(place, |world| world.machines[0].lose_state())
}

/// The relay goes on with another state than the one that it had: as another installation.
fn with_older_state(
    place: Place,
    change: impl Fn(&mut World) -> anyhow::Result<()>,
) -> anyhow::Result<World> {
    let mut world = begun(place)?;
    world.machines[0].stop()?;
    world.machines[0].back_up_state(&world.path("state-backup"))?;
    world.start_relay(0)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    let instance = world.machines[0].instance_id()?;
    world.machines[0].kill()?;
    // Messages goes on with a text that it has taken.
    std::thread::sleep(SENT_WITHIN);
    change(&mut world)?;
    let sent = world.machines[0].handed_over()?;
    world.start_relay_unawaited(0)?;
    world.wait("the relay has an id", |world| {
        Ok(world.machines[0].instance_id().is_ok())
    })?;
    std::thread::sleep(WATCH);
    let now = world.machines[0].instance_id()?;
    ensure!(
        now != instance,
        "the relay takes itself for the installation before"
    );
    let sent_without_lease = world.machines[0].handed_over()? - sent;
    ensure!(
        sent_without_lease == 0,
        "{sent_without_lease} texts were sent without the lease"
    );
    world.move_relay()?;
    // A relay that was refused asks again after a minute. One that is started asks at once.
    world.machines[0].stop()?;
    world.start_relay(0)?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    world.settle(&[0])?;
    Ok(world)
}

fn cloned(place: Place) -> anyhow::Result<World> {
    let mut world = begun(place)?;
    world.machines[0].stop()?;
    world.clone_machine(0, "clone")?;
    world.machines[0].note_own_rows_as_copied()?;
    world.start_relay(0)?;
    world.start_relay_unawaited(1)?;
    for _ in 0..6 {
        world.converse(&[0, 1], SPAN / 6, PER_SECOND)?;
        copy_own_rows(&mut world, 0, 1)?;
    }
    let sent = world.machines[1].handed_over()?;
    ensure!(sent == 0, "the clone has sent {sent} texts");
    world.machines[0].kill()?;
    world.move_relay()?;
    world.machines[1].stop()?;
    world.start_relay(1)?;
    world.converse(&[0, 1], SPAN, PER_SECOND)?;
    world.settle(&[1])?;
    Ok(world)
}

fn two_relays(place: Place) -> anyhow::Result<World> {
    let secrets = [
        "one:whsec_b25lIHNlY3JldCBvZiB0d28sIG5vdCBmb3IgdXNl",
        "two:whsec_YW5vdGhlciBzZWNyZXQsIGFsc28gbm90IGZvciB1c2U=",
    ];
    let of_mac = |n: usize| Secret(secrets[n].to_owned());
    let both = Secret(secrets.join(","));
    let macs = [("one", of_mac(0)), ("two", of_mac(1))];
    let mut world = World::new(place, &macs, both)?;
    world.start_backend(QUIET_MS)?;
    world.start_relay(0)?;
    world.start_relay(1)?;
    for _ in 0..6 {
        world.converse(&[0, 1], SPAN / 6, PER_SECOND)?;
        copy_own_rows(&mut world, 0, 1)?;
    }
    world.settle(&[0, 1])?;
    let sent = world.machines[1].handed_over()?;
    ensure!(sent == 0, "the second relay has sent {sent} texts");
    let before = world.machines[0].handed_over()?;
    world.operate(&["line", "move", "two"], LINE)?;
    for _ in 0..6 {
        world.converse(&[0, 1], SPAN / 6, PER_SECOND)?;
        copy_own_rows(&mut world, 1, 0)?;
    }
    world.settle(&[0, 1])?;
    let after = world.machines[0].handed_over()? - before;
    ensure!(
        after == 0,
        "the first relay has sent {after} texts after the move"
    );
    Ok(world)
}

fn slept(place: Place) -> anyhow::Result<World> {
    let (mut world, _) = asleep(place)?;
    let before = world.machines[0].handed_over()?;
    std::thread::sleep(SLEEP);
    world.machines[0].wake_up()?;
    world.converse(&[0], SPAN, PER_SECOND)?;
    world.settle(&[0])?;
    let after = world.machines[0].handed_over()?;
    ensure!(after > before, "nothing was sent after the sleep");
    Ok(world)
}

fn slept_replaced(place: Place) -> anyhow::Result<World> {
    let (mut world, in_flight) = asleep(place)?;
    world.add_machine("next")?;
    let before = world.machines[0].handed_over()?;
    world.move_relay()?;
    world.start_relay(1)?;
    // The sleeping Mac gets these messages when it wakes up.
    world.converse(&[0, 1], SLEEP, 1)?;
    world.machines[0].wake_up()?;
    world.converse(&[0, 1], SPAN, PER_SECOND)?;
    world.settle(&[1])?;
    let sent = world.machines[0].handed_over()? - before;
    ensure!(
        sent <= in_flight,
        "the Mac that slept has sent {sent} texts, of which {in_flight} were in flight"
    );
    Ok(world)
}

/// A Mac that falls asleep while texts are being sent and others wait; and how many are being sent.
fn asleep(place: Place) -> anyhow::Result<(World, usize)> {
    let mut world = begun(place)?;
    let slow = Mode::Slow { after_ms: 900 };
    world.machines[0].queue_modes(&slow, 3)?;
    for chat in 0..6 {
        world.ask(&[0], chat)?;
    }
    world.wait("a text is being sent", |world| {
        world.machines[0].is_sending(&slow)
    })?;
    let in_flight = world.machines[0].fall_asleep()?;
    ensure!(in_flight > 0, "no text was being sent");
    Ok((world, in_flight))
}

/// Copies what one Mac has sent to the other one, as iCloud does.
fn copy_own_rows(world: &mut World, from: usize, to: usize) -> anyhow::Result<()> {
    let (low, high) = (from.min(to), from.max(to));
    let (before, after) = world.machines.split_at_mut(high);
    let (a, b) = (&mut before[low], &mut after[0]);
    if from < to {
        a.copy_own_rows_to(b)
    } else {
        b.copy_own_rows_to(a)
    }
}
