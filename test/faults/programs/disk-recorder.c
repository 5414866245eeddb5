/*
 * Records what a process asks of the disk, so that a loss of power can be tried at every moment of it.
 *
 *     gcc -shared -fPIC -o disk-recorder.so disk-recorder.c -ldl
 *     LD_PRELOAD=./disk-recorder.so DISK_FOLDER=/path DISK_RECORD=/path/to/record node program.ts
 *
 * Of files and folders below DISK_FOLDER it records names given and taken away, writes with their bytes, and flushes; the
 * begin and the end of each, because only what ended before a flush began is certain to be in it. Several processes may
 * append to one record. What a process writes to standard output is recorded, too: what it told, and when.
 *
 * DISK_BOOT_ID names a file that is read in place of the kernel's boot id. With DISK_LIES set, no flush is recorded nor
 * asked of the disk, as if the disk only said that it did it.
 *
 * An entry of the record, little-endian, 40 bytes and the payload:
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * |  0 | u32 | kind, as below |
 * |  4 | u32 | flags |
 * |  8 | u64 | number of the operation: process id x 2^32 + count; its begin and its end have the same |
 * | 16 | u64 | inode |
 * | 24 | u64 | offset or length in the file |
 * | 32 | u64 | bytes of the payload |
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { END = 0, OPEN = 1, WRITE = 2, FLUSH = 3, TRUNCATE = 4, RENAME = 5, REMOVE = 6, FOLDER = 7, TOLD = 8 };
/* Of OPEN: the file is new. Of WRITE: it is on disk when it ends. Of END: the operation failed. */
enum { CREATED = 1, SYNCHRONOUS = 2, FAILED = 4 };

struct entry {
  uint32_t kind, flags;
  uint64_t operation, inode, offset, bytes;
};

