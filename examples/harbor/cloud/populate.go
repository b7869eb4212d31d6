package cloud

import (
	"fmt"
	"net/http"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// most bounds how many objects are made up at once.
const most = 1_000_000

// shares are how many of a hundred made-up objects are of a kind.
var shares = []struct {
	kind       string
	share      int
	attributes func(n int64) map[string]any
}{
	{"dns_record", 30, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("host-", n), "zone": fmt.Sprintf("zone%d.example", n%7), "type": "A", "values": []any{fmt.Sprintf("192.0.2.%d", n%250)}}
	}},
	{"instance", 20, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("machine-", n), "instance_type": "m.large", "tags": map[string]any{"team": fmt.Sprint("team-", n%40), "environment": "practice"}}
	}},
	{"firewall", 15, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("door-", n), "rules": []any{map[string]any{"direction": "in", "protocol": "tcp", "from_port": number(443), "to_port": number(443), "cidrs": []any{"0.0.0.0/0"}}}}
	}},
	{"bucket", 10, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("files-", n), "versioning": n%2 == 0, "encryption": map[string]any{"algorithm": "aes256"}}
	}},
	{"role", 8, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("role-", n), "trust_policy": `{"statements":[]}`, "attached_policies": []any{"policy/read"}}
	}},
	{"queue", 6, func(n int64) map[string]any { return map[string]any{"name": fmt.Sprint("queue-", n)} }},
	{"function", 5, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("function-", n), "runtime": "go", "environment": map[string]any{"LOG_LEVEL": "info"}}
	}},
	{"database", 3, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("database-", n), "engine": "postgres", "size": "small"}
	}},
	{"key", 2, func(n int64) map[string]any { return map[string]any{"name": fmt.Sprint("key-", n)} }},
	{"scaling_group", 1, func(n int64) map[string]any {
		return map[string]any{"name": fmt.Sprint("group-", n), "min_size": number(1), "max_size": number(1)}
	}},
}

// Populate makes up so many objects of all kinds. Nothing is told of them: they
// are what was there before.
func (c *Cloud) Populate(count int) error {
	if count < 1 || count > most {
		return invalid(fmt.Sprintf("the count %d is no number from 1 to %d", count, most))
	}
	left := count
	for i, s := range shares {
		n := count * s.share / 100
		if i == 0 {
			for _, other := range shares {
				left -= count * other.share / 100
			}
			n += left
		}
		c.store.populate(s.kind, n, s.attributes)
	}
	return c.store.keep()
}

func (c *Cloud) populate(w http.ResponseWriter, r *http.Request) {
	var ask api.Populate
	err := api.Decode(http.MaxBytesReader(w, r.Body, maxBody), &ask)
	if err != nil {
		err = invalid(err.Error())
	} else {
		err = c.Populate(ask.Count)
	}
	if err != nil {
		c.answerError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
