// A disk that fails as disks do, for a program that this library is preloaded into (LD_PRELOAD). Set by environment
// variables; a control that is not set changes nothing.
//
// POWER LOSS. A killed process proves nothing about fsync, since the kernel still has what it wrote. With
// FAULTY_DISK_FOLDER (a path without symbolic links) and FAULTY_DISK_SHADOW (a folder outside of it), the shadow holds
// of every regular file below the folder what was *synced*, and nothing else. A test kills the program, puts the
// shadow's `tree` in the place of the folder, removes the shadow, and starts the program again: that is what it would
// find after the power went.
//
//   shadow/inodes/<id>      the durable bytes of one file
//   shadow/tree/<folder>/…  the durable names: hard links to the above
//
// - fsync and fdatasync of a file bring its bytes and its length into `inodes`; so does a write to a file that was
//   opened with O_SYNC or O_DSYNC.
// - fsync of a folder makes the names in it as they are now: files created, renamed and removed. Names are not durable
//   before, as POSIX has it, though most file systems are kinder.
// - sync_file_range promises nothing about a power failure (its manual says so), and so it does nothing here.
// - What is mapped into memory and never synced, such as SQLite's -shm file, is an empty file afterwards.
// - The first process finds everything synced that is there already.
//
// The shadow is kept in files alone, under a lock, so that several processes can share a folder: a service and a command
// beside it, Redis and the child that rewrites its append-only file. A process killed while it brings bytes over leaves
// them half there, as a sync that the power interrupts does. The real disk is never synced: it is not the disk.
//
// FAULTY_DISK_FORGETS=1 is a disk that says "synced" and has done nothing. Tests use it to see that they would notice.
//
// DISK FULL. FAULTY_DISK_SPACE names a file of eight bytes: how many bytes files below the folder may still grow. What
// does not fit is written in part or not at all, with ENOSPC, as on a full disk; writing over what is there needs no
// room. A test writes another number to make room.
//
// The kernel is asked directly, with syscall(2): the next write in the chain would have to be looked up, which may
// allocate, and these are called from everywhere.

#define _GNU_SOURCE
#include "faulty.h"

#include <stdlib.h>  // says whether this is glibc

#if defined(__GLIBC__)
#include "shared.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *folder;
static size_t folder_length;
static const char *shadow;
static bool forgets;
static volatile int64_t *space;

volatile int64_t *faulty_map_number(const char *variable) {
    const char *path = getenv(variable);
    if (path == NULL) return NULL;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return NULL;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? NULL : mapped;
}

// MARK: Which file is it

/// A file, told from a later one with the same inode number by when it was made.
struct identity {
    uint64_t inode;
    int64_t born_seconds;
    uint32_t born_nanoseconds;
};

struct description {
    struct identity id;
    mode_t mode;
    int64_t size;
};

static bool describe(int at, const char *path, int flags, struct description *result) {
    struct statx status;
    if (syscall(SYS_statx, at, path, flags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) return false;
    result->id = (struct identity){status.stx_ino, status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
    result->mode = status.stx_mode;
    result->size = (int64_t)status.stx_size;
    return true;
}

static bool describe_open(int file, struct description *result) { return describe(file, "", AT_EMPTY_PATH, result); }

static bool same(struct identity a, struct identity b) {
    return a.inode == b.inode && a.born_seconds == b.born_seconds && a.born_nanoseconds == b.born_nanoseconds;
}

/// Where an open file lies below the folder: "" for the folder itself. False where it lies elsewhere.
static bool path_below(int file, char *result) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return false;
    path[length] = 0;
    if (strncmp(path, folder, folder_length) != 0) return false;
    if (path[folder_length] != 0 && path[folder_length] != '/') return false;
    strcpy(result, path[folder_length] == 0 ? "" : path + folder_length + 1);
    return true;
}

// MARK: What is not synced yet

/// What this process knows of a file. The table forgets one for another; a file that it does not know is brought over
/// whole when it is synced, so forgetting costs time only.
struct known {
    struct identity id;
    bool is_below;
    /// The bytes written since the last sync lie between these.
    int64_t from, to;
};

static struct known table[512];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_table(void) { pthread_mutex_lock(&table_lock); }
static void unlock_table(void) { pthread_mutex_unlock(&table_lock); }

static struct known *slot(struct identity id) {
    uint64_t hash = (id.inode ^ (uint64_t)id.born_nanoseconds) * 0x9E3779B97F4A7C15u;
    return &table[hash >> 55];
}

static bool is_ours(int file, const struct description *what) {
    if (folder == NULL || !S_ISREG(what->mode)) return false;
    lock_table();
    struct known *known = slot(what->id);
    if (!same(known->id, what->id)) {
        char path[PATH_MAX];
        *known = (struct known){what->id, path_below(file, path), 0, INT64_MAX};
    }
    bool result = known->is_below;
    unlock_table();
    return result;
}

static void mark_written(struct identity id, int64_t from, int64_t to) {
    lock_table();
    struct known *known = slot(id);
    // One that was forgotten meanwhile is unsynced as a whole when it is met again.
    if (same(known->id, id)) {
        if (from < known->from) known->from = from;
        if (to > known->to) known->to = to;
    }
    unlock_table();
}

static void take_written(struct identity id, int64_t *from, int64_t *to) {
    lock_table();
    struct known *known = slot(id);
    if (same(known->id, id)) {
        *from = known->from;
        *to = known->to;
        known->from = INT64_MAX;
        known->to = 0;
    } else {
        *from = 0;
        *to = INT64_MAX;
    }
    unlock_table();
}

// MARK: The shadow

/// Of the threads of this process; the file below is locked against other processes.
static pthread_mutex_t shadow_lock = PTHREAD_MUTEX_INITIALIZER;

static int lock_shadow(void) {
    char path[PATH_MAX];
    pthread_mutex_lock(&shadow_lock);
    snprintf(path, sizeof path, "%s/lock", shadow);
    int lock = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock >= 0) flock(lock, LOCK_EX);
    return lock;
}

