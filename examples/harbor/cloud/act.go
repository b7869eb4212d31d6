package cloud

import (
	"net/http"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// named says in the deed which call a request is; a call that there is not is
// answered, and nothing is told of it.
func (d *deed) named(w http.ResponseWriter, r *http.Request, kind string, v verb) bool {
	refs := strings.FieldsFunc(r.PathValue("id"), func(r rune) bool { return r == ',' })
	switch {
	case kind == "":
		d.service, d.name, d.reads = "harbor", "ListObjects", true
		return true
	case v != verbAction:
		if id := r.PathValue("id"); id != "" {
			refs = []string{id}
		}
		d.about(kind, v, refs...)
		return true
	}
	name := r.PathValue("action")
	a, ok := action.Find(kind, name)
	if !ok {
		refuse(w, http.StatusNotFound, api.ErrorDetail{Code: "UnknownAction", Type: kind, Message: "the actions on a " + kind + " are " + strings.Join(actionNames(kind), ", ")})
		return false
	}
	d.doing(kind, a, refs...)
	return true
}

func actionNames(kind string) (names []string) {
	for _, a := range action.Kinds[kind].Actions {
		names = append(names, a.Name)
	}
	return names
}

// act carries an action out, on all objects that are named or on none.
func (c *Cloud) act(w http.ResponseWriter, r *http.Request, _ effects) error {
	d := deedOf(r)
	if err := d.op.Check(d.given); err != nil {
		return invalid(err.Error())
	}
	ids, err := c.resolve(d)
	if err != nil {
		return err
	}
	changed, err := c.store.changeAll(d, d.kind, ids, func(before *object) (*object, error) {
		if err := precondition(r, before, d.kind, strings.Join(ids, ",")); err != nil {
			return nil, err
		}
		after := before.clone()
		after.write(d.op.Patch(before.Attributes, d.given)) // no action is about what is computed
		if after.Name() == "" {
			return nil, invalid(`attribute "name" must be a string that is not empty`)
		}
		return after, nil
	})
	if err != nil {
		return err
	}
	c.answerObject(w, http.StatusOK, changed[0])
	return nil
}

// resolve gives the ids of objects that are named by id, name or ARN.
func (c *Cloud) resolve(d *deed) ([]string, error) {
	if len(d.refs) == 0 || len(d.refs) > 1 && !d.op.Bulk {
		return nil, invalid(d.op.Name + " is about one object")
	}
	for i, ref := range d.refs {
		if c.store.get(d.kind, ref) != nil {
			continue
		}
		o := c.store.byName(d.kind, ref[strings.LastIndexAny(ref, "/:")+1:])
		if o == nil {
			return nil, notFound(d.kind, ref)
		}
		d.refs[i] = o.ID
	}
	slices.Sort(d.refs)
	return slices.Compact(d.refs), nil
}
