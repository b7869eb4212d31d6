package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

func listCommand(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [TYPE]",
		Short: "List objects",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			objects, err := c.List(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), api.Objects{Objects: objects})
			}
			return printTable(cmd.OutOrStdout(), objects)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printTable(out io.Writer, objects []api.Object) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OBJECT\tNAME\tVERSION\tCHANGED")
	for _, o := range objects {
		fmt.Fprintf(w, "%s/%s\t%s\t%d\t%s\n", o.Type, o.ID, o.Name(), o.Version, o.UpdatedAt.Format(time.RFC3339))
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func getCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "get TYPE/ID",
		Short: "Print one object as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, o, err := r.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), o)
		},
	}
}

func createCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "create TYPE PATH=VALUE...",
		Short: "Create an object by hand",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			attributes := map[string]any{}
			if _, err := assign(attributes, args[1:]); err != nil {
				return err
			}
			o, err := c.Make(cmd.Context(), args[0], attributes)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "created %s/%s\n", o.Type, o.ID)
			return nil
		},
	}
}

const pathHelp = "A path is dotted: tags.team, rules.0.cidrs.1, tags.\"a.b\"; + is the place after a list's last element.\n" +
	"An object is named by its id, or by its name where that is unique."

func setCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "set TYPE/ID PATH=VALUE...",
		Short: "Change an object by hand",
		Long:  "Change an object by hand. " + pathHelp + "\nA value is JSON; what does not look like JSON is a string.",
		Example: "  harbor set firewall/web rules.0.cidrs='[\"0.0.0.0/0\"]'\n" +
			"  harbor set bucket/logs versioning=true tags.owner=nobody quota_bytes=9007199254740993",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.edit(cmd, args[0], func(attributes map[string]any) ([]string, error) { return assign(attributes, args[1:]) })
		},
	}
}

func unsetCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "unset TYPE/ID PATH...",
		Short: "Remove attributes, keys or elements by hand",
		Long:  "Remove attributes, keys or elements by hand. " + pathHelp,
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.edit(cmd, args[0], func(attributes map[string]any) ([]string, error) { return remove(attributes, args[1:]) })
		},
	}
}

func deleteCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "delete TYPE/ID",
		Short: "Delete an object by hand",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, o, err := r.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := c.Delete(cmd.Context(), o.Type, o.ID); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted %s/%s\n", o.Type, o.ID)
			return nil
		},
	}
}

// assign carries out assignments and returns the attributes they touch.
func assign(attributes map[string]any, args []string) ([]string, error) {
	var touched []string
	for _, arg := range args {
		a, err := parseAssignment(arg)
		if err != nil {
			return nil, err
		}
		if _, err := setAt(attributes, a.path, a.value); err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		touched = append(touched, a.path[0])
	}
	return touched, nil
}

// remove carries out removals and returns the attributes they touch. A secret
// is not among the attributes, but NAME_set is.
func remove(attributes map[string]any, args []string) ([]string, error) {
	var touched []string
	for _, arg := range args {
		path, err := parsePath(arg)
		if err != nil {
			return nil, err
		}
		touched = append(touched, path[0])
		if _, secret := attributes[path[0]+"_set"]; secret && len(path) == 1 {
			continue
		}
		if _, err := unsetAt(attributes, path); err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
	}
	return touched, nil
}

// edit reads an object, changes a copy of its attributes and writes back those
// that fn says it touched, if nobody else has changed the object meanwhile.
func (r *remote) edit(cmd *cobra.Command, name string, fn func(map[string]any) ([]string, error)) error {
	c, o, err := r.find(cmd.Context(), name)
	if err != nil {
		return err
	}
	before := api.Clone(o.Attributes)
	touched, err := fn(o.Attributes)
	if err != nil {
		return err
	}
	patch := map[string]any{}
	for _, attribute := range touched {
		patch[attribute] = o.Attributes[attribute]
	}
	o.Attributes = before
	after, err := c.Change(cmd.Context(), o, patch, o.ETag)
	if err != nil {
		return err
	}
	if after.Version == o.Version {
		fmt.Fprintf(cmd.OutOrStdout(), "unchanged %s/%s, version %d\n", o.Type, o.ID, o.Version)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "changed %s/%s, version %d\n", o.Type, o.ID, after.Version)
	return nil
}

// find reads the object that TYPE/ID or TYPE/NAME means.
func (r *remote) find(ctx context.Context, name string) (*client.Client, api.Object, error) {
	kind, id, ok := strings.Cut(name, "/")
	if !ok || kind == "" || id == "" {
		return nil, api.Object{}, fmt.Errorf("%q: want TYPE/ID or TYPE/NAME, such as firewall/fw-0001", name)
	}
	c, err := r.client(ctx)
	if err != nil {
		return nil, api.Object{}, err
	}
	o, _, err := c.Get(ctx, kind, id)
	if err == nil || !client.NotFound(err) {
		return c, o, err
	}
	o, err = byName(ctx, c, kind, id)
	return c, o, err
}

func byName(ctx context.Context, c *client.Client, kind, name string) (api.Object, error) {
	objects, err := c.List(ctx, kind)
	if err != nil {
		return api.Object{}, err
	}
	var found []api.Object
	var ids []string
	for _, o := range objects {
		if o.Name() == name {
			found, ids = append(found, o), append(ids, o.ID)
		}
	}
	switch len(found) {
	case 0:
		return api.Object{}, fmt.Errorf("no %s has the id or the name %q: `harbor list %s` shows what there is", kind, name, kind)
	case 1:
		return found[0], nil
	}
	return api.Object{}, fmt.Errorf("%d of type %s have the name %q: say which id, %s", len(found), kind, name, strings.Join(ids, " or "))
}
