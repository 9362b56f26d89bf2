//! Pictures of a user's own, for tests of the binary.

use eras_report::Picture;
use std::fs;
use std::path::Path;

/// Folders of classes in `root`, with so many pictures each: `draw` is told the class and the picture's number.
pub(crate) fn folders(
    root: &Path,
    classes: &[(&str, usize)],
    draw: impl Fn(usize, usize) -> Picture,
) {
    for (class, (name, count)) in classes.iter().enumerate() {
        fs::create_dir_all(root.join(name)).unwrap();
        for i in 0..*count {
            let path = root.join(name).join(format!("{i:03}.png"));
            draw(class, i).save(path).unwrap();
        }
    }
}
