/* A driver that does what the first part of a key says: right, wrong, or nothing. What it is asked to hold is "0123456789" under every key. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "longshore_driver.h"

#ifndef MAJOR
#define MAJOR LONGSHORE_C_MAJOR
#endif
#ifndef SIZE
#define SIZE sizeof(longshore_driver_table)
#endif
#ifndef ENTRY
#define ENTRY longshore_driver_c_v1
#endif
#ifndef STAT
#define STAT stat_object
#endif
#ifndef COPY
#define COPY copy_object
#endif

#define CONTENT "0123456789"
#define SIZE_OF_CONTENT 10

static atomic_uint_least64_t children, ended_early, released, noticed, closed;

typedef struct instance {
    const longshore_host *host;
    char word[64];
} instance;

static int is(longshore_text key, const char *name) { return strcmp(key.ptr, name) == 0; }

static int32_t open_instance(const longshore_host *host, const longshore_settings *settings, void **driver, longshore_error *error) {
    const char *word = "";
    for (size_t at = 0; at < settings->count; at++)
        if (strcmp(settings->entries[at].key.ptr, "deep.word") == 0)
            word = settings->entries[at].value.ptr;
    if (strcmp(word, "null") == 0)
        return LONGSHORE_OK;
    if (strcmp(word, "bad") == 0) {
        snprintf(error->message, sizeof error->message, "deep.word is \"bad\"; json has %zu bytes", settings->json.len);
        return LONGSHORE_CONFIG;
    }
    instance *instance = calloc(1, sizeof *instance);
    instance->host = host;
    snprintf(instance->word, sizeof instance->word, "%s", word);
    *driver = instance;
    return LONGSHORE_OK;
}

static void close_instance(void *driver) {
    if (children != 0)
        ended_early++;
    closed++;
    free(driver);
}

static int32_t health(void *driver, const longshore_call *call, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    return LONGSHORE_OK;
}

static void wait_until_given_up(const instance *instance, const longshore_call *call) {
    struct timespec pause = {0, 1000000};
    for (int round = 0; round < 10000 && !instance->host->cancelled(call); round++)
        nanosleep(&pause, NULL);
    noticed += instance->host->cancelled(call);
}

__attribute__((unused)) static int32_t stat_object(void *driver, const longshore_call *call, longshore_text key, longshore_info *info, longshore_error *error) {
    const instance *instance = driver;
    info->size = SIZE_OF_CONTENT;
    info->modified_ms = 1;
    if (is(key, "full")) {
        snprintf(error->message, sizeof error->message, "cannot write \"%s\": no\nspace \xff", key.ptr);
        error->system_errno = ENOSPC;
        error->retry_after_ms = 1500;
        return LONGSHORE_FULL;
    }
    if (is(key, "endless")) {
        memset(error->message, 'x', sizeof error->message);
        return LONGSHORE_TIMEOUT;
    }
    if (is(key, "unknown"))
        return 4000;
    if (is(key, "only-errno")) {
        error->system_errno = EACCES;
        return LONGSHORE_UNAUTHORIZED;
    }
    if (is(key, "version"))
        strcpy(info->version, "v1");
    if (is(key, "bad-version"))
        strcpy(info->version, "\xff");
    if (is(key, "endless-version"))
        memset(info->version, 'v', sizeof info->version);
    if (is(key, "context")) {
        info->size = call->deadline_unix_ms;
        info->modified_ms = (int64_t)(call->trace_high + call->trace_low);
    }
    if (is(key, "wait"))
        wait_until_given_up(instance, call);
    if (is(key, "log")) {
        instance->host->log(instance->host, LONGSHORE_WARN, "one\nline of text", 8);
        instance->host->log(instance->host, 77, NULL, 8);
        instance->host->log(NULL, LONGSHORE_WARN, "lost", 4);
        instance->host->count(instance->host, "stats", 1);
        instance->host->count(instance->host, NULL, 1);
    }
    if (is(key, "ended-early"))
        info->size = ended_early;
    if (is(key, "children"))
        info->size = children;
    if (is(key, "released"))
        info->size = released;
    if (is(key, "noticed"))
        info->size = noticed;
    if (is(key, "closed"))
        info->size = closed;
    if (is(key, "word"))
        info->size = strlen(instance->word);
    return LONGSHORE_OK;
}

typedef struct reader {
    char name[64];
    uint64_t at, end;
} reader;

static int temporary_file(void) {
    char path[] = "/tmp/longshore-specimen-XXXXXX";
    int file = mkstemp(path);
    unlink(path);
    if (write(file, "--" CONTENT, 12) != 12)
        abort();
    return file;
}

static int pipe_end(void) {
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    close(ends[1]);
    return ends[0];
}

static int32_t read_open(void *driver, const longshore_call *call, longshore_text key, uint64_t offset, uint64_t length,
                         longshore_read *answer, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    int is_big = is(key, "big") || is(key, "big-own");
    answer->info.size = is_big ? 1000000 : SIZE_OF_CONTENT;
    if (is(key, "absent"))
        return LONGSHORE_NOT_FOUND;
    if (is(key, "no-body"))
        return LONGSHORE_OK;
    if (is(key, "file") || is(key, "file-and-reader") || is(key, "short-file")) {
        answer->fd = temporary_file();
        answer->fd_offset = is(key, "short-file") ? 3 : 2 + offset;
    }
    if (is(key, "pipe"))
        answer->fd = pipe_end();
    if (is(key, "no-descriptor"))
        answer->fd = 1000000;
    if (answer->fd >= 0 && !is(key, "file-and-reader"))
        return LONGSHORE_OK;
    reader *reader = calloc(1, sizeof *reader);
    snprintf(reader->name, sizeof reader->name, "%s", key.ptr);
    uint64_t rest = answer->info.size < offset ? 0 : answer->info.size - offset;
    reader->at = offset;
    reader->end = offset + (length < rest ? length : rest);
    answer->reader = reader;
    children++;
    return LONGSHORE_OK;
}

static void release(void *owner, const uint8_t *ptr, size_t len) {
    (void)owner, (void)len;
    free((void *)ptr);
    released++;
}

static void give_own(longshore_chunk *chunk, size_t len) {
    uint8_t *own = calloc(1, len);
    for (size_t at = 0; at < len; at++)
        own[at] = (uint8_t)('0' + at % 10);
    chunk->own = (longshore_buffer){own, len, NULL, release};
}

static int32_t read_next(void *pointer, const longshore_call *call, longshore_chunk *chunk, longshore_error *error) {
    (void)call;
    reader *reader = pointer;
    size_t len = reader->end - reader->at < chunk->room_len ? reader->end - reader->at : chunk->room_len;
    if (strcmp(reader->name, "fails") == 0) {
        strcpy(error->message, "the disk is on fire");
        return LONGSHORE_BROKEN;
    }
    if (strcmp(reader->name, "ends-early") == 0 && reader->at > 3)
        return LONGSHORE_OK;
    if (strcmp(reader->name, "ends-early") == 0)
        len = 4;
    if (strcmp(reader->name, "too-much") == 0) {
        give_own(chunk, 11);
        return LONGSHORE_OK;
    }
    if (strcmp(reader->name, "beyond-the-room") == 0) {
        chunk->used = chunk->room_len + 1;
        return LONGSHORE_OK;
    }
    if (strcmp(reader->name, "own") == 0 || strcmp(reader->name, "big-own") == 0) {
        give_own(chunk, len);
    } else {
        for (size_t at = 0; at < len; at++)
            chunk->room[at] = (uint8_t)('0' + (reader->at + at) % 10);
        chunk->used = len;
    }
    reader->at += len;
    return LONGSHORE_OK;
}

static void read_close(void *reader) {
    children--;
    free(reader);
}

static int32_t put(void *driver, const longshore_call *call, longshore_text key, longshore_bytes bytes, uint32_t condition,
                   longshore_info *info, longshore_error *error) {
    (void)driver, (void)call;
    if (condition == LONGSHORE_IF_ABSENT) {
        strcpy(error->message, "there is one");
        return LONGSHORE_ALREADY_EXISTS;
    }
    info->size = bytes.len + (is(key, "wrong-size") ? 1 : 0);
    return LONGSHORE_OK;
}

static int32_t list(void *driver, const longshore_call *call, const longshore_list_request *request, longshore_page *page,
                    longshore_error *error) {
    (void)driver, (void)call, (void)error;
    if (strcmp(request->prefix.ptr, "lost") == 0) {
        page->add(page, "../etc/passwd", 13, NULL);
        return LONGSHORE_OK;
    }
    longshore_info info = {.size = 3};
    if (strcmp(request->prefix.ptr, "bad-facts") == 0) {
        strcpy(info.version, "\xff");
        page->add(page, "bad-facts/x", 11, &info);
        return LONGSHORE_OK;
    }
    for (int number = 0; number < 30; number++) {
        char name[16];
        int len = snprintf(name, sizeof name, "a/%02d%s", number, number % 2 ? "/" : "");
        if (page->add(page, name, (size_t)len, number % 2 ? NULL : &info) != 0)
            break;
    }
    return LONGSHORE_OK;
}

static int32_t remove_object(void *driver, const longshore_call *call, longshore_text key, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    return is(key, "absent") ? LONGSHORE_NOT_FOUND : LONGSHORE_OK;
}

typedef struct upload {
    uint64_t offset;
    char mode;
} upload;

static int32_t upload_begin(void *driver, const longshore_call *call, longshore_text destination, void **answer, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    if (destination.ptr != NULL && is(destination, "null"))
        return LONGSHORE_OK;
    children++;
    *answer = calloc(1, sizeof(upload));
    return LONGSHORE_OK;
}

static int32_t upload_resume(void *driver, const longshore_call *call, longshore_bytes token, void **answer, longshore_error *error) {
    if (token.len != 8 || memcmp(token.ptr, "at ", 3) != 0)
        return LONGSHORE_INVALID_ARGUMENT;
    int32_t begun = upload_begin(driver, call, (longshore_text){NULL, 0}, answer, error);
    ((upload *)*answer)->offset = (uint64_t)atoi((const char *)token.ptr + 3);
    return begun;
}

static uint64_t upload_offset(void *pointer) { return ((upload *)pointer)->offset; }

static int32_t upload_write(void *pointer, const longshore_call *call, longshore_bytes bytes, longshore_error *error) {
    (void)call;
    upload *upload = pointer;
    if (bytes.len > 0)
        upload->mode = (char)bytes.ptr[0];
    if (upload->mode == 'h') { /* half of it, then no space */
        upload->offset += bytes.len / 2;
        strcpy(error->message, "no space");
        return LONGSHORE_FULL;
    }
    upload->offset += bytes.len + (upload->mode == 'l' ? 1 : 0); /* a lie */
    return LONGSHORE_OK;
}

