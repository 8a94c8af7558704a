//! `multiconn bench report`, and the files that it reads and writes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use multiconn::bench::json::{ReadError, SCHEMA};
use multiconn::bench::report;
use multiconn::bench::results::Results;

use crate::common::{multiconn, printed, run, text};
use crate::fixtures;

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench_report/small.json");

fn as_json(results: &Results) -> serde_json::Value {
    serde_json::to_value(results).unwrap()
}

#[test]
fn what_is_written_is_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.json");
    for results in [fixtures::empty(), fixtures::measured(2, &[1, 50], 2, true), fixtures::hostile()] {
        results.write(&path).unwrap();
        assert_eq!(as_json(&Results::read(&path).unwrap()), as_json(&results));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_file_of_this_schema_stays_readable() {
    let results = Results::read(Path::new(SMALL)).unwrap();
    assert_eq!((results.subjects.len(), results.runs.len()), (2, 6));
    insta::assert_snapshot!(
        "table_of_the_small_file",
        report::table::render(&[results], report::table::Look { width: 100, has_colours: false })
    );
}

#[test]
fn what_is_no_result_is_refused_with_its_reason() {
    let good = as_json(&fixtures::measured(1, &[1], 1, false));
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value);
        value.to_string()
    };
    let cases = [
        (String::new(), "it is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"schema\": nonsense".into(), "it is not JSON: expected ident at line 1 column 13"),
        (good.to_string()[..500].into(), "it is not JSON: EOF"),
        ("[1, 2]".into(), "it is not the result of a benchmark"),
        ("{}".into(), "it is not the result of a benchmark: it has no \"schema\" of \"multiconn-bench/1\""),
        (with(&|v| v["schema"] = "multiconn-bench/2".into()), "its schema is \"multiconn-bench/2\"; only"),
        (with(&|v| v["schema"] = 7.into()), "its schema is 7; only"),
        (
            with(&|v| v["runs"][0]["seconds"] = "two".into()),
            "it does not follow its schema: invalid type: string \"two\"",
        ),
        (with(&|v| v["runs"][0]["subject"] = "nobody".into()), "run 1: no subject is called \"nobody\""),
        (with(&|v| v["runs"][0]["latency"]["buckets"] = serde_json::json!([[2, 1], [1, 1]])), "values don't ascend"),
        (with(&|v| v["runs"][0]["over_time"][3]["until"] = 0.into()), "the time slices are not in order"),
        (with(&|v| v["subjects"] = serde_json::json!([v["subjects"][0], v["subjects"][0]])), "two subjects are called"),
        (with(&|v| v["machine"] = serde_json::json!({})), "missing field `system`"),
    ];
    for (json, reason) in cases {
        let error = Results::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error:?} has no {reason:?}");
    }
    assert!(matches!(Results::read(Path::new("/no/such/file")), Err(ReadError::Io(_))));
    assert_eq!(good["schema"], SCHEMA);
}

#[test]
fn a_report_of_a_file_goes_to_standard_output_and_to_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (csv, markdown, html, plots) = (file("a.csv"), file("a.md"), file("a.html"), file("some/plots"));
    let args = ["bench", "report", SMALL, "--csv", &csv, "--markdown", &markdown, "--html", &html, "--plots", &plots];
    let table = text(&printed(multiconn(&args)));
    let comment = fs::read_to_string(&markdown).unwrap();
    let full = text(&printed(multiconn(&["bench", "report", SMALL, "--full", "--markdown", &markdown])));
    let results = [Results::read(Path::new(SMALL)).unwrap()];
    let look = report::table::Look { width: 100, has_colours: false };
    assert_eq!(table, report::table::brief(&results, look));
    assert_eq!(full, report::table::render(&results, look));
    assert_eq!(comment, report::comment(&results, &[]));
    assert_eq!(fs::read_to_string(csv).unwrap(), report::csv(&results));
    assert_eq!(fs::read_to_string(markdown).unwrap(), report::markdown(&results));
    assert_eq!(fs::read_to_string(html).unwrap(), report::html(&results));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    let wanted = report::plots(&results);
    assert_eq!(fs::read_dir(&plots).unwrap().count(), wanted.len());
    for (name, svg) in wanted {
        assert_eq!(fs::read_to_string(Path::new(&plots).join(name)).unwrap(), svg);
    }
}

