#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/*
 * packet-switch N SEED
 *
 * The wires between N hosts: it makes the TUN devices host0 to host(N-1) in its network namespace, says `ready`, and passes
 * IPv4 packets between them; the last byte of a destination less one is the number of its host. A kernel need not have
 * netem for this. Ends with its stdin.
 *
 * Lines on stdin, each answered with one line:
 *   link H DELAY_US JITTER_US LOSS_PPM DUPLICATE_PPM REORDER_PPM   what becomes of packets that host H sends: order is kept
 *                                        but for REORDER_PPM of them, which do not wait
 *   cut A B | mend A B                   packets from A to B are dropped, or are not any more
 *   count                                answered with PASSED LOST DUPLICATED REORDERED CUT OVERFLOWED, of packets so far
 */

enum { HOSTS_MAX = 8, PACKET_BYTES_MAX = 2048, WAITING_PACKETS_MAX = 16384, BURST_PACKETS_MAX = 64, MILLION = 1000000 };

struct link { uint64_t delay_ns, jitter_ns; uint32_t loss_ppm, duplicate_ppm, reorder_ppm; };
struct packet { uint64_t due_ns, order; uint32_t to, bytes; uint8_t data[PACKET_BYTES_MAX]; };

static int devices[HOSTS_MAX];
static unsigned hosts;
static struct link links[HOSTS_MAX];
static int is_cut[HOSTS_MAX][HOSTS_MAX];
static uint64_t last_due_ns[HOSTS_MAX][HOSTS_MAX];
/* A heap by due time, then order of arrival. */
static struct packet *heap[WAITING_PACKETS_MAX];
static struct packet *spare[WAITING_PACKETS_MAX];
static unsigned waiting, spares;
static uint64_t arrivals, random_state;
static uint64_t passed, lost, duplicated, reordered, dropped_by_cut, overflowed;

