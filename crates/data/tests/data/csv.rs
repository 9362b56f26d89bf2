//! The CSV reader, given what it should read and what it should refuse.

use crate::common::{Folder, gzip, never_panics};
use eras_data::{Csv, Dataset, Target};

fn error(csv: &Csv, text: impl AsRef<[u8]>) -> String {
    csv.read_text("t.csv", text).unwrap_err().to_string()
}

#[test]
fn columns_are_features_and_one_of_them_the_target() {
    let folder = Folder::new();
    let path = folder.file("t.csv", "\u{feff}a, b ,c\r\n1,2,3\r\n-4.5,1e-3,6\r\n\r\n");
    let table = Csv::new().read(&path).unwrap();
    assert_eq!(
        (table.columns, table.rows),
        (["a", "b", "c"].map(String::from).to_vec(), 2)
    );
    assert_eq!(table.features, [1.0, 2.0, 3.0, -4.5, 1e-3, 6.0]);
    assert_eq!(table.target, Target::None);

    let table = Csv::new().values("b").read(&path).unwrap();
    assert_eq!(table.columns, ["a", "c"]);
    assert_eq!(table.features, [1.0, 3.0, -4.5, 6.0]);
    assert_eq!(table.target, Target::Values(vec![2.0, 1e-3]));
    assert_eq!(
        Csv::new()
            .values(1)
            .read(folder.file("t.gz", gzip(&std::fs::read(&path).unwrap())))
            .unwrap(),
        table
    );
}

#[test]
fn classes_are_numbered_in_sorted_order() {
    let classes = |text| match Csv::new()
        .no_header()
        .classes(1)
        .read_text("t.csv", text)
        .unwrap()
        .target
    {
        Target::Classes { labels, names } => (labels, names),
        other => panic!("{other:?}"),
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        classes("1,dog\n2,\"cat, big\"\n3,dog"),
        (vec![1, 0, 1], names(&["cat, big", "dog"]))
    );
    assert_eq!(
        classes("1,10\n2,9\n3,-1\n4,9"),
        (vec![2, 1, 0, 1], names(&["-1", "9", "10"]))
    );
}

#[test]
fn another_delimiter_and_no_header() {
    let table = Csv::new()
        .delimiter(b';')
        .no_header()
        .read_text("t.csv", "1;2\n3;4\n")
        .unwrap();
    assert_eq!(
        (table.rows, table.columns),
        (2, vec!["0".to_string(), "1".to_string()])
    );
    assert_eq!(table.features, [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn errors_name_line_and_column() {
    let csv = Csv::new();
    let wrong = |cell| error(&csv, format!("a,b\n1,2\n3,{cell}\n"));
    assert_eq!(
        wrong("x"),
        "`t.csv`: line 3, column `b`: found `x`, wanted a finite number"
    );
    assert_eq!(
        wrong(""),
        "`t.csv`: line 3, column `b`: found ``, wanted a finite number"
    );
    assert_eq!(
        wrong("NaN"),
        "`t.csv`: line 3, column `b`: found `NaN`, wanted a finite number"
    );
    assert_eq!(
        wrong("1e99"),
        "`t.csv`: line 3, column `b`: found `1e99`, wanted a finite number"
    );
    assert_eq!(wrong("1,2"), "`t.csv`: line 3: found 3 cells, wanted 2");
    assert!(error(&csv, b"a,b\n1,2\n3,\xff\n").contains("line 3"));
}

#[test]
fn tables_without_rows_features_or_target_are_errors() {
    let csv = Csv::new();
    assert_eq!(error(&csv, ""), "`t.csv`: has no rows");
    assert_eq!(error(&csv, "a,b\n"), "`t.csv`: has no rows");
    assert_eq!(
        error(&csv.clone().classes("a"), "a\nx\n"),
        "`t.csv`: has no column of features"
    );
    let found = "found the columns `a`, `b`";
    assert_eq!(
        error(&csv.clone().classes("c"), "a,b\n1,2\n"),
        format!("`t.csv`: wanted a target column `c`, {found}")
    );
    assert_eq!(
        error(&csv.classes(2), "a,b\n1,2\n"),
        format!("`t.csv`: wanted a target column number 2, {found}")
    );
}

#[test]
fn a_missing_class_is_no_class() {
    assert_eq!(
        error(&Csv::new().classes("b"), "a,b\n1,x\n2, \n"),
        "`t.csv`: line 3, column `b`: found ``, wanted a class"
    );
}

#[test]
fn a_row_of_many_megabytes_is_an_error_and_many_rows_are_none() {
    let no_header = Csv::new().no_header();
    let commas = error(&no_header, vec![b','; 5 << 20]);
    assert!(
        commas.contains("a row goes on for more than 4194304 bytes"),
        "{commas}"
    );
    let quote = format!("1,2\n\"{}", "3,4\n".repeat(2 << 20));
    let quote = error(&no_header, quote);
    assert!(quote.contains("is a quote not closed?"), "{quote}");
    let rows = no_header
        .read_text("t.csv", "1,2\n".repeat(3 << 20))
        .unwrap()
        .rows;
    assert_eq!(rows, 3 << 20);
}

#[test]
fn an_endless_cell_is_shown_in_part() {
    let error = error(&Csv::new(), format!("a\n{}\n", "x".repeat(1000)));
    let shown = "x".repeat(40);
    assert_eq!(
        error,
        format!("`t.csv`: line 2, column `a`: found `{shown}`, wanted a finite number")
    );
}

#[test]
fn a_table_becomes_a_data_set() {
    let text = "a,b,c\n1,2,dog\n3,4,cat\n";
    let table = Csv::new().classes("c").read_text("t.csv", text).unwrap();
    let data = table.into_dataset().unwrap();
    assert_eq!(data.classes(), ["cat", "dog"]);
    let batch = data.batch(&[0]).unwrap();
    assert_eq!(batch.x.to_vec::<f32>(), [1.0, 2.0]);
    assert_eq!(
        (batch.y.shape(), batch.y.to_vec::<i64>()),
        (&[1][..], vec![1])
    );

    let text = "a,b\n1,2\n3,4\n";
    let table = Csv::new().values("b").read_text("t.csv", text).unwrap();
    let batch = table.into_dataset().unwrap().batch(&[1, 0]).unwrap();
    assert_eq!(batch.y.shape(), [2, 1]);
    assert_eq!(batch.y.to_vec::<f32>(), [4.0, 2.0]);
    let table = Csv::new().read_text("t.csv", text).unwrap();
    let error = table.into_dataset().unwrap_err().to_string();
    assert!(error.contains("has no target"), "{error}");
}

#[test]
fn a_target_of_endless_classes_is_an_error() {
    let text: String = (0..70_000).map(|i| format!("1,c{i}\n")).collect();
    let error = error(&Csv::new().no_header().classes(1), text);
    assert!(error.contains("more than 65536 classes"), "{error}");
}

#[test]
fn random_files_never_panic() {
    let seeds = [
        b"a,b,c\n1,2,x\n3,4,y\n\"5\",6,\"x\"\"\"\n".to_vec(),
        gzip(b"a,b,c\n1,2,x\n3,4,y\n"),
    ];
    let readers = [
        Csv::new(),
        Csv::new().no_header().classes(2),
        Csv::new().values("b"),
    ];
    never_panics(&seeds, 30_000, |i, input| {
        let _ = readers[i % 3].read_text("x", input);
    });
}
