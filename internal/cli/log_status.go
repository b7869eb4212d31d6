package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logStatusCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how far the log has come, and who has seen it",
		Long: "Says how many entries are sequenced, signed, witnessed and anchored, for how long nobody outside has seen the newest, which holds hold, and what a person must look at. " +
			"It hashes nothing again: that is `taffrail log verify`.\n\n" + exitStatusHelp("0 nothing is wrong", "1 error, or there are alarms", "3 the log is not what was written"),
		Args: cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error { return a.statusLog(ctx, form) }),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) statusLog(ctx context.Context, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		s, err := q.LogStatus(ctx)
		if err != nil {
			return err
		}
		if len(s.Alarms) > 0 {
			a.status = taffrail.ExitError
		}
		if form == outputJSON {
			return writeJSON(a.out, s)
		}
		p := a.page()
		p.logStatus(s, time.Now())
		return a.print(p)
	})
}

// logStatus prints how far a log has come.
func (p *page) logStatus(s daemon.LogStatus, now time.Time) {
	p.facts(fact{"Log", safe(s.Log.Origin)}, fact{"Data", safe(s.Log.Data)}, fact{"Guard", safe(s.Log.Guard)}, fact{"Keys", safe(s.Log.Keys)})
	p.line()
	for _, l := range []struct {
		level audit.Level
		size  int64
		show  bool
	}{
		{audit.LevelQueued, s.Size + s.Queued, s.Queued > 0}, {audit.LevelSequenced, s.Size, true}, {audit.LevelSigned, s.Signed, true},
		{audit.LevelWitnessed, s.Witnessed, true}, {audit.LevelAnchored, s.Anchored, true},
	} {
		if l.show {
			p.line(pad(string(l.level), 10), gap, p.levelText(l.size))
		}
	}
	for _, r := range s.Receipts {
		p.line(p.dim(fmt.Sprintf("%-10s%s%s %s: size %d at %s", "", gap, safe(r.Kind), safe(r.Anchor), r.Size, stamp(r.At))))
	}
	p.line()
	facts := []fact{
		{"Unseen", unseenText(s, now)},
		{"Verified", verifiedText(s.Verified)},
		{"Heartbeat", heartbeatText(s.Heartbeat)},
		{"Pruned", prunedText(s.Pruned)},
	}
	for _, k := range s.Keys {
		facts = append(facts, fact{"Key", strings.TrimPrefix(keyName(k.Key), "key ") + " " + sizesText(k)})
	}
	for _, h := range s.Holds {
		facts = append(facts, fact{"Hold", fmt.Sprintf("entry %d: %s: %s", h.Entry, spanText(h.From, h.To), safe(h.Reason))})
	}
	p.facts(facts...)
	p.alarms(s.Alarms)
}

func (p *page) levelText(size int64) string {
	if size == 0 {
		return p.dim("none")
	}
	return count(size, "entry", "entries")
}

func unseenText(s daemon.LogStatus, now time.Time) string {
	bound := ""
	if s.MaxUnseen > 0 {
		bound = fmt.Sprintf(" (at most %v)", time.Duration(s.MaxUnseen*float64(time.Second)))
	}
	if s.Unseen == 0 || s.UnseenFrom == nil {
		return "nothing" + bound
	}
	return fmt.Sprintf("%s by anyone outside, for %v%s", count(s.Unseen, "entry", "entries"), max(now.Sub(*s.UnseenFrom), 0).Round(time.Second), bound)
}

func verifiedText(v *daemon.VerifiedInfo) string {
	if v == nil {
		return "never, by schedule"
	}
	return fmt.Sprintf("%s: %s hashed again, %s (entry %d)", stamp(v.At), count(v.Size, "entry", "entries"), count(int64(v.Problems), "problem", "problems"), v.Entry)
}

func heartbeatText(h *daemon.HeartbeatInfo) string {
	if h == nil {
		return "none: nobody vouches for silence"
	}
	return fmt.Sprintf("%s, the next by %s (entry %d)", stamp(h.At), stamp(h.Next), h.Entry)
}

func prunedText(before int64) string {
	if before == 0 {
		return ""
	}
	return "the bodies of entries before " + strconv.FormatInt(before, 10)
}

// sizesText says which sizes a key signs.
func sizesText(k daemon.KeyInfo) string {
	if k.To == 0 {
		return fmt.Sprintf("signs sizes from %d", k.From)
	}
	return fmt.Sprintf("signed sizes %d to %d", k.From, k.To-1)
}

// alarms prints what a person must look at.
func (p *page) alarms(alarms []string) {
	if len(alarms) == 0 {
		return
	}
	p.line()
	for _, text := range alarms {
		p.paragraph("ALARM: "+safe(text), 0, p.alarm)
	}
}
