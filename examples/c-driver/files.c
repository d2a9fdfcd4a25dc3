/* Steps on files: ids, whole writes, and how a finished file gets its key. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store.h"

bool random_id(char id[ID_ROOM]) {
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return false;
    for (size_t at = 0; at < sizeof bytes; at++)
        snprintf(id + 2 * at, 3, "%02x", bytes[at]);
    return true;
}

bool write_all(int file, const uint8_t *bytes, size_t len, uint64_t at) {
    while (len > 0) {
        ssize_t written = pwrite(file, bytes, len, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        at += (uint64_t)written;
        len -= (size_t)written;
    }
    return true;
}

bool sync_if_wanted(const store *store, int file) {
    return !store->sync || UNINTERRUPTED(fsync(file)) == 0;
}

void tell_info(const struct stat *stat, longshore_info *info) {
    info->size = (uint64_t)stat->st_size;
    info->modified_ms = (int64_t)stat->st_mtim.tv_sec * 1000 + stat->st_mtim.tv_nsec / 1000000;
}

void close_quietly(int file) {
    int number = errno;
    close(file);
    errno = number;
}

int open_below(const store *store, const char *path, int flags) {
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    /* The C library has no function for it. */
    return (int)UNINTERRUPTED(syscall(SYS_openat2, store->objects, *path ? path : ".", &how, sizeof how));
}

int open_parent(const store *store, const char *path, const char **name) {
    char folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    *name = slash ? path + (slash - folder) + 1 : path;
    *(slash ? slash : folder) = '\0';
    return open_below(store, folder, O_RDONLY | O_DIRECTORY);
}

bool unlink_below(const store *store, const char *path, int flags) {
    const char *name;
    int folder = open_parent(store, path, &name);
    if (folder < 0)
        return false;
    bool removed = unlinkat(folder, name, flags) == 0;
    close_quietly(folder);
    return removed;
}

bool is_absent(int number) {
    return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

static bool sync_folder(const store *store, const char *path) {
    if (!store->sync)
        return true;
    int folder = open_below(store, path, O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        return false;
    bool synced = UNINTERRUPTED(fsync(folder)) == 0;
    close_quietly(folder);
    return synced;
}

/* Calls `step` with each folder above `key`, from the top down. */
static bool for_each_above(const store *store, const char *key, bool (*step)(const struct store *, const char *)) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s", key);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!step(store, path))
            return false;
        *slash = '/';
    }
    return true;
}

static bool make_folder(const store *store, const char *path) {
    const char *name;
    int outer = open_parent(store, path, &name);
    if (outer < 0)
        return false;
    bool made = mkdirat(outer, name, 0777) == 0 || errno == EEXIST;
    close_quietly(outer);
    return made;
}

/* An entry of a folder survives a power cut once the folder is on disk, and so does the folder's own entry. All of them are synced each time:
 * one that was there before may have been made by a call that has not synced it yet. */
static bool sync_above(const store *store, const char *key) {
    return sync_folder(store, "") && for_each_above(store, key, sync_folder);
}

static bool is_folder(const store *store, const char *path) {
    int folder = open_below(store, path, O_RDONLY | O_DIRECTORY);
    if (folder >= 0)
        close(folder);
    return folder >= 0;
}

/* One attempt, which a delete elsewhere may spoil: it removes folders that are empty. */
static bool try_to_name(const store *store, int from, const char *name, const char *key, bool if_absent) {
    if (!for_each_above(store, key, make_folder))
        return false;
    const char *last;
    int into = open_parent(store, key, &last);
    if (into < 0)
        return false;
    bool named = (if_absent ? linkat(from, name, into, last, 0) : renameat(from, name, into, last)) == 0;
    close_quietly(into);
    return named;
}

/* Gives the file its key. False with errno: EISDIR if objects lie below the key, ENOTDIR if an object lies above it, ELOOP if a link does. */
static bool name_it(const store *store, int folder, const char *name, const char *key, bool if_absent) {
    for (int attempt = 0; attempt < 1000; attempt++) {
        if (try_to_name(store, folder, name, key, if_absent))
            return true;
        int number = errno;
        bool in_the_way = (number == EISDIR || number == EEXIST) && is_folder(store, key);
        if (in_the_way && !has_object(store, key)) {
            /* Folders without an object are no keys: a crash, a delete or a put under way left them. */
            remove_empty_folders(store, key);
            continue;
        }
        errno = in_the_way ? EISDIR : number;
        if (number != ENOENT)
            return false;
    }
    errno = EAGAIN;
    return false;
}

int32_t publish(const store *store, int folder, const char *name, const char *key, bool if_absent, longshore_error *error) {
    if (!name_it(store, folder, name, key, if_absent)) {
        if (errno == EISDIR)
            return fail(error, LONGSHORE_CONFLICT, "\"%s\" cannot be an object: there are objects below it", key);
        if (errno == ENOTDIR)
            return fail(error, LONGSHORE_CONFLICT, "\"%s\" cannot be an object: there is one above it", key);
        if (errno == ELOOP)
            return fail(error, LONGSHORE_CONFLICT, "\"%s\" cannot be an object: there is a link above it, and none is followed", key);
        if (errno == EEXIST && if_absent)
            return fail(error, LONGSHORE_ALREADY_EXISTS, "there is a \"%s\" already", key);
        return fail_errno(error, "publish", key);
    }
    /* A folder that is gone again was emptied by a delete of this very key, which is as good as one that comes later. */
    if (!sync_above(store, key) && !is_absent(errno))
        return fail_errno(error, "sync the folders of", key);
    return LONGSHORE_OK;
}

static void prune_above(const store *store, const char *key) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s", key);
    for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (!unlink_below(store, path, AT_REMOVEDIR))
            return;
    }
}

bool unpublish(const store *store, const char *key) {
    const char *name;
    int folder = open_parent(store, key, &name);
    if (folder < 0)
        return false;
    /* Synced before it is pruned: should a power cut bring the folder back, the name is not in it. */
    bool removed = unlinkat(folder, name, 0) == 0 && sync_if_wanted(store, folder);
    close_quietly(folder);
    if (removed)
        prune_above(store, key);
    return removed;
}
