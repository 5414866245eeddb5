/*
 * Preloaded into a process whose disk a drill makes slow: every flush takes as many more milliseconds as a file says, which
 * the environment variable VERITAPE_DRILL_FLUSH names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void take_longer(void) {
  const char *path = getenv("VERITAPE_DRILL_FLUSH");
  char text[16] = {0};
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  long ms = length > 0 ? atol(text) : 0;
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
  while (ms > 0 && nanosleep(&left, &left) != 0) {
  }
}

int fdatasync(int fd) {
  static int (*flush)(int);
  if (flush == NULL) flush = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  take_longer();
  return flush(fd);
}

int fsync(int fd) {
  static int (*flush)(int);
  if (flush == NULL) flush = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  take_longer();
  return flush(fd);
}

int msync(void *address, size_t length, int flags) {
  static int (*flush)(void *, size_t, int);
  if (flush == NULL) flush = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
  take_longer();
  return flush(address, length, flags);
}
