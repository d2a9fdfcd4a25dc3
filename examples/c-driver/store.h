/* What the files of this driver share. */
#ifndef STORE_H
#define STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "longshore_driver.h"

/* How much room a path below one of the store's folders needs: the longest key and its NUL. */
#define PATH_ROOM 1025

/* A system call again for as long as a signal interrupts it; each may answer EINTR on a network's file system. */
#define UNINTERRUPTED(call) __extension__({ long done; do done = (call); while (done < 0 && errno == EINTR); done; })

/* An instance. Nothing in it changes after `open`, so calls need no lock: the file system is what they share. */
typedef struct store {
    const longshore_host *host;
    int objects; /* the folder in which a key is a path */
    int uploads; /* the folder of uploads in progress, which no key can reach */
    int staging; /* the folder of files that are being put */
    bool sync;
    bool hand_over_files;
} store;

/* failure.c: fill in `error` and answer the class. */
__attribute__((format(printf, 3, 4))) int32_t fail(longshore_error *error, int32_t class, const char *format, ...);
/* By errno; `what` is a verb, `name` what it was done to. */
int32_t fail_errno(longshore_error *error, const char *what, const char *name);

/* files.c: steps on files that several calls need. */
#define ID_ROOM 33
bool random_id(char id[ID_ROOM]);
bool write_all(int file, const uint8_t *bytes, size_t len, uint64_t at);
bool sync_if_wanted(const store *store, int file);
/* Closes without touching errno, which tells why something else failed. */
void close_quietly(int file);
/* Opens what lies at the path (empty: the folder of objects itself). A link is not followed, wherever on the path somebody planted it, and
 * nothing outside is reached. -1 with errno; ELOOP for a link. */
int open_below(const store *store, const char *path, int flags);
/* The same for the folder in which the path's last component is; `name` is that component. */
int open_parent(const store *store, const char *path, const char **name);
/* As unlinkat. */
bool unlink_below(const store *store, const char *path, int flags);
/* True if errno says that nothing of ours is at a path: nothing at all, something below an object, or a link that is not followed. */
bool is_absent(int number);
void tell_info(const struct stat *stat, longshore_info *info);
/* Gives the file `name` of `folder` the key, in one step, and makes that durable. The file itself is durable already. */
int32_t publish(const store *store, int folder, const char *name, const char *key, bool if_absent, longshore_error *error);
/* Removes the key's name, durably, and the folders above it that are empty now. False with errno. */
bool unpublish(const store *store, const char *key);

/* list.c: what is below a folder of objects. */
bool has_object(const store *store, const char *folder);
void remove_empty_folders(const store *store, const char *folder);

/* The calls, by file. */
int32_t object_stat(void *driver, const longshore_call *call, longshore_text key, longshore_info *info, longshore_error *error);
int32_t object_put(void *driver, const longshore_call *call, longshore_text key, longshore_bytes bytes, uint32_t condition,
                   longshore_info *info, longshore_error *error);
int32_t object_remove(void *driver, const longshore_call *call, longshore_text key, longshore_error *error);
int32_t reader_open(void *driver, const longshore_call *call, longshore_text key, uint64_t offset, uint64_t length, longshore_read *answer,
                    longshore_error *error);
int32_t reader_next(void *reader, const longshore_call *call, longshore_chunk *chunk, longshore_error *error);
void reader_close(void *reader);
int32_t list_page(void *driver, const longshore_call *call, const longshore_list_request *request, longshore_page *page,
                  longshore_error *error);
int32_t upload_begin(void *driver, const longshore_call *call, longshore_text destination, void **upload, longshore_error *error);
int32_t upload_resume(void *driver, const longshore_call *call, longshore_bytes token, void **upload, longshore_error *error);
uint64_t upload_offset(void *upload);
int32_t upload_write(void *upload, const longshore_call *call, longshore_bytes bytes, longshore_error *error);
int32_t upload_suspend(void *upload, const longshore_call *call, longshore_token *token, longshore_error *error);
int32_t upload_commit(void *upload, const longshore_call *call, longshore_text destination, uint64_t size, longshore_info *info,
                      longshore_error *error);
int32_t upload_abort(void *upload, const longshore_call *call, longshore_error *error);
void upload_drop(void *upload);
int32_t upload_list(void *driver, const longshore_call *call, uint64_t older_than_ms, longshore_token_list *tokens, longshore_error *error);

#endif
