/* The driver as the host sees it: its note, its table, and how an instance opens and closes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "note.h"
#include "store.h"

/* A file that a put left this long ago belongs to nobody: the process was killed. */
#define STAGED_MAX_SECS (24 * 60 * 60)

static const char *setting(const longshore_settings *settings, const char *name) {
    for (size_t at = 0; at < settings->count; at++)
        if (strcmp(settings->entries[at].key.ptr, name) == 0)
            return settings->entries[at].value.ptr;
    return NULL;
}

static bool is_true(const longshore_settings *settings, const char *name) {
    const char *value = setting(settings, name);
    return value != NULL && strcmp(value, "true") == 0;
}

/* A folder of the store, made if it is not there; -1 with errno. */
static int open_folder(int root, const char *path) {
    if (mkdirat(root, path, 0777) != 0 && errno != EEXIST)
        return -1;
    return UNINTERRUPTED(openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static void close_folders(store *store) {
    int folders[] = {store->objects, store->uploads, store->staging};
    for (size_t at = 0; at < sizeof folders / sizeof *folders; at++)
        if (folders[at] >= 0)
            close(folders[at]);
}

/* Opens the folders below `root`. False with errno. */
static bool open_folders(store *store, int root) {
    int private_folder = open_folder(root, ".longshore-c");
    if (private_folder < 0)
        return false;
    store->objects = open_folder(root, "objects");
    store->uploads = open_folder(private_folder, "uploads");
    store->staging = open_folder(private_folder, "staging");
    bool opened = store->objects >= 0 && store->uploads >= 0 && store->staging >= 0 && sync_if_wanted(store, private_folder) &&
                  sync_if_wanted(store, root);
    close_quietly(private_folder);
    return opened;
}

/* Opens the store's own folder, and makes it, durably, if only its last component is missing. -1 with errno. */
static int open_root(const char *path, bool sync) {
    bool made = mkdir(path, 0777) == 0;
    int root = UNINTERRUPTED(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (root < 0 || !made || !sync)
        return root;
    int outer = UNINTERRUPTED(openat(root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    bool synced = outer >= 0 && UNINTERRUPTED(fsync(outer)) == 0;
    if (outer >= 0)
        close_quietly(outer);
    if (synced)
        return root;
    close_quietly(root);
    return -1;
}

static void remove_leftovers(const store *store) {
    int file = UNINTERRUPTED(openat(store->staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    if (folder == NULL) {
        if (file >= 0)
            close(file);
        return;
    }
    unsigned long long removed = 0;
    struct dirent *entry;
    struct stat stat;
    while ((entry = readdir(folder)) != NULL)
        if (fstatat(file, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(stat.st_mode) &&
            time(NULL) - stat.st_mtime > STAGED_MAX_SECS && unlinkat(file, entry->d_name, 0) == 0)
            removed++;
    closedir(folder);
    if (removed > 0) {
        char line[80];
        int len = snprintf(line, sizeof line, "removed %llu files of puts that were cut off", removed);
        store->host->log(store->host, LONGSHORE_INFO, line, (size_t)len);
    }
}

static int32_t store_open(const longshore_host *host, const longshore_settings *settings, void **driver, longshore_error *error) {
    const char *path = setting(settings, "root");
    if (path == NULL || *path != '/')
        return fail(error, LONGSHORE_CONFIG, "root is \"%s\", not an absolute path; give a folder's full path", path ? path : "");
    bool sync = is_true(settings, "sync");
    int root = open_root(path, sync);
    if (root < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fail(error, LONGSHORE_MISSING, "there is no folder \"%s\" (root), and none to make it in; make the folder above it", path);
    if (root < 0)
        return fail_errno(error, "open the folder", path);
    store *store = malloc(sizeof *store);
    int32_t answer = LONGSHORE_OK;
    if (store != NULL)
        *store = (struct store){.host = host,
                                .objects = -1,
                                .uploads = -1,
                                .staging = -1,
                                .sync = sync,
                                .hand_over_files = is_true(settings, "hand_over_files")};
    if (store == NULL || !open_folders(store, root)) {
        answer = fail_errno(error, "open the store in", path);
        if (store != NULL)
            close_folders(store);
        free(store);
    } else {
        remove_leftovers(store);
        *driver = store;
    }
    close(root);
    return answer;
}

static void store_close(void *driver) {
    close_folders(driver);
    free(driver);
}

static int32_t store_health(void *driver, const longshore_call *call, longshore_error *error) {
    (void)call;
    const store *store = driver;
    struct stat stat;
    if (fstat(store->objects, &stat) != 0)
        return fail_errno(error, "stat", "objects");
    if (stat.st_nlink == 0)
        return fail(error, LONGSHORE_MISSING, "the store's folder was deleted");
    if (faccessat(store->objects, ".", W_OK | X_OK, 0) != 0)
        return fail_errno(error, "write to", "objects");
    return LONGSHORE_OK;
}

const longshore_driver_table longshore_driver_c_v1 = {
    .struct_size = sizeof(longshore_driver_table),
    .major = LONGSHORE_C_MAJOR,
    .minor = LONGSHORE_C_MINOR,
    .open = store_open,
    .close = store_close,
    .health = store_health,
    .stat = object_stat,
    .read_open = reader_open,
    .read_next = reader_next,
    .read_close = reader_close,
    .put = object_put,
    .list = list_page,
    .remove = object_remove,
    .upload_begin = upload_begin,
    .upload_resume = upload_resume,
    .upload_offset = upload_offset,
    .upload_write = upload_write,
    .upload_suspend = upload_suspend,
    .upload_commit = upload_commit,
    .upload_abort = upload_abort,
    .upload_drop = upload_drop,
    .upload_list = upload_list,
};

/* The Makefile makes NOTE of note.json. */
LONGSHORE_DRIVER_NOTE(NOTE)
