package cloud

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// listObjects answers a page of objects. Each page is cut from what is true when
// it is asked for: an object that comes or goes between two pages is in the later
// ones or is not, as its id falls, and none stands on two of them.
func (c *Cloud) listObjects(w http.ResponseWriter, r *http.Request, _ effects) error {
	limit, err := pageLimit(r)
	if err != nil {
		return err
	}
	kind, person := r.PathValue("type"), operator(r)
	on := func(o *object) effects {
		if person {
			return nil
		}
		return c.faults.on(o.Type, o.ID, o.Name())
	}
	lag := func(o *object) time.Duration {
		e := on(o)
		return max(e[api.Lag].Delay, e[api.LagList].Delay)
	}
	found, more := c.store.list(kind, r.URL.Query().Get("after"), limit, lag, func(o *object) bool { return !on(o).has(api.Gone) })
	out := api.Objects{Objects: []api.Object{}}
	if more {
		out.Next = keyOf(found[limit-1].Type, found[limit-1].ID)
	}
	for _, o := range found {
		out.Objects = append(out.Objects, c.view(o))
	}
	answer(w, http.StatusOK, out)
	return nil
}

func pageLimit(r *http.Request) (int, error) {
	asked := r.URL.Query().Get("limit")
	if asked == "" {
		return api.MaxPage, nil
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 || n > api.MaxPage {
		return 0, invalid(fmt.Sprintf("limit %q is no number from 1 to %d", asked, api.MaxPage))
	}
	return n, nil
}

func (c *Cloud) getObject(w http.ResponseWriter, r *http.Request, e effects) error {
	kind, id := r.PathValue("type"), r.PathValue("id")
	o := c.store.getBefore(kind, id, e[api.Lag].Delay)
	if o == nil || e.has(api.Gone) {
		return notFound(kind, id)
	}
	c.answerObject(w, http.StatusOK, o)
	return nil
}

func (c *Cloud) createObject(w http.ResponseWriter, r *http.Request, _ effects) error {
	attributes := deedOf(r).given
	if reason := kinds[r.PathValue("type")].check(attributes); reason != "" {
		return invalid(reason)
	}
	if name, _ := attributes["name"].(string); name == "" {
		return invalid(`attribute "name" is required and must be a string that is not empty`)
	}
	o, err := c.store.create(deedOf(r), r.PathValue("type"), attributes)
	if err != nil {
		return err
	}
	c.answerObject(w, http.StatusCreated, o)
	return nil
}

func (c *Cloud) replaceObject(w http.ResponseWriter, r *http.Request, _ effects) error {
	return c.writeObject(w, r, func(before *object) *object {
		after := before.clone()
		after.Attributes = map[string]any{}
		for _, name := range kinds[before.Type].computed {
			if v, ok := before.Attributes[name]; ok {
				after.Attributes[name] = v
			}
		}
		return after
	})
}

func (c *Cloud) patchObject(w http.ResponseWriter, r *http.Request, _ effects) error {
	return c.writeObject(w, r, (*object).clone)
}

// writeObject puts the body's attributes into what base makes of the object.
func (c *Cloud) writeObject(w http.ResponseWriter, r *http.Request, base func(*object) *object) error {
	kind, id := r.PathValue("type"), r.PathValue("id")
	attributes := deedOf(r).given
	if reason := kinds[kind].check(attributes); reason != "" {
		return invalid(reason)
	}
	o, err := c.store.change(deedOf(r), kind, id, func(before *object) (*object, error) {
		if err := precondition(r, before, kind, id); err != nil {
			return nil, err
		}
		after := base(before)
		after.write(attributes)
		if after.Name() == "" {
			return nil, invalid(`attribute "name" is required and must be a string that is not empty`)
		}
		return after, nil
	})
	if err != nil {
		return err
	}
	c.answerObject(w, http.StatusOK, o)
	return nil
}

func (c *Cloud) deleteObject(w http.ResponseWriter, r *http.Request, _ effects) error {
	kind, id := r.PathValue("type"), r.PathValue("id")
	_, err := c.store.change(deedOf(r), kind, id, func(before *object) (*object, error) {
		if err := precondition(r, before, kind, id); err != nil {
			return nil, err
		}
		return nil, protected(before)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Cloud) answerObject(w http.ResponseWriter, status int, o *object) {
	w.Header().Set("ETag", `"`+o.ETag+`"`)
	answer(w, status, c.view(o))
}

// readGiven reads the attributes of a request that has a body.
func readGiven(w http.ResponseWriter, r *http.Request, v verb) (map[string]any, error) {
	if v == verbGet || v == verbList || v == verbDelete {
		return nil, nil
	}
	var body api.Write
	if err := api.Decode(http.MaxBytesReader(w, r.Body, maxBody), &body); err != nil {
		return nil, invalid(err.Error())
	}
	if body.Attributes == nil {
		return nil, invalid(`the body must be {"attributes": {...}}`)
	}
	return body.Attributes, nil
}

// protected refuses to let go of what is protected.
func protected(o *object) error {
	if o.Attributes["termination_protection"] != true {
		return nil
	}
	return &refusal{status: http.StatusConflict, detail: api.ErrorDetail{Code: "Protected", Message: "the " + o.Type + " is protected from termination"}}
}

// view is an object as the cloud answers it now.
func (c *Cloud) view(o *object) api.Object {
	out := o.view(c.tick, c.now())
	if id, _ := o.Attributes["template_id"].(string); o.Type == "scaling_group" && id != "" {
		if t := c.store.get("template", id); t != nil {
			for _, name := range templated {
				if v, ok := t.Attributes[name]; ok {
					out.Attributes[name] = v
				}
			}
		}
	}
	return out
}

// precondition refuses a write to what is not there, or is not what the writer
// has seen (If-Match).
func precondition(r *http.Request, before *object, kind, id string) error {
	if before == nil {
		return notFound(kind, id)
	}
	want := r.Header.Get("If-Match")
	if want == "" || want == "*" || want == `"`+before.ETag+`"` {
		return nil
	}
	return &refusal{status: http.StatusPreconditionFailed, detail: api.ErrorDetail{Code: "Changed",
		Message: "the object is no longer as the writer has seen it; read it again"}}
}

func notFound(kind, id string) error {
	return &refusal{status: http.StatusNotFound, detail: api.ErrorDetail{Code: "NotFound", Message: "there is no " + kind + " " + id}}
}

func invalid(message string) error {
	return &refusal{status: http.StatusBadRequest, detail: api.ErrorDetail{Code: "Invalid", Message: message}}
}

func (c *Cloud) listFaults(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, api.Faults{Faults: append([]api.TargetedFault{}, c.faults.all()...)})
}

func (c *Cloud) setFault(w http.ResponseWriter, r *http.Request) {
	var fault api.TargetedFault
	if err := api.Decode(http.MaxBytesReader(w, r.Body, maxBody), &fault); err != nil {
		refuse(w, http.StatusBadRequest, api.ErrorDetail{Code: "Invalid", Message: err.Error()})
		return
	}
	reason := checkTarget(fault.Target)
	if fault.Fault.Effect == "" {
		reason = "the fault is missing"
	}
	if reason != "" {
		refuse(w, http.StatusBadRequest, api.ErrorDetail{Code: "Invalid", Message: reason})
		return
	}
	c.faults.set(fault)
	answer(w, http.StatusOK, fault)
}

func (c *Cloud) clearFaults(w http.ResponseWriter, r *http.Request) {
	c.faults.clear(api.Target(r.URL.Query().Get("target")))
	w.WriteHeader(http.StatusNoContent)
}
