//! What each kind of crash leaves, and the twin against real files.

use super::*;

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn data() -> MemoryVfs {
    MemoryVfs::with_dirs(["/data"])
}

#[test]
fn power_loss_forgets_unsynced_bytes_and_names() {
    let vfs = data();
    let kept = vfs.open(path("/data/kept"), OpenMode::CreateNew).unwrap();
    kept.write_at(b"synced", 0).unwrap();
    kept.sync_data().unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    kept.write_at(b"lost", 6).unwrap();
    let nameless = vfs.open(path("/data/nameless"), OpenMode::CreateNew).unwrap();
    nameless.write_at(b"x", 0).unwrap();
    nameless.sync_data().unwrap();
    vfs.crash();
    assert_eq!(vfs.read(path("/data/kept")).unwrap(), b"synced");
    assert_eq!(vfs.metadata(path("/data/nameless")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(kept.read_at(&mut [0], 0).is_err(), "the handle's process is gone");
}

#[test]
fn the_end_of_the_process_keeps_all_but_locks() {
    let vfs = data();
    let lock = vfs.lock(path("/data/.lock")).unwrap();
    assert_eq!(vfs.lock(path("/data/.lock")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    vfs.open(path("/data/f"), OpenMode::Create).unwrap().write_at(b"abc", 0).unwrap();
    vfs.crash_with(Crash::Process);
    assert_eq!(vfs.read(path("/data/f")).unwrap(), b"abc");
    let again = vfs.lock(path("/data/.lock")).unwrap();
    drop(lock);
    assert!(vfs.lock(path("/data/.lock")).is_err(), "the old guard does not free the new lock");
    drop(again);
    vfs.lock(path("/data/.lock")).unwrap();
}

#[test]
fn an_unsynced_rename_comes_back_whole() {
    let vfs = data();
    vfs.open(path("/data/a"), OpenMode::Create).unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    vfs.rename(path("/data/a"), path("/data/b")).unwrap();
    assert!(!vfs.exists(path("/data/a")));
    for seed in 0..20 {
        let copy = vfs.fork();
        copy.crash_with(Crash::Torn { seed });
        assert_eq!(copy.read_dir(path("/data")).unwrap().len(), 1);
    }
    vfs.crash();
    assert!(vfs.exists(path("/data/a")) && !vfs.exists(path("/data/b")));
}

#[test]
fn torn_crashes_keep_prefixes_and_reach_all_of_them() {
    let vfs = data();
    let file = vfs.open(path("/data/f"), OpenMode::Create).unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    for (n, part) in [b"ab", b"cd", b"ef"].into_iter().enumerate() {
        file.write_at(part, 2 * n as u64).unwrap();
    }
    let mut seen = [false; 7];
    for seed in 0..200 {
        let copy = vfs.fork();
        copy.crash_with(Crash::Torn { seed });
        let left = copy.read(path("/data/f")).unwrap();
        assert!(b"abcdef".starts_with(&left));
        seen[left.len()] = true;
    }
    assert_eq!(seen, [true; 7]);
}

#[test]
fn scattered_crashes_leave_holes_of_zeros() {
    let vfs = data();
    let file = vfs.open(path("/data/f"), OpenMode::Create).unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    file.write_at(&[7; 2000], 100).unwrap();
    let mut holes = 0;
    for seed in 0..50 {
        let copy = vfs.fork();
        copy.crash_with(Crash::Scattered { seed });
        let left = copy.read(path("/data/f")).unwrap();
        assert!(left.iter().take(100).all(|byte| *byte == 0));
        holes += usize::from(left.iter().skip(512).any(|byte| *byte == 0));
    }
    assert!(holes > 10);
}

#[test]
fn scattered_crashes_keep_no_later_write_of_a_sector_without_the_earlier() {
    let vfs = data();
    let file = vfs.open(path("/data/f"), OpenMode::Create).unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    file.write_at(b"one", 0).unwrap();
    file.write_at(b"two", 3).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let copy = vfs.fork();
        copy.crash_with(Crash::Scattered { seed });
        seen.insert(copy.read(path("/data/f")).unwrap());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [&b""[..], b"one", b"onetwo"]);
}

#[test]
fn reserved_space_costs_nothing_and_reads_as_zeros() {
    let vfs = data();
    let file = vfs.open(path("/data/f"), OpenMode::Create).unwrap();
    file.reserve(1 << 40).unwrap();
    file.reserve(10).unwrap();
    assert_eq!(file.len().unwrap(), 1 << 40);
    file.write_at(b"x", 5000).unwrap();
    let mut buffer = [9; 3];
    file.read_exact_at(&mut buffer, 4999).unwrap();
    assert_eq!(&buffer, b"\0x\0");
    file.set_len(5000).unwrap();
    file.set_len(5002).unwrap();
    assert_eq!(file.read_at(&mut buffer, 4999).unwrap(), 3);
    assert_eq!(&buffer, b"\0\0\0", "what was cut off does not come back");
}

#[test]
fn a_directory_removed_and_made_again_is_empty() {
    let vfs = MemoryVfs::with_dirs(["/data/topic-0"]);
    vfs.open(path("/data/topic-0/log"), OpenMode::Create).unwrap();
    vfs.sync_dir(path("/data/topic-0")).unwrap();
    vfs.remove_dir_all(path("/data/topic-0")).unwrap();
    vfs.create_dir_all(path("/data/topic-0")).unwrap();
    vfs.sync_dir(path("/data")).unwrap();
    vfs.crash();
    assert!(vfs.read_dir(path("/data/topic-0")).unwrap().is_empty());
}

#[test]
fn errors_are_those_of_the_system() {
    use io::ErrorKind as K;
    let vfs = data();
    let kind_of = |error: io::Error| error.kind();
    assert_eq!(kind_of(vfs.open(path("/data/x"), OpenMode::Read).unwrap_err()), K::NotFound);
    assert_eq!(kind_of(vfs.open(path("/none/x"), OpenMode::Create).unwrap_err()), K::NotFound);
    assert_eq!(kind_of(vfs.open(path("/data"), OpenMode::Create).unwrap_err()), K::IsADirectory);
    let file = vfs.open(path("/data/x"), OpenMode::CreateNew).unwrap();
    assert_eq!(kind_of(vfs.open(path("/data/x"), OpenMode::CreateNew).unwrap_err()), K::AlreadyExists);
    assert_eq!(kind_of(vfs.open(path("/data/x/y"), OpenMode::Create).unwrap_err()), K::NotADirectory);
    assert_eq!(kind_of(vfs.remove_file(path("/data")).unwrap_err()), K::IsADirectory);
    assert_eq!(kind_of(vfs.rename(path("/data/none"), path("/data/x")).unwrap_err()), K::NotFound);
    assert_eq!(kind_of(file.read_exact_at(&mut [0], 0).unwrap_err()), K::UnexpectedEof);
    let reader = vfs.open(path("/data/x"), OpenMode::Read).unwrap();
    reader.write_at(b"x", 0).unwrap_err();
    assert!(vfs.open(path("/data/q"), OpenMode::Read).unwrap_err().to_string().starts_with("/data/q: "));
}

mod against_the_system {
    //! The twin does what real files do: one random sequence of calls on both.

    use super::*;
    use crate::OsVfs;
    use crate::os::test_dir::TestDir;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u8, Vec<u8>, u64),
        SetLen(u8, u64),
        Reserve(u8, u64),
        Rename(u8, u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3u8, proptest::collection::vec(any::<u8>(), 0..40), 0..9000u64)
                .prop_map(|(file, bytes, offset)| Step::Write(file, bytes, offset)),
            1 => (0..3u8, 0..9000u64).prop_map(|(file, len)| Step::SetLen(file, len)),
            1 => (0..3u8, 0..9000u64).prop_map(|(file, len)| Step::Reserve(file, len)),
            1 => (0..3u8, 0..3u8).prop_map(|(from, to)| Step::Rename(from, to)),
            1 => (0..3u8).prop_map(Step::Remove),
        ]
    }

    fn run(vfs: &dyn Vfs, dir: &Path, step: &Step) -> Result<(), io::ErrorKind> {
        let name = |n: &u8| dir.join(format!("file-{n}"));
        let open = |n: &u8| vfs.open(&name(n), OpenMode::Create);
        match step {
            Step::Write(n, bytes, offset) => open(n).and_then(|file| file.write_at(bytes, *offset)),
            Step::SetLen(n, len) => open(n).and_then(|file| file.set_len(*len)),
            Step::Reserve(n, len) => open(n).and_then(|file| file.reserve(*len)),
            Step::Rename(from, to) => vfs.rename(&name(from), &name(to)),
            Step::Remove(n) => vfs.remove_file(&name(n)),
        }
        .map_err(|error| error.kind())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn same_calls_same_files(steps in proptest::collection::vec(step(), 1..40)) {
            let real = TestDir::new();
            let twin = data();
            for step in &steps {
                prop_assert_eq!(run(&OsVfs, real.path(), step), run(&twin, path("/data"), step));
            }
            let names = OsVfs.read_dir(real.path()).unwrap();
            prop_assert_eq!(&names, &twin.read_dir(path("/data")).unwrap());
            for entry in names {
                let bytes = OsVfs.read(&real.path().join(&entry.name)).unwrap();
                prop_assert_eq!(bytes, twin.read(&path("/data").join(&entry.name)).unwrap());
            }
        }
    }
}
