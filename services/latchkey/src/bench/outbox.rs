//! What an event costs the write that makes it: the same change of a person with its event and without, in turn, in
//! this process, on the database that the servers had.
//!
//! With the event it is the operation of the engine as it is. Without, the same steps are written out here, on the
//! tables themselves: the engine has no such door.

use super::people::Place;
use super::series::Series;
use super::server::cpu_of;
use anyhow::{Context as _, bail};
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Wiring};
use domain::text::{Metadata, merge_metadata, metadata_fits};
use domain::{Context, EnvironmentId, UserId};
use engine::users::MetadataChange;
use engine::{Engine, StorageError, tenancy};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::Tx;

/// The same write with its event and without, in microseconds of time for each.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) without: Series,
    pub(super) with: Series,
    pub(super) difference: Series,
    pub(super) ratio: Series,
    /// How much more of this process's processors one takes with the event.
    pub(super) cpu_difference: Series,
}

/// What was measured.
#[derive(Default)]
pub(super) struct Outbox {
    /// One write after the other.
    pub(super) alone: Compared,
    /// As many at a time as there are connections, so that they share commits.
    pub(super) together: Compared,
    /// Microseconds to give one event its place afterwards, many in a transaction.
    pub(super) placing: Series,
}

pub(super) struct Comparison<'a> {
    pub(super) place: &'a Place,
    pub(super) writers: usize,
    pub(super) rounds: u32,
    pub(super) length: Duration,
}

/// One stretch of writes.
#[derive(Clone, Copy)]
struct Stretch {
    count: u64,
    /// Microseconds of time for one.
    each: f64,
    /// Microseconds of this process's processors for one.
    cpu: f64,
}

impl Comparison<'_> {
    pub(super) async fn run(&self, config: Config) -> anyhow::Result<Outbox> {
        let wiring = Wiring {
            clock: Arc::new(SystemClock),
            mail: Mail::Unused,
            missing_master_key: Missing::Refuse,
            threads: 1,
        };
        let platform = boot::start(config, wiring).await?;
        let engine = platform.engine();
        place_all(&engine).await?;
        let mut outbox = Outbox::default();
        let Outbox { alone, together, placing } = &mut outbox;
        self.compare(&engine, 1, alone, placing).await?;
        self.compare(&engine, self.writers, together, placing).await?;
        platform.finish().await;
        Ok(outbox)
    }

    /// Without, with, without and so on: each stretch with the event between two without.
    async fn compare(
        &self,
        engine: &Engine,
        writers: usize,
        compared: &mut Compared,
        placing: &mut Series,
    ) -> anyhow::Result<()> {
        // Not counted: statements are prepared, and connections opened.
        self.stretch(engine, writers, false, self.length / 8).await?;
        self.stretch(engine, writers, true, self.length / 8).await?;
        place_all(engine).await?;
        let mut before = self.stretch(engine, writers, false, self.length / 2).await?;
        compared.without.push(before.each);
        for _ in 0..self.rounds {
            let with = self.stretch(engine, writers, true, self.length / 2).await?;
            let began = Instant::now();
            let placed = place_all(engine).await?;
            if placed != with.count {
                bail!("{} writes have made {placed} events", with.count);
            }
            placing.push(began.elapsed().as_secs_f64() * 1e6 / placed.max(1) as f64);
            let after = self.stretch(engine, writers, false, self.length / 2).await?;
            if place_all(engine).await? > 0 {
                bail!("a write without its event has made one");
            }
            let without = f64::midpoint(before.each, after.each);
            compared.without.push(after.each);
            compared.with.push(with.each);
            compared.difference.push(with.each - without);
            compared.ratio.push(with.each / without);
            compared.cpu_difference.push(with.cpu - f64::midpoint(before.cpu, after.cpu));
            before = after;
        }
        Ok(())
    }

    /// Writes for so long, and tells what one took.
    async fn stretch(
        &self,
        engine: &Engine,
        writers: usize,
        with_event: bool,
        length: Duration,
    ) -> anyhow::Result<Stretch> {
        let people: Rc<[UserId]> = self.place.people.as_slice().into();
        let ours = || cpu_of(std::process::id());
        let (began, cpu) = (Instant::now(), ours()?);
        let mut writing = tokio::task::JoinSet::new();
        for first in 0..writers {
            let (engine, env, people) = (engine.clone(), self.place.env, Rc::clone(&people));
            writing.spawn_local(async move {
                let mut count = 0_u64;
                // Nobody's turn comes twice at a time: who waits for a row would be measured.
                for person in people.iter().skip(first).step_by(writers).cycle() {
                    if began.elapsed() >= length {
                        break;
                    }
                    count += 1;
                    write(&engine, env, *person, count, with_event).await?;
                }
                anyhow::Ok(count)
            });
        }
        let mut count = 0;
        while let Some(done) = writing.join_next().await {
            count += done.context("a writer was cut short")??;
        }
        let (elapsed, cpu) = (began.elapsed(), ours()? - cpu);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        Ok(Stretch { count, each: each(elapsed), cpu: each(cpu) })
    }
}

/// One change of a person.
async fn write(
    engine: &Engine,
    env: EnvironmentId,
    person: UserId,
    number: u64,
    with_event: bool,
) -> anyhow::Result<()> {
    let cx = Context::operator(env, engine.now());
    let mut public = Metadata::new();
    // Another value each time: what changes nothing is not written.
    public.insert("bench".to_owned(), format!("{}-{number}", cx.now.millis()).into());
    if with_event {
        let change = MetadataChange { public: Some(public), ..MetadataChange::default() };
        engine::users::update_metadata(engine, &cx, person, change).await?;
        return Ok(());
    }
    if without_event(engine, cx, person, public).await? { Ok(()) } else { bail!("there is nobody to change") }
}

/// The steps of `engine::users::update_metadata` but for the event; false when there is no such person.
async fn without_event(engine: &Engine, cx: Context, id: UserId, sent: Metadata) -> Result<bool, StorageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let work = async move |tx: &mut Tx<'_>| {
        let settings = &tenant.env.settings;
        let Some(mut person) = storage::users::lock(tx, cx.env, id).await? else { return Ok(false) };
        let before = person.clone();
        let user = &mut person.user;
        merge_metadata(&mut user.public_metadata, sent.clone());
        for bucket in [&user.public_metadata, &user.private_metadata, &user.unsafe_metadata] {
            std::hint::black_box(metadata_fits(bucket));
        }
        if person != before {
            person.user.updated_at = cx.now;
            person.user.note_factors(person.factor_summary(), cx.now);
            storage::users::save(tx, cx.env, &person).await?;
        }
        // What is answered, and kept for whoever asks again.
        std::hint::black_box(api::User::for_bapi(&person, settings, cx.now));
        Ok(true)
    };
    engine.db().write(work).await
}

/// Gives every event its place, and says how many there were.
async fn place_all(engine: &Engine) -> anyhow::Result<u64> {
    let mut all = 0;
    loop {
        match engine::events::sequence(engine).await? {
            0 => return Ok(all),
            some => all += u64::try_from(some)?,
        }
    }
}
