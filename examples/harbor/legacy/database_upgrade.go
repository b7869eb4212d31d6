package legacy

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// databaseUpgraders lead from the older schemas to the present one:
//
//	0  "instance_size" for size, "backup_days" as text, users as a list of names;
//	   written by a tool so old that the state is a flat map
//	1  size and users as now, "backup_days" as text
//	2  backup_days is the number "backup_retention"
func databaseUpgraders() []schema.StateUpgrader {
	return []schema.StateUpgrader{
		{Version: 0, Type: databaseSchema0().CoreConfigSchema().ImpliedType(), Upgrade: upgradeDatabase0},
		{Version: 1, Type: databaseSchema1().CoreConfigSchema().ImpliedType(), Upgrade: upgradeDatabase1},
	}
}

func databaseSchema0() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"name":          {Type: schema.TypeString, Required: true},
		"engine":        {Type: schema.TypeString, Required: true},
		"instance_size": {Type: schema.TypeString, Required: true},
		"password":      {Type: schema.TypeString, Optional: true, Sensitive: true},
		"backup_days":   {Type: schema.TypeString, Optional: true},
		"parameters":    {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
		"user_names":    {Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
	}}
}

func databaseSchema1() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"name":                {Type: schema.TypeString, Required: true},
		"engine":              {Type: schema.TypeString, Required: true},
		"size":                {Type: schema.TypeString, Required: true},
		"description":         {Type: schema.TypeString, Optional: true},
		"password":            {Type: schema.TypeString, Optional: true, Sensitive: true},
		"backup_days":         {Type: schema.TypeString, Optional: true},
		"deletion_protection": {Type: schema.TypeBool, Optional: true},
		"parameters":          {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
		"user":                {Type: schema.TypeSet, Optional: true, Elem: userResource()},
	}}
}

func upgradeDatabase0(_ context.Context, state map[string]any, _ any) (map[string]any, error) {
	state["size"] = state["instance_size"]
	delete(state, "instance_size")
	names, _ := state["user_names"].([]any)
	users := make([]any, 0, len(names))
	for _, name := range names {
		users = append(users, map[string]any{"name": name, "role": "", "token": ""})
	}
	state["user"] = users
	delete(state, "user_names")
	return state, nil
}

func upgradeDatabase1(_ context.Context, state map[string]any, _ any) (map[string]any, error) {
	if days, _ := state["backup_days"].(string); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil {
			return nil, fmt.Errorf("backup_days of the stored state: %w", err)
		}
		state["backup_retention"] = n
	}
	delete(state, "backup_days")
	return state, nil
}
