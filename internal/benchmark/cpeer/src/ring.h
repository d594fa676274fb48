// A minimal ring: one writer, one reader, records of any length, contiguous because the data is mapped twice. What is checked
// is nothing; what is given up when somebody dies is everything.
//
// tail: a record is there once the shared tail word is behind it.
// in place: a record is there once its length word is not zero; the writer clears the next one first.
#ifndef INPLACE
#error "define INPLACE as 0 or 1"
#endif

typedef struct {
	word tail;  // the writer's, bytes ever written; not used in place
	word head;  // the reader's, bytes ever read
	word ready[2]; // each side's
	word32 waits, full; // 1 while the reader, or the writer, sleeps; of those that do
} shared;

typedef struct {
	shared *s;
	unsigned char *data;
	size_t capacity;
	uint64_t own, peer; // own cursor, and a copy of the other side's
	uint64_t freed;     // what the reader's cursor says
} ring;

static inline size_t ring_bytes(size_t capacity) { return PAGE + capacity; }

static ring ring_open(size_t at, size_t capacity) {
	ring r = {.capacity = capacity};
	r.s = (shared *)mapped(at, PAGE);
	unsigned char *space = mmap(0, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (space == MAP_FAILED) fail("mmap");
	for (int i = 0; i < 2; i++)
		if (mmap(space + i * capacity, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_FIXED, MEMORY_FD,
			(off_t)(at + PAGE)) == MAP_FAILED) fail("mmap");
	r.data = space;
	return r;
}

static inline uint64_t stride(uint64_t length) { return 8 + ((length + 7) & ~7ull); }
static inline unsigned char *place(ring *r, uint64_t cursor) { return r->data + (cursor & (r->capacity - 1)); }
static inline _Atomic uint64_t *length_word(ring *r, uint64_t cursor) { return (_Atomic uint64_t *)place(r, cursor); }

// claim returns room for a record, or 0. In place needs the next record's length word as well.
static inline unsigned char *claim(ring *r, uint64_t length) {
	uint64_t end = r->own + stride(length) + (INPLACE ? 8 : 0);
	if (end > r->peer + r->capacity) {
		r->peer = look(&r->s->head);
		if (end > r->peer + r->capacity) return 0;
	}
	return place(r, r->own) + 8;
}

static inline void commit(ring *r, uint64_t length) {
	uint64_t end = r->own + stride(length);
	if (INPLACE) {
		atomic_store_explicit(length_word(r, end), 0, memory_order_relaxed);
		atomic_store_explicit(length_word(r, r->own), length, memory_order_release);
	} else {
		*(uint64_t *)place(r, r->own) = length;
		set(&r->s->tail, end);
	}
	r->own = end;
}

// give_back frees what was read.
static inline void give_back(ring *r) {
	if (r->freed != r->own) set(&r->s->head, r->freed = r->own);
}

// next returns the next record, or 0.
static inline const unsigned char *next(ring *r, uint64_t *length) {
	if (INPLACE) {
		*length = atomic_load_explicit(length_word(r, r->own), memory_order_acquire);
		if (!*length) return 0;
	} else {
		if (r->own == r->peer) {
			r->peer = look(&r->s->tail);
			if (r->own == r->peer) return 0;
		}
		*length = *(uint64_t *)place(r, r->own);
	}
	return place(r, r->own) + 8;
}

// skip goes on after a record, and frees room in portions of an eighth of the ring.
static inline void skip(ring *r, uint64_t length) {
	r->own += stride(length);
	if (r->own - r->freed >= r->capacity / 8) give_back(r);
}
