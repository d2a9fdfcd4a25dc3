/* How a call fails: a class for the host, a sentence for people. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store.h"

int32_t fail(longshore_error *error, int32_t class, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return class;
}

static int32_t class_of(int number) {
    switch (number) {
    case ENOENT: /* an absent object is told apart before; this is a folder of the store */
        return LONGSHORE_MISSING;
    case EACCES:
    case EPERM:
        return LONGSHORE_UNAUTHORIZED;
    case EROFS:
        return LONGSHORE_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LONGSHORE_FULL;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOLCK:
    case EAGAIN:
        return LONGSHORE_THROTTLED;
    case EIO:
        return LONGSHORE_BROKEN;
    default:
        return LONGSHORE_INTERNAL;
    }
}

int32_t fail_errno(longshore_error *error, const char *what, const char *name) {
    int number = errno;
    char reason[128] = "";
    /* strerror is not made for threads. */
    if (strerror_r(number, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", number);
    error->system_errno = number;
    return fail(error, class_of(number), "cannot %s \"%s\": %s", what, name, reason);
}