static int32_t upload_suspend(void *pointer, const longshore_call *call, longshore_token *token, longshore_error *error) {
    (void)call, (void)error;
    upload *upload = pointer;
    char text[16];
    snprintf(text, sizeof text, "at %05d", (int)upload->offset);
    memcpy(token->bytes, text, 8);
    token->len = upload->mode == 't' ? 5000 : 8; /* too long */
    return LONGSHORE_OK;
}

static int32_t upload_commit(void *pointer, const longshore_call *call, longshore_text destination, uint64_t size, longshore_info *info,
                             longshore_error *error) {
    (void)pointer, (void)call, (void)error;
    info->size = size + (is(destination, "wrong-size") ? 1 : 0);
    return LONGSHORE_OK;
}

static int32_t upload_abort(void *pointer, const longshore_call *call, longshore_error *error) {
    (void)pointer, (void)call, (void)error;
    return LONGSHORE_OK;
}

static void upload_drop(void *pointer) {
    children--;
    free(pointer);
}

static int32_t delete_prefix(void *driver, const longshore_call *call, longshore_text prefix, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    return is(prefix, "absent") ? LONGSHORE_NOT_FOUND : LONGSHORE_OK;
}

__attribute__((unused)) static int32_t copy_object(void *driver, const longshore_call *call, longshore_text from, longshore_text to,
                                                   longshore_info *info, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    info->size = from.len * 100 + to.len;
    return LONGSHORE_OK;
}

