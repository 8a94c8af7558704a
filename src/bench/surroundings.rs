//! Possible disturbances of measurements on this machine, and their remedies.

use std::fs;
use std::path::{Path, PathBuf};

use super::others::Others;

/// The state of the machine before anything is measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// The processors that may be used.
    pub processors: usize,
    /// The processors that other programs used, and the busiest of them in words.
    pub others: (f64, Option<String>),
    /// The governor that changes a processor's frequency, if one does.
    pub governor: Option<String>,
    /// Whether the machine runs on a battery.
    pub is_on_battery: bool,
    /// The processors that a container's quota allows, if there is one.
    pub quota: Option<f64>,
}

/// The least use of processors by other programs that is reported.
const OTHERS_MIN: f64 = 0.05;
/// The governor that keeps the frequency high.
const STEADY: &str = "performance";

impl Surroundings {
    /// The state of the machine whose `/sys` is below `root`, with the use by other programs between two moments.
    pub fn of(root: &Path, processors: usize, (from, to): (&Others, &Others)) -> Surroundings {
        let cpus = folders(&root.join("sys/devices/system/cpu"));
        let mut governors = cpus.iter().filter_map(|cpu| text(&cpu.join("cpufreq/scaling_governor")));
        let quota = text(&root.join("sys/fs/cgroup/cpu.max"));
        Surroundings {
            processors,
            others: (to.used_since(from), to.busiest_since(from)),
            governor: governors.find(|governor| governor != STEADY),
            is_on_battery: folders(&root.join("sys/class/power_supply")).iter().any(|supply| discharges(supply)),
            quota: quota.and_then(|text| quotient(&text)),
        }
    }

    /// A sentence about each disturbance, with its remedy.
    pub fn disturbances(&self) -> Vec<String> {
        let mut said = Vec::new();
        let (used, busiest) = &self.others;
        if *used >= OTHERS_MIN {
            let busiest = busiest.as_ref().map(|name| format!(", most of all {name}")).unwrap_or_default();
            said.push(format!(
                "Other programs use {:.0} % of a processor{busiest}. End them, or some rounds may be disturbed.",
                used * 100.0
            ));
        }
        match self.processors {
            1 => said.push("There is one processor, for the servers, the generator and all other programs. Use a machine with more.".into()),
            2 => said.push("There are two processors, one for the servers and one for the generator. Any other program disturbs them: run none.".into()),
            _ => {}
        }
        if let Some(quota) = self.quota.filter(|&quota| quota < self.processors as f64) {
            said.push(format!(
                "A quota allows {quota} of {} processors, and stops everything when that is used up. Lift it (cpu.max, or a container's --cpus).",
                self.processors
            ));
        }
        if let Some(governor) = &self.governor {
            said.push(format!(
                "The processors' frequency changes with their load (governor {governor}). Keep it constant: cpupower frequency-set -g {STEADY}."
            ));
        }
        if self.is_on_battery {
            said.push("The machine runs on its battery, which may slow it down. Plug it in.".into());
        }
        said
    }
}

/// Whether a power supply is the machine's battery, and in use. A mouse may have one, too.
fn discharges(supply: &Path) -> bool {
    let says = |name, value| text(&supply.join(name)).is_some_and(|text| text == value);
    says("type", "Battery") && says("status", "Discharging") && !says("scope", "Device")
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The text of a file, without the line end.
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Parses a `cpu.max`: the quota and the period, both in microseconds. `None` if there is no quota.
fn quotient(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    Some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_machine_has_nothing_to_say() {
        let quiet =
            Surroundings { processors: 8, others: (0.04, Some("x".into())), quota: Some(8.0), ..Default::default() };
        assert_eq!(quiet.disturbances(), [""; 0]);
        let nothing = tempfile::tempdir().unwrap();
        let unknown = Surroundings::of(nothing.path(), 8, (&Others::default(), &Others::default()));
        assert_eq!(unknown, Surroundings { processors: 8, ..Default::default() });
    }

    #[test]
    fn each_disturbance_is_named_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
        write("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
        write("sys/class/power_supply/BAT0/type", "Battery\n");
        write("sys/class/power_supply/BAT0/status", "Discharging\n");
        write("sys/class/power_supply/mouse/scope", "Device\n");
        write("sys/fs/cgroup/cpu.max", "150000 100000\n");
        let found = Surroundings::of(root.path(), 2, (&Others::default(), &Others::default()));
        let found = Surroundings { others: (0.34, Some("'firefox' (process 7, 30 % of a processor)".into())), ..found };
        assert_eq!(
            found.disturbances(),
            [
                "Other programs use 34 % of a processor, most of all 'firefox' (process 7, 30 % of a processor). End them, or some \
                 rounds may be disturbed.",
                "There are two processors, one for the servers and one for the generator. Any other program disturbs them: run none.",
                "A quota allows 1.5 of 2 processors, and stops everything when that is used up. Lift it (cpu.max, or a container's \
                 --cpus).",
                "The processors' frequency changes with their load (governor powersave). Keep it constant: cpupower frequency-set \
                 -g performance.",
                "The machine runs on its battery, which may slow it down. Plug it in.",
            ]
        );
        write("sys/fs/cgroup/cpu.max", "max 100000\n");
        write("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
        write("sys/class/power_supply/BAT0/status", "Charging\n");
        write("sys/class/power_supply/mouse/type", "Battery\n");
        write("sys/class/power_supply/mouse/status", "Discharging\n");
        let found = Surroundings::of(root.path(), 8, (&Others::default(), &Others::default()));
        assert_eq!(found.disturbances(), [""; 0]);
    }
}
