/* Whole objects: facts, reads, puts, deletes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store.h"

static int32_t no_object(const char *key, longshore_error *error) {
    return fail(error, LONGSHORE_NOT_FOUND, "there is no \"%s\"", key);
}

int32_t object_stat(void *driver, const longshore_call *call, longshore_text key, longshore_info *info, longshore_error *error) {
    (void)call;
    const store *store = driver;
    struct stat stat;
    const char *name;
    int folder = open_parent(store, key.ptr, &name);
    bool found = folder >= 0 && fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (folder >= 0)
        close_quietly(folder);
    if (!found)
        return is_absent(errno) ? no_object(key.ptr, error) : fail_errno(error, "stat", key.ptr);
    if (!S_ISREG(stat.st_mode))
        return no_object(key.ptr, error);
    tell_info(&stat, info);
    return LONGSHORE_OK;
}

typedef struct reader {
    int file;
    uint64_t at, end;
} reader;

/* The open file of an object, or -1 with `answer` set. */
static int open_object(const store *store, const char *key, struct stat *stat, int32_t *answer, longshore_error *error) {
    /* O_NONBLOCK: should somebody put a pipe into the store, opening it must not wait. */
    int file = open_below(store, key, O_RDONLY | O_NONBLOCK);
    if (file < 0) {
        *answer = is_absent(errno) ? no_object(key, error) : fail_errno(error, "open", key);
        return -1;
    }
    bool known = fstat(file, stat) == 0;
    if (known && S_ISREG(stat->st_mode))
        return file;
    *answer = known ? no_object(key, error) : fail_errno(error, "stat", key);
    close(file);
    return -1;
}

int32_t reader_open(void *driver, const longshore_call *call, longshore_text key, uint64_t offset, uint64_t length, longshore_read *answer,
                    longshore_error *error) {
    (void)call;
    const store *store = driver;
    struct stat stat;
    int32_t failed = LONGSHORE_INTERNAL;
    int file = open_object(store, key.ptr, &stat, &failed, error);
    if (file < 0)
        return failed;
    uint64_t size = (uint64_t)stat.st_size;
    reader *reader = NULL;
    if (offset > size) {
        failed = fail(error, LONGSHORE_INVALID_RANGE, "offset %llu is after the end, \"%s\" has %llu bytes", (unsigned long long)offset, key.ptr,
                      (unsigned long long)size);
    } else if (!store->hand_over_files && (reader = malloc(sizeof *reader)) == NULL) {
        failed = fail_errno(error, "read", key.ptr);
    } else {
        tell_info(&stat, &answer->info);
        if (store->hand_over_files) {
            /* The file is never written again: a newer object is another file that takes its name. */
            answer->fd = file;
            answer->fd_offset = offset;
        } else {
            uint64_t rest = size - offset;
            *reader = (struct reader){.file = file, .at = offset, .end = offset + (length < rest ? length : rest)};
            answer->reader = reader;
        }
        return LONGSHORE_OK;
    }
    close(file);
    return failed;
}

int32_t reader_next(void *pointer, const longshore_call *call, longshore_chunk *chunk, longshore_error *error) {
    (void)call;
    reader *reader = pointer;
    uint64_t rest = reader->end - reader->at;
    size_t wanted = rest < chunk->room_len ? (size_t)rest : chunk->room_len;
    while (chunk->used < wanted) {
        ssize_t got = pread(reader->file, chunk->room + chunk->used, wanted - chunk->used, (off_t)reader->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(error, "read", "an open object");
        if (got == 0)
            return fail(error, LONGSHORE_BROKEN, "an object's file became shorter while it was read");
        chunk->used += (size_t)got;
        reader->at += (uint64_t)got;
    }
    return LONGSHORE_OK;
}

void reader_close(void *pointer) {
    reader *reader = pointer;
    close(reader->file);
    free(reader);
}

/* Writes a file of its own, whole and durable, and tells its facts. */
static int32_t stage(const store *store, const char *name, longshore_bytes bytes, longshore_info *info, longshore_error *error) {
    int file = UNINTERRUPTED(openat(store->staging, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file < 0)
        return fail_errno(error, "create", name);
    struct stat stat;
    bool staged = write_all(file, bytes.ptr, bytes.len, 0) && sync_if_wanted(store, file) && fstat(file, &stat) == 0;
    int32_t answer = staged ? LONGSHORE_OK : fail_errno(error, "write", name);
    if (staged)
        tell_info(&stat, info);
    close(file);
    return answer;
}

int32_t object_put(void *driver, const longshore_call *call, longshore_text key, longshore_bytes bytes, uint32_t condition,
                   longshore_info *info, longshore_error *error) {
    (void)call;
    const store *store = driver;
    char name[ID_ROOM];
    if (!random_id(name))
        return fail_errno(error, "find a name for", key.ptr);
    int32_t answer = stage(store, name, bytes, info, error);
    bool if_absent = condition == LONGSHORE_IF_ABSENT;
    if (answer == LONGSHORE_OK)
        answer = publish(store, store->staging, name, key.ptr, if_absent, error);
    /* After a rename nothing is left; after a link or a failure the space is given back. */
    unlinkat(store->staging, name, 0);
    return answer;
}

int32_t object_remove(void *driver, const longshore_call *call, longshore_text key, longshore_error *error) {
    (void)call;
    const store *store = driver;
    if (unpublish(store, key.ptr))
        return LONGSHORE_OK;
    /* EISDIR: the key is a folder to other keys. */
    return is_absent(errno) || errno == EISDIR ? no_object(key.ptr, error) : fail_errno(error, "delete", key.ptr);
}