#[test]
fn servers_of_several_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("after.json");
    fs::copy(SMALL, &copy).unwrap();
    let table = text(&printed(multiconn(&["bench", "report", SMALL, copy.to_str().unwrap()])));
    for name in ["small: reactor", "small: threads", "after: reactor", "after: threads"] {
        assert!(table.contains(name), "{table}");
    }
    assert!(table.contains("The files were measured one after the other"), "{table}");
    // The same name, or even the same file, twice.
    let table = text(&printed(multiconn(&["bench", "report", SMALL, SMALL])));
    assert!(table.contains("small (1): reactor") && table.contains("small (2): reactor"), "{table}");
    // Names that occur in one file only stay unchanged.
    let mut other = Results::read(Path::new(SMALL)).unwrap();
    other.subjects.iter_mut().for_each(|subject| subject.name.push('2'));
    other.runs.iter_mut().for_each(|run| run.subject.push('2'));
    let all = report::side_by_side(vec![("a".into(), Results::read(Path::new(SMALL)).unwrap()), ("b".into(), other)]);
    let names: Vec<&str> = all.iter().flat_map(|one| &one.subjects).map(|subject| subject.name.as_str()).collect();
    assert_eq!(names, ["reactor", "threads", "reactor2", "threads2"]);
}

#[test]
fn what_fails_is_told_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let nonsense = dir.path().join("nonsense.json");
    fs::write(&nonsense, "nonsense").unwrap();
    let nonsense = nonsense.to_str().unwrap();
    let page = dir.path().join("no/such/folder/page.html");
    let page = page.to_str().unwrap();
    // A folder has the name of the first plot.
    let plots = dir.path().join("plots");
    let first = plots.join(&report::plots(&[Results::read(Path::new(SMALL)).unwrap()])[0].0);
    fs::create_dir_all(&first).unwrap();
    let (plots, first) = (plots.to_str().unwrap(), first.to_str().unwrap());
    // The table is printed even if the last file can't be written.
    let output = run(multiconn(&["bench", "report", SMALL, "--plots", plots]));
    assert_eq!(text(&output.stderr), format!("multiconn: cannot write to {first}: is a directory\n"));
    assert_eq!((text(&output.stdout).contains("reactor"), output.status.code()), (true, Some(1)));
    let cases = [
        (vec!["/no/such.json"], "cannot read results from /no/such.json: no such file".to_owned()),
        (
            vec![nonsense],
            format!("cannot read results from {nonsense}: it is not JSON: expected ident at line 1 column 2"),
        ),
        (vec![SMALL, "--html", page], format!("cannot write to {page}: no such folder")),
        (vec![SMALL, "--plots", nonsense], format!("cannot make the folder {nonsense}: file exists")),
        // Temporary files can't be created there, although this file could be written.
        (vec![SMALL, "--plots", "/proc"], "cannot write to /proc: no such file".to_owned()),
        (vec![SMALL, "--csv", "/proc/self/comm"], "cannot write to /proc/self/comm: no such file".to_owned()),
    ];
    for (args, reason) in cases {
        let output = run(multiconn(&[&["bench", "report"], &args[..]].concat()));
        assert_eq!(text(&output.stderr), format!("multiconn: {reason}\n"));
        assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(1)));
    }
    assert_eq!(run(multiconn(&["bench", "report"])).status.code(), Some(2));
}

#[test]
fn no_file_but_those_named_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("precious"), "precious").unwrap();
    symlink("precious", at("a.csv.part")).unwrap();
    fs::write(at("a.md.part"), "somebody's").unwrap();
    let [csv, markdown] = ["a.csv", "a.md"].map(|name| at(name).to_str().unwrap().to_owned());
    printed(multiconn(&["bench", "report", SMALL, "--csv", &csv, "--markdown", &markdown]));
    assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious");
    assert_eq!(fs::read_link(at("a.csv.part")).unwrap(), Path::new("precious"));
    assert_eq!(fs::read_to_string(at("a.md.part")).unwrap(), "somebody's");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
}

