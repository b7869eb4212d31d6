package legacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/customdiff"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/structure"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/validation"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// database is what the cloud keeps. The password goes there and never comes back:
// the cloud only says whether there is one.
type database struct {
	Name        string            `json:"name"`
	Engine      string            `json:"engine"`
	Size        string            `json:"size"`
	Description string            `json:"description"`
	Password    *string           `json:"password,omitempty"`
	PasswordSet bool              `json:"password_set,omitempty"` // the cloud's alone
	Parameters  map[string]string `json:"parameters"`
	Retention   int               `json:"backup_retention"`
	Protected   bool              `json:"deletion_protection"`
	Users       []user            `json:"users"`
	Access      string            `json:"access_policy"`
	Endpoint    *endpoint         `json:"endpoint,omitempty"` // the cloud's alone
}

type user struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"`
}

type endpoint struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	URI  string `json:"uri"`
}

// databaseResource keeps what was planned after a write: the state has null where
// the next read finds "" or false.
func databaseResource() *schema.Resource {
	k := kind[database]{
		name: "database", expand: expandDatabase, flatten: flattenDatabase,
		afterCreate: rememberEndpoint, afterUpdate: rememberEndpoint, check: checkTimeouts,
	}
	return &schema.Resource{
		Description:   "A database server.",
		CreateContext: k.create, ReadContext: k.read, UpdateContext: k.update, DeleteContext: k.delete,
		Importer: &schema.ResourceImporter{StateContext: schema.ImportStatePassthroughContext},
		Timeouts: &schema.ResourceTimeout{
			Create: schema.DefaultTimeout(10 * time.Minute), Read: schema.DefaultTimeout(2 * time.Minute),
			Update: schema.DefaultTimeout(10 * time.Minute), Delete: schema.DefaultTimeout(5 * time.Minute),
		},
		CustomizeDiff: customdiff.All(
			customdiff.ForceNewIfChange("size", func(_ context.Context, before, _, _ any) bool { return before == "huge" }),
			customdiff.ValidateValue("backup_retention", checkRetention),
		),
		SchemaVersion:  2,
		StateUpgraders: databaseUpgraders(),
		Schema: map[string]*schema.Schema{
			"name":        {Type: schema.TypeString, Required: true},
			"engine":      {Type: schema.TypeString, Required: true, ForceNew: true, DiffSuppressFunc: sameButForCase, Description: "The cloud writes it in lower case."},
			"size":        {Type: schema.TypeString, Required: true},
			"description": {Type: schema.TypeString, Optional: true},
			"password":    {Type: schema.TypeString, Optional: true, Sensitive: true, Description: "The cloud never answers it; the state keeps what was set."},
			"parameters":  {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"access_policy": {Type: schema.TypeString, Optional: true, ValidateFunc: validation.StringIsJSON,
				DiffSuppressFunc: structure.SuppressJsonDiff, Description: "JSON; the cloud's spelling is its own."},
			"backup_retention":    {Type: schema.TypeInt, Optional: true, Default: 7},
			"deletion_protection": {Type: schema.TypeBool, Optional: true},
			"skip_final_snapshot": {Type: schema.TypeBool, Optional: true, Default: false, Description: "For the provider alone; the cloud does not know it."},
			"user":                {Type: schema.TypeSet, Optional: true, Elem: userResource()},
			"endpoint": {Type: schema.TypeList, Computed: true, Elem: &schema.Resource{Schema: map[string]*schema.Schema{
				"host": {Type: schema.TypeString, Computed: true},
				"port": {Type: schema.TypeInt, Computed: true},
				"uri":  {Type: schema.TypeString, Computed: true, Sensitive: true},
			}}},
		},
	}
}

func userResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"name":  {Type: schema.TypeString, Required: true},
		"role":  {Type: schema.TypeString, Optional: true},
		"token": {Type: schema.TypeString, Optional: true, Sensitive: true},
	}}
}

func checkRetention(_ context.Context, v, _ any) error {
	if days, _ := v.(int); days < 0 || days > 35 {
		return fmt.Errorf("backup_retention is %v: give 0 to 35 days", v)
	}
	return nil
}

// checkTimeouts refuses to read for a client that gives the timeouts of the state
// and not the private data that belongs to them: the SDK keeps there what counts.
func checkTimeouts(d *schema.ResourceData) error {
	state := d.GetRawState()
	if state.IsNull() || !state.Type().HasAttribute("timeouts") {
		return nil
	}
	limits := state.GetAttr("timeouts")
	if limits.IsNull() || limits.GetAttr("read").IsNull() {
		return nil
	}
	want, err := time.ParseDuration(limits.GetAttr("read").AsString())
	if err != nil {
		return fmt.Errorf("timeouts.read: %w", err)
	}
	if got := d.Timeout(schema.TimeoutRead); got != want {
		return errors.New("private state missing: the timeouts of the state came without it")
	}
	return nil
}

func expandDatabase(d *schema.ResourceData) database {
	db := database{
		Name: get[string](d, "name"), Engine: strings.ToLower(get[string](d, "engine")), Size: get[string](d, "size"),
		Description: get[string](d, "description"), Parameters: map[string]string{},
		Retention: get[int](d, "backup_retention"), Protected: get[bool](d, "deletion_protection"),
		Access: get[string](d, "access_policy"), Users: blocks(get[*schema.Set](d, "user").List(), expandUser),
	}
	if password := get[string](d, "password"); password != "" || d.HasChange("password") {
		db.Password = &password
	}
	for key, v := range get[map[string]any](d, "parameters") {
		db.Parameters[key], _ = v.(string)
	}
	return db
}

func expandUser(b map[string]any) user {
	return user{Name: in[string](b, "name"), Role: in[string](b, "role"), Token: in[string](b, "token")}
}

// rememberEndpoint adds to what was planned only what the cloud chose.
func rememberEndpoint(d *schema.ResourceData, _ api.Object, db database) error {
	if db.Endpoint == nil {
		return nil
	}
	return d.Set("endpoint", flat([]endpoint{*db.Endpoint}, flattenEndpoint))
}

// flattenDatabase leaves the password as the state has it, until the cloud says
// that there is none.
func flattenDatabase(d *schema.ResourceData, o api.Object, db database) error {
	if !db.PasswordSet {
		if err := d.Set("password", nil); err != nil {
			return err
		}
	}
	if err := rememberEndpoint(d, o, db); err != nil {
		return err
	}
	policy, err := normalPolicy(&db.Access)
	if err != nil {
		return err
	}
	return setAll(d, map[string]any{
		"name": db.Name, "engine": db.Engine, "size": db.Size, "description": db.Description, "parameters": db.Parameters,
		"backup_retention": db.Retention, "deletion_protection": db.Protected, "user": flat(db.Users, flattenUser),
		"access_policy": policy,
	})
}

func flattenUser(u user) map[string]any {
	return map[string]any{"name": u.Name, "role": u.Role, "token": u.Token}
}

func flattenEndpoint(e endpoint) map[string]any {
	return map[string]any{"host": e.Host, "port": e.Port, "uri": e.URI}
}