static void unlock_shadow(int lock) {
    if (lock >= 0) syscall(SYS_close, lock);
    pthread_mutex_unlock(&shadow_lock);
}

// Redis forks to rewrite its file. The child has one thread only, so it must not inherit a lock that another holds; and
// with the file locked it would inherit the lock itself, which its parent's closing would not end any more.
static void before_fork(void) {
    pthread_mutex_lock(&shadow_lock);
    pthread_mutex_lock(&table_lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&table_lock);
    pthread_mutex_unlock(&shadow_lock);
}

static void inode_path(struct identity id, char *path) {
    snprintf(path, PATH_MAX, "%s/inodes/%llu-%lld-%u", shadow, (unsigned long long)id.inode,
             (long long)id.born_seconds, id.born_nanoseconds);
}

static void copy_bytes(int source, int target, int64_t from, int64_t to) {
    char bytes[65536];
    while (from < to) {
        int64_t most = to - from < (int64_t)sizeof bytes ? to - from : (int64_t)sizeof bytes;
        ssize_t count = syscall(SYS_pread64, source, bytes, (size_t)most, from);
        if (count <= 0) return;
        syscall(SYS_pwrite64, target, bytes, (size_t)count, from);
        from += count;
    }
}

/// Brings the bytes of a file between `from` and `to` into the shadow, and its length. The shadow is locked.
static void bring_over(int file, const struct description *what, int64_t from, int64_t to) {
    char path[PATH_MAX];
    inode_path(what->id, path);
    int target = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (target < 0) return;
    struct description before = {.size = 0};
    describe_open(target, &before);
    // No holes: a file that has grown is taken from its old end on, whoever wrote there.
    if (what->size > before.size) {
        if (before.size < from) from = before.size;
        to = what->size;
    }
    if (to > what->size) to = what->size;
    // A file opened for writing only is opened a second time. Not so one that can be read: closing SQLite's file once
    // more would drop the locks that the process holds on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    int source = file;
    if ((fcntl(file, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        source = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    }
    copy_bytes(source, target, from, to);
    syscall(SYS_ftruncate, target, what->size);
    if (source != file) syscall(SYS_close, source);
    syscall(SYS_close, target);
}

static void sync_file(int file, const struct description *what) {
    int64_t from, to;
    int lock = lock_shadow();
    take_written(what->id, &from, &to);
    bring_over(file, what, from, to);
    unlock_shadow(lock);
}

static void make_folders(const char *path) {
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0700);
        *slash = '/';
    }
    mkdir(part, 0700);
}

