/*
 * Longshore storage drivers in C, and in every language that can make a C library.
 *
 * A driver receives bytes and returns bytes. It knows keys and objects; repositories, tags and digests are the host's. It is a shared library
 * liblongshore_driver_<name>.so that exports one constant, `longshore_driver_c_v1`, and carries a note that tells what it is:
 *
 *     static int32_t stat_object(void *driver, const longshore_call *call, longshore_text key, ...) { ... }
 *
 *     const longshore_driver_table longshore_driver_c_v1 = {
 *         .struct_size = sizeof(longshore_driver_table), .major = LONGSHORE_C_MAJOR, .minor = LONGSHORE_C_MINOR,
 *         .open = open_store, .close = close_store, .stat = stat_object, ...
 *     };
 *
 *     LONGSHORE_DRIVER_NOTE("{\"schema\":1,\"name\":\"mine\", ...}")
 *
 * The functions are plain ones that block; the host calls them on threads of its own. What each has to keep is said at its field in
 * `longshore_driver_table`, and in the driver contract. Nonsense in an answer fails that call with `broken`; a pointer that leads
 * nowhere ends the process.
 *
 * This file is generated from plugin-api/loader/src/c; change it there.
 */
#ifndef LONGSHORE_DRIVER_H
#define LONGSHORE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Puts the driver's note into the file: JSON in a string literal, at most 64 KiB. Use it once, at file scope.
 *
 *     schema        1
 *     name          [a-z][a-z0-9-]{0,31}; the file is liblongshore_driver_<name>.so, with - as _
 *     version, vendor, licence (SPDX), documentation (a URL)
 *     abi           {"kind": "c", "major": 1}
 *     contract      1
 *     capabilities  of put_if_absent, delete_prefix, copy, presign, file_region, upload_list, nested_objects
 *     consistency   "strong" or "eventual"
 *     durability    "disk", "process" or "memory"
 *     settings      the JSON schema of the settings; the host checks them before it opens an instance
 */
#define LONGSHORE_DRIVER_NOTE(json_text)                                                                               \
    __attribute__((section(".note.longshore.driver"), used, aligned(4))) static const struct {                         \
        uint32_t owner_size, text_size, type;                                                                          \
        char owner[12];                                                                                                \
        char text[(sizeof(json_text) + 3) / 4 * 4];                                                                    \
    } longshore_driver_note = {10, (sizeof(json_text) + 3) / 4 * 4, 1, "longshore", json_text};


// The ABI's major: a host loads drivers of its own major.
#define LONGSHORE_C_MAJOR 1

// The ABI's minor: it counts what was added at the end of a table.
#define LONGSHORE_C_MINOR 0

// The longest message of an error and the longest line of the log, in bytes.
#define LONGSHORE_MESSAGE_MAX 4096

// The longest token of an upload, in bytes.
#define LONGSHORE_TOKEN_MAX 4096

// The longest version of an object, in bytes.
#define LONGSHORE_VERSION_MAX 128

// The room for it and its NUL, in bytes.
#define LONGSHORE_VERSION_ROOM 136

// The longest URL with its final NUL, in bytes.
#define LONGSHORE_URL_MAX 8192

// The largest chunk of a body that a driver may hand over, in bytes.
#define LONGSHORE_CHUNK_MAX 16777216

// The length of a read that goes on to the object's end.
#define LONGSHORE_TO_END UINT64_MAX

// The call succeeded. Every other answer is the class of a failure; a number that is not listed here is read as `LONGSHORE_INTERNAL`.
#define LONGSHORE_OK 0

// No such key or prefix, no such upload.
#define LONGSHORE_NOT_FOUND 1

// The condition of a `put` was lost.
#define LONGSHORE_ALREADY_EXISTS 2

// A key clashes with a prefix, or an upload's token is in use.
#define LONGSHORE_CONFLICT 3

