package cloud

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// faults are the faults that are on. They live in memory: a cloud that was
// started again is a healthy one.
type faults struct {
	mu   sync.RWMutex
	list []api.TargetedFault
}

// set adds a fault, or replaces the same effect on the same target.
func (f *faults) set(fault api.TargetedFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(old api.TargetedFault) bool {
		return old.Target == fault.Target && old.Fault.Effect == fault.Fault.Effect
	})
	f.list = append(f.list, fault)
}

// clear removes the faults of a target, or all where the target is "".
func (f *faults) clear(target api.Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(old api.TargetedFault) bool {
		return target == "" || old.Target == target
	})
}

func (f *faults) all() []api.TargetedFault {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.list)
}

// effects is what applies to one request or object: by effect, from the
// narrowest target.
type effects map[api.Effect]api.Fault

// on collects the effects for an object; id and name are "" for a request that
// is about a whole type, kind is "" for one about everything.
func (f *faults) on(kind, id, name string) effects {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out, width := effects{}, map[api.Effect]int{}
	for _, fault := range f.list {
		w, ok := narrowness(fault.Target, kind, id, name)
		if ok && w >= width[fault.Fault.Effect] {
			out[fault.Fault.Effect], width[fault.Fault.Effect] = fault.Fault, w
		}
	}
	return out
}

func narrowness(t api.Target, kind, id, name string) (int, bool) {
	wantKind, wantID := t.Split()
	switch {
	case wantKind == "":
		return 0, true
	case wantKind != kind:
		return 0, false
	case wantID == "":
		return 1, true
	default:
		return 2, wantID == id && id != "" || wantID == name && name != ""
	}
}

func (e effects) has(effect api.Effect) bool { _, ok := e[effect]; return ok }

// checkTarget says what is wrong with a target, or "".
func checkTarget(t api.Target) string {
	kind, id := t.Split()
	if t == "*" {
		return ""
	}
	if _, ok := kinds[kind]; !ok {
		return fmt.Sprintf("target %q: the types are %s", t, strings.Join(kindNames(), ", "))
	}
	if id == "" && strings.Contains(string(t), "/") {
		return fmt.Sprintf("target %q: the id is empty; write %q for all of the type", t, kind)
	}
	return ""
}

// misbehave carries out the effects that are about the request itself. It tells
// whether the request was answered.
func (c *Cloud) misbehave(w http.ResponseWriter, r *http.Request, e effects) bool {
	kind, id := r.PathValue("type"), r.PathValue("id")
	if f, ok := e[api.Latency]; ok && !c.pause(r, f.Delay) {
		return true
	}
	list := id == "" && r.Method == http.MethodGet
	refuse := func(w http.ResponseWriter, status int, detail api.ErrorDetail) {
		deedOf(r).fail(detail)
		refuse(w, status, detail)
	}
	switch {
	case e.has(api.Hang):
		c.hold(w, r)
		return true
	case e.has(api.Deny) || list && e.has(api.DenyList):
		refuse(w, http.StatusForbidden, api.ErrorDetail{Code: "AccessDenied", Type: kind, ID: id,
			Message: "this principal may not " + r.Method + " " + r.URL.Path})
		return true
	case e.has(api.Throttle) || list && e.has(api.ThrottleList):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, api.ErrorDetail{Code: "Throttled", Type: kind, ID: id, Message: "rate exceeded"})
		return true
	case e.has(api.Outage):
		refuse(w, http.StatusServiceUnavailable, api.ErrorDetail{Code: "ServiceUnavailable", Type: kind, ID: id, Message: "the service is out of order"})
		return true
	case e.has(api.Error):
		refuse(w, http.StatusInternalServerError, api.ErrorDetail{Code: "InternalError", Type: kind, ID: id, Message: "something broke inside the cloud"})
		return true
	}
	if e.has(api.Crash) {
		w.Header().Set(api.HeaderFault, string(api.Crash))
	}
	return false
}

// pause waits, and tells whether the client is still there.
func (c *Cloud) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-c.stopped:
		return true
	}
}

// hold keeps a request open until the client goes away or the cloud stops.
// net/http notices that a client is gone only once the body was read.
func (c *Cloud) hold(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	deedOf(r).fail(api.ErrorDetail{Code: "RequestTimeout", Message: "the client went away"})
	select {
	case <-r.Context().Done():
	case <-c.stopped:
		refuse(w, http.StatusServiceUnavailable, api.ErrorDetail{Code: "Stopping", Message: "the cloud stops"})
	}
}
