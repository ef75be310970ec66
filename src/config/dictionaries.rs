//! The operator's own dictionaries: a folder of files in the common format, laid over those that the program carries.

use std::path::Path;

use super::ConfigError;
use crate::dictionary::{Dictionary, embedded_text};

/// The longest file that is read: the largest dictionaries in use have some 100 KiB.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// The file that says which others there are; without it all `dictionary.*` are read.
const ROOT: &str = "dictionary";

/// The dictionary with the files of `folder`: its `dictionary`, or every `dictionary.*` by name. A file that is included
/// and not there may be one that the program carries.
///
/// # Errors
/// The folder cannot be read, or what is wrong in which line of which file.
pub fn with_own_dictionaries(folder: &Path) -> Result<Dictionary, ConfigError> {
    let load = |name: &str| {
        let file = folder.join(name);
        match name {
            "" => all_of(folder),
            _ if file.exists() => text_of(&file),
            _ => embedded_text(name).map(str::to_owned),
        }
    };
    let unreadable = |error: std::io::Error| ConfigError::File { file: folder.to_owned(), why: error.kind() };
    std::fs::read_dir(folder).map_err(unreadable)?;
    let root = if folder.join(ROOT).is_file() { ROOT } else { "" };
    let read = Dictionary::embedded().clone().with(root, &load);
    read.map_err(|error| ConfigError::Dictionary { folder: folder.to_owned(), error })
}

/// Lines that include every `dictionary.*` of a folder.
fn all_of(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("dictionary.")).collect();
    names.sort_unstable();
    Some(names.into_iter().map(|name| format!("$INCLUDE {name}\n")).collect())
}

/// Old dictionaries have comments in other character sets: what is no UTF-8 there does not matter.
fn text_of(file: &Path) -> Option<String> {
    let length = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?.len();
    (length <= FILE_MAX_BYTES)
        .then(|| std::fs::read(file).ok())?
        .map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn all_files_are_read_or_those_that_the_first_names() {
        let files = [("dictionary.b", "ATTRIBUTE Own-B 201 string"), ("dictionary.a", "ATTRIBUTE Own-A 200 string")];
        let all = folder(&files);
        let dictionary = with_own_dictionaries(all.path()).unwrap();
        assert!(dictionary.named("Own-A").is_some() && dictionary.named("Own-B").is_some());
        std::fs::write(all.path().join("dictionary"), "$INCLUDE dictionary.rfc2865\n$INCLUDE dictionary.b\n").unwrap();
        let dictionary = with_own_dictionaries(all.path()).unwrap();
        assert!(dictionary.named("Own-A").is_none() && dictionary.named("Own-B").is_some());
        assert!(dictionary.named("Mikrotik-Rate-Limit").is_some());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let bad = folder(&[("dictionary.own", "# mine\nATTRIBUTE Own 200 blob")]);
        let message = with_own_dictionaries(bad.path()).unwrap_err().to_string();
        assert!(message.ends_with("dictionary.own:2: unknown type `blob`"), "{message}");
        let missing = with_own_dictionaries(&bad.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        let huge = folder(&[("dictionary", &"#".repeat(2 << 20))]);
        assert!(with_own_dictionaries(huge.path()).is_err());
    }

    /// The files that FreeRADIUS brings (Debian's freeradius-common) are read as they are.
    #[test]
    fn the_dictionaries_of_freeradius_are_read() {
        let own = folder(&[("dictionary", "$INCLUDE /usr/share/freeradius/dictionary\n")]);
        let dictionary = with_own_dictionaries(own.path()).unwrap();
        assert!(dictionary.definitions().len() > 5_000, "{}", dictionary.definitions().len());
        assert!(dictionary.named("Cisco-AVPair").is_some_and(|cisco| cisco.vendor == Some(9)));
        let known = Dictionary::embedded().definitions();
        assert!(known.iter().all(|definition| dictionary.named(&definition.name).is_some_and(|same| {
            (same.vendor, same.number, same.kind) == (definition.vendor, definition.number, definition.kind)
        })));
    }
}
