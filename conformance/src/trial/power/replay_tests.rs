use super::*;
use crate::trial::strace::parse;

/// What is not durable at the end of a log: files, then names.
fn lost(order: Order, log: &str) -> (usize, Vec<String>) {
    let mut replay = Replay::new(Path::new("/s"), order, &[("old".into(), false), ("in".into(), true)]);
    parse(log).iter().for_each(|call| replay.apply(call));
    let there = replay.left(&mut |_| false);
    let kept = replay.all().into_iter().filter(|(path, inode)| there.get(path) != Some(inode)).map(|(path, _)| path.display().to_string());
    (replay.inodes.iter().filter(|inode| inode.dirty.is_some()).count(), kept.collect())
}

const CREATE: &str = "1 openat(3</s/in>, \"t\", O_RDWR|O_CREAT|O_EXCL, 0666) = 7</s/in/t>\n1 write(7</s/in/t>, \"x\", 1) = 1\n";
const SYNC: &str = "1 fdatasync(7</s/in/t>) = 0\n";
const RENAME: &str = "1 renameat(3</s/in>, \"t\", 4</s>, \"key\") = 0\n";
const FOLDER: &str = "1 fsync(4</s>) = 0\n";

#[test]
fn data_then_name_then_folder_is_durable() {
    for order in [Order::Any, Order::Journal] {
        assert_eq!(lost(order, &[CREATE, SYNC, RENAME, FOLDER].concat()), (0, vec![]));
    }
}

#[test]
fn what_is_not_synced_is_lost() {
    for order in [Order::Any, Order::Journal] {
        assert_eq!(lost(order, &[CREATE, RENAME, FOLDER].concat()), (1, vec![]), "the data");
        assert_eq!(lost(order, &[CREATE, SYNC, RENAME].concat()), (0, vec!["key".into()]), "the name");
        let failed = "1 fsync(4</s>) = -1 EIO (Input/output error) (INJECTED)\n";
        assert_eq!(lost(order, &[CREATE, SYNC, RENAME, failed].concat()), (0, vec!["key".into()]), "a sync that failed");
        let other = "1 fsync(3</s/in>) = 0\n";
        assert_eq!(lost(Order::Any, &[CREATE, SYNC, RENAME, other].concat()), (0, vec!["key".into()]), "a sync of another folder");
        let more = "1 write(7</s/key>, \"y\", 1) = 1\n";
        assert_eq!(lost(order, &[CREATE, SYNC, RENAME, FOLDER, more].concat()), (1, vec![]), "a write after the sync");
    }
}

#[test]
fn a_journal_keeps_the_names_before_the_one_that_is_synced() {
    let log = "1 mkdirat(4</s>, \"a\", 0777) = 0\n1 mkdirat(5</s/a>, \"b\", 0777) = 0\n\
1 openat(6</s/a/b>, \"k\", O_WRONLY|O_CREAT|O_DSYNC, 0666) = 7</s/a/b/k>\n1 write(7</s/a/b/k>, \"x\", 1) = 1\n1 fsync(6</s/a/b>) = 0\n";
    assert_eq!(lost(Order::Journal, log), (0, vec![]));
    assert_eq!(lost(Order::Any, log), (0, vec!["a".into(), "a/b".into(), "a/b/k".into()]));
    let all = format!("{log}1 fsync(5</s/a>) = 0\n1 fsync(4</s>) = 0\n");
    assert_eq!(lost(Order::Any, &all), (0, vec![]));
    assert_eq!(lost(Order::Any, &format!("{log}1 syncfs(4</s>) = 0\n")), (0, vec![]));
}

#[test]
fn files_without_a_name_are_followed_to_it() {
    let log = "1 openat(3</s/in>, \".\", O_RDWR|O_TMPFILE, 0666) = 7</s/in/#12 (deleted)>\n1 write(7</s/in/#12 (deleted)>, \"x\", 1) = 1\n";
    let link = "1 linkat(AT_FDCWD</>, \"/proc/self/fd/7\", 4</s>, \"key\", AT_SYMLINK_FOLLOW) = 0\n";
    assert_eq!(lost(Order::Any, &[log, link].concat()), (1, vec!["key".into()]));
    assert_eq!(lost(Order::Any, &[log, "1 fsync(7</s/in/#12 (deleted)>) = 0\n", link, FOLDER].concat()), (0, vec![]));
    let empty = "1 linkat(7</s/in/#12 (deleted)>, \"\", 4</s>, \"key\", AT_EMPTY_PATH) = 0\n";
    assert_eq!(lost(Order::Any, &[log, "1 fsync(7</s/in/#12 (deleted)>) = 0\n", empty, FOLDER].concat()), (0, vec![]));
}

#[test]
fn writing_over_what_is_there_needs_a_sync_of_the_file_alone() {
    let log = "1 openat(AT_FDCWD</>, \"/s/old\", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 7</s/old>\n1 write(7</s/old>, \"x\", 1) = 1\n";
    assert_eq!(lost(Order::Any, log), (1, vec![]));
    assert_eq!(lost(Order::Any, &format!("{log}1 fsync(7</s/old>) = 0\n")), (0, vec![]));
}

#[test]
fn a_removal_that_is_not_synced_may_be_undone() {
    let mut replay = Replay::new(Path::new("/s"), Order::Journal, &[("old".into(), false)]);
    parse("1 unlink(\"/s/old\") = 0\n").iter().for_each(|call| replay.apply(call));
    assert!(replay.all().is_empty());
    assert_eq!(replay.left(&mut |_| false).len(), 1);
    assert_eq!(replay.left(&mut |_| true).len(), 0);
    parse("1 fsync(4</s>) = 0\n").iter().for_each(|call| replay.apply(call));
    assert_eq!(replay.left(&mut |_| false).len(), 0);
}

#[test]
fn a_file_that_moved_is_gone_from_the_folder_that_is_synced() {
    let there = |log: &str| {
        let mut replay = Replay::new(Path::new("/s"), Order::Any, &[("old".into(), false), ("in".into(), true)]);
        parse(log).iter().for_each(|call| replay.apply(call));
        replay.left(&mut |_| false).into_keys().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let moved = "1 renameat(4</s>, \"old\", 3</s/in>, \"new\") = 0\n";
    assert_eq!(there(moved), ["in", "old"]);
    assert_eq!(there(&[moved, FOLDER].concat()), ["in"], "it may be lost, and is not where it was");
    assert_eq!(there(&[moved, "1 fsync(3</s/in>) = 0\n"].concat()), ["in", "in/new"]);
    let again = "1 mkdirat(4</s>, \"old\", 0777) = 0\n";
    assert_eq!(there(&[moved, again, FOLDER].concat()), ["in", "old"], "in the order of the calls");
}

#[test]
fn a_sync_after_one_that_failed_makes_nothing_durable_until_the_bytes_are_written_again() {
    let failed = "1 fdatasync(7</s/in/t>) = -1 EIO (Input/output error) (INJECTED)\n";
    assert_eq!(lost(Order::Any, &[CREATE, failed, SYNC, RENAME, FOLDER].concat()), (1, vec![]));
    let again = "1 pwrite64(7</s/in/t>, \"x\", 1, 0) = 1\n";
    assert_eq!(lost(Order::Any, &[CREATE, failed, again, SYNC, RENAME, FOLDER].concat()), (0, vec![]));
}