static void sync_folder(const char *below) {
    char real[PATH_MAX], durable[PATH_MAX], name[PATH_MAX], inode[PATH_MAX], temporary[PATH_MAX];
    snprintf(real, sizeof real, "%s/%s", folder, below);
    snprintf(durable, sizeof durable, "%s/tree/%s", shadow, below);
    snprintf(temporary, sizeof temporary, "%s/renaming", shadow);
    int lock = lock_shadow();
    make_folders(durable);
    // New names first, then those that mean another file now, then those that are gone: where the power goes in between,
    // the order is one that a journal of the file system would have kept too.
    for (int replaces = 0; replaces < 2; replaces++) {
        DIR *names = opendir(real);
        for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
            struct description what, source, old;
            if (snprintf(name, sizeof name, "%s/%s", real, entry->d_name) >= (int)sizeof name) continue;
            if (!describe(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &what) || !S_ISREG(what.mode)) continue;
            inode_path(what.id, inode);
            int made = (int)syscall(SYS_openat, AT_FDCWD, inode, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
            if (made >= 0) syscall(SYS_close, made);
            if (snprintf(name, sizeof name, "%s/%s", durable, entry->d_name) >= (int)sizeof name) continue;
            if (!describe(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &old)) {
                if (!replaces) (void)!link(inode, name);
            } else if (replaces && describe(AT_FDCWD, inode, 0, &source) && old.id.inode != source.id.inode) {
                unlink(temporary);
                if (link(inode, temporary) == 0) rename(temporary, name);
            }
        }
        if (names != NULL) closedir(names);
    }
    DIR *names = opendir(durable);
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
        struct description what;
        if (snprintf(name, sizeof name, "%s/%s", durable, entry->d_name) >= (int)sizeof name) continue;
        if (!describe(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &what) || !S_ISREG(what.mode)) continue;
        if (snprintf(name, sizeof name, "%s/%s", real, entry->d_name) >= (int)sizeof name) continue;
        if (describe(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &what)) continue;
        snprintf(name, sizeof name, "%s/%s", durable, entry->d_name);
        unlink(name);
    }
    if (names != NULL) closedir(names);
    unlock_shadow(lock);
}

static int sync_open(int file, long call) {
    struct description what;
    char path[PATH_MAX];
    if (shadow == NULL || !describe_open(file, &what)) return (int)syscall(call, file);
    if (S_ISDIR(what.mode)) {
        if (!path_below(file, path)) return (int)syscall(call, file);
        sync_folder(path);
        return 0;
    }
    if (!is_ours(file, &what)) return (int)syscall(call, file);
    if (!forgets) sync_file(file, &what);
    return 0;
}

// MARK: Beginning

static int adopt(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)place;
    char durable[PATH_MAX];
    const char *below = path[folder_length] == 0 ? "" : path + folder_length + 1;
    snprintf(durable, sizeof durable, "%s/tree/%s", shadow, below);
    if (type == FTW_D) {
        make_folders(durable);
    } else if (type == FTW_F) {
        struct description what;
        char inode[PATH_MAX];
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0 && describe_open(file, &what) && S_ISREG(what.mode)) {
            bring_over(file, &what, 0, INT64_MAX);
            inode_path(what.id, inode);
            (void)!link(inode, durable);
        }
        if (file >= 0) close(file);
    }
    return 0;
}

/// A copy: a program may write its title over the environment that it was started with, as Redis does.
static const char *setting(const char *variable) {
    const char *value = getenv(variable);
    return value == NULL ? NULL : strdup(value);
}

__attribute__((constructor)) static void begin(void) {
    folder = setting("FAULTY_DISK_FOLDER");
    if (folder == NULL) return;
    folder_length = strlen(folder);
    forgets = getenv("FAULTY_DISK_FORGETS") != NULL;
    space = faulty_map_number("FAULTY_DISK_SPACE");
    pthread_atfork(before_fork, after_fork, after_fork);
    const char *kept = setting("FAULTY_DISK_SHADOW");
    if (kept == NULL) return;
    char path[PATH_MAX];
    shadow = kept;
    make_folders(kept);
    int lock = lock_shadow();
    snprintf(path, sizeof path, "%s/inodes", kept);
    // Whoever makes this is the first.
    if (mkdir(path, 0700) == 0) nftw(folder, adopt, 16, FTW_PHYS);
    unlock_shadow(lock);
}

// MARK: Writing

