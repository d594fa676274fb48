//go:build rdma && linux && cgo

#include "shim.h"
#include "shim_library.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shim_library lib;

static const char *problem;
static char text[256];

static const struct {
	const char *name;
	size_t at; // in lib
} symbols[] = {
#define SYMBOL(f) {"ibv_" #f, offsetof(struct shim_library, f)}
	SYMBOL(get_device_list), SYMBOL(free_device_list), SYMBOL(get_device_name), SYMBOL(open_device), SYMBOL(close_device),
	SYMBOL(query_device), SYMBOL(query_port), SYMBOL(alloc_pd), SYMBOL(dealloc_pd), SYMBOL(create_comp_channel),
	SYMBOL(destroy_comp_channel), SYMBOL(create_cq), SYMBOL(destroy_cq), SYMBOL(get_cq_event), SYMBOL(ack_cq_events),
	SYMBOL(create_qp), SYMBOL(modify_qp), SYMBOL(destroy_qp), SYMBOL(reg_mr), SYMBOL(dereg_mr),
	SYMBOL(get_async_event), SYMBOL(ack_async_event), SYMBOL(event_type_str),
#undef SYMBOL
};
_Static_assert(sizeof symbols / sizeof symbols[0] * sizeof(void *) == sizeof(struct shim_library), "a function is not loaded");

static void load(void) {
	void *h = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	if (h == NULL) {
		snprintf(text, sizeof text, "%s", dlerror());
		problem = text;
		return;
	}
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
		void *f = dlsym(h, symbols[i].name);
		if (f == NULL) {
			snprintf(text, sizeof text, "libibverbs.so.1 has no %s", symbols[i].name);
			problem = text;
			return;
		}
		memcpy((char *)&lib + symbols[i].at, &f, sizeof f);
	}
}

const char *shim_load(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	return problem;
}

int shim_open(const char *name, struct shim_device **out) {
	int n = 0, rc = ENODEV;
	errno = 0;
	struct ibv_device **all = lib.get_device_list(&n);
	if (all == NULL)
		return failure();
	for (int i = 0; i < n; i++) {
		if (strcmp(lib.get_device_name(all[i]), name) != 0)
			continue;
		errno = 0;
		struct ibv_context *c = lib.open_device(all[i]);
		rc = c == NULL ? failure() : unblock(c->async_fd);
		if (c != NULL && rc != 0)
			lib.close_device(c);
		*out = (struct shim_device *)c;
		break;
	}
	lib.free_device_list(all);
	return rc;
}

int shim_query(struct shim_device *d, uint8_t port, struct shim_port *p, struct shim_limits *l) {
	struct ibv_context *c = (struct ibv_context *)d;
	struct ibv_port_attr pa;
	struct ibv_device_attr da;
	memset(&pa, 0, sizeof pa);
	int rc = lib.query_port(c, port, &pa);
	if (rc == 0)
		rc = lib.query_device(c, &da);
	if (rc != 0)
		return rc;
	p->mtu = 128u << pa.active_mtu;
	p->write_max = pa.max_msg_sz;
	p->lid = pa.lid;
	l->requests = (uint32_t)da.max_qp_wr;
	return 0;
}

int shim_device_descriptor(struct shim_device *d) { return ((struct ibv_context *)d)->async_fd; }

// classify says what an event means. Those of queue pairs that are left out are about what is not used here, or are good news.
static void classify(const struct ibv_async_event *a, struct shim_event *e) {
	switch (a->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		e->kind = SHIM_DEVICE_LOST;
		break;
	case IBV_EVENT_CQ_ERR:
		e->kind = SHIM_PAIR_BROKEN;
		e->number = (uint32_t)(uintptr_t)a->element.cq->cq_context; // see create
		break;
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
		e->kind = SHIM_PAIR_BROKEN;
		e->number = a->element.qp->qp_num;
		break;
	case IBV_EVENT_PORT_ACTIVE:
		e->kind = SHIM_PORT_UP;
		e->number = (uint32_t)a->element.port_num;
		break;
	case IBV_EVENT_PORT_ERR:
		e->kind = SHIM_PORT_DOWN;
		e->number = (uint32_t)a->element.port_num;
		break;
	case IBV_EVENT_LID_CHANGE:
	case IBV_EVENT_PKEY_CHANGE:
	case IBV_EVENT_SM_CHANGE:
	case IBV_EVENT_CLIENT_REREGISTER:
	case IBV_EVENT_GID_CHANGE:
		e->kind = SHIM_PORT_CHANGED;
		e->number = (uint32_t)a->element.port_num;
		break;
	default:
		e->kind = SHIM_NOTHING;
	}
}

int shim_event(struct shim_device *d, struct shim_event *e) {
	struct ibv_async_event a;
	memset(e, 0, sizeof *e);
	errno = 0;
	if (lib.get_async_event((struct ibv_context *)d, &a) != 0)
		return failure();
	classify(&a, e);
	e->what = lib.event_type_str(a.event_type);
	lib.ack_async_event(&a); // until then what it is about is not destroyed
	return 0;
}

int shim_close(struct shim_device *d) { return lib.close_device((struct ibv_context *)d); }