// The text is not a key. The host checks keys before it calls.
#define LONGSHORE_INVALID_KEY 4

// The range begins after the object's end.
#define LONGSHORE_INVALID_RANGE 5

// Another argument is out of its range.
#define LONGSHORE_INVALID_ARGUMENT 6

// The call does not fit the state of the upload.
#define LONGSHORE_INVALID_STATE 7

// The capability was not declared.
#define LONGSHORE_UNSUPPORTED 8

// The settings are wrong; the message names every fault, each with its key.
#define LONGSHORE_CONFIG 9

// The back-end refuses the credentials or the permission.
#define LONGSHORE_UNAUTHORIZED 10

// The back-end cannot be written.
#define LONGSHORE_READ_ONLY 11

// The container itself (bucket, root folder) is not there.
#define LONGSHORE_MISSING 12

// The back-end cannot be reached now. May be tried again.
#define LONGSHORE_UNREACHABLE 13

// The back-end took too long. May be tried again.
#define LONGSHORE_TIMEOUT 14

// The back-end asks for fewer requests. May be tried again.
#define LONGSHORE_THROTTLED 15

// The back-end answered nonsense or dropped the connection half-way. May be tried again.
#define LONGSHORE_BROKEN 16

// No space or quota; the space of the failed write was given back.
#define LONGSHORE_FULL 17

// Bytes do not match what was stored, or a size does not match what was written.
#define LONGSHORE_CORRUPT 18

// The host gave the call up, and the driver noticed.
#define LONGSHORE_CANCELLED 19

// The instance was closed. The host answers this itself.
#define LONGSHORE_CLOSED 20

// A bug in the driver.
#define LONGSHORE_INTERNAL -1

// `put` writes whatever is there.
#define LONGSHORE_ALWAYS 0

// `put` writes only if the key is absent. Asked only of drivers with the capability `put_if_absent`.
#define LONGSHORE_IF_ABSENT 1

// A presigned URL permits reading the object.
#define LONGSHORE_GET 0

// A presigned URL permits asking for the object's headers.
#define LONGSHORE_HEAD 1

// A presigned URL permits replacing the object.
#define LONGSHORE_PUT 2

// A line of the log: somebody must act.
#define LONGSHORE_ERROR 1

// A line of the log: somebody should look.
#define LONGSHORE_WARN 2

// A line of the log: worth knowing.
#define LONGSHORE_INFO 3

// A line of the log: for the driver's author.
#define LONGSHORE_DEBUG 4

// A line of the log: each step.
#define LONGSHORE_TRACE 5

// Text in UTF-8 that the host lends for the time of one call.
//
// There is a NUL after its end, so `ptr` is a string of C as well. A key is 1 to 1024 bytes: components of 1 to 255 bytes out of
// `A-Z a-z 0-9 . _ - % + = @ ~ ,` joined by single `/`, none of them `.` or `..`. A prefix is a key or empty. Only `start_after` of a list
// may hold any byte, NUL too.
typedef struct longshore_text {
  // The first byte. Never NULL, except where a text is absent.
  const char *ptr;
  // How many bytes, without the NUL.
  size_t len;
} longshore_text;

// What accompanies a call.
typedef struct longshore_call {
  // When the host stops waiting, in milliseconds since 1970-01-01 UTC; 0 for never. The call still runs to its end.
  uint64_t deadline_unix_ms;
  // The upper half of the request's trace id, for logs and for requests to a back-end; 0 for none.
  uint64_t trace_high;
  // The lower half.
  uint64_t trace_low;
  // The host's own, for `cancelled`.
  void *context;
  // For later minors.
  uint64_t reserved[4];
} longshore_call;

