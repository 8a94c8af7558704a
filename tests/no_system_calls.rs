//! Simulated worlds make no system calls, and read no clock.
//!
//! This file is a program of its own. It starts itself again, enters the kernel's strict mode (seccomp(2)), in which any
//! call but read(2) and write(2) kills it, as does a look at the processor's clock, and then runs worlds. The memory for
//! them is there before that.

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("test result: ok. 0 passed; 0 failed; there is no strict mode here");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Write};
    use std::process::{Command, ExitCode};
    use std::{env, hint};

    use multiconn::sim::subjects::{
        AppSubject, EchoSubject, FixedSubject, GetFileSubject, MultiplySubject, SinkSubject,
    };
    use multiconn::sim::{Subject, World, run};
    use rustix::thread::{SecureComputingMode, set_secure_computing_mode};

    /// Set in the environment of the program in strict mode.
    const STRICT: &str = "MULTICONN_TEST_STRICT";
    /// What it prints, unless it's killed before.
    const DONE: &str = "all worlds have passed\n";
    /// What it prints if the kernel lacks that mode.
    const NO_MODE: &str = "there is no strict mode here\n";
    const SEEDS: u64 = 40;

    pub fn main() -> ExitCode {
        if env::var_os(STRICT).is_some() {
            run_strictly();
        }
        let program = env::current_exe().expect("a path");
        let output = Command::new(program).env(STRICT, "1").output().expect("it starts");
        let has_failed = ![DONE, NO_MODE].map(str::as_bytes).contains(&&output.stdout[..]);
        match has_failed {
            true => println!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
            false => print!("{}", String::from_utf8_lossy(&output.stdout)),
        }
        let (result, failed) = if has_failed { ("FAILED", 1) } else { ("ok", 0) };
        println!("test result: {result}. {} passed; {failed} failed", 1 - failed);
        ExitCode::from(failed)
    }

    /// Runs the worlds once to prepare whatever is prepared once, and then in strict mode.
    fn run_strictly() -> ! {
        worlds();
        provide_memory();
        let result = set_secure_computing_mode(SecureComputingMode::Strict).map_or(NO_MODE, |()| {
            worlds();
            DONE
        });
        io::stdout().write_all(result.as_bytes()).expect("a pipe");
        io::stdout().flush().expect("a pipe");
        // This is a call as well, so it ends with a signal.
        std::process::exit(0)
    }

    fn worlds() {
        for seed in 0..SEEDS {
            passes(seed, &AppSubject::default());
            passes(seed, &EchoSubject::default());
            passes(seed, &FixedSubject::default());
            passes(seed, &GetFileSubject::default());
            passes(seed, &MultiplySubject::default());
            passes(seed, &SinkSubject::default());
        }
    }

    fn passes(seed: u64, subject: &impl Subject) {
        let violation = run(&World::new(seed, subject)).violation;
        assert!(violation.is_none(), "seed {seed}: {violation:?}");
    }

    /// Makes the allocator get memory from the system, and keep it.
    fn provide_memory() {
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| hint::black_box(vec![1; BLOCK_LEN])).collect();
        // The block at the end of the heap stays, so the heap doesn't shrink.
        std::mem::forget(blocks.pop());
    }

    /// Blocks of less than what the allocator gets from the system one by one.
    const BLOCKS: usize = 256;
    const BLOCK_LEN: usize = 100 << 10;
}
