package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
)

const hintPull = "or pull the state where that is possible, and scan the file: `tofu state pull > FILE`"

// connect opens the reader of the backend: ours where there is one, else the tool's own `state pull`.
func (k *keeper) connect(ctx context.Context) (backend.Reader, error) {
	b := *k.target.backend
	if backend.Readable(b.Type) {
		return backend.Open(ctx, b)
	}
	return k.pull(ctx, b, fmt.Sprintf("the backend %q can be read by the tool alone", b.Type), k.decrypting)
}

// decrypt turns to OpenTofu for a state that it encrypted. It does nothing, and says so, if that is not what the state is.
func (k *keeper) decrypt(ctx context.Context, body []byte) (bool, error) {
	if k.decrypting || !isEncrypted(body) {
		return false, nil
	}
	b, err := k.encryptedBackend()
	if err != nil {
		return true, err
	}
	reader, err := k.pull(ctx, b, "the state is encrypted by OpenTofu", true)
	if err != nil {
		return true, err
	}
	if k.remote != nil {
		_ = k.remote.Close() // the other one takes its place
	}
	k.target.backend, k.remote, k.version, k.decrypting = &b, reader, "", true
	return true, nil
}

// isEncrypted says whether something is a state that OpenTofu encrypted.
func isEncrypted(body []byte) bool {
	var top struct {
		Encrypted json.RawMessage `json:"encrypted_data"`
	}
	return json.Unmarshal(body, &top) == nil && top.Encrypted != nil
}

// isEncryptedFile says the same of a file.
func isEncryptedFile(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > backend.Limit {
		return false
	}
	body, err := os.ReadFile(path)
	return err == nil && isEncrypted(body)
}

// encryptedBackend are the settings with which OpenTofu reads the state. It reads what the code says, so a file must be the one that
// the code keeps its state in.
func (k *keeper) encryptedBackend() (backend.Config, error) {
	t := k.target
	refuse := func(why string) error {
		return &taffrail.Error{
			Op: "read state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("the state is encrypted by OpenTofu, and %s", why),
			Hint: "scan the folder of the root module that says how to decrypt it, " + hintPull,
		}
	}
	if !t.code {
		return backend.Config{}, refuse("there is no code that says how to decrypt it")
	}
	if t.backend != nil {
		if !t.recorded {
			return backend.Config{}, refuse("the code that is to decrypt it may keep its state elsewhere")
		}
		return *t.backend, nil
	}
	place, err := t.locate(k.config.Workspace, k.host)
	if err != nil {
		return backend.Config{}, err
	}
	if place.State != t.state {
		return backend.Config{}, refuse("the code beside it keeps its state elsewhere")
	}
	return backend.Config{
		Type: "local", Attributes: map[string]any{"path": t.state}, Workspace: t.workspace, Dir: t.dir, DataDir: t.dataDir,
		Home: k.host.home, Env: k.host.getenv, Environ: k.host.environ,
	}, nil
}

// pull makes a reader that asks the user's own tool.
func (k *keeper) pull(ctx context.Context, b backend.Config, why string, tofu bool) (backend.Reader, error) {
	refuse := func(err error) error {
		hint := taffrail.HintOf(err)
		if hint != "" {
			hint += ", "
		}
		return &taffrail.Error{Op: "read state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s, and %s", why, reasonOf(err)), Hint: hint + hintPull}
	}
	if !k.target.code {
		return nil, refuse(&taffrail.Error{Err: errors.New("it needs the folder of the root module")})
	}
	if err := k.checkPrograms(); err != nil {
		return nil, refuse(err)
	}
	lock, _ := install.ReadLock(filepath.Join(k.target.dir, install.LockFile)) // without one, the tool is chosen by what else is known
	tool, err := usercli.Find(ctx, usercli.Wish{
		Program: k.config.CLI, Path: k.host.getenv("PATH"), Locked: slices.Collect(maps.Keys(lock)), Tofu: tofu, Environ: k.host.environ,
	})
	if err != nil {
		return nil, refuse(err)
	}
	if tofu && tool.Name != "tofu" {
		return nil, refuse(&taffrail.Error{Err: fmt.Errorf("%s is Terraform", tool.Path), Hint: "set `cli` to where OpenTofu is"})
	}
	return backend.Pull(ctx, b, tool.Path)
}

// checkPrograms refuses code that has a program run when a state is decrypted, unless that is allowed.
func (k *keeper) checkPrograms() error {
	if k.config.AllowExec {
		return nil
	}
	for _, pattern := range []string{"*.tf", "*.tofu", "*.tf.json", "*.tofu.json"} {
		files, _ := filepath.Glob(filepath.Join(quoteGlob(k.target.dir), pattern)) // a fixed pattern is never bad
		for _, file := range files {
			place, err := keyProgram(file)
			if err == nil && place == "" {
				continue
			}
			if err == nil {
				err = fmt.Errorf("%s: the code would run a program that gives the key", place)
			}
			return &taffrail.Error{Op: "read state", Kind: taffrail.KindInvalid, Err: err, Hint: "allow it with `allow_exec: true`"}
		}
	}
	return nil
}

// keyProgram says where a file has a program give or use a key: "main.tf:3", or nothing.
func keyProgram(file string) (string, error) {
	data, err := regular.ReadFile(file, regular.MaxCode)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	parsed, err := lang.Parse(data, filepath.Base(file))
	if err != nil {
		return "", err
	}
	bodies := []hcl.Body{parsed.Body}
	for _, kind := range []string{"terraform", "encryption"} {
		bodies = inner(bodies, hcl.BlockHeaderSchema{Type: kind}, nil)
	}
	var found string
	for _, kind := range []string{"key_provider", "method"} {
		inner(bodies, hcl.BlockHeaderSchema{Type: kind, LabelNames: []string{"type", "name"}}, func(b *hcl.Block) {
			if b.Labels[0] == "external" {
				found = diag.Place(b.DefRange)
			}
		})
	}
	return found, nil
}

// inner gives the bodies of the blocks of a sort in bodies. What does not fit is the tool's to complain of.
func inner(bodies []hcl.Body, sort hcl.BlockHeaderSchema, see func(*hcl.Block)) []hcl.Body {
	var found []hcl.Body
	for _, body := range bodies {
		content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{sort}})
		if content == nil {
			continue
		}
		for _, block := range content.Blocks {
			if see != nil {
				see(block)
			}
			found = append(found, block.Body)
		}
	}
	return found
}