// What the host offers to an instance, from before `open` is called until `close` has returned. Any thread may use it.
//
// A minor may add fields at its end; `struct_size` tells how far the host's goes.
typedef struct longshore_host {
  // The table's size in bytes.
  uint32_t struct_size;
  // `LONGSHORE_C_MAJOR` of the host.
  uint16_t major;
  // `LONGSHORE_C_MINOR` of the host.
  uint16_t minor;
  // The host's own.
  void *context;
  // The name that the operator gave the instance.
  struct longshore_text instance;
  // Writes one line of UTF-8 to the host's log, at one of the levels from `LONGSHORE_ERROR` to `LONGSHORE_TRACE`. Never log a secret; a
  // driver writes to no other place, stdout and stderr least of all.
  void (*log)(const struct longshore_host *host, uint32_t level, const char *message, size_t message_len);
  // Adds `value` to a counter of the instance; `name` is a string of `a-z` and `_`.
  void (*count)(const struct longshore_host *host, const char *name, uint64_t value);
  // 1 once the host has given this call up. Long calls ask now and then, and answer `LONGSHORE_CANCELLED`.
  uint32_t (*cancelled)(const struct longshore_call *call);
} longshore_host;

// One setting as text.
typedef struct longshore_setting {
  // Its name. What lies deeper has the names above it before its own, joined by `.`; places in an array count from 0.
  struct longshore_text key;
  // A string as it is, a number or `true` and `false` as JSON writes them. A setting that is `null` is absent.
  struct longshore_text value;
} longshore_setting;

// The settings of an instance, which were checked against the schema in the driver's note and have its defaults filled in.
typedef struct longshore_settings {
  // As text, name by name: no parser is needed.
  const struct longshore_setting *entries;
  // How many entries.
  size_t count;
  // The same as JSON.
  struct longshore_text json;
  // For later minors.
  uint64_t reserved[4];
} longshore_settings;

// Where a call that fails says why. The host clears it before each call.
typedef struct longshore_error {
  // 0 for what the class says, 1 if the same call may succeed later, 2 if not.
  uint32_t retryable;
  // How long the back-end asks to wait, in milliseconds; 0 if it does not.
  uint32_t retry_after_ms;
  // The system's error number behind it; 0 for none.
  int32_t system_errno;
  // 0.
  uint32_t reserved_first;
  // For later minors.
  uint64_t reserved[4];
  // One line of UTF-8, ending in NUL if it is shorter than the room: what failed, where, and why. Never a secret.
  char message[LONGSHORE_MESSAGE_MAX];
} longshore_error;

// What is known of an object without reading it.
typedef struct longshore_info {
  // The whole object's size in bytes.
  uint64_t size;
  // When the content was last replaced, in milliseconds since 1970-01-01 UTC.
  int64_t modified_ms;
  // For later minors.
  uint64_t reserved[4];
  // Text that changes whenever the content is replaced, ending in NUL; empty if the back-end has none.
  char version[LONGSHORE_VERSION_ROOM];
} longshore_info;

// What `read_open` answers. The host clears it before the call, and sets `fd` to -1.
//
// Either a reader or, with the capability `file_region`, a file.
typedef struct longshore_read {
  // The whole object, whatever the range.
  struct longshore_info info;
  // The driver's own pointer, for `read_next` and `read_close`.
  void *reader;
  // A regular file that is open for reading and never changes while it is open. The host closes it.
  int32_t fd;
  // 0.
  uint32_t reserved_first;
  // Where in the file the bytes of the asked range begin.
  uint64_t fd_offset;
  // For later minors.
  uint64_t reserved[4];
} longshore_read;

// Bytes of the driver's own, and the way to give them back.
typedef struct longshore_buffer {
  // The first byte; NULL for no buffer.
  const uint8_t *ptr;
  // How many, at most `LONGSHORE_CHUNK_MAX`. They do not change until `release`.
  size_t len;
  // Whatever `release` needs.
  void *owner;
  // Called once when the host needs the bytes no more: from any thread, perhaps after `close`. NULL for bytes that live for ever.
  void (*release)(void *owner, const uint8_t *ptr, size_t len);
} longshore_buffer;