#define FDS_MAX 4096
#define PATHS_BYTES_MAX 8192

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static int record = -1;
static int lies;
static const char *folder, *boot_id;
static uint64_t count;
/* By file descriptor: the inode if it is recorded, and whether its writes are synchronous. */
static uint64_t inodes[FDS_MAX];
static char synchronous[FDS_MAX];

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void begin(void) {
  const char *path = getenv("DISK_RECORD");
  folder = getenv("DISK_FOLDER");
  boot_id = getenv("DISK_BOOT_ID");
  lies = getenv("DISK_LIES") != NULL;
  if (path != NULL && folder != NULL)
    record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int is_recorded(int fd) { return fd >= 0 && fd < FDS_MAX && inodes[fd] != 0; }

static int is_inside(const char *path) {
  pthread_once(&begun, begin);
  if (record < 0 || path == NULL) return 0;
  size_t bytes = strlen(folder);
  return strncmp(path, folder, bytes) == 0 && (path[bytes] == '/' || path[bytes] == 0);
}

/* One system call, so that entries of several threads and processes do not mix. */
static uint64_t note(enum kind kind, uint32_t flags, uint64_t operation, uint64_t inode, uint64_t offset,
                     const struct iovec *parts, int parts_count) {
  if (operation == 0) operation = ((uint64_t)getpid() << 32) | __sync_add_and_fetch(&count, 1);
  struct entry entry = {kind, flags, operation, inode, offset, 0};
  struct iovec all[65] = {{&entry, sizeof entry}};
  for (int i = 0; i < parts_count && i < 64; i++) {
    all[i + 1] = parts[i];
    entry.bytes += parts[i].iov_len;
  }
  if (parts_count > 64 || syscall(SYS_writev, record, all, parts_count + 1) != (long)(sizeof entry + entry.bytes)) {
    static const char text[] = "disk-recorder: the record could not be written\n";
    syscall(SYS_write, 2, text, sizeof text - 1);
    _exit(99);
  }
  return operation;
}

static uint64_t note_text(enum kind kind, uint64_t inode, const char *text, size_t bytes) {
  struct iovec part = {(void *)text, bytes};
  return note(kind, 0, 0, inode, 0, &part, 1);
}

static void note_end(uint64_t operation, int failed) {
  int error = errno;
  note(END, failed ? FAILED : 0, operation, 0, 0, NULL, 0);
  errno = error;
}

static int opened(int fd, const char *path, int flags, int existed) {
  if (fd < 0 || fd >= FDS_MAX) return fd;
  inodes[fd] = 0;
  if (!is_inside(path)) return fd;
  struct stat stat;
  if (fstat(fd, &stat) != 0) return fd;
  inodes[fd] = stat.st_ino;
  synchronous[fd] = (flags & O_DSYNC) != 0;
  struct iovec part = {(void *)path, strlen(path)};
  note(OPEN, existed ? 0 : CREATED, 0, stat.st_ino, 0, &part, 1);
  if (existed && (flags & O_TRUNC)) note_end(note(TRUNCATE, 0, 0, stat.st_ino, 0, NULL, 0), 0);
  return fd;
}

#define OPEN_AS(name)                                                                     \
  int name(const char *path, int flags, ...) {                                            \
    pthread_once(&begun, begin);                                                          \
    mode_t mode = 0;                                                                      \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                  \
      va_list rest;                                                                       \
      va_start(rest, flags);                                                              \
      mode = va_arg(rest, int);                                                           \
      va_end(rest);                                                                       \
    }                                                                                     \
    if (boot_id != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot_id; \
    int existed = access(path, F_OK) == 0;                                                \
    return opened(REAL(name)(path, flags, mode), path, flags, existed);                   \
  }
OPEN_AS(open)
OPEN_AS(open64)

int close(int fd) {
  if (fd >= 0 && fd < FDS_MAX) inodes[fd] = 0;
  return REAL(close)(fd);
}

/* `at` is -1 for a write at the position of the descriptor. */
static ssize_t write_parts(int fd, const struct iovec *parts, int parts_count, off64_t at) {
  pthread_mutex_lock(&order);
  struct stat stat;
  int append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  if (append && fstat(fd, &stat) == 0) at = stat.st_size;
  uint64_t offset = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
  uint64_t operation = note(WRITE, synchronous[fd] ? SYNCHRONOUS : 0, 0, inodes[fd], offset, parts, parts_count);
  uint64_t wanted = 0;
  for (int i = 0; i < parts_count; i++) wanted += parts[i].iov_len;
  ssize_t done = at >= 0 && !append ? REAL(pwritev64)(fd, parts, parts_count, at) : REAL(writev)(fd, parts, parts_count);
  note_end(operation, done != (ssize_t)wanted);
  pthread_mutex_unlock(&order);
  return done;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  struct iovec part = {(void *)bytes, size};
  if (is_recorded(fd)) return write_parts(fd, &part, 1, -1);
  pthread_once(&begun, begin);
  if (fd == 1 && record >= 0) note_text(TOLD, 0, bytes, size);
  return REAL(write)(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  struct iovec part = {(void *)bytes, size};
  return is_recorded(fd) ? write_parts(fd, &part, 1, at) : REAL(pwrite64)(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int parts_count) {
  return is_recorded(fd) ? write_parts(fd, parts, parts_count, -1) : REAL(writev)(fd, parts, parts_count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int parts_count, off64_t at) {
  return is_recorded(fd) ? write_parts(fd, parts, parts_count, at) : REAL(pwritev64)(fd, parts, parts_count, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int parts_count, off_t at) {
  return pwritev64(fd, parts, parts_count, at);
}

#define FLUSH_AS(name)                                                 \
  int name(int fd) {                                                   \
    if (!is_recorded(fd)) return REAL(name)(fd);                       \
    if (lies) return 0;                                                \
    uint64_t operation = note(FLUSH, 0, 0, inodes[fd], 0, NULL, 0);    \
    int result = REAL(name)(fd);                                       \
    note_end(operation, result != 0);                                  \
    return result;                                                     \
  }
FLUSH_AS(fsync)
FLUSH_AS(fdatasync)

#define TRUNCATE_AS(name, type)                                             \
  int name(int fd, type bytes) {                                            \
    if (!is_recorded(fd)) return REAL(name)(fd, bytes);                     \
    uint64_t operation = note(TRUNCATE, 0, 0, inodes[fd], bytes, NULL, 0);  \
    int result = REAL(name)(fd, bytes);                                     \
    note_end(operation, result != 0);                                       \
    return result;                                                          \
  }
TRUNCATE_AS(ftruncate, off_t)
TRUNCATE_AS(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
  if (!is_inside(from) || !is_inside(to)) return REAL(rename)(from, to);
  struct iovec parts[2] = {{(void *)from, strlen(from) + 1}, {(void *)to, strlen(to)}};
  uint64_t operation = note(RENAME, 0, 0, 0, 0, parts, 2);
  int result = REAL(rename)(from, to);
  note_end(operation, result != 0);
  return result;
}

int mkdir(const char *path, mode_t mode) {
  if (!is_inside(path)) return REAL(mkdir)(path, mode);
  uint64_t operation = note_text(FOLDER, 0, path, strlen(path));
  int result = REAL(mkdir)(path, mode);
  note_end(operation, result != 0);
  return result;
}

#define REMOVE_AS(name)                                                \
  int name(const char *path) {                                         \
    if (!is_inside(path)) return REAL(name)(path);                     \
    uint64_t operation = note_text(REMOVE, 0, path, strlen(path));     \
    int result = REAL(name)(path);                                     \
    note_end(operation, result != 0);                                  \
    return result;                                                     \
  }
REMOVE_AS(unlink)
REMOVE_AS(rmdir)
REMOVE_AS(remove)

int unlinkat(int fd, const char *name, int flags) {
  pthread_once(&begun, begin);
  if (record < 0) return REAL(unlinkat)(fd, name, flags);
  char path[PATHS_BYTES_MAX], link[64];
  ssize_t bytes = 0;
  if (name[0] != '/') {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    bytes = readlink(fd == AT_FDCWD ? "/proc/self/cwd" : link, path, sizeof path - 1);
    if (bytes < 0) bytes = 0;
  }
  snprintf(path + bytes, sizeof path - bytes, "%s%s", bytes > 0 ? "/" : "", name);
  if (!is_inside(path)) return REAL(unlinkat)(fd, name, flags);
  uint64_t operation = note_text(REMOVE, 0, path, strlen(path));
  int result = REAL(unlinkat)(fd, name, flags);
  note_end(operation, result != 0);
  return result;
}
