// What the Go side calls. Functions return 0 or an errno, unless they say otherwise; nothing here throws, blocks for long or calls back.
#ifndef GRAFNODE_SHIM_H
#define GRAFNODE_SHIM_H

#include <stdint.h>
#include <stddef.h>

struct shim_device; // an open adapter
struct shim_pair;   // a queue pair with its protection domain, completion queue and channel
struct shim_region; // registered memory

enum { SHIM_INLINE = 1, SHIM_SIGNALED = 2, SHIM_IMM = 4 };

// A write that is to be posted. If SHIM_INLINE, its bytes lie in the pair's place for the i-th inline write, and local is of no meaning.
struct shim_write {
	uint64_t id, local, to;
	uint32_t bytes, lkey, rkey, imm, flags;
};

enum { SHIM_OK, SHIM_FLUSHED, SHIM_REMOTE_ACCESS, SHIM_RETRIES, SHIM_NOT_READY, SHIM_OTHER };

// The identifier of all receives. Writes have others.
#define SHIM_RECEIVE (UINT64_C(1) << 63)

struct shim_completion {
	uint64_t id;
	uint32_t status, code, imm, has_imm;
};

struct shim_room {
	uint32_t writes, receives, inlined, completions; // completions: per call of shim_poll
	uint8_t port;                                    // of the adapter, from 1
};

struct shim_path {
	uint8_t gid[16]; // of the other end
	uint32_t number, first, own_first;
	uint32_t mtu; // bytes
	uint16_t lid;
	uint8_t port, gid_at; // of this end
	uint8_t ack_timeout, retries, not_ready, pause; // as the standard encodes them
};

struct shim_port {
	uint32_t mtu, write_max; // bytes
	uint16_t lid;
};

struct shim_limits {
	uint32_t requests;
};

enum { SHIM_PORT_UP, SHIM_PORT_DOWN, SHIM_PORT_CHANGED, SHIM_PAIR_BROKEN, SHIM_DEVICE_LOST, SHIM_NOTHING };

struct shim_event {
	uint32_t kind, number; // of the port or queue pair that it is about
	const char *what;      // a text that stays
};

// shim_load loads the library, once. It returns NULL, or why it cannot: a text that stays.
const char *shim_load(void);

int shim_open(const char *name, struct shim_device **out);
int shim_query(struct shim_device *d, uint8_t port, struct shim_port *p, struct shim_limits *l);
int shim_device_descriptor(struct shim_device *d); // of what it says of itself, set not to block; it stays the device's
int shim_event(struct shim_device *d, struct shim_event *e); // takes the next of that; EAGAIN: there is none
int shim_close(struct shim_device *d);

int shim_pair(struct shim_device *d, const struct shim_room *room, struct shim_pair **out);
uint32_t shim_number(struct shim_pair *p);
int shim_descriptor(struct shim_pair *p); // of the channel, set not to block; it stays the pair's
struct shim_write *shim_writes(struct shim_pair *p);           // room.writes of them
uint8_t *shim_inlined(struct shim_pair *p);                    // room.writes times room.inlined bytes
struct shim_completion *shim_completions(struct shim_pair *p); // room.completions of them
int shim_connect(struct shim_pair *p, const struct shim_path *path);
int shim_post(struct shim_pair *p, uint32_t n);     // the first n of shim_writes
int shim_receives(struct shim_pair *p, uint32_t n);
int shim_poll(struct shim_pair *p, uint32_t limit); // fills shim_completions, returns how many, or -errno; if none, the channel is armed
void shim_events(struct shim_pair *p);              // takes what the channel has
int shim_fail(struct shim_pair *p);
int shim_destroy(struct shim_pair *p);

int shim_register(struct shim_pair *p, void *at, size_t bytes, int remote, struct shim_region **out, uint32_t *lkey, uint32_t *rkey);
int shim_deregister(struct shim_region *r);

#endif
