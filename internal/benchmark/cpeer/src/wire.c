// wire ROLE CAPACITY BYTES WARM FOR BATCH [PORT]: raw TCP into a minimal ring. Roles: send connects to PORT of this host and writes
// batches, each in one system call; receive accepts on descriptor 5, checks the CRC32C of each batch and copies it into the ring, as it
// will lie there; read is the process that reads the ring. Who has nothing to do sleeps.
#include "common.h"
#include "ring.h"
#include <arpa/inet.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { LISTENER_FD = 5, LANES = 3 };

// A batch on the wire: its length and CRC32C, then records as they lie in the ring. The check is three, of a third of the batch
// each, because the instruction takes three cycles and one of them each cycle.
typedef struct { uint32_t length, crc[LANES]; } header;

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static inline uint64_t crc8(uint64_t crc, uint64_t v) { return __builtin_ia32_crc32di(crc, v); }
#define TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#define TARGET __attribute__((target("+crc")))
TARGET static inline uint64_t crc8(uint64_t crc, uint64_t v) { return __builtin_aarch64_crc32cx((uint32_t)crc, v); }
#else
#define TARGET
static inline uint64_t crc8(uint64_t crc, uint64_t v) {
	for (int bit = 0; bit < 64; bit++, v >>= 1) crc = (crc >> 1) ^ ((crc ^ v) & 1 ? 0x82f63b78u : 0);
	return crc;
}
#endif

// crc takes a multiple of eight bytes.
TARGET static void crc(const unsigned char *p, size_t n, uint32_t out[LANES]) {
	size_t words = n / 8, third = words / LANES;
	uint64_t a = ~0u, b = ~0u, c = ~0u, v[LANES];
	for (size_t i = 0; i < third; i++) {
		memcpy(&v[0], p + 8 * i, 8), memcpy(&v[1], p + 8 * (third + i), 8), memcpy(&v[2], p + 8 * (2 * third + i), 8);
		a = crc8(a, v[0]), b = crc8(b, v[1]), c = crc8(c, v[2]);
	}
	for (size_t i = 3 * third; i < words; i++) memcpy(&v[2], p + 8 * i, 8), c = crc8(c, v[2]);
	out[0] = ~(uint32_t)a, out[1] = ~(uint32_t)b, out[2] = ~(uint32_t)c;
}

// Sleeping: who finds nothing says so, looks again, and sleeps; who changes something looks whether anybody said so.
static void doze(word32 *w, word *what, uint64_t was) {
	for (int i = 0; i < 200; i++) {
		if (look(what) != was) return;
		relax();
	}
	atomic_store(&w->v, 1);
	if (look(what) == was && syscall(SYS_futex, &w->v, FUTEX_WAIT, 1, 0, 0, 0) && errno != EAGAIN && errno != EINTR) fail("futex wait");
	atomic_store(&w->v, 0);
}

static inline void rouse(word32 *w) {
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->v, memory_order_relaxed) && atomic_exchange(&w->v, 0))
		syscall(SYS_futex, &w->v, FUTEX_WAKE, 1, 0, 0, 0);
}

static size_t batch;

static void write_all(int fd, const unsigned char *p, size_t n) {
	while (n) {
		ssize_t did = write(fd, p, n);
		if (did < 0) fail("write");
		p += did, n -= (size_t)did;
	}
}

static void send_all(int port) {
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	size_t each = stride(bytes);
	unsigned char *b = aligned_alloc(4096, (sizeof(header) + batch * each + 4095) / 4096 * 4096), *records = b + sizeof(header);
	memset(b, 0, sizeof(header) + batch * each);
	uint64_t n = 0, start = now(), length = bytes;
	for (int last = 0; !last;) {
		if (n % CHECK_EVERY < batch) last = now() - start >= warm_ns + for_ns;
		size_t count = last ? 1 : batch;
		for (size_t i = 0; i < count; i++) {
			memcpy(records + i * each, &length, 8);
			fill(records + i * each + 8, last ? n | END_BIT : n);
			n++;
		}
		header *h = (header *)b;
		h->length = (uint32_t)(count * each);
		crc(records, h->length, h->crc);
		write_all(fd, b, sizeof(header) + h->length);
	}
	close(fd);
}

static void copy_in(ring *r, const unsigned char *p, size_t n) {
	while (r->own + n > r->peer + r->capacity) {
		r->peer = look(&r->s->head);
		if (r->own + n > r->peer + r->capacity) doze(&r->s->full, &r->s->head, r->peer);
	}
	memcpy(place(r, r->own), p, n);
	set(&r->s->tail, r->own += n);
	rouse(&r->s->waits);
}

static void receive_all(ring *r) {
	enum { ROOM = 256 << 10 };
	int fd = accept(LISTENER_FD, 0, 0);
	if (fd < 0) fail("accept");
	unsigned char *b = aligned_alloc(4096, ROOM);
	for (size_t have = 0;;) {
		ssize_t did = read(fd, b + have, ROOM - have);
		if (did < 0) fail("read");
		if (!did) return;
		have += (size_t)did;
		size_t at = 0;
		for (header *h; have - at >= sizeof *h; at += sizeof *h + h->length) {
			h = (header *)(b + at);
			if (h->length > ROOM - sizeof *h || h->length % 8) fail("length of a batch");
			if (have - at < sizeof *h + h->length) break;
			uint32_t check[LANES];
			crc(b + at + sizeof *h, h->length, check);
			if (memcmp(check, h->crc, sizeof check)) fail("CRC32C of a batch");
			copy_in(r, b + at + sizeof *h, h->length);
		}
		memmove(b, b + at, have -= at);
	}
}

static void read_all(ring *r) {
	for (;;) {
		uint64_t length;
		const unsigned char *p = next(r, &length);
		if (!p) {
			give_back(r);
			rouse(&r->s->full);
			doze(&r->s->waits, &r->s->tail, r->own);
			continue;
		}
		int last = see(p, length);
		uint64_t freed = r->freed;
		skip(r, length);
		if (freed != r->freed) rouse(&r->s->full);
		if (last) break;
	}
	write_seen();
}

int main(int argc, char **argv) {
	if (argc < 7) fail("arguments");
	load_args(argv + 3);
	batch = strtoull(argv[6], 0, 10);
	ring r = {0};
	if (strcmp(argv[1], "send")) r = ring_open(0, strtoull(argv[2], 0, 10));
	if (!strcmp(argv[1], "send") && argc == 8) send_all(atoi(argv[7]));
	else if (!strcmp(argv[1], "receive")) receive_all(&r);
	else if (!strcmp(argv[1], "read")) read_all(&r);
	else fail(argv[1]);
	return 0;
}
