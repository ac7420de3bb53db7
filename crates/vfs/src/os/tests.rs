//! Real files, and locks that another call of this process must not lose.

use super::test_dir::TestDir;
use super::*;

#[test]
fn bytes_lengths_and_names() {
    let dir = TestDir::new();
    let path = dir.path().join("f");
    let file = OsVfs.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(b"abc", 2).unwrap();
    file.reserve(100).unwrap();
    file.reserve(50).unwrap();
    assert_eq!(file.len().unwrap(), 100);
    file.set_len(5).unwrap();
    file.sync_data().unwrap();
    assert_eq!(OsVfs.read(&path).unwrap(), b"\0\0abc");
    assert_eq!(OsVfs.metadata(&path).unwrap().len, 5);
    assert!(OsVfs.metadata(&path).unwrap().modified_ms > 1_600_000_000_000);
    OsVfs.create_dir_all(&dir.path().join("a/b")).unwrap();
    OsVfs.create_dir_all(&dir.path().join("a/b")).unwrap();
    OsVfs.sync_dir(dir.path()).unwrap();
    let entries = OsVfs.read_dir(dir.path()).unwrap();
    assert_eq!(entries[0], DirEntry { name: "a".into(), is_dir: true });
    assert_eq!(entries[1], DirEntry { name: "f".into(), is_dir: false });
    assert!(file.as_fd().is_some());
    let error = OsVfs.create_dir_all(&path.join("below")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    assert_eq!(crate::raw_os_error(&error), Some(Errno::NOTDIR.raw_os_error()));
}

#[test]
fn private_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TestDir::new();
    let path = dir.path().join("session");
    for content in [&b"a longer secret"[..], b"secret"] {
        crate::durable::write_private_file(&OsVfs, &path, content).unwrap();
        assert_eq!(OsVfs.read(&path).unwrap(), content);
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_second_lock_in_this_process_is_refused_and_leaves_the_first() {
    let dir = TestDir::new();
    let path = dir.path().join(".lock");
    let lock = OsVfs.lock(&path).unwrap();
    assert_eq!(OsVfs.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(OsVfs.open(&path, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // Another way to the same file is the same file.
    let way_round = dir.path().join("..").join(dir.path().file_name().unwrap()).join(".lock");
    assert_eq!(OsVfs.lock(&way_round).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(is_locked_for_others(&path));
    drop(lock);
    assert!(!is_locked_for_others(&path));
    drop(OsVfs.lock(&path).unwrap());
}

/// Asks `/proc/locks`, because this process itself would always get the lock.
#[expect(clippy::disallowed_methods, reason = "a test looks at the kernel's table")]
fn is_locked_for_others(path: &Path) -> bool {
    let inode = sys::stat(path).unwrap().st_ino;
    let table = std::fs::read_to_string("/proc/locks").unwrap();
    let wanted = format!(":{inode}");
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1) == Some(&"POSIX") && words.iter().any(|word| word.ends_with(&wanted))
    })
}

#[test]
fn pieces_are_written_one_behind_the_other() {
    let dir = TestDir::new();
    let file = OsVfs.open(&dir.path().join("file"), OpenMode::CreateNew).unwrap();
    file.write_at(b"....", 0).unwrap();
    let write = |pieces: &[&[u8]], offset| {
        let pieces: Vec<io::IoSlice<'_>> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
        file.write_pieces_at(&pieces, offset).unwrap();
    };
    write(&[b"head", b"body"], 2);
    write(&[b"", b"!"], 10);
    write(&[], 5);
    let mut bytes = [0; 11];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"..headbody!");
    // More than one call takes.
    let numbers: Vec<u8> = (0..5000u32).map(|number| number as u8).collect();
    write(&numbers.chunks(1).collect::<Vec<_>>(), 11);
    let mut bytes = vec![0; numbers.len()];
    file.read_exact_at(&mut bytes, 11).unwrap();
    assert_eq!((bytes, file.len().unwrap()), (numbers, 5011));
}

#[test]
fn files_of_the_kernel_are_read_although_they_have_no_length() {
    let status = OsVfs.read(Path::new("/proc/self/status")).unwrap();
    assert!(status.starts_with(b"Name:") && status.ends_with(b"\n"));
}

#[test]
fn what_comes_through_a_pipe_is_read_to_its_end() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    for text in ["", "broker.id=0\n", &"name=value\n".repeat(20_000)] {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(text.as_bytes()).unwrap());
            assert_eq!(OsVfs.read(&path).unwrap(), text.as_bytes());
        });
    }
    assert_eq!(OsVfs.read(Path::new("/dev/null")).unwrap(), b"");
}
