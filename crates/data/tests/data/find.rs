//! Where data sets are found, in which order, and what is said when they are not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use eras_data::catalog::{Known, KnownFile, MNIST};
use eras_data::{Place, Search};

use crate::common::{Folder, gzip, idx, text};

/// Of the IDX file of the labels 4, 5, 6.
const SHA256: &str = "bfadc0e0ac41d5cecb9203b13745a32f7e0cc495ca258820a8790b387d241dbb";

/// A set of one file of three labels, served at `addresses`.
fn tiny(addresses: Vec<String>) -> &'static Known {
    let leak = |text: String| -> &'static str { text.leak() };
    let file = KnownFile {
        name: "labels-idx1-ubyte",
        bytes: 11,
        sha256: SHA256,
        is_archive: false,
        addresses: addresses.into_iter().map(leak).collect::<Vec<_>>().leak(),
        embedded: None,
    };
    Box::leak(Box::new(Known {
        name: "tiny",
        what: "three labels",
        paper: "none",
        licence: "none",
        home: "http://localhost",
        files: vec![file].leak(),
        forms: &[],
    }))
}

fn contents() -> Vec<u8> {
    idx(&[3], &[4, 5, 6])
}

fn place(folder: &Folder, name: &str) -> Option<Place> {
    Some(Place::Folder(folder.path().join(name)))
}

#[test]
fn a_given_path_comes_before_eras_data_and_that_before_the_cache() {
    let known = tiny(vec!["http://localhost/x".into()]);
    let (given, data, cache) = (Folder::new(), Folder::new(), Folder::new());
    let folder = |folder: &Folder| Some(folder.path().to_path_buf());
    let search = Search {
        given: None,
        eras_data: folder(&data),
        cache: folder(&cache),
        download: false,
    };
    let found = |search: &Search| search.local(known).unwrap().map(|found| found.place);

    assert_eq!(found(&search), None);
    cache.file("tiny/labels-idx1-ubyte.gz", gzip(&contents()));
    assert_eq!(found(&search), place(&cache, "tiny"));
    data.file("tiny/labels.idx1-ubyte", contents());
    assert_eq!(found(&search), place(&data, "tiny"));
    let search = search.at(given.path());
    let error = search.local(known).unwrap_err().to_string();
    assert!(
        error.contains("found neither labels-idx1-ubyte.gz nor labels-idx1-ubyte"),
        "{error}"
    );
    given.file("labels-idx1-ubyte", contents());
    assert_eq!(found(&search), place(&given, ""));
    let read = search.local(known).unwrap().unwrap().idx(0).unwrap();
    assert_eq!(read.into_u8().unwrap(), [4, 5, 6]);
}

#[test]
fn an_incomplete_folder_is_an_error_where_the_user_named_it_and_ignored_in_the_cache() {
    let known = tiny(vec!["http://localhost/x".into()]);
    let folder = Folder::new();
    folder.file("tiny/other", "x");
    let path = Some(folder.path().to_path_buf());
    assert!(
        Search {
            eras_data: path.clone(),
            ..Search::default()
        }
        .local(known)
        .is_err()
    );
    assert!(
        Search {
            given: path.clone(),
            ..Search::default()
        }
        .local(known)
        .is_err()
    );
    assert!(
        Search {
            cache: path,
            ..Search::default()
        }
        .local(known)
        .unwrap()
        .is_none()
    );
}

#[test]
fn missing_folders_are_named() {
    let missing = || Some(PathBuf::from("/no/such/folder"));
    let error = Search {
        given: missing(),
        ..Search::default()
    }
    .local(&MNIST)
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/no/such/folder`: found no folder here, wanted one with mnist"
    );
    let error = Search {
        eras_data: missing(),
        ..Search::default()
    }
    .local(&MNIST)
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/no/such/folder`: is what ERAS_DATA names, but it is not a folder"
    );
}

#[test]
fn without_any_place_the_embedded_files_count() {
    assert_eq!(
        Search::default().local(&MNIST).unwrap().unwrap().place,
        Place::Embedded
    );
}

