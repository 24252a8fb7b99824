//! Files and folders that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes `dir` and its missing parents, with mode 0700.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Gives a file that these options create the mode 0600.
pub(crate) fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Opens a file for writing, and creates it with mode 0600 if it does not exist.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    private_file(OpenOptions::new().create(true).truncate(false).write(true)).open(path)
}