/// How much of what is to be written fits. 0 where nothing does.
static size_t fitting(const struct description *what, int64_t position, size_t size) {
    if (space == NULL || size == 0) return size;
    int64_t grown = position + (int64_t)size - what->size;
    if (grown <= 0) return size;
    int64_t left = __atomic_load_n(space, __ATOMIC_SEQ_CST), granted;
    do {
        granted = left < grown ? (left < 0 ? 0 : left) : grown;
    } while (!__atomic_compare_exchange_n(space, &left, left - granted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    int64_t missing = grown - granted;
    return missing >= (int64_t)size ? 0 : size - (size_t)missing;
}

/// Whether a write has to be looked at, and if so at what, and where it goes when that is not said.
static bool is_watched(int file, struct description *what, int64_t *position) {
    if (folder == NULL || !describe_open(file, what) || !is_ours(file, what)) return false;
    if (*position < 0) {
        bool appends = (fcntl(file, F_GETFL) & O_APPEND) != 0;
        *position = appends ? what->size : (int64_t)syscall(SYS_lseek, file, 0, SEEK_CUR);
    }
    return true;
}

static void written(int file, struct identity id, int64_t position, ssize_t count) {
    if (count <= 0) return;
    mark_written(id, position, position + count);
    // O_SYNC contains O_DSYNC.
    struct description now;
    if (shadow != NULL && !forgets && (fcntl(file, F_GETFL) & O_DSYNC) != 0 && describe_open(file, &now)) {
        sync_file(file, &now);
    }
}

static ssize_t write_at(int file, const void *bytes, size_t size, int64_t position) {
    struct description what;
    int64_t start = position;
    bool watched = is_watched(file, &what, &start);
    if (watched && size > 0 && (size = fitting(&what, start, size)) == 0) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t count = position < 0 ? syscall(SYS_write, file, bytes, size)
                                 : syscall(SYS_pwrite64, file, bytes, size, position);
    if (watched) written(file, what.id, start, count);
    return count;
}

ssize_t write(int file, const void *bytes, size_t size) { return write_at(file, bytes, size, -1); }
ssize_t pwrite(int file, const void *bytes, size_t size, off_t position) {
    return write_at(file, bytes, size, position);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t position) {
    return write_at(file, bytes, size, position);
}

static ssize_t write_parts_at(int file, const struct iovec *parts, int number, int64_t position) {
    struct description what;
    int64_t start = position;
    bool watched = is_watched(file, &what, &start);
    if (watched) {
        size_t size = 0;
        for (int i = 0; i < number; i++) size += parts[i].iov_len;
        // All of it or nothing: cutting the list is not worth it.
        if (fitting(&what, start, size) < size) {
            errno = ENOSPC;
            return -1;
        }
    }
    // The position goes as two halves; the upper one is used on machines of 32 bits only.
    ssize_t count = position < 0 ? syscall(SYS_writev, file, parts, number)
                                 : syscall(SYS_pwritev, file, parts, number, position, 0);
    if (watched) written(file, what.id, start, count);
    return count;
}

ssize_t writev(int file, const struct iovec *parts, int number) { return write_parts_at(file, parts, number, -1); }
ssize_t pwritev(int file, const struct iovec *parts, int number, off_t position) {
    return write_parts_at(file, parts, number, position);
}
ssize_t pwritev64(int file, const struct iovec *parts, int number, off64_t position) {
    return write_parts_at(file, parts, number, position);
}

/// stdio writes from within the C library, where nothing can be put in between; what it writes is found when it is
/// synced, and charged here. Redis writes the base of its append-only file so.
size_t fwrite(const void *bytes, size_t size, size_t number, FILE *stream) {
    static size_t (*next)(const void *, size_t, size_t, FILE *);
    if (next == NULL) next = dlsym(RTLD_NEXT, "fwrite");
    struct description what;
    int file = space == NULL ? -1 : fileno(stream);
    if (file >= 0 && describe_open(file, &what) && is_ours(file, &what)) {
        // It grows by what is handed over, sooner or later.
        if (fitting(&what, what.size, size * number) < size * number) {
            errno = ENOSPC;
            return 0;
        }
    }
    return next(bytes, size, number, stream);
}

static int cut(int file, int64_t size) {
    int result = (int)syscall(SYS_ftruncate, file, size);
    struct description what;
    // What lies beyond the cut may be written anew; between the two, there are zeros.
    if (result == 0 && folder != NULL && describe_open(file, &what) && is_ours(file, &what)) {
        mark_written(what.id, size, INT64_MAX);
    }
    return result;
}

int ftruncate(int file, off_t size) { return cut(file, size); }
int ftruncate64(int file, off64_t size) { return cut(file, size); }

int fsync(int file) { return sync_open(file, SYS_fsync); }
int fdatasync(int file) { return sync_open(file, SYS_fdatasync); }
int sync_file_range(int file, off64_t from, off64_t count, unsigned int flags) {
    if (shadow != NULL) return 0;
    return (int)syscall(SYS_sync_file_range, file, from, count, flags);
}
#endif
