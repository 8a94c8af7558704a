//! The protocols that can be simulated.

use clap::ValueEnum;

use super::failed::Failed;
use super::story::Telling;
use crate::cli::failure::Failure;
use crate::cli::stdout;
use crate::sim::subjects::{AppSubject, EchoSubject, FixedSubject, MultiplySubject, SinkSubject};
use crate::sim::{self, Run, Subject, World, run, shrink};

/// A protocol that can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Framed messages
    App,
    /// Messages come back
    Echo,
    /// Sixteen bytes, and sixteen back
    Fixed,
    /// A string many times over
    Multiply,
    /// Nothing is read
    Sink,
}

/// A world whose story was told.
pub struct Told {
    pub run: Run,
    pub failed: Option<Failed>,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::App => "app",
            Protocol::Echo => "echo",
            Protocol::Fixed => "fixed",
            Protocol::Multiply => "multiply",
            Protocol::Sink => "sink",
        }
    }

    /// Runs the world of `seed`.
    pub fn run(self, seed: u64) -> Run {
        self.with(RunIt { seed })
    }

    /// Runs the world of `seed`, or only some of it, and tells its story: the world first, and then what happens in it.
    pub fn tell(
        self,
        seed: u64,
        peers: Option<&[u64]>,
        faults: Option<&[u64]>,
        telling: &mut Telling,
    ) -> Result<Told, Failure> {
        self.with(TellIt { protocol: self, seed, peers, faults, telling })
    }

    /// Runs the world of `seed`, which fails, and shrinks it.
    pub fn shrink(self, seed: u64) -> Failed {
        self.with(ShrinkIt { protocol: self, seed })
    }

    fn with<T: Task>(self, task: T) -> T::Result {
        match self {
            Protocol::App => task.on(&AppSubject::default()),
            Protocol::Echo => task.on(&EchoSubject::default()),
            Protocol::Fixed => task.on(&FixedSubject::default()),
            Protocol::Multiply => task.on(&MultiplySubject::default()),
            Protocol::Sink => task.on(&SinkSubject::default()),
        }
    }
}

/// A task that can be done with any subject.
trait Task {
    type Result;

    fn on<S: Subject>(self, subject: &S) -> Self::Result;
}

struct RunIt {
    seed: u64,
}

impl Task for RunIt {
    type Result = Run;

    fn on<S: Subject>(self, subject: &S) -> Run {
        run(&World::new(self.seed, subject))
    }
}

struct TellIt<'a> {
    protocol: Protocol,
    seed: u64,
    peers: Option<&'a [u64]>,
    faults: Option<&'a [u64]>,
    telling: &'a mut Telling,
}

impl Task for TellIt<'_> {
    type Result = Result<Told, Failure>;

    fn on<S: Subject>(self, subject: &S) -> Result<Told, Failure> {
        let mut world = World::new(self.seed, subject);
        world.keep(self.peers, self.faults);
        stdout::print(format!("{world}\n").as_bytes())?;
        world.is_compared = false;
        let mut run = self.telling.tell(&world);
        // The runs to compare with are not part of the story.
        if run.violation.is_none() {
            world.is_compared = true;
            run = sim::run(&world);
        }
        let violation = run.violation.clone();
        let failed = violation.map(|violation| Failed::new(self.protocol.name(), &world, &shrink(&world, violation)));
        Ok(Told { run, failed })
    }
}

struct ShrinkIt {
    protocol: Protocol,
    seed: u64,
}

impl Task for ShrinkIt {
    type Result = Failed;

    fn on<S: Subject>(self, subject: &S) -> Failed {
        let world = World::new(self.seed, subject);
        let violation = run(&world).violation.expect("the same seed fails again");
        Failed::new(self.protocol.name(), &world, &shrink(&world, violation))
    }
}
