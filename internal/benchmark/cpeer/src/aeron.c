// aeron ROLE DIR BYTES WARM FOR: one process of Aeron IPC over the media driver in DIR, spinning, with exclusive publications and
// terms of 4 MiB. Roles: send, read, ping, pong.
#include "common.h"
#include <aeronc.h>
#include <inttypes.h>
#include <sched.h>

static const char *CHANNEL = "aeron:ipc?term-length=4m|mtu=32k";
enum { THERE = 1001, BACK = 1002, FRAGMENTS = 64 };

static void check(int failed, const char *what) {
	if (!failed) return;
	fprintf(stderr, "%s: %s\n", what, aeron_errmsg());
	exit(1);
}

static aeron_t *aeron;

static aeron_exclusive_publication_t *publish(int32_t stream) {
	aeron_async_add_exclusive_publication_t *asked;
	aeron_exclusive_publication_t *p = NULL;
	check(aeron_async_add_exclusive_publication(&asked, aeron, CHANNEL, stream) < 0, "add publication");
	while (!p) {
		check(aeron_async_add_exclusive_publication_poll(&p, asked) < 0, "add publication");
		sched_yield();
	}
	return p;
}

static aeron_subscription_t *subscribe(int32_t stream) {
	aeron_async_add_subscription_t *asked;
	aeron_subscription_t *s = NULL;
	check(aeron_async_add_subscription(&asked, aeron, CHANNEL, stream, NULL, NULL, NULL, NULL) < 0, "add subscription");
	while (!s) {
		check(aeron_async_add_subscription_poll(&s, asked) < 0, "add subscription");
		sched_yield();
	}
	return s;
}

static aeron_image_t *meet(aeron_exclusive_publication_t *p, aeron_subscription_t *s) {
	while (p && !aeron_exclusive_publication_is_connected(p)) sched_yield();
	while (s && !aeron_subscription_is_connected(s)) sched_yield();
	aeron_image_t *image = s ? aeron_subscription_image_at_index(s, 0) : NULL;
	check(s && !image, "image");
	return image;
}

static void put(aeron_exclusive_publication_t *p, uint64_t number) {
	aeron_buffer_claim_t claim;
	for (int64_t at; (at = aeron_exclusive_publication_try_claim(p, bytes, &claim)) < 0; relax())
		check(at != AERON_PUBLICATION_BACK_PRESSURED && at != AERON_PUBLICATION_ADMIN_ACTION, "claim");
	fill(claim.data, number);
	check(aeron_buffer_claim_commit(&claim) < 0, "commit");
}

static void send_all(aeron_exclusive_publication_t *p) {
	uint64_t n = 0, start = now();
	do
		for (int i = 0; i < CHECK_EVERY; i++) put(p, n++);
	while (now() - start < warm_ns + for_ns);
	put(p, n | END_BIT);
}

static void on_record(void *last, const uint8_t *p, size_t length, aeron_header_t *header) {
	(void)header;
	if (see(p, length)) *(int *)last = 1;
}

static void take(aeron_image_t *image, aeron_fragment_handler_t handler, void *to) {
	int n = aeron_image_poll(image, handler, to, FRAGMENTS);
	check(n < 0, "poll");
	if (!n) relax();
}

static void read_all(aeron_image_t *image) {
	for (int last = 0; !last;) take(image, on_record, &last);
	write_seen();
}

static const uint64_t NOTHING = ~0ull;

static void on_number(void *number, const uint8_t *p, size_t length, aeron_header_t *header) {
	(void)header;
	if (length != bytes) fail("a record of another length");
	memcpy(number, p, 8);
}

static uint64_t get(aeron_image_t *image) {
	uint64_t number = NOTHING;
	while (number == NOTHING) take(image, on_number, &number);
	return number;
}

static void ping(aeron_exclusive_publication_t *out, aeron_image_t *in) {
	uint64_t n = 0;
	trips_begin();
	do {
		put(out, n);
		if (get(in) != n++) fail("a wrong number came back");
	} while (!trip_done());
	put(out, n | END_BIT);
	get(in);
	write_trips();
}

static void pong(aeron_image_t *in, aeron_exclusive_publication_t *out) {
	uint64_t n;
	do put(out, n = get(in));
	while (!(n & END_BIT));
}

int main(int argc, char **argv) {
	if (argc != 6) fail("arguments");
	load_args(argv + 3);
	aeron_context_t *context;
	check(aeron_context_init(&context) < 0, "context");
	check(aeron_context_set_dir(context, argv[2]) < 0, "directory");
	check(aeron_init(&aeron, context) < 0, "init");
	check(aeron_start(aeron) < 0, "start");
	aeron_exclusive_publication_t *out = NULL;
	const char *role = argv[1];
	if (!strcmp(role, "send")) {
		meet(out = publish(THERE), NULL);
		send_all(out);
	} else if (!strcmp(role, "read")) {
		read_all(meet(NULL, subscribe(THERE)));
	} else if (!strcmp(role, "ping")) {
		aeron_subscription_t *in = subscribe(BACK);
		out = publish(THERE);
		ping(out, meet(out, in));
	} else if (!strcmp(role, "pong")) {
		aeron_subscription_t *in = subscribe(THERE);
		out = publish(BACK);
		pong(meet(out, in), out);
	} else {
		fail(role);
	}
	if (out) aeron_exclusive_publication_close(out, NULL, NULL);
	aeron_close(aeron);
	aeron_context_close(context);
	return 0;
}