static void fail(const char *what) {
  fprintf(stderr, "packet-switch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static int happens(uint32_t ppm) { return ppm > 0 && next_random() % MILLION < ppm; }

static int is_before(const struct packet *a, const struct packet *b) {
  return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void wait_in_heap(struct packet *packet) {
  unsigned at = waiting++;
  for (; at > 0 && is_before(packet, heap[(at - 1) / 2]); at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
  heap[at] = packet;
}

static struct packet *take_first(void) {
  struct packet *first = heap[0], *last = heap[--waiting];
  unsigned at = 0;
  for (;;) {
    unsigned child = 2 * at + 1;
    if (child >= waiting) break;
    if (child + 1 < waiting && is_before(heap[child + 1], heap[child])) child++;
    if (!is_before(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return first;
}

static void send_due(void) {
  while (waiting > 0 && heap[0]->due_ns <= now_ns()) {
    struct packet *packet = take_first();
    /* A full device drops, as a full queue in a network does. */
    if (write(devices[packet->to], packet->data, packet->bytes) == (ssize_t)packet->bytes) passed++;
    else overflowed++;
    spare[spares++] = packet;
  }
}

static void receive(unsigned from, const uint8_t *data, uint32_t bytes) {
  if (bytes < 20 || data[0] >> 4 != 4) return;
  unsigned to = (unsigned)data[19] - 1;
  if (to >= hosts || to == from) return;
  const struct link *link = &links[from];
  if (is_cut[from][to]) { dropped_by_cut++; return; }
  if (happens(link->loss_ppm)) { lost++; return; }
  unsigned copies = 1;
  if (happens(link->duplicate_ppm)) { copies = 2; duplicated++; }
  uint64_t due = now_ns();
  if (happens(link->reorder_ppm)) reordered++;
  else {
    due += link->delay_ns;
    if (link->jitter_ns > 0) due += next_random() % (2 * link->jitter_ns + 1);
    due -= link->jitter_ns < link->delay_ns ? link->jitter_ns : link->delay_ns;
    if (due < last_due_ns[from][to]) due = last_due_ns[from][to];
    last_due_ns[from][to] = due;
  }
  while (copies-- > 0) {
    if (spares == 0) { overflowed++; return; }
    struct packet *packet = spare[--spares];
    packet->due_ns = due;
    packet->order = arrivals++;
    packet->to = to;
    packet->bytes = bytes;
    memcpy(packet->data, data, bytes);
    wait_in_heap(packet);
  }
}

static void obey(const char *line) {
  unsigned a, b, delay_us, jitter_us, loss, duplicate, reorder;
  if (sscanf(line, "link %u %u %u %u %u %u", &a, &delay_us, &jitter_us, &loss, &duplicate, &reorder) == 6 && a < hosts) {
    links[a] = (struct link){delay_us * 1000ull, jitter_us * 1000ull, loss, duplicate, reorder};
    puts("ok");
  } else if (sscanf(line, "cut %u %u", &a, &b) == 2 && a < hosts && b < hosts) {
    is_cut[a][b] = 1;
    puts("ok");
  } else if (sscanf(line, "mend %u %u", &a, &b) == 2 && a < hosts && b < hosts) {
    is_cut[a][b] = 0;
    puts("ok");
  } else if (strcmp(line, "count") == 0) {
    printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)passed, (unsigned long long)lost,
           (unsigned long long)duplicated, (unsigned long long)reordered, (unsigned long long)dropped_by_cut,
           (unsigned long long)overflowed);
  } else printf("unknown: %s\n", line);
  fflush(stdout);
}

/* Gives 0 at the end of stdin. */
static int listen_to_stdin(void) {
  static char text[4096];
  static size_t length;
  ssize_t more = read(0, text + length, sizeof text - 1 - length);
  if (more <= 0) return 0;
  length += (size_t)more;
  text[length] = 0;
  char *line = text, *end;
  for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = 0;
    obey(line);
  }
  length -= (size_t)(line - text);
  memmove(text, line, length);
  return length < sizeof text - 1;
}

int main(int argc, char **argv) {
  hosts = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
  if (hosts < 2 || hosts > HOSTS_MAX) {
    fprintf(stderr, "packet-switch: N must be 2 to %d, followed by SEED\n", HOSTS_MAX);
    return 2;
  }
  random_state = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
  struct pollfd polled[HOSTS_MAX + 1];
  for (unsigned host = 0; host < hosts; host++) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "host%u", host);
    devices[host] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (devices[host] < 0 || ioctl(devices[host], TUNSETIFF, &request) < 0) fail("/dev/net/tun");
    polled[host] = (struct pollfd){.fd = devices[host], .events = POLLIN};
  }
  polled[hosts] = (struct pollfd){.fd = 0, .events = POLLIN};
  struct packet *packets = calloc(WAITING_PACKETS_MAX, sizeof *packets);
  if (packets == NULL) fail("memory");
  for (; spares < WAITING_PACKETS_MAX; spares++) spare[spares] = &packets[spares];
  puts("ready");
  fflush(stdout);

  for (;;) {
    struct timespec wait = {1, 0};
    if (waiting > 0) {
      uint64_t now = now_ns(), due = heap[0]->due_ns, rest = due > now ? due - now : 0;
      wait = (struct timespec){(time_t)(rest / 1000000000u), (long)(rest % 1000000000u)};
    }
    if (ppoll(polled, hosts + 1, &wait, NULL) < 0 && errno != EINTR) fail("poll");
    send_due();
    for (unsigned host = 0; host < hosts; host++) {
      if ((polled[host].revents & POLLIN) == 0) continue;
      uint8_t data[PACKET_BYTES_MAX];
      for (int burst = 0; burst < BURST_PACKETS_MAX; burst++) {
        ssize_t bytes = read(devices[host], data, sizeof data);
        if (bytes <= 0) break;
        receive(host, data, (uint32_t)bytes);
      }
    }
    if (polled[hosts].revents != 0 && !listen_to_stdin()) return 0;
  }
}