#[test]
fn a_set_that_is_nowhere_says_what_to_fetch_and_where_to_put_it() {
    let known = tiny(vec!["http://localhost/labels-idx1-ubyte.gz".into()]);
    let search = Search {
        cache: Some("/home/u/.cache/eras".into()),
        ..Search::default()
    };
    let error = search.find(known, &mut |_, _| ()).unwrap_err().to_string();
    for part in [
        "tiny was not found",
        "ERAS_DATA is not set",
        "downloading was not allowed",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(error.contains("into `/home/u/.cache/eras/tiny`"), "{error}");
    assert!(
        error.ends_with("http://localhost/labels-idx1-ubyte.gz"),
        "{error}"
    );
}

#[test]
fn altered_contents_are_an_error() {
    let folder = Folder::new();
    folder.file("labels-idx1-ubyte.gz", gzip(&idx(&[3], &[4, 5, 7])));
    let found = Search::default()
        .at(folder.path())
        .local(tiny(vec![]))
        .unwrap()
        .unwrap();
    let error = found.idx(0).unwrap_err().to_string();
    assert!(
        error.contains("is not the labels-idx1-ubyte of tiny") && error.contains(SHA256),
        "{error}"
    );
}

/// Serves each of `answers` (status and body, and whether all of the body is sent) once, at the addresses returned.
fn serve(answers: Vec<(&'static str, Vec<u8>, bool)>) -> (Vec<String>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let addresses = (0..answers.len())
        .map(|i| format!("http://127.0.0.1:{port}/{i}"))
        .collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for (status, body, whole) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let line = String::from_utf8(request)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_string();
            log.lock().unwrap().push(line);
            let length = body.len() + usize::from(!whole) * 100;
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            // Whoever has had enough hangs up.
            let _ = stream.write_all(&body);
        }
    });
    (addresses, asked)
}

#[test]
fn a_download_goes_on_to_the_address_that_serves_the_right_contents() {
    let right = gzip(&contents());
    let (addresses, asked) = serve(vec![
        ("404 Not Found", b"nothing".to_vec(), true),
        ("200 OK", right[..10].to_vec(), false),
        ("200 OK", gzip(&idx(&[3], &[0, 0, 0])), true),
        ("200 OK", vec![7; 1 << 20], true),
        ("200 OK", right.clone(), true),
    ]);
    let known = tiny(addresses);
    let folder = Folder::new();
    let search = Search {
        cache: Some(folder.path().join("deep/eras")),
        download: true,
        ..Search::default()
    };
    let mut heard = Vec::new();
    let found = search
        .find(known, &mut |name, bytes| {
            heard.push((name.to_string(), bytes))
        })
        .unwrap();
    assert_eq!(
        found.place,
        Place::Folder(folder.path().join("deep/eras/tiny"))
    );
    assert_eq!(found.idx(0).unwrap().into_u8().unwrap(), [4, 5, 6]);
    assert_eq!(
        heard.last(),
        Some(&("labels-idx1-ubyte".to_string(), right.len() as u64))
    );
    assert_eq!(asked.lock().unwrap().len(), 5);

    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("deep/eras/tiny"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".lock", "labels-idx1-ubyte.gz"]);
    // Found from now on, without asking anybody.
    assert!(search.find(known, &mut |_, _| ()).is_ok());
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[test]
fn a_download_that_fails_everywhere_says_why_and_leaves_no_litter() {
    let (mut addresses, _) = serve(vec![
        ("500 Internal Server Error", vec![], true),
        ("200 OK", gzip(&idx(&[1], &[0])), true),
    ]);
    addresses.push("http://127.0.0.1:1/refused".into());
    let folder = Folder::new();
    let search = Search {
        cache: Some(folder.path().into()),
        download: true,
        ..Search::default()
    };
    let error = text(&search.find(tiny(addresses), &mut |_, _| ()).unwrap_err());
    for part in [
        "500",
        "serves contents with SHA-256",
        "refused",
        "it could not be downloaded",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let names: Vec<_> = std::fs::read_dir(folder.path().join("tiny"))
        .unwrap()
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}