static int32_t presign(void *driver, const longshore_call *call, longshore_text key, uint32_t method, uint64_t expires_ms,
                       longshore_url *url, longshore_error *error) {
    (void)driver, (void)call, (void)error;
    if (is(key, "endless"))
        memset(url->text, 'u', sizeof url->text);
    else if (!is(key, "empty"))
        snprintf(url->text, sizeof url->text, "https://example.org/%s?method=%u&expires=%d", key.ptr, method, (int)expires_ms);
    return LONGSHORE_OK;
}

static int32_t upload_list(void *driver, const longshore_call *call, uint64_t older_than_ms, longshore_token_list *tokens,
                           longshore_error *error) {
    (void)driver, (void)call, (void)error;
    uint8_t token[5000] = "at 00007";
    tokens->add(tokens, token, older_than_ms == 13 ? sizeof token : 8);
    return LONGSHORE_OK;
}

__attribute__((visibility("default"))) extern const longshore_driver_table ENTRY;
const longshore_driver_table ENTRY = {
    .struct_size = SIZE,
    .major = MAJOR,
    .minor = LONGSHORE_C_MINOR,
    .open = open_instance,
    .close = close_instance,
    .health = health,
    .stat = STAT,
    .read_open = read_open,
    .read_next = read_next,
    .read_close = read_close,
    .put = put,
    .list = list,
    .remove = remove_object,
    .upload_begin = upload_begin,
    .upload_resume = upload_resume,
    .upload_offset = upload_offset,
    .upload_write = upload_write,
    .upload_suspend = upload_suspend,
    .upload_commit = upload_commit,
    .upload_abort = upload_abort,
    .upload_drop = upload_drop,
    .delete_prefix = delete_prefix,
    .copy = COPY,
    .presign = presign,
    .upload_list = upload_list,
};

LONGSHORE_DRIVER_NOTE(NOTE)
