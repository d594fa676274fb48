// futex ROLE 0 BYTES WARM FOR: round trips between two processes that sleep on a word each, and nothing else. Roles: ping, pong.
#include "common.h"
#include <linux/futex.h>
#include <sys/syscall.h>

enum { END = 0xffffffff };

static void sleep_while(word32 *w, uint32_t v) {
	while (atomic_load(&w->v) == v)
		if (syscall(SYS_futex, &w->v, FUTEX_WAIT, v, 0, 0, 0) && errno != EAGAIN && errno != EINTR) fail("futex wait");
}

static void wake(word32 *w, uint32_t v) {
	atomic_store(&w->v, v);
	if (syscall(SYS_futex, &w->v, FUTEX_WAKE, 1, 0, 0, 0) < 0) fail("futex wake");
}

int main(int argc, char **argv) {
	if (argc != 6) fail("arguments");
	load_args(argv + 3);
	word32 *there = (word32 *)mapped(0, PAGE), *back = there + 1;
	uint32_t n = 0;
	if (!strcmp(argv[1], "pong")) {
		for (;; n++) {
			sleep_while(there, n);
			if (atomic_load(&there->v) == END) return 0;
			wake(back, n + 1);
		}
	}
	wake(there, 1); // the other may not be there yet
	sleep_while(back, 0);
	trips_begin();
	do {
		n++;
		wake(there, n + 1);
		sleep_while(back, n);
	} while (!trip_done());
	wake(there, END);
	write_trips();
	return 0;
}