// What `read_next` answers: bytes in the host's room or a buffer of the driver's own. The host clears it before the call.
//
// Neither is the body's end. Best are chunks of 256 KiB to 1 MiB.
typedef struct longshore_chunk {
  // Memory of the host to write to, for drivers that have no better place.
  uint8_t *room;
  // Its size in bytes; never more than what is left of the asked range.
  size_t room_len;
  // How many bytes the driver wrote to `room`, from its start.
  size_t used;
  // Or these bytes, which the host takes over without copying.
  struct longshore_buffer own;
} longshore_chunk;

// Bytes that the host lends for the time of one call.
typedef struct longshore_bytes {
  // The first byte. Never NULL.
  const uint8_t *ptr;
  // How many.
  size_t len;
} longshore_bytes;

// What to list.
typedef struct longshore_list_request {
  // Below what, by component: `a/b` lists nothing of `a/bc`. Empty for the root.
  struct longshore_text prefix;
  // Only names after this text, compared as bytes; it need not exist. With a NULL `ptr` from the start.
  struct longshore_text start_after;
  // How many entries at the most, 1 to 10,000.
  uint32_t limit;
  // 1 for all objects below, 0 for direct children: objects, and each deeper level once as a prefix that ends in `/`.
  uint32_t recursive;
  // For later minors.
  uint64_t reserved[4];
} longshore_list_request;

// Where `list` puts what it finds.
typedef struct longshore_page {
  // The host's own, for `add`.
  void *context;
  // Adds the next name, which the host copies: a whole key, or a prefix with a final `/`. `info` is that of an object if it costs
  // nothing, else NULL. Names come in the order of their bytes, a prefix with its final `/`.
  //
  // Answers 0. Anything else: the page takes no more, because it is full (then `more` is set) or because the name is none; `list`
  // should end and answer `LONGSHORE_OK`.
  uint32_t (*add)(struct longshore_page *page, const char *name, size_t name_len, const struct longshore_info *info);
  // 1 if something follows; for drivers that know it without an `add` too many.
  uint32_t more;
  // 0.
  uint32_t reserved_first;
  // For later minors.
  uint64_t reserved[4];
} longshore_page;

// Where `upload_suspend` writes the upload's token. The host clears it before the call.
typedef struct longshore_token {
  // How many bytes it has.
  uint32_t len;
  // 0.
  uint32_t reserved_first;
  // Opaque to the host, and the same to every process on every host that shares the store.
  uint8_t bytes[LONGSHORE_TOKEN_MAX];
} longshore_token;

// Where `presign` writes a URL. The host clears it before the call.
typedef struct longshore_url {
  // Ends in NUL.
  char text[LONGSHORE_URL_MAX];
} longshore_url;

// Where `upload_list` puts what it finds.
typedef struct longshore_token_list {
  // The host's own, for `add`.
  void *context;
  // Adds a token, which the host copies. Answers 0; anything else if the host takes no more.
  uint32_t (*add)(struct longshore_token_list *list, const uint8_t *bytes, size_t len);
  // For later minors.
  uint64_t reserved[4];
} longshore_token_list;

