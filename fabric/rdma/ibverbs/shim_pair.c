//go:build rdma && linux && cgo

#include "shim.h"
#include "shim_library.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVES = 64 }; // posted with one doorbell

struct shim_pair {
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct shim_room room;
	struct shim_write *writes;
	uint8_t *inlined;
	struct shim_completion *completions;
	struct ibv_send_wr *requests; // a chain, for each of writes
	struct ibv_sge *parts;        // likewise
	struct ibv_wc *done;          // for each of completions
};

static int allocate(struct shim_pair *p) {
	p->writes = calloc(p->room.writes, sizeof *p->writes);
	p->inlined = calloc(p->room.writes, p->room.inlined ? p->room.inlined : 1);
	p->requests = calloc(p->room.writes, sizeof *p->requests);
	p->parts = calloc(p->room.writes, sizeof *p->parts);
	p->completions = calloc(p->room.completions, sizeof *p->completions);
	p->done = calloc(p->room.completions, sizeof *p->done);
	return p->writes && p->inlined && p->requests && p->parts && p->completions && p->done ? 0 : ENOMEM;
}

// initialise takes the queue pair to the state in which receives can be posted, which is wanted before the other end may write.
static int initialise(struct shim_pair *p) {
	struct ibv_qp_attr a;
	memset(&a, 0, sizeof a);
	a.qp_state = IBV_QPS_INIT;
	a.port_num = p->room.port;
	a.qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	return lib.modify_qp(p->qp, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int create(struct shim_pair *p, struct ibv_context *c) {
	int rc = allocate(p);
	if (rc != 0)
		return rc;
	errno = 0;
	if ((p->pd = lib.alloc_pd(c)) == NULL || (p->channel = lib.create_comp_channel(c)) == NULL)
		return failure();
	if ((rc = unblock(p->channel->fd)) != 0)
		return rc;
	// Room for the completion of everything that can be posted: it cannot overflow.
	if ((p->cq = lib.create_cq(c, (int)(p->room.writes + p->room.receives), NULL, p->channel, 0)) == NULL)
		return failure();
	struct ibv_qp_init_attr a;
	memset(&a, 0, sizeof a);
	a.send_cq = a.recv_cq = p->cq;
	a.qp_type = IBV_QPT_RC;
	a.cap.max_send_wr = p->room.writes;
	a.cap.max_recv_wr = p->room.receives;
	a.cap.max_send_sge = a.cap.max_recv_sge = 1;
	a.cap.max_inline_data = p->room.inlined;
	if ((p->qp = lib.create_qp(p->pd, &a)) == NULL)
		return failure();
	p->cq->cq_context = (void *)(uintptr_t)p->qp->qp_num; // for events of the completion queue
	return initialise(p);
}

int shim_pair(struct shim_device *d, const struct shim_room *room, struct shim_pair **out) {
	struct shim_pair *p = calloc(1, sizeof *p);
	if (p == NULL)
		return ENOMEM;
	p->room = *room;
	int rc = create(p, (struct ibv_context *)d);
	if (rc != 0) {
		shim_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

uint32_t shim_number(struct shim_pair *p) { return p->qp->qp_num; }
int shim_descriptor(struct shim_pair *p) { return p->channel->fd; }
struct shim_write *shim_writes(struct shim_pair *p) { return p->writes; }
uint8_t *shim_inlined(struct shim_pair *p) { return p->inlined; }
struct shim_completion *shim_completions(struct shim_pair *p) { return p->completions; }

static enum ibv_mtu mtu(uint32_t bytes) {
	enum ibv_mtu m = IBV_MTU_256;
	while (m < IBV_MTU_4096 && 256u << m <= bytes) // 256 << m is the next size
		m++;
	return m;
}

int shim_connect(struct shim_pair *p, const struct shim_path *path) {
	struct ibv_qp_attr a;
	memset(&a, 0, sizeof a);
	a.qp_state = IBV_QPS_RTR;
	a.path_mtu = mtu(path->mtu);
	a.dest_qp_num = path->number;
	a.rq_psn = path->first;
	a.min_rnr_timer = path->pause;
	a.ah_attr.is_global = 1;
	memcpy(a.ah_attr.grh.dgid.raw, path->gid, sizeof path->gid);
	a.ah_attr.grh.sgid_index = path->gid_at;
	a.ah_attr.grh.hop_limit = 64;
	a.ah_attr.dlid = path->lid;
	a.ah_attr.port_num = path->port;
	// max_dest_rd_atomic stays zero: the other end reads nothing.
	int rc = lib.modify_qp(p->qp, &a, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
		IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
	if (rc != 0)
		return rc;
	memset(&a, 0, sizeof a);
	a.qp_state = IBV_QPS_RTS;
	a.sq_psn = path->own_first;
	a.timeout = path->ack_timeout;
	a.retry_cnt = path->retries;
	a.rnr_retry = path->not_ready;
	return lib.modify_qp(p->qp, &a, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

int shim_post(struct shim_pair *p, uint32_t n) {
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		struct shim_write *w = &p->writes[i];
		struct ibv_send_wr *r = &p->requests[i];
		uint64_t from = w->flags & SHIM_INLINE ? (uintptr_t)(p->inlined + (size_t)i * p->room.inlined) : w->local;
		p->parts[i] = (struct ibv_sge){.addr = from, .length = w->bytes, .lkey = w->lkey};
		*r = (struct ibv_send_wr){
			.wr_id = w->id,
			.next = i + 1 < n ? r + 1 : NULL,
			.sg_list = &p->parts[i],
			.num_sge = w->bytes > 0,
			.opcode = w->flags & SHIM_IMM ? IBV_WR_RDMA_WRITE_WITH_IMM : IBV_WR_RDMA_WRITE,
			.send_flags = (w->flags & SHIM_INLINE ? IBV_SEND_INLINE : 0) | (w->flags & SHIM_SIGNALED ? IBV_SEND_SIGNALED : 0),
			.imm_data = htobe32(w->imm),
		};
		r->wr.rdma.remote_addr = w->to;
		r->wr.rdma.rkey = w->rkey;
	}
	struct ibv_send_wr *bad;
	return ibv_post_send(p->qp, p->requests, &bad);
}

int shim_receives(struct shim_pair *p, uint32_t n) {
	struct ibv_recv_wr all[RECEIVES], *bad;
	while (n > 0) {
		uint32_t now = n < RECEIVES ? n : RECEIVES;
		for (uint32_t i = 0; i < now; i++)
			all[i] = (struct ibv_recv_wr){.wr_id = SHIM_RECEIVE, .next = i + 1 < now ? &all[i + 1] : NULL};
		int rc = ibv_post_recv(p->qp, all, &bad);
		if (rc != 0)
			return rc;
		n -= now;
	}
	return 0;
}

static uint32_t status(enum ibv_wc_status s) {
	switch (s) {
	case IBV_WC_SUCCESS:
		return SHIM_OK;
	case IBV_WC_WR_FLUSH_ERR:
		return SHIM_FLUSHED;
	case IBV_WC_REM_ACCESS_ERR:
		return SHIM_REMOTE_ACCESS;
	case IBV_WC_RETRY_EXC_ERR:
		return SHIM_RETRIES;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return SHIM_NOT_READY;
	default:
		return SHIM_OTHER;
	}
}

int shim_poll(struct shim_pair *p, uint32_t limit) {
	int want = (int)(limit < p->room.completions ? limit : p->room.completions);
	int n = ibv_poll_cq(p->cq, want, p->done);
	if (n == 0) { // what comes between that look and this request is seen by the next look, what comes later is an event
		int rc = ibv_req_notify_cq(p->cq, 0);
		if (rc != 0)
			return -rc;
		n = ibv_poll_cq(p->cq, want, p->done);
	}
	if (n < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		struct ibv_wc *w = &p->done[i];
		// Some set the flag for sends, too, and what is behind it then means nothing.
		uint32_t has_imm = w->wr_id == SHIM_RECEIVE && w->status == IBV_WC_SUCCESS && (w->wc_flags & IBV_WC_WITH_IMM) != 0;
		p->completions[i] = (struct shim_completion){
			.id = w->wr_id, .status = status(w->status), .code = w->status, .has_imm = has_imm, .imm = has_imm ? be32toh(w->imm_data) : 0};
	}
	return n;
}

void shim_events(struct shim_pair *p) {
	struct ibv_cq *cq;
	void *context;
	unsigned int n = 0;
	while (lib.get_cq_event(p->channel, &cq, &context) == 0)
		n++;
	if (n > 0) // an event that is not acknowledged would keep the queue from being destroyed
		lib.ack_cq_events(p->cq, n);
}

int shim_fail(struct shim_pair *p) {
	struct ibv_qp_attr a;
	memset(&a, 0, sizeof a);
	a.qp_state = IBV_QPS_ERR;
	return lib.modify_qp(p->qp, &a, IBV_QP_STATE);
}

int shim_destroy(struct shim_pair *p) {
	int first = 0, rc;
#define STEP(what, f) if (p->what != NULL && (rc = lib.f(p->what)) != 0 && first == 0) first = rc
	STEP(qp, destroy_qp);
	STEP(cq, destroy_cq);
	STEP(channel, destroy_comp_channel);
	STEP(pd, dealloc_pd);
#undef STEP
	free(p->writes);
	free(p->inlined);
	free(p->requests);
	free(p->parts);
	free(p->completions);
	free(p->done);
	free(p);
	return first;
}

int shim_register(struct shim_pair *p, void *at, size_t bytes, int remote, struct shim_region **out, uint32_t *lkey, uint32_t *rkey) {
	errno = 0;
	struct ibv_mr *mr = lib.reg_mr(p->pd, at, bytes, remote ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE : 0);
	if (mr == NULL)
		return failure();
	*out = (struct shim_region *)mr;
	*lkey = mr->lkey;
	*rkey = mr->rkey;
	return 0;
}

int shim_deregister(struct shim_region *r) { return lib.dereg_mr((struct ibv_mr *)r); }
