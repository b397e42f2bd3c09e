//! `network.toml`: the genesis of the network, and addresses to start from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use decube_protocols::types::{InvalidGenesis, NetworkFile};

use crate::directory;
use crate::error::StoreError;

/// The file's name in a data directory.
pub const NETWORK_FILE: &str = "network.toml";

/// The largest file that is read: 1,024 validators and as many replicas take half a megabyte.
const MAX_FILE: u64 = 4 << 20;

/// The most bootstrap addresses; a node needs one that answers.
pub const MAX_BOOTSTRAP: usize = 256;

/// Why a network file was refused or not written. A file that exists is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// There is none.
    #[error("there is no network file {path}; get it, or a ticket, from someone in the network, then \
        `decube join FILE-OR-TICKET`", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML, or not of the right shape; the message has line and column.
    #[error("{path} is no network file: {detail}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        detail: String,
    },
    /// It defines no network.
    #[error("the genesis in {path} defines no network: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: InvalidGenesis,
    },
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads and checks a network file.
///
/// # Errors
/// [`NetworkError`] names the file and what is wrong with it.
pub fn read(path: &Path) -> Result<NetworkFile, NetworkError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(NetworkError::Missing {
                path: path.to_path_buf(),
            });
        }
        Err(error) => return Err(StoreError::io(path, &error).into()),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| StoreError::io(path, &error))?;
    let malformed = |detail| NetworkError::Malformed {
        path: path.to_path_buf(),
        detail,
    };
    if length as u64 > MAX_FILE {
        return Err(malformed(format!("it is larger than {MAX_FILE} bytes")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| malformed(format!("it is no text: {}", error.utf8_error())))?;
    let network = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    check(path, &network)?;
    Ok(network)
}

/// Writes a network file, after checking it; one that exists is replaced.
///
/// # Errors
/// [`NetworkError`] when it defines no network, or what the operating system says.
pub fn write(path: &Path, network: &NetworkFile) -> Result<(), NetworkError> {
    check(path, network)?;
    let text = toml::to_string_pretty(network).map_err(|error| NetworkError::Malformed {
        path: path.into(),
        detail: error.to_string(),
    })?;
    Ok(directory::write(path, text.as_bytes(), 0o644)?)
}

fn check(path: &Path, network: &NetworkFile) -> Result<(), NetworkError> {
    let path = path.to_path_buf();
    if network.bootstrap.len() > MAX_BOOTSTRAP {
        let count = network.bootstrap.len();
        let detail = format!("{count} bootstrap addresses are more than {MAX_BOOTSTRAP}");
        return Err(NetworkError::Malformed { path, detail });
    }
    network
        .genesis
        .validate()
        .map_err(|reason| NetworkError::Invalid { path, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::genesis;

    fn network() -> NetworkFile {
        NetworkFile {
            bootstrap: vec!["/ip4/127.0.0.1/tcp/4001".into()],
            genesis: genesis(),
        }
    }

    #[test]
    fn a_network_file_is_read_back_and_names_the_same_network() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NETWORK_FILE);
        assert_eq!(
            read(&path),
            Err(NetworkError::Missing { path: path.clone() })
        );
        write(&path, &network()).unwrap();
        let again = read(&path).unwrap();
        assert_eq!(again, network());
        assert_eq!(again.genesis.network_id(), genesis().network_id());
    }

    #[test]
    fn a_bad_file_is_named_with_the_place_of_the_fault() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NETWORK_FILE);
        write(&path, &network()).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        let refuse = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), text, "it is left as it is");
            assert!(error.to_string().contains(NETWORK_FILE));
            error
        };
        let cut = refuse(&good.as_bytes()[..good.len() / 2]);
        assert!(matches!(&cut, NetworkError::Malformed { .. }), "{cut}");
        let misspelt = refuse(good.replace("delta_ms", "detla_ms").as_bytes());
        assert!(misspelt.to_string().contains("line"), "{misspelt}");
        let slow = refuse(good.replace("delta_ms = 30", "delta_ms = 0").as_bytes());
        let bounds = matches!(
            slow,
            NetworkError::Invalid {
                reason: InvalidGenesis::BadTime { .. },
                ..
            }
        );
        assert!(bounds, "{slow}");
        assert!(matches!(
            refuse(&[0xff; 10]),
            NetworkError::Malformed { .. }
        ));
    }

    #[test]
    fn what_defines_no_network_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NETWORK_FILE);
        let mut network = network();
        network.genesis.validators.clear();
        assert!(matches!(
            write(&path, &network),
            Err(NetworkError::Invalid { .. })
        ));
        assert!(!path.exists());
    }
}