#[test]
fn a_report_never_overwrites_what_it_reads_or_another() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [results, link, hard, page] = ["in.json", "link", "hard", "page"].map(at);
    fs::copy(SMALL, &results).unwrap();
    symlink("in.json", &link).unwrap();
    fs::hard_link(&results, &hard).unwrap();
    let detour = format!("{}/../{}/in.json", dir.path().display(), dir.path().file_name().unwrap().display());
    for output in [&results, &link, &hard, &detour] {
        let said = run(multiconn(&["bench", "report", &results, "--csv", output]));
        let wanted = format!("multiconn: --csv {output} would overwrite {results}: give it a file of its own\n");
        assert_eq!((text(&said.stderr), said.status.code()), (wanted, Some(2)));
    }
    let said = run(multiconn(&["bench", "report", &link, "--markdown", &page, "--html", &page]));
    let wanted = format!("multiconn: --html {page} would overwrite --markdown {page}: give it a file of its own\n");
    assert_eq!((text(&said.stderr), said.status.code()), (wanted, Some(2)));
    assert!(!fs::exists(&page).unwrap());
    // The table goes to standard output.
    let mut command = multiconn(&["bench", "report", &results, "--csv", &page]);
    let said = command.stdout(fs::File::create(&page).unwrap()).output().unwrap();
    let wanted = format!("multiconn: --csv {page} would overwrite standard output: give it a file of its own\n");
    assert_eq!((text(&said.stderr), said.status.code()), (wanted, Some(2)));
    assert_eq!(fs::read(&results).unwrap(), fs::read(SMALL).unwrap());
    // Other files than regular ones can be named twice, since nothing is lost.
    printed(multiconn(&["bench", "report", &results, "--csv", "/dev/null", "--html", "/dev/null"]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_of() {
    let output = run(multiconn(&["bench", "report", SMALL, "--csv", "/dev/full"]));
    assert_eq!(text(&output.stderr), "multiconn: cannot write to /dev/full: no space left on device\n");
    assert_eq!(output.status.code(), Some(1));
    let dir = tempfile::tempdir().unwrap();
    let second = dir.path().join(&report::plots(&[Results::read(Path::new(SMALL)).unwrap()])[1].0);
    symlink("/dev/full", &second).unwrap();
    let output = run(multiconn(&["bench", "report", SMALL, "--plots", dir.path().to_str().unwrap()]));
    let reason = format!("multiconn: cannot write to {}: no space left on device\n", second.display());
    assert_eq!((text(&output.stderr), output.status.code()), (reason, Some(1)));
    let error = fixtures::empty().write(Path::new("/dev/full")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

const DOCS: &str = include_str!("../../docs/benchmarks-results.md");

#[test]
fn the_example_in_the_docs_is_read_and_shows_every_field() {
    let example = DOCS.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let results = Results::from_json(example.as_bytes()).unwrap();
    // The example has every field that results have, and no other.
    let written: serde_json::Value = serde_json::from_str(example).unwrap();
    assert_eq!(as_json(&results), written);
}

#[test]
fn the_docs_name_every_plot() {
    let names = |results: Results| report::plots(&[results]).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    for name in names(fixtures::measured(1, &[1, 50], 1, false)) {
        let short = name.replace("-echo-64-bytes-closed-loop.svg", "").replace("-1-connection", "-50-connections");
        assert!(DOCS.contains(&format!("`{short}`")), "{short}");
    }
    for name in names(fixtures::measured(1, &[50], 1, false)) {
        let short = name.replace("-echo-64-bytes-closed-loop.svg", "");
        assert!(DOCS.contains(&format!("`{short}`")), "{short}");
    }
}

#[test]
fn the_docs_name_every_column_of_the_csv() {
    let csv = report::csv(&[]);
    for name in csv.trim_end().split(',') {
        let short = ["_p90_", "_p99_", "_p999_", "_max_"]
            .into_iter()
            .find(|part| name.starts_with("latency") && name.contains(part));
        let shown = short.map_or(format!("`{name}`"), |part| format!("`…{part}…`"));
        assert!(DOCS.contains(&shown), "{name}");
    }
}
