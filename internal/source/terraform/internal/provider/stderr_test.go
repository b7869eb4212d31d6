package provider

import (
	"log/slog"
	"strings"
	"testing"
)

func TestTrap29_StderrIsScrubbed(t *testing.T) {
	var out strings.Builder
	secret := "a-secret-token"
	known := ""
	log := newStderrLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), func(line string) string {
		if known == "" {
			return line
		}
		return strings.ReplaceAll(line, known, "(sensitive)")
	})
	known = secret // learned after the start
	for _, part := range []string{"in two a-sec", "ret-token parts\n", strings.Repeat("x", stderrLine-4) + secret + "\n"} {
		if _, err := log.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "in two (sensitive) parts") || strings.Contains(out.String(), "xa-se") {
		t.Errorf("the log has %s", out.String())
	}
}
