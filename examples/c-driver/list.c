/* Pages of names in the order of their bytes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

/* The names of one folder; those of folders end in `/`. */
typedef struct names {
    char **all;
    size_t count, room;
} names;

static void forget(names *names) {
    for (size_t at = 0; at < names->count; at++)
        free(names->all[at]);
    free(names->all);
}

static bool add_name(names *names, const char *name, bool folder) {
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 64;
        char **all = realloc(names->all, room * sizeof *all);
        if (all == NULL)
            return false;
        names->all = all;
        names->room = room;
    }
    size_t len = strlen(name);
    char *copy = malloc(len + 2);
    if (copy == NULL)
        return false;
    memcpy(copy, name, len + 1);
    if (folder)
        memcpy(copy + len, "/", 2);
    names->all[names->count++] = copy;
    return true;
}

static int by_bytes(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* What an entry is: 'd' a folder, 'f' a file, 0 nothing of ours. */
static char kind_of(int folder, const struct dirent *entry) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    if (entry->d_type == DT_DIR || entry->d_type == DT_REG)
        return entry->d_type == DT_DIR ? 'd' : 'f';
    struct stat stat;
    if (entry->d_type != DT_UNKNOWN || fstatat(folder, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    return S_ISDIR(stat.st_mode) ? 'd' : S_ISREG(stat.st_mode) ? 'f' : 0;
}

/* The names of a folder (empty: the root), in the order of their bytes. The folder is closed again: a walk may be 512 levels deep. */
static bool read_names(const store *store, const char *path, names *names) {
    *names = (struct names){0};
    int file = open_below(store, path, O_RDONLY | O_DIRECTORY);
    if (file < 0)
        return false;
    DIR *folder = fdopendir(file);
    if (folder == NULL) {
        close(file);
        return false;
    }
    bool complete = true;
    struct dirent *entry;
    errno = 0;
    while (complete && (entry = readdir(folder)) != NULL) {
        char kind = kind_of(file, entry);
        complete = kind == 0 || add_name(names, entry->d_name, kind == 'd');
        errno = complete ? 0 : ENOMEM;
    }
    complete = complete && errno == 0;
    int number = errno;
    closedir(folder);
    errno = number;
    if (!complete) {
        forget(names);
        return false;
    }
    if (names->count > 0) /* an empty folder has no array */
        qsort(names->all, names->count, sizeof *names->all, by_bytes);
    return true;
}

/* Puts a name after the path of its folder, without the final `/`. False if that is longer than any key. */
static bool join(char path[PATH_ROOM], const char *folder, const char *name) {
    int len = snprintf(path, PATH_ROOM, "%s%s%s", folder, *folder ? "/" : "", name);
    if (len < 0 || len >= PATH_ROOM)
        return false;
    if (path[len - 1] == '/')
        path[len - 1] = '\0';
    return true;
}

bool has_object(const store *store, const char *folder) {
    names names;
    if (!read_names(store, folder, &names))
        return false;
    bool found = false;
    for (size_t at = 0; at < names.count && !found; at++) {
        char path[PATH_ROOM];
        bool below = names.all[at][strlen(names.all[at]) - 1] == '/';
        found = !below || (join(path, folder, names.all[at]) && has_object(store, path));
    }
    forget(&names);
    return found;
}

void remove_empty_folders(const store *store, const char *folder) {
    names names;
    if (!read_names(store, folder, &names))
        return;
    for (size_t at = 0; at < names.count; at++) {
        char path[PATH_ROOM];
        if (names.all[at][strlen(names.all[at]) - 1] == '/' && join(path, folder, names.all[at]))
            remove_empty_folders(store, path);
    }
    forget(&names);
    unlink_below(store, folder, AT_REMOVEDIR);
}

/* A page under way. */
typedef struct walk {
    const store *store;
    const longshore_list_request *request;
    longshore_page *page;
    bool any, full;
} walk;

/* Compares text as bytes; `start_after` may hold NUL. */
static int compare(const char *text, size_t len, longshore_text other) {
    int order = memcmp(text, other.ptr, len < other.len ? len : other.len);
    return order != 0 ? order : (len > other.len) - (len < other.len);
}

/* True if `text`, or for a folder in a recursive list all that begins with it, lies before the page. */
static bool is_before(const walk *walk, const char *text, bool folder) {
    longshore_text after = walk->request->start_after;
    size_t len = strlen(text);
    if (after.ptr == NULL || compare(text, len, after) > 0)
        return false;
    bool reaches_beyond = folder && walk->request->recursive && after.len >= len && memcmp(text, after.ptr, len) == 0;
    return !reaches_beyond;
}

static void offer(walk *walk, const char *text) {
    walk->any = true;
    walk->full = walk->page->add(walk->page, text, strlen(text), NULL) != 0;
}

static bool visit(walk *walk, const char *folder);

/* One name of a folder, whose path is `path`. */
static bool visit_name(walk *walk, const char *path, bool folder) {
    char text[PATH_ROOM + 1];
    snprintf(text, sizeof text, "%s%s", path, folder ? "/" : "");
    if (is_before(walk, text, folder))
        return true;
    if (folder && walk->request->recursive)
        return visit(walk, path);
    /* A folder without an object is no prefix: a crash, a delete or a put under way left it. */
    if (!folder || has_object(walk->store, path))
        offer(walk, text);
    return true;
}

static bool visit(walk *walk, const char *folder) {
    names names;
    if (!read_names(walk->store, folder, &names))
        return is_absent(errno); /* deleted meanwhile */
    bool good = true;
    for (size_t at = 0; at < names.count && good && !walk->full; at++) {
        char path[PATH_ROOM];
        bool below = names.all[at][strlen(names.all[at]) - 1] == '/';
        good = !join(path, folder, names.all[at]) || visit_name(walk, path, below);
    }
    forget(&names);
    return good;
}

int32_t list_page(void *driver, const longshore_call *call, const longshore_list_request *request, longshore_page *page,
                  longshore_error *error) {
    (void)call;
    const store *store = driver;
    const char *prefix = request->prefix.ptr;
    walk walk = {.store = store, .request = request, .page = page};
    if (!visit(&walk, prefix))
        return fail_errno(error, "list", prefix);
    if (!walk.any && *prefix && !has_object(store, prefix))
        return fail(error, LONGSHORE_NOT_FOUND, "there is nothing below \"%s\"", prefix);
    return LONGSHORE_OK;
}
