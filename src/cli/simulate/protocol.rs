//! The protocols that can be simulated.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

use super::failed::Failed;
use super::story::Telling;
use crate::cli::failure::Failure;
use crate::cli::stdout;
use crate::sim::clients::Clients;
use crate::sim::subjects::{
    AccumulateSubject, AppClientSubject, AppSubject, EchoClientSubject, EchoSubject, FixedSubject, GetFileSubject,
    MultiplySubject, SinkSubject,
};
use crate::sim::{self, Run, Scene, Simulated, run, shrink};

/// A protocol that can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Framed messages
    App,
    /// Messages come back
    Echo,
    /// Sixteen bytes, and sixteen back
    Fixed,
    /// The files of a folder
    Getfile,
    /// A string many times over
    Multiply,
    /// One string from all clients
    Accumulate,
    /// Nothing is read
    Sink,
    /// Clients of framed messages
    AppClient,
    /// Clients whose messages come back
    EchoClient,
}

/// The numbers of the parts of a world that are wanted, if not all are.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub peers: Option<&'a [u64]>,
    pub faults: Option<&'a [u64]>,
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
            Protocol::Getfile => "getfile",
            Protocol::Multiply => "multiply",
            Protocol::Accumulate => "accumulate",
            Protocol::Sink => "sink",
            Protocol::AppClient => "app-client",
            Protocol::EchoClient => "echo-client",
        }
    }

    /// Runs the world of `seed`.
    pub fn run(self, seed: u64) -> Run {
        self.with(RunIt { seed })
    }

    /// Runs the world of `seed`, or only some of it, and tells its story: the world first, and then what happens in it.
    /// After an interruption, the world is only run to its end.
    pub fn tell(self, seed: u64, parts: Parts<'_>, telling: &mut Telling<'_>) -> Result<Told, Failure> {
        self.with(TellIt { protocol: self, seed, parts, telling })
    }

    /// Checks that the world of `seed` has these parts.
    pub fn check(self, seed: u64, parts: Parts<'_>) -> Result<(), Failure> {
        self.with(CheckIt { protocol: self, seed, parts })
    }

    /// Runs the world of `seed`, which fails, and shrinks it until that is interrupted.
    pub fn shrink(self, seed: u64, interrupted: &AtomicBool) -> Failed {
        self.with(ShrinkIt { protocol: self, seed, interrupted })
    }

    fn with<T: Task>(self, task: T) -> T::Result {
        match self {
            Protocol::App => task.on(&AppSubject::default()),
            Protocol::Echo => task.on(&EchoSubject::default()),
            Protocol::Fixed => task.on(&FixedSubject::default()),
            Protocol::Getfile => task.on(&GetFileSubject::default()),
            Protocol::Multiply => task.on(&MultiplySubject::default()),
            Protocol::Accumulate => task.on(&AccumulateSubject::default()),
            Protocol::Sink => task.on(&SinkSubject::default()),
            Protocol::AppClient => task.on(&Clients(AppClientSubject::default())),
            Protocol::EchoClient => task.on(&Clients(EchoClientSubject::default())),
        }
    }
}

/// A task that can be done with any subject.
trait Task {
    type Result;

    fn on<S: Simulated>(self, subject: &S) -> Self::Result;
}

struct RunIt {
    seed: u64,
}

impl Task for RunIt {
    type Result = Run;

    fn on<S: Simulated>(self, subject: &S) -> Run {
        run(&subject.world(self.seed))
    }
}

struct TellIt<'a, 'b> {
    protocol: Protocol,
    seed: u64,
    parts: Parts<'a>,
    telling: &'a mut Telling<'b>,
}

impl Task for TellIt<'_, '_> {
    type Result = Result<Told, Failure>;

    fn on<S: Simulated>(self, subject: &S) -> Result<Told, Failure> {
        let mut world = subject.world(self.seed);
        world.keep(self.parts.peers, self.parts.faults);
        stdout::print(format!("{world}\n").as_bytes())?;
        world.compare(false);
        let mut run = self.telling.tell(&world);
        // The runs to compare with are not part of the story.
        let interrupted = self.telling.interrupted;
        if run.violation.is_none() && !interrupted.load(Ordering::Relaxed) {
            world.compare(true);
            run = sim::run(&world);
        }
        let violation = run.violation.clone();
        let shrunk = violation.map(|violation| shrink(&world, violation, || interrupted.load(Ordering::Relaxed)));
        let failed = shrunk.map(|shrunk| Failed::new(self.protocol.name(), &world, &shrunk));
        Ok(Told { run, failed })
    }
}

struct CheckIt<'a> {
    protocol: Protocol,
    seed: u64,
    parts: Parts<'a>,
}

impl Task for CheckIt<'_> {
    type Result = Result<(), Failure>;

    fn on<S: Simulated>(self, subject: &S) -> Result<(), Failure> {
        let world = subject.world(self.seed);
        self.has("peer", world.peers(), self.parts.peers)?;
        self.has("fault", world.faults(), self.parts.faults)
    }
}

impl CheckIt<'_> {
    /// Checks that the parts of a kind have all the numbers that are wanted.
    fn has(&self, kind: &str, numbers: Vec<u64>, wanted: Option<&[u64]>) -> Result<(), Failure> {
        let Some(number) = wanted.into_iter().flatten().find(|number| !numbers.contains(number)) else { return Ok(()) };
        let has = match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) => format!("has {kind}s {first} to {last}"),
            _ => format!("has no {kind}s"),
        };
        let (protocol, seed) = (self.protocol.name(), self.seed);
        Err(Failure::of_usage(format!("--{kind}s {number}: the world of {protocol}, seed {seed}, {has}")))
    }
}

struct ShrinkIt<'a> {
    protocol: Protocol,
    seed: u64,
    interrupted: &'a AtomicBool,
}

impl Task for ShrinkIt<'_> {
    type Result = Failed;

    fn on<S: Simulated>(self, subject: &S) -> Failed {
        let world = subject.world(self.seed);
        let violation = run(&world).violation.expect("the same seed fails again");
        let shrunk = shrink(&world, violation, || self.interrupted.load(Ordering::Relaxed));
        Failed::new(self.protocol.name(), &world, &shrunk)
    }
}
