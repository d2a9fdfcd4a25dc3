/* Uploads: each is a file in a folder that no key can reach, until its commit gives it a key.
 *
 * The file is called <id>.<offset>, where offset is what the last suspend has made durable, and this name is the token. A token that was
 * followed by another one names no file any more. Whoever has an upload open holds a lock on its file, which ends with the process. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

#define NAME_ROOM (ID_ROOM + 21)

typedef struct upload {
    const store *store;
    int file;
    uint64_t offset;
    char id[ID_ROOM];
    char name[NAME_ROOM];
    bool suspended, ended;
    bool lost; /* a sync failed */
} upload;

/* A name is a token, and whoever has a token may write: no message tells it. */
static void name_of(char name[NAME_ROOM], const char *id, uint64_t offset) {
    snprintf(name, NAME_ROOM, "%s.%" PRIu64, id, offset);
}

int32_t upload_begin(void *driver, const longshore_call *call, longshore_text destination, void **answer, longshore_error *error) {
    (void)call;
    (void)destination;
    const store *store = driver;
    upload *upload = calloc(1, sizeof *upload);
    if (upload == NULL || !random_id(upload->id)) {
        free(upload);
        return fail_errno(error, "begin", "an upload");
    }
    upload->store = store;
    name_of(upload->name, upload->id, 0);
    upload->file = UNINTERRUPTED(openat(store->uploads, upload->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (upload->file < 0 || UNINTERRUPTED(flock(upload->file, LOCK_EX | LOCK_NB)) != 0) {
        int32_t failed = fail_errno(error, "create", "an upload");
        if (upload->file >= 0)
            close(upload->file);
        free(upload);
        return failed;
    }
    *answer = upload;
    return LONGSHORE_OK;
}

/* Reads a token, which may be anything. */
static bool parse_token(longshore_bytes token, upload *upload) {
    if (token.len < ID_ROOM + 1 || token.len >= NAME_ROOM)
        return false;
    memcpy(upload->id, token.ptr, ID_ROOM - 1);
    for (size_t at = 0; at < ID_ROOM - 1; at++)
        if (strchr("0123456789abcdef", upload->id[at]) == NULL || upload->id[at] == '\0')
            return false;
    char digits[NAME_ROOM] = "";
    memcpy(digits, token.ptr + ID_ROOM - 1, token.len - (ID_ROOM - 1));
    if (digits[0] != '.' || digits[1] < '0' || digits[1] > '9')
        return false;
    upload->offset = strtoull(digits + 1, NULL, 10);
    /* Only what this driver would write: no sign, no leading zero, nothing behind the number. */
    name_of(upload->name, upload->id, upload->offset);
    return strlen(upload->name) == token.len && memcmp(upload->name, token.ptr, token.len) == 0;
}

/* Opens the file that the token named, alone, and with exactly what was made durable. */
static int32_t reopen(upload *upload, longshore_error *error) {
    const store *store = upload->store;
    upload->file = UNINTERRUPTED(openat(store->uploads, upload->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (upload->file < 0)
        return errno == ENOENT ? fail(error, LONGSHORE_NOT_FOUND, "there is no such upload") : fail_errno(error, "open", "an upload");
    if (UNINTERRUPTED(flock(upload->file, LOCK_EX | LOCK_NB)) != 0)
        return fail(error, LONGSHORE_CONFLICT, "the upload is in use");
    /* Who had it before may have ended or renamed it between the two steps above. */
    struct stat opened, named;
    if (fstat(upload->file, &opened) != 0)
        return fail_errno(error, "stat", "an upload");
    if (fstatat(store->uploads, upload->name, &named, AT_SYMLINK_NOFOLLOW) != 0 || named.st_ino != opened.st_ino)
        return fail(error, LONGSHORE_NOT_FOUND, "there is no such upload any more");
    if ((uint64_t)opened.st_size < upload->offset)
        return fail(error, LONGSHORE_CORRUPT, "the upload lost bytes that were durable");
    /* What came after the last suspend may have holes after a power cut. */
    if (UNINTERRUPTED(ftruncate(upload->file, (off_t)upload->offset)) != 0)
        return fail_errno(error, "cut", "an upload");
    return LONGSHORE_OK;
}

int32_t upload_resume(void *driver, const longshore_call *call, longshore_bytes token, void **answer, longshore_error *error) {
    (void)call;
    upload *upload = calloc(1, sizeof *upload);
    if (upload == NULL)
        return fail_errno(error, "resume", "an upload");
    upload->store = driver;
    upload->file = -1;
    upload->suspended = true;
    int32_t failed = parse_token(token, upload) ? reopen(upload, error)
                                                : fail(error, LONGSHORE_INVALID_ARGUMENT, "the token is none of this driver's");
    if (failed != LONGSHORE_OK) {
        if (upload->file >= 0)
            close(upload->file);
        free(upload);
        return failed;
    }
    *answer = upload;
    return LONGSHORE_OK;
}

/* The system tells once that a sync failed, and forgets the bytes: the next one succeeds without them. So the upload has failed for good. */
static bool sync_bytes(upload *upload) {
    if (!upload->lost && sync_if_wanted(upload->store, upload->file))
        return true;
    errno = upload->lost ? EIO : errno;
    upload->lost = true;
    return false;
}

uint64_t upload_offset(void *pointer) {
    return ((const upload *)pointer)->offset;
}

int32_t upload_write(void *pointer, const longshore_call *call, longshore_bytes bytes, longshore_error *error) {
    (void)call;
    upload *upload = pointer;
    if (write_all(upload->file, bytes.ptr, bytes.len, upload->offset)) {
        upload->offset += bytes.len;
        return LONGSHORE_OK;
    }
    int32_t failed = fail_errno(error, "write to", "an upload");
    /* Half of the bytes may have been written. Their space is given back; if that fails, the next write goes to the same place. */
    if (UNINTERRUPTED(ftruncate(upload->file, (off_t)upload->offset)) != 0)
        upload->store->host->count(upload->store->host, "space_not_given_back", 1);
    return failed;
}

int32_t upload_suspend(void *pointer, const longshore_call *call, longshore_token *token, longshore_error *error) {
    (void)call;
    upload *upload = pointer;
    const store *store = upload->store;
    char name[NAME_ROOM];
    name_of(name, upload->id, upload->offset);
    /* First the bytes, then the name that promises them. */
    if (!sync_bytes(upload) || renameat(store->uploads, upload->name, store->uploads, name) != 0)
        return fail_errno(error, "suspend", "an upload");
    memcpy(upload->name, name, sizeof name);
    upload->suspended = true;
    if (!sync_if_wanted(store, store->uploads))
        return fail_errno(error, "sync the folder of", "an upload");
    token->len = (uint32_t)strlen(name);
    memcpy(token->bytes, name, token->len);
    return LONGSHORE_OK;
}

int32_t upload_commit(void *pointer, const longshore_call *call, longshore_text destination, uint64_t size, longshore_info *info,
                      longshore_error *error) {
    (void)call;
    (void)size; /* the host has compared it with the offset */
    upload *upload = pointer;
    struct stat stat;
    /* No byte of a write that failed, and the time of now: the content is replaced when it gets its key, whenever it was written. */
    if (UNINTERRUPTED(ftruncate(upload->file, (off_t)upload->offset)) != 0 || futimens(upload->file, NULL) != 0 || !sync_bytes(upload) ||
        fstat(upload->file, &stat) != 0)
        return fail_errno(error, "finish", "an upload");
    int32_t answer = publish(upload->store, upload->store->uploads, upload->name, destination.ptr, false, error);
    if (answer != LONGSHORE_OK)
        return answer;
    upload->ended = true;
    tell_info(&stat, info);
    return LONGSHORE_OK;
}

int32_t upload_abort(void *pointer, const longshore_call *call, longshore_error *error) {
    (void)call;
    upload *upload = pointer;
    bool removed = unlinkat(upload->store->uploads, upload->name, 0) == 0;
    if (!removed && errno != ENOENT)
        return fail_errno(error, "remove", "an upload");
    /* The file is open until the upload is dropped; its space is free now. One that had no name here any more may be an object. */
    if (removed && UNINTERRUPTED(ftruncate(upload->file, 0)) != 0)
        upload->store->host->count(upload->store->host, "space_not_given_back", 1);
    upload->ended = true;
    return LONGSHORE_OK;
}

void upload_drop(void *pointer) {
    upload *upload = pointer;
    /* Nobody has a token of an upload that was never suspended. */
    if (!upload->ended && !upload->suspended)
        unlinkat(upload->store->uploads, upload->name, 0);
    close(upload->file);
    free(upload);
}

int32_t upload_list(void *driver, const longshore_call *call, uint64_t older_than_ms, longshore_token_list *tokens, longshore_error *error) {
    (void)call;
    const store *store = driver;
    int file = UNINTERRUPTED(openat(store->uploads, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    if (folder == NULL) {
        int32_t failed = fail_errno(error, "list", "the uploads");
        if (file >= 0)
            close(file);
        return failed;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        upload named;
        longshore_bytes token = {(const uint8_t *)entry->d_name, strlen(entry->d_name)};
        struct stat stat;
        longshore_info info;
        if (!parse_token(token, &named) || fstatat(file, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        tell_info(&stat, &info);
        bool old = older_than_ms <= INT64_MAX && now_ms - info.modified_ms >= (int64_t)older_than_ms;
        if (old && tokens->add(tokens, token.ptr, token.len) != 0)
            break;
    }
    closedir(folder);
    return LONGSHORE_OK;
}
