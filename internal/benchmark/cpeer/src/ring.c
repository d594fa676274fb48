// ring ROLE CAPACITY BYTES WARM FOR: one process of a minimal ring in shared memory, spinning. Roles: send, read, ping, pong.
#include "common.h"
#include "ring.h"

static void meet(ring *r, int side) {
	set(&r->s->ready[side], 1);
	while (!look(&r->s->ready[!side])) usleep(20);
}

static void put(ring *r, uint64_t number) {
	unsigned char *p;
	while (!(p = claim(r, bytes))) relax();
	fill(p, number);
	commit(r, bytes);
}

static void send_all(ring *r) {
	uint64_t n = 0, start = now();
	do
		for (int i = 0; i < CHECK_EVERY; i++) put(r, n++);
	while (now() - start < warm_ns + for_ns);
	put(r, n | END_BIT);
}

static void read_all(ring *r) {
	for (;;) {
		uint64_t length;
		const unsigned char *p = next(r, &length);
		if (!p) {
			give_back(r);
			relax();
			continue;
		}
		int last = see(p, length);
		skip(r, length);
		if (last) break;
	}
	write_seen();
}

static uint64_t get(ring *r) {
	uint64_t length, number;
	const unsigned char *p;
	while (!(p = next(r, &length))) relax();
	memcpy(&number, p, 8);
	skip(r, length);
	give_back(r);
	return number;
}

static void ping(ring *out, ring *in) {
	uint64_t n = 0;
	trips_begin();
	do {
		put(out, n);
		if (get(in) != n++) fail("a wrong number came back");
	} while (!trip_done());
	put(out, n | END_BIT);
	write_trips();
}

static void pong(ring *in, ring *out) {
	for (uint64_t n;;) {
		if ((n = get(in)) & END_BIT) return;
		put(out, n);
	}
}

int main(int argc, char **argv) {
	if (argc != 6) fail("arguments");
	size_t capacity = strtoull(argv[2], 0, 10);
	load_args(argv + 3);
	ring a = ring_open(0, capacity), b = ring_open(ring_bytes(capacity), capacity);
	const char *role = argv[1];
	int first = !strcmp(role, "send") || !strcmp(role, "ping");
	meet(&a, first);
	if (!strcmp(role, "send")) send_all(&a);
	else if (!strcmp(role, "read")) read_all(&a);
	else if (!strcmp(role, "ping")) ping(&a, &b);
	else if (!strcmp(role, "pong")) pong(&a, &b);
	else fail(role);
	return 0;
}
