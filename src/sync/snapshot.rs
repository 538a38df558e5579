//! The snapshot file: all pairs of the last complete list, to start from while the store is away.
//!
//! Written beside the file and moved over it once it is on the disk (write, fsync, rename, fsync of
//! the folder), so that a full disk or a crash leaves the former one whole. Read only at start.
//!
//! Layout, little-endian: `CDNSSNP1`, cluster id u64, revision i64, then for each pair: key length
//! u32, value length u32, mod_revision i64, key, value; at the end a key length of `FFFFFFFF`, the
//! number of pairs u64 and the hash u64 (FNV-1a) of all octets before the hash.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use containerdns_store::KeyValue;

const MAGIC: &[u8; 8] = b"CDNSSNP1";
const END: u32 = u32::MAX;
/// Larger keys and values than any store gives are a broken file.
const PART_LEN_MAX: u32 = 64 << 20;

/// A snapshot being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: Hashed<BufWriter<File>>,
    pairs: u64,
}

/// What a snapshot holds besides its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The store's identity.
    pub cluster_id: u64,
    /// Revision of the list.
    pub revision: i64,
}

impl Writer {
    /// Starts a snapshot that will be at `path`.
    pub fn create(path: &Path, header: Header) -> io::Result<Writer> {
        let mut partial = path.to_owned().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let mut file = Hashed::new(BufWriter::new(File::create(&partial)?));
        file.put(MAGIC)?;
        file.put(&header.cluster_id.to_le_bytes())?;
        file.put(&header.revision.to_le_bytes())?;
        Ok(Writer {
            path: path.into(),
            partial,
            file,
            pairs: 0,
        })
    }

    /// Adds a pair.
    pub fn add(&mut self, pair: &KeyValue) -> io::Result<()> {
        self.file.put(&(pair.key.len() as u32).to_le_bytes())?;
        self.file.put(&(pair.value.len() as u32).to_le_bytes())?;
        self.file.put(&pair.mod_revision.to_le_bytes())?;
        self.file.put(&pair.key)?;
        self.file.put(&pair.value)?;
        self.pairs += 1;
        Ok(())
    }

    /// Makes it the snapshot. Blocks for as long as the disk takes.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.put(&END.to_le_bytes())?;
        self.file.put(&self.pairs.to_le_bytes())?;
        let hash = self.file.hash;
        self.file.inner.write_all(&hash.to_le_bytes())?;
        self.file.inner.flush()?;
        self.file.inner.get_ref().sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Reads the snapshot at `path`, handing each pair to `take`. What was handed on before an error
/// must be thrown away by the caller.
pub fn read(path: &Path, mut take: impl FnMut(KeyValue)) -> io::Result<Header> {
    let mut file = Hashed::new(BufReader::new(File::open(path)?));
    if file.octets::<8>()? != *MAGIC {
        return Err(broken("it does not begin as a snapshot does"));
    }
    let cluster_id = u64::from_le_bytes(file.octets()?);
    let header = Header {
        cluster_id,
        revision: i64::from_le_bytes(file.octets()?),
    };
    let mut pairs = 0u64;
    loop {
        let key_len = u32::from_le_bytes(file.octets()?);
        if key_len == END {
            break;
        }
        let value_len = u32::from_le_bytes(file.octets()?);
        if key_len.max(value_len) > PART_LEN_MAX {
            return Err(broken("a key or value is longer than any can be"));
        }
        let mod_revision = i64::from_le_bytes(file.octets()?);
        let (key, value) = (file.vec(key_len)?, file.vec(value_len)?);
        take(KeyValue {
            key,
            value,
            mod_revision,
        });
        pairs += 1;
    }
    let counted = u64::from_le_bytes(file.octets()?);
    let hash = file.hash;
    if counted != pairs || u64::from_le_bytes(file.octets()?) != hash {
        return Err(broken("its end does not match its contents"));
    }
    Ok(header)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A stream whose octets are hashed on the way.
#[derive(Debug)]
struct Hashed<S> {
    inner: S,
    hash: u64,
}

impl<S> Hashed<S> {
    fn new(inner: S) -> Hashed<S> {
        Hashed {
            inner,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn take_in(&mut self, octets: &[u8]) {
        self.hash = octets.iter().fold(self.hash, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3)
        });
    }
}

impl<S: Write> Hashed<S> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.take_in(octets);
        self.inner.write_all(octets)
    }
}

impl<S: Read> Hashed<S> {
    fn octets<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.inner.read_exact(&mut octets)?;
        self.take_in(&octets);
        Ok(octets)
    }

    fn vec(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; length as usize];
        self.inner.read_exact(&mut octets)?;
        self.take_in(&octets);
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, values: &[&str]) {
        let mut writer = Writer::create(
            path,
            Header {
                cluster_id: 7,
                revision: 9,
            },
        )
        .unwrap();
        for (place, value) in values.iter().enumerate() {
            let (key, value) = (format!("/k{place}").into(), value.as_bytes().into());
            writer
                .add(&KeyValue {
                    key,
                    value,
                    mod_revision: place as i64,
                })
                .unwrap();
        }
        writer.finish().unwrap();
    }

    fn values(path: &Path) -> io::Result<Vec<String>> {
        let mut values = Vec::new();
        let header = read(path, |pair| {
            values.push(String::from_utf8(pair.value).unwrap())
        })?;
        assert_eq!(
            header,
            Header {
                cluster_id: 7,
                revision: 9
            }
        );
        Ok(values)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write(&path, &["a", "", "c"]);
        assert_eq!(values(&path).unwrap(), ["a", "", "c"]);
        write(&path, &["new"]);
        assert_eq!(values(&path).unwrap(), ["new"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unfinished_snapshot_leaves_the_former_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write(&path, &["former"]);
        let header = Header {
            cluster_id: 7,
            revision: 9,
        };
        drop(Writer::create(&path, header).unwrap());
        assert_eq!(values(&path).unwrap(), ["former"]);
    }

    #[test]
    fn any_changed_or_missing_octet_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write(&path, &["some value", "another"]);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x20;
            fs::write(&path, changed).unwrap();
            assert!(read(&path, drop).is_err(), "octet {place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert!(read(&path, drop).is_err(), "cut at {place}");
        }
    }
}
