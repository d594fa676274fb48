package server

import (
	"context"
	"errors"
	"iter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/api"
)

// watched is a registry whose watches are counted.
type watched struct {
	Registry
	streams prometheus.Gauge
	events  *prometheus.CounterVec
	resyncs *prometheus.CounterVec
	gaps    prometheus.Counter
}

// Why a watch has had to begin again with the state. There are no others.
const (
	resyncResumed = "resumed" // it was to go on from a revision that is too far back
	resyncRunning = "running" // the state was replaced under it, by a snapshot
)

var eventTypes = []api.EventType{api.EventState, api.EventSync, api.EventChange, api.EventBookmark}

func newWatched(r Registry, reg prometheus.Registerer) (*watched, error) {
	w := &watched{
		Registry: r,
		streams:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "grafnode", Name: "watch_streams", Help: "Watches that this node serves now."}),
		events:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "grafnode", Name: "watch_events_total", Help: "Events sent to them, by type."}, []string{"type"}),
		resyncs: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "grafnode", Name: "watch_resyncs_total",
			Help: "Watches that had to begin again with the state, by why."}, []string{"reason"}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "grafnode", Name: "watch_gaps_total", Help: "Watches of every change that ended because they would have left some out."}),
	}
	for _, reason := range []string{resyncResumed, resyncRunning} {
		w.resyncs.WithLabelValues(reason)
	}
	for _, kind := range eventTypes {
		w.events.WithLabelValues(string(kind))
	}
	for _, c := range []prometheus.Collector{w.streams, w.events, w.resyncs, w.gaps} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Watch is the registry's, counted.
func (w *watched) Watch(ctx context.Context, r api.WatchRequest) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		w.streams.Inc()
		defer w.streams.Dec()
		reason := resyncResumed
		for e, err := range w.Registry.Watch(ctx, r) {
			switch {
			case errors.Is(err, api.ErrGap):
				w.gaps.Inc()
			case err == nil:
				w.events.WithLabelValues(typeLabel(e.Type)).Inc()
				if e.Type == api.EventSync && e.Resync {
					w.resyncs.WithLabelValues(reason).Inc()
				}
				if e.Type != api.EventState {
					reason = resyncRunning
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func typeLabel(t api.EventType) string {
	for _, known := range eventTypes {
		if t == known {
			return string(t)
		}
	}
	return other
}
