/* Steps on files: ids, whole writes, and how a finished file gets its key. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
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
    return !store->sync || fsync(file) == 0;
}

void tell_info(const struct stat *stat, longshore_info *info) {
    info->size = (uint64_t)stat->st_size;
    info->modified_ms = (int64_t)stat->st_mtim.tv_sec * 1000 + stat->st_mtim.tv_nsec / 1000000;
}

static bool sync_folder(const store *store, const char *path) {
    if (!store->sync)
        return true;
    int folder = openat(store->objects, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    bool synced = fsync(folder) == 0;
    int number = errno;
    close(folder);
    errno = number;
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
    return mkdirat(store->objects, path, 0777) == 0 || errno == EEXIST;
}

/* An entry of a folder survives a power cut once the folder is on disk, and so does the folder's own entry. All of them are synced each time:
 * one that was there before may have been made by a call that has not synced it yet. */
static bool sync_above(const store *store, const char *key) {
    return sync_folder(store, ".") && for_each_above(store, key, sync_folder);
}

static bool is_folder(const store *store, const char *path) {
    struct stat stat;
    return fstatat(store->objects, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
}

/* Gives the file its key. False with errno: EISDIR if objects lie below the key, ENOTDIR if an object lies above it. */
static bool name_it(const store *store, int folder, const char *name, const char *key, bool if_absent) {
    /* A delete elsewhere may remove an empty folder between the steps; then they begin anew. */
    for (int attempt = 0; attempt < 1000; attempt++) {
        bool named = for_each_above(store, key, make_folder) &&
                     (if_absent ? linkat(folder, name, store->objects, key, 0) : renameat(folder, name, store->objects, key)) == 0;
        if (named)
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
        if (errno == EEXIST && if_absent)
            return fail(error, LONGSHORE_ALREADY_EXISTS, "there is a \"%s\" already", key);
        return fail_errno(error, "publish", key);
    }
    /* A folder that is gone again was emptied by a delete of this very key, which is as good as one that comes later. */
    if (!sync_above(store, key) && errno != ENOENT && errno != ENOTDIR)
        return fail_errno(error, "sync the folders of", key);
    return LONGSHORE_OK;
}

void prune_above(const store *store, const char *key) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s", key);
    for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (unlinkat(store->objects, path, AT_REMOVEDIR) != 0)
            return;
    }
}
