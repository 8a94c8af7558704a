//! What reports look like.
use crate::fixtures;
use multiconn::bench::report;

#[test]
fn samples() {
    let Ok(dir) = std::env::var("SAMPLES") else { return };
    let write = |name: &str, results: &[multiconn::bench::results::Results]| {
        std::fs::write(format!("{dir}/{name}.html"), report::html(results)).unwrap();
        std::fs::write(format!("{dir}/{name}.md"), report::markdown(results)).unwrap();
        std::fs::write(format!("{dir}/{name}.csv"), report::csv(results)).unwrap();
        std::fs::write(format!("{dir}/{name}.txt"), report::table(results)).unwrap();
        results[0].write(std::path::Path::new(&format!("{dir}/{name}.json"))).unwrap();
    };
    write("five", &[fixtures::measured(5, &[1, 50, 1000], 3, true)]);
    write("one", &[fixtures::measured(1, &[50], 1, false)]);
    write("two", &[fixtures::measured(2, &[50], 3, false)]);
    write("empty", &[fixtures::empty()]);
    write("hostile", &[fixtures::hostile()]);
}