// A driver: the calls of the contract as functions that block, each on a thread of the host's pool.
//
// Rules of all calls. Any thread may make them, several at once; only calls on one reader or one upload come one after the other. What the
// host lends lives until the call returns. An answer other than `LONGSHORE_OK` fails the call, and its reason is written to `error`; the
// instance stays usable. No exception, panic or longjmp leaves a call. A driver installs no signal handler, changes nothing that belongs to
// the whole process, ends no process, and does nothing while it is loaded. The host has checked keys, prefixes and limits, asks for no
// capability that was not declared, and calls nothing after `close`.
//
// `driver`, `reader` and `upload` are the driver's own pointers, never NULL.
typedef struct longshore_driver_table {
  // `sizeof(longshore_driver_table)`. A minor may add fields at the end; the host reads no further than this.
  uint32_t struct_size;
  // `LONGSHORE_C_MAJOR`.
  uint16_t major;
  // `LONGSHORE_C_MINOR`.
  uint16_t minor;
  // 0.
  uint64_t reserved[4];
  // Opens an instance and writes its pointer. Several instances are independent; a failure leaks nothing. `host` stays until `close` has
  // returned, `settings` end with the call.
  //
  // Fails with `LONGSHORE_CONFIG` telling every fault at once, `LONGSHORE_MISSING`, `LONGSHORE_UNAUTHORIZED` or `LONGSHORE_UNREACHABLE`.
  int32_t (*open)(const struct longshore_host *host,
                  const struct longshore_settings *settings,
                  void **driver,
                  struct longshore_error *error);
  // Lets go of everything. It is called once for each instance, when no other call runs and all readers and uploads were given back.
  void (*close)(void *driver);
  // Whether the back-end can be used, in at most one round trip. The class tells what is wrong.
  int32_t (*health)(void *driver, const struct longshore_call *call, struct longshore_error *error);
  // Facts about an object; the content is not read. `LONGSHORE_NOT_FOUND` if the key is absent.
  int32_t (*stat)(void *driver,
                  const struct longshore_call *call,
                  struct longshore_text key,
                  struct longshore_info *info,
                  struct longshore_error *error);
  // Begins to read `length` bytes from `offset` on, or as many as there are between `offset` and the end if that is fewer
  // (`LONGSHORE_TO_END`: all). `offset` + `length` exceeds 64 bits only for `LONGSHORE_TO_END`.
  //
  // A reader that began before an overwrite or a delete delivers the old bytes to the end or fails with `LONGSHORE_BROKEN`.
  //
  // `LONGSHORE_NOT_FOUND` if the key is absent, whatever the range; else `LONGSHORE_INVALID_RANGE` if `offset` exceeds the size.
  int32_t (*read_open)(void *driver,
                       const struct longshore_call *call,
                       struct longshore_text key,
                       uint64_t offset,
                       uint64_t length,
                       struct longshore_read *answer,
                       struct longshore_error *error);
  // The next bytes of the range, in order. At most 16 MiB are held for one reader. After a failure the host takes nothing of `chunk`, and
  // asks this reader no more.
  int32_t (*read_next)(void *reader,
                       const struct longshore_call *call,
                       struct longshore_chunk *chunk,
                       struct longshore_error *error);
  // Gives a reader back, read to its end or not; once for each.
  void (*read_close)(void *reader);
  // Writes a small whole object (the host uses it up to 4 MiB), whole or not at all, and durable when it answers. `condition` is
  // `LONGSHORE_ALWAYS` or `LONGSHORE_IF_ABSENT`.
  //
  // `LONGSHORE_ALREADY_EXISTS` if the condition is lost (of any number of racing creators exactly one wins), `LONGSHORE_CONFLICT` if the
  // key clashes with a prefix, `LONGSHORE_FULL` if there is no space.
  int32_t (*put)(void *driver,
                 const struct longshore_call *call,
                 struct longshore_text key,
                 struct longshore_bytes bytes,
                 uint32_t condition,
                 struct longshore_info *info,
                 struct longshore_error *error);
  // Fills one page of the names below a prefix, at a cost in proportion to the page. Uploads are never listed.
  //
  // `LONGSHORE_NOT_FOUND` if the prefix is not the root and has no key below it, wherever the page starts.
  int32_t (*list)(void *driver,
                  const struct longshore_call *call,
                  const struct longshore_list_request *request,
                  struct longshore_page *page,
                  struct longshore_error *error);
  // Deletes an object. `LONGSHORE_NOT_FOUND` if the key is absent, every time.
  int32_t (*remove)(void *driver,
                    const struct longshore_call *call,
                    struct longshore_text key,
                    struct longshore_error *error);
  // Starts an upload and writes its pointer. `destination` is a hint, with a NULL `ptr` if the host does not know yet.
  int32_t (*upload_begin)(void *driver,
                          const struct longshore_call *call,
                          struct longshore_text destination,
                          void **upload,
                          struct longshore_error *error);
  // Continues the upload that a token names, from the offset at which it was suspended or a later one, and writes its pointer.
  //
  // `LONGSHORE_NOT_FOUND` if it was committed, aborted or purged; `LONGSHORE_CONFLICT` if it is in use; `LONGSHORE_INVALID_ARGUMENT` if the
  // token is none of this driver's. Tokens travel through clients: trust nothing in them.
  int32_t (*upload_resume)(void *driver,
                           const struct longshore_call *call,
                           struct longshore_bytes token,
                           void **upload,
                           struct longshore_error *error);
  // How many bytes the upload has, without I/O. It may be asked until `upload_drop`.
  uint64_t (*upload_offset)(void *upload);
  // Appends bytes, which may be none. After a failure, what `upload_offset` counts is good.
  int32_t (*upload_write)(void *upload,
                          const struct longshore_call *call,
                          struct longshore_bytes bytes,
                          struct longshore_error *error);
  // Makes everything accepted so far durable, and names it so that any process on any host that shares the store can go on.
  int32_t (*upload_suspend)(void *upload,
                            const struct longshore_call *call,
                            struct longshore_token *token,
                            struct longshore_error *error);
  // Publishes the object in one step, replacing any older one. The host has compared `size` with `upload_offset`.
  //
  // `LONGSHORE_CONFLICT` if the key clashes with a prefix. After a success only `upload_drop` follows.
  int32_t (*upload_commit)(void *upload,
                           const struct longshore_call *call,
                           struct longshore_text destination,
                           uint64_t size,
                           struct longshore_info *info,
                           struct longshore_error *error);
  // Removes every trace. After a success only `upload_drop` follows.
  int32_t (*upload_abort)(void *upload, const struct longshore_call *call, struct longshore_error *error);
  // Gives an upload back; once for each. It is neither commit nor abort: what the last `upload_suspend` promised is kept.
  void (*upload_drop)(void *upload);
  // Removes all keys below a prefix, which is never the root, and only those. NULL without the capability `delete_prefix`.
  //
  // `LONGSHORE_NOT_FOUND` if nothing is there. After a partial failure the call can be repeated.
  int32_t (*delete_prefix)(void *driver,
                           const struct longshore_call *call,
                           struct longshore_text prefix,
                           struct longshore_error *error);
  // Copies an object within the back-end, in one step at the destination. NULL without the capability `copy`.
  int32_t (*copy)(void *driver,
                  const struct longshore_call *call,
                  struct longshore_text from,
                  struct longshore_text to,
                  struct longshore_info *info,
                  struct longshore_error *error);
  // A URL that permits a method (`LONGSHORE_GET`, `LONGSHORE_HEAD`, `LONGSHORE_PUT`) on a key without credentials for `expires_ms`
  // milliseconds. NULL without the capability `presign`.
  int32_t (*presign)(void *driver,
                     const struct longshore_call *call,
                     struct longshore_text key,
                     uint32_t method,
                     uint64_t expires_ms,
                     struct longshore_url *url,
                     struct longshore_error *error);
  // Tokens of uploads that nobody has written to for `older_than_ms` milliseconds. NULL without the capability `upload_list`.
  int32_t (*upload_list)(void *driver,
                         const struct longshore_call *call,
                         uint64_t older_than_ms,
                         struct longshore_token_list *tokens,
                         struct longshore_error *error);
} longshore_driver_table;

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's table, which the driver defines. */
extern __attribute__((visibility("default"))) const longshore_driver_table longshore_driver_c_v1;

#ifdef __cplusplus
}
#endif

#endif /* LONGSHORE_DRIVER_H */
