//! The file of the master key: made at first start with mode 0600, refused if others can read it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::seal::{KEY_BYTES, MasterKey};
use crate::entropy::Entropy;

/// A key file is 65 bytes; anything much longer is another file.
const MAX_BYTES: u64 = 256;
const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Why there is no master key. No text of it has the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{}: {what}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The file can be read by others.
    #[error("{}: its mode is {mode:04o}, so others can read the master key; run chmod 600 on it", file.display())]
    Readable {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file has no key.
    #[error("{}: a master key is one line of 64 hexadecimal digits", file.display())]
    Text {
        /// The file.
        file: PathBuf,
    },
}

/// Whether the key was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFile {
    /// It was made now.
    Made,
    /// It was there.
    Found,
}

/// The master key of this file; made with mode 0600 if there is none.
///
/// # Errors
/// [`KeyError`]: not readable, readable by others, or not a key.
pub fn load_or_make_key(file: &Path, entropy: &dyn Entropy) -> Result<(MasterKey, KeyFile), KeyError> {
    match File::open(file) {
        Ok(open) => Ok((load(file, open)?, KeyFile::Found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((make(file, entropy)?, KeyFile::Made)),
        Err(source) => Err(KeyError::Io { file: file.to_owned(), what: "cannot be opened", source }),
    }
}

fn load(file: &Path, open: File) -> Result<MasterKey, KeyError> {
    let unreadable = |source| KeyError::Io { file: file.to_owned(), what: "cannot be read", source };
    let mode = open.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyError::Readable { file: file.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    match open.take(MAX_BYTES).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(KeyError::Text { file: file.to_owned() }),
        Err(error) => return Err(unreadable(error)),
    }
    MasterKey::parse(&text).map_err(|_| KeyError::Text { file: file.to_owned() })
}

fn make(file: &Path, entropy: &dyn Entropy) -> Result<MasterKey, KeyError> {
    let key = MasterKey::new(entropy.bytes::<KEY_BYTES>());
    let error = |source| KeyError::Io { file: file.to_owned(), what: "cannot be made", source };
    let mut open = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(file).map_err(error)?;
    let written =
        open.write_all(key.to_text().as_bytes()).and_then(|()| open.sync_all()).and_then(|()| sync_directory(file));
    if let Err(source) = written {
        // Half a key would be refused at every start; what is left of it is worth nothing.
        let _ = std::fs::remove_file(file);
        return Err(error(source));
    }
    Ok(key)
}

/// The name of the file survives a power cut, too.
fn sync_directory(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_key_is_made_once_and_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("radgram.key");
        let (made, first) = load_or_make_key(&file, &SystemEntropy).unwrap();
        let (found, again) = load_or_make_key(&file, &SystemEntropy).unwrap();
        assert_eq!((first, again), (KeyFile::Made, KeyFile::Found));
        assert_eq!(made.id(), found.id());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("radgram.key");
        load_or_make_key(&file, &SystemEntropy).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let message = load_or_make_key(&file, &SystemEntropy).unwrap_err().to_string();
        assert!(message.contains("0640") && message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("radgram.key");
        for text in [b"hunter2".as_slice(), b"", &[0xff; 65], &[b'a'; 400]] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let message = load_or_make_key(&file, &SystemEntropy).unwrap_err().to_string();
            assert!(message.contains("64 hexadecimal digits") && !message.contains("hunter2"), "{message}");
        }
    }
}
