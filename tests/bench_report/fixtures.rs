//! Made-up results from a seed, so that they are the same each time.

use multiconn::bench::json::SCHEMA;
use multiconn::bench::results::{
    GeneratorUse, Histogram, Kept, Machine, Pace, Point, Results, Run, Schedule, ServerUse, Slice, Subject, Workload,
};

/// Random numbers (SplitMix64).
#[derive(Clone)]
pub struct Noise(pub u64);

impl Noise {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number above 0 and up to 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// A normally distributed number with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A model: its name, its best rate, how much slower it gets with connections, and its memory for each.
const MODELS: [(&str, f64, f64, u64); 5] = [
    ("reactor", 120_000.0, 0.02, 180),
    ("threads", 95_000.0, 0.16, 12_300),
    ("fork", 92_000.0, 0.2, 148_000),
    ("select", 110_000.0, 0.28, 190),
    ("poll", 112_000.0, 0.22, 185),
];

pub fn machine() -> Machine {
    Machine {
        system: "linux".into(),
        kernel: "6.1.0".into(),
        processor: "Example Processor at 2.60GHz".into(),
        cores: 2,
        memory_bytes: Some(8 << 30),
        congestion_control: Some("bbr".into()),
        server_cpus: vec![0],
        client_cpus: vec![1],
        descriptors_max: 20_000,
    }
}

pub fn empty() -> Results {
    Results {
        schema: SCHEMA.into(),
        label: None,
        started: "2026-11-21T08:00:00Z".into(),
        command: ["multiconn", "bench", "echo", "--command", "its='serve it {port}'"].map(String::from).into(),
        version: "0.1.0".into(),
        machine: machine(),
        ended_early: false,
        notes: Vec::new(),
        subjects: Vec::new(),
        runs: Vec::new(),
        kept: Vec::new(),
    }
}

pub fn point(connections: u32, pace: Pace) -> Point {
    Point { workload: Workload::Echo, connections, idle: 0, size: 64, request: None, depth: 1, pace }
}

/// Results of the first `models` models at each number of connections, in `rounds` rounds; in closed loop, and with
/// `open`, in open loop too.
pub fn measured(models: usize, connections: &[u32], rounds: u32, open: bool) -> Results {
    let mut results = empty();
    let mut noise = Noise(7);
    for (name, ..) in &MODELS[..models] {
        let how = format!("multiconn serve echo --model {name}");
        results.subjects.push(Subject { name: name.to_string(), how });
    }
    let mut paces = vec![Pace::Closed];
    if open {
        paces.push(Pace::Open { rate_per_second: 40_000.0, schedule: Schedule::Poisson });
    }
    for pace in paces {
        for round in 1..=rounds {
            for &connections in connections {
                for model in 0..models {
                    results.runs.push(run(model, point(connections, pace), round, &mut noise));
                }
            }
        }
    }
    results
}

pub fn run(model: usize, point: Point, round: u32, noise: &mut Noise) -> Run {
    let (name, best, slope, memory) = MODELS[model];
    let seconds = 2.0;
    let load = f64::from(point.connections).ln();
    let capacity = best * (1.0 - slope * load / 4.0) * (0.35 + 0.65 * (load / 3.0).min(1.0));
    let rate = match point.pace {
        Pace::Closed => capacity * (1.0 + 0.012 * noise.normal()),
        Pace::Open { rate_per_second, .. } => rate_per_second.min(capacity),
    };
    let replies = (rate * seconds) as u64;
    let typical = match point.pace {
        Pace::Closed => f64::from(point.connections) / rate,
        Pace::Open { .. } => 25e-6 * (1.0 + slope * load),
    };
    // A long tail, which is longer if threads take turns.
    let tail = 0.18 + slope;
    let mut values: Vec<u64> = (0..4000).map(|_| (typical * 1e9 * (tail * noise.normal()).exp()) as u64).collect();
    values.extend((0..16).map(|_| (typical * 1e9 * (4.0 + 20.0 * noise.uniform())) as u64));
    let latency = histogram(values);
    let connect =
        histogram((0..point.connections.min(500)).map(|_| (30e3 * (0.3 * noise.normal()).exp()) as u64).collect());
    let slices = (1..=20).map(|index| {
        let around = typical * 1e9 * (1.0 + 0.05 * noise.normal());
        let p99 = around * (2.3 * tail).exp() * (1.0 + 0.1 * noise.normal().abs());
        Slice {
            until: f64::from(index) * seconds / 20.0,
            replies: replies / 20,
            p50_ns: around as u64,
            p99_ns: p99 as u64,
            max_ns: (p99 * (1.5 + 6.0 * noise.uniform())) as u64,
        }
    });
    let over_time = slices.collect();
    let cpu = (7.5e-6 + 3e-6 * slope * load) * (1.0 + 0.01 * noise.normal()) * replies as f64;
    let base = 3 << 20;
    let connected = base + memory * u64::from(point.connections) + noise.bits() % 64;
    let each =
        [name == "threads", name == "fork"].map(|is_one_each| if is_one_each { point.connections + 1 } else { 1 });
    let is_open = point.pace != Pace::Closed;
    Run {
        subject: name.into(),
        point,
        round,
        is_trial: false,
        seconds,
        replies,
        reply_bytes: replies * 64,
        errors: [].into(),
        unsent: 0,
        service: is_open.then(|| histogram(vec![20_000; 1000])),
        latency,
        connect: Some(connect),
        over_time,
        server: Some(ServerUse {
            user_seconds: cpu * 0.22,
            system_seconds: cpu * 0.78,
            memory_at_rest: Some(base),
            memory_connected: Some(connected),
            memory_peak: Some(connected + 65536),
            threads: each[0],
            processes: each[1],
            voluntary_switches: Some(replies / 2),
            involuntary_switches: Some(200),
            system_calls_per_request: None,
        }),
        generator: GeneratorUse {
            busy: 0.62 + 0.02 * noise.uniform(),
            cpu_seconds: 1.3,
            lag: is_open.then(|| histogram(vec![9_000; 1000])),
        },
        doubt: None,
        doubt_cause: None,
    }
}

/// Results of two models with searches for the highest rate that keeps an objective. Each round has the rate that was found
/// and the next higher one, which failed twice.
pub fn searched() -> Results {
    let mut results = measured(2, &[1, 50], 3, false);
    let mut noise = Noise(9);
    for connections in [1, 50] {
        for round in 1..=3 {
            for (model, rate) in [(0, 20_000.0), (1, 10_000.0)] {
                let rate = rate + 1000.5 * f64::from(round) + f64::from(connections);
                for rate in [1.02 * rate, 1.02 * rate, rate] {
                    let pace = Pace::Open { rate_per_second: rate, schedule: Schedule::Even };
                    let trial = run(model, point(connections, pace), round, &mut noise);
                    results.runs.push(Run { is_trial: true, ..trial });
                }
                results.kept.push(Kept {
                    subject: MODELS[model].0.into(),
                    point: point(connections, Pace::Closed),
                    round,
                    objective: "p99<5ms".into(),
                    rate_per_second: Some(rate),
                });
            }
        }
    }
    results
}

/// A run of one second without replies.
pub fn empty_run() -> Run {
    Run {
        subject: "reactor".into(),
        point: point(1, Pace::Closed),
        round: 1,
        is_trial: false,
        seconds: 1.0,
        replies: 0,
        reply_bytes: 0,
        errors: [].into(),
        unsent: 0,
        latency: Histogram::default(),
        service: None,
        connect: None,
        over_time: Vec::new(),
        server: None,
        generator: GeneratorUse::default(),
        doubt: None,
        doubt_cause: None,
    }
}

/// A histogram with three significant digits, like measured ones.
pub fn histogram(values: Vec<u64>) -> Histogram {
    let mut buckets = std::collections::BTreeMap::<u64, u64>::new();
    for value in values {
        let step = 10u64.pow(value.max(1).ilog10().saturating_sub(3));
        *buckets.entry(value / step * step).or_default() += 1;
    }
    Histogram { buckets: buckets.into_iter().collect() }
}

/// Results with names that do harm unless they are escaped.
pub fn hostile() -> Results {
    let mut results = measured(2, &[1, 50], 3, false);
    let names = ["<script>alert('x')</script>", "=cmd|' /C \"calc\"'!A0 `*_[x](http://evil)\u{1b}[31m\u{202e}"];
    for (subject, name) in results.subjects.iter_mut().zip(names) {
        for run in results.runs.iter_mut().filter(|run| run.subject == subject.name) {
            run.subject = name.into();
            run.doubt = Some("a | b <b>\nc</b> & \"d\"".into());
            run.errors.insert("</style><img src=x onerror=y>".into(), 3);
        }
        subject.name = name.into();
        subject.how = "'\"><svg onload=alert(1)> ]]> \u{0} \u{ffff}".into();
    }
    results.notes.push("</main> & <!-- -->".into());
    results.command.push("a 'b' $(c)".into());
    results
}
