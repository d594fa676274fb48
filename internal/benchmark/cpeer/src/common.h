// What the C peers have in common: descriptors, clock, results, memory. See doc.go.
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { RESULT_FD = 3, MEMORY_FD = 4, PAGE = 4096, CHECK_EVERY = 256 };

static const uint64_t END_BIT = 1ull << 63;

static inline void fail(const char *what) {
	fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static inline uint64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// A word that one side writes, on a cache line, and the next one that is fetched with it, of its own.
typedef struct { _Alignas(128) _Atomic uint64_t v; } word;
typedef struct { _Alignas(128) _Atomic uint32_t v; } word32;

static inline uint64_t look(word *w) { return atomic_load_explicit(&w->v, memory_order_acquire); }
static inline void set(word *w, uint64_t v) { atomic_store_explicit(&w->v, v, memory_order_release); }

// The load, as package flow has it.
static size_t bytes;
static uint64_t warm_ns, for_ns;
static unsigned char *payload;

static inline void load_args(char **a) {
	bytes = strtoull(a[0], 0, 10);
	warm_ns = strtoull(a[1], 0, 10);
	for_ns = strtoull(a[2], 0, 10);
	payload = malloc(bytes);
	for (size_t i = 0; i < bytes; i++) payload[i] = (unsigned char)i;
}

static inline void fill(unsigned char *p, uint64_t number) {
	memcpy(p, payload, bytes);
	memcpy(p, &number, 8);
}

// What a reader measures.
static uint64_t seen, from, began, started;

// see takes a record and returns whether it was the last one.
static inline int see(const unsigned char *p, uint64_t length) {
	uint64_t number;
	memcpy(&number, p, 8);
	if (__builtin_expect(number != seen || length != bytes, 0)) {
		if (number == (seen | END_BIT) && length == bytes) return 1;
		fprintf(stderr, "number %llx in %llu bytes after %llu records\n", (unsigned long long)number,
			(unsigned long long)length, (unsigned long long)seen);
		exit(1);
	}
	if (seen % CHECK_EVERY == 0 && !started) {
		uint64_t t = now();
		if (!began) began = t;
		if (t - began >= warm_ns) started = t, from = seen;
	}
	seen++;
	return 0;
}

static inline void write_seen(void) {
	uint64_t t = now();
	if (!started) started = began, from = 0; // so busy is the machine: warming up counts
	if (!seen) fail("nothing arrived");
	dprintf(RESULT_FD, "{\"items\":%llu,\"seconds\":%.9f}\n", (unsigned long long)(seen - from), (double)(t - started) / 1e9);
}

// Round trips, each from when the one before ended.
enum { TRIPS_MAX = 4 << 20 };
static uint64_t trips, trips_began, trips_last;
static uint64_t *took;

static inline void trips_begin(void) {
	took = malloc(TRIPS_MAX * sizeof *took);
	trips_began = trips_last = now();
}

static inline int trip_done(void) {
	uint64_t t = now();
	if (t - trips_began >= warm_ns && trips < TRIPS_MAX) took[trips++] = t - trips_last;
	trips_last = t;
	return trips && t - trips_began >= warm_ns + for_ns;
}

static int by_size(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static inline void write_trips(void) {
	qsort(took, trips, sizeof *took, by_size);
	dprintf(RESULT_FD, "{\"items\":%llu,\"seconds\":%.9f,\"p50\":%llu,\"p99\":%llu}\n", (unsigned long long)trips,
		(double)(trips_last - trips_began - warm_ns) / 1e9, (unsigned long long)took[trips / 2],
		(unsigned long long)took[trips * 99 / 100]);
}

// mapped maps part of the memory that both processes have.
static inline unsigned char *mapped(size_t at, size_t length) {
	void *p = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, MEMORY_FD, (off_t)at);
	if (p == MAP_FAILED) fail("mmap");
	return p;
}
