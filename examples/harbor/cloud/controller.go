package cloud

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

// Services that do something by themselves.
const (
	autoscaler = "autoscaling.harbor.example"
	keyKeeper  = "key.harbor.example"
)

// A controller does what nobody asked for: it moves the desired capacity of
// scaling groups, and gives keys that rotate new material.
type controller struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (f *controller) seed(text string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // into memory: it cannot fail
	f.rand = rand.New(rand.NewPCG(h.Sum64(), 1))
}

// Step has the controllers look at everything once. It returns how many objects
// they changed.
func (c *Cloud) Step() (moved int, err error) {
	c.fleet.mu.Lock()
	defer c.fleet.mu.Unlock()
	for _, o := range c.snapshot("scaling_group") {
		low, high, now := c.integer(o, "min_size"), c.integer(o, "max_size"), c.integer(o, "desired_capacity")
		if high <= low {
			continue
		}
		want := low + c.fleet.rand.Int64N(high-low+1)
		if want == now {
			continue
		}
		if err := c.setCapacity(o.ID, want); err != nil {
			return moved, err
		}
		moved++
	}
	for _, o := range c.snapshot("key") {
		if o.Attributes["rotation"] == true && o.Attributes["enabled"] == true && c.fleet.rand.IntN(4) == 0 {
			if err := c.rotate(o); err != nil {
				return moved, err
			}
			moved++
		}
	}
	return moved, nil
}

func (c *Cloud) snapshot(kind string) (all []*object) {
	c.store.all(kind, func(o *object) { all = append(all, o) })
	return all
}

func (c *Cloud) integer(o *object, name string) int64 {
	n, _ := o.Attributes[name].(json.Number)
	v, _ := n.Int64()
	return v
}

// setCapacity is the call that anybody would make, by the autoscaler.
func (c *Cloud) setCapacity(id string, n int64) error {
	d := c.byItself(autoscaler)
	a, _ := action.Find("scaling_group", "SetDesiredCapacity")
	d.doing("scaling_group", a, id)
	d.given = map[string]any{"desired_capacity": number(n)}
	_, err := c.store.change(d, d.kind, id, func(before *object) (*object, error) {
		if before == nil {
			return nil, notFound(d.kind, id)
		}
		after := before.clone()
		after.write(a.Patch(before.Attributes, d.given))
		return after, nil
	})
	return err
}

// byItself begins a deed of a service.
func (c *Cloud) byItself(service string) *deed {
	if c.clock != nil {
		c.clock.step()
	}
	_, d := c.begin(&http.Request{}, identity.Service(service))
	return d
}

// rotate is no call: the service does it by itself, and tells it as such.
func (c *Cloud) rotate(o *object) error {
	d := c.byItself(keyKeeper)
	d.service, d.name, d.kind, d.own = action.Kinds["key"].Service, "RotateKey", "key", true
	d.event = map[string]any{"keyId": o.ID, "keyArn": o.arnOf(), "rotationType": "AUTOMATIC"}
	_, err := c.store.change(d, "key", o.ID, func(before *object) (*object, error) {
		if before == nil {
			return nil, notFound("key", o.ID)
		}
		after := before.clone()
		after.Attributes["material"] = "m-" + digest("material", o.ID, fmt.Sprint(before.Version+1))[:12]
		return after, nil
	})
	return err
}

// stepController has the controllers go once, now.
func (c *Cloud) stepController(w http.ResponseWriter, _ *http.Request) {
	moved, err := c.Step()
	if err != nil {
		refuse(w, http.StatusInternalServerError, api.ErrorDetail{Code: "InternalError", Message: err.Error()})
		return
	}
	answer(w, http.StatusOK, api.Moved{Moved: moved})
}
