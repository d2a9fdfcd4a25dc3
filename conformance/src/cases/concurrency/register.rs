//! One key as a register: several clients write, delete and read it at the same time, and every call is recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_loader::api::ErrorClass;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::caller::{Caller, Refused};
use crate::linear::{Act, Deletes, Operation, must_be_linear};
use crate::trial::abandon::{dropped_after, due_in};
use crate::trial::{CALL, Random};
use crate::verdict::Stop;

/// What a client wants of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Put,
    /// The same as an upload, of which the commit is the call that counts.
    Upload,
    Create,
    Delete,
    Get,
    Stat,
    List,
}

impl Wish {
    /// What it does if it takes effect and nobody hears of it; `None` if it changes nothing.
    fn unheard(self, value: u64) -> Option<Act> {
        match self {
            Self::Put | Self::Upload => Some(Act::Put(value)),
            Self::Create => Some(Act::Create { value, won: true }),
            Self::Delete => Some(Act::Delete { found: true }),
            Self::Get | Self::Stat | Self::List => None,
        }
    }
}

/// How a game is played.
#[derive(Clone)]
pub(super) struct Game {
    /// Each client's own way to the driver.
    pub(super) callers: Vec<Caller>,
    /// What clients choose from; what is there twice is chosen twice as often.
    pub(super) wishes: &'static [Wish],
    /// How many keys, one after the other.
    pub(super) keys: usize,
    /// How many calls each client makes on each key.
    pub(super) calls: usize,
    /// True if some calls are given up before they are answered.
    pub(super) give_up: bool,
    /// How many deletes that overlap may succeed.
    pub(super) deletes: Deletes,
}

/// What was played.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// How many calls were made.
    pub(super) calls: usize,
    /// How many of them have no answer.
    pub(super) unknown: usize,
}

impl Game {
    /// Plays on each key, and looks for an order of its calls.
    pub(super) async fn play(&self, seed: u64) -> Result<Played, Stop> {
        let mut random = Random::new(seed);
        let mut played = Played::default();
        for number in 0..self.keys {
            // A folder of its own, so that it comes and goes with the key where folders do.
            let name = format!("r{number:02}/register");
            // In step, calls meet as often as can be; out of step, they overlap in every way.
            let in_step = number % 2 == 0;
            let history = self.on(&name, in_step, &mut random).await?;
            played.calls += history.len();
            played.unknown += history.iter().filter(|operation| operation.end.is_none()).count();
            must_be_linear(&name, &history, self.deletes)?;
        }
        Ok(played)
    }

    async fn on(&self, name: &str, in_step: bool, random: &mut Random) -> Result<Vec<Operation>, Stop> {
        let begin = Instant::now();
        let barrier = Arc::new(Barrier::new(self.callers.len()));
        let mut clients = JoinSet::new();
        for (number, caller) in self.callers.iter().enumerate() {
            let client = Client { number, caller: caller.clone(), name: name.to_owned(), begin, random: Random::new(random.number()) };
            clients.spawn(client.play(self.clone(), in_step.then(|| barrier.clone())));
        }
        let played = clients.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(played.into_iter().flatten().collect())
    }
}

struct Client {
    number: usize,
    caller: Caller,
    name: String,
    begin: Instant,
    random: Random,
}

impl Client {
    async fn play(mut self, game: Game, step: Option<Arc<Barrier>>) -> Result<Vec<Operation>, Stop> {
        let mut history = Vec::new();
        let mut outcome = Ok(());
        for call in 0..game.calls {
            if let Some(step) = &step {
                step.wait().await;
            }
            // Who has failed still comes to every step, so that nobody waits for it.
            if outcome.is_ok() {
                let wish = *self.random.one_of(game.wishes);
                // Unique, and never 0.
                let value = (self.number as u64 + 1) * 1000 + call as u64;
                let give_up = game.give_up && self.random.below(5) == 0;
                match self.call(wish, value, give_up).await {
                    Ok(operation) => history.extend(operation),
                    Err(stop) => outcome = Err(stop),
                }
            }
            tokio::task::yield_now().await;
        }
        outcome.map(|()| history)
    }

    fn now(&self) -> u64 {
        // Centuries of nanoseconds fit.
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// One call; `None` if it says nothing of the register.
    async fn call(&mut self, wish: Wish, value: u64, give_up: bool) -> Result<Option<Operation>, Stop> {
        let prepared = self.caller.prepare(wish, value).await?;
        let begin = self.now();
        let answer = match (give_up, self.random.below(3)) {
            (false, _) => Some(prepared.call(&CALL, &self.name, wish, value).await),
            (true, 0) => dropped_after(1, prepared.call(&CALL, &self.name, wish, value)).await,
            (true, 1) => {
                let patience = Duration::from_micros(20 + self.random.below(2000) as u64);
                tokio::time::timeout(patience, prepared.call(&CALL, &self.name, wish, value)).await.ok()
            }
            (true, _) => Some(prepared.call(&due_in(1), &self.name, wish, value).await),
        };
        let end = self.now();
        let operation = |end, act| Some(Operation { client: self.number, begin, end, act });
        let unknown = || wish.unheard(value).and_then(|act| operation(None, act));
        match answer {
            Some(Ok(act)) => Ok(operation(Some(end), act)),
            None => Ok(unknown()),
            Some(Err(refused)) => match refused {
                Refused::Stop(stop) => Err(stop),
                Refused::Class(ErrorClass::Timeout | ErrorClass::Cancelled, _) if give_up => Ok(unknown()),
                // A reader that began before a change may fail so.
                Refused::Class(ErrorClass::Broken, _) if wish == Wish::Get => Ok(None),
                Refused::Class(class, text) => {
                    Err(Stop::breach(format!("{wish:?} of {:?} by client {} answers {class}: {text}", self.name, self.number)))
                }
            },
        }
    }
}
