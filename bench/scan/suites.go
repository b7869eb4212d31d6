package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func (t *tools) ours(concurrency int) []string {
	return []string{t.taffrail, "scan", "-q", "--concurrency", fmt.Sprint(concurrency), "."}
}

func (t *tools) theirs(concurrency int) []string {
	return []string{t.peer, "plan", "-refresh-only", "-detailed-exitcode", "-lock=false", "-input=false", fmt.Sprint("-parallelism=", concurrency)}
}

// defaultConcurrency is what both programs do if they are not told.
const defaultConcurrency = 10

// beside runs both on stacks without latency.
func (t *tools) beside(o options) error {
	fmt.Printf("\n| Resources | | wall | CPU | peak memory |\n|---|---|---|---|---|\n")
	for _, n := range o.sizes {
		err := t.with(alike(n), 0, func(s stack) error {
			us, them, err := s.alternate(o.runs, t.ours(defaultConcurrency), t.theirs(defaultConcurrency))
			if err != nil {
				return err
			}
			fmt.Printf("| %d | taffrail | %s |\n| | %s | %s |\n", n, us, filepath.Base(t.peer), them)
			fmt.Printf("| | ratio | %.1fx | %.1fx | %.1fx |\n", ratio(them.wall, us.wall), ratio(them.cpu, us.cpu), ratio(them.memory, us.memory))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// latency runs both on a stack of which each resource is read by one call, which takes a while.
func (t *tools) latency(o options) error {
	fmt.Printf("\n%d resources, each one call", o.slow)
	return t.slowly(o, alike(o.slow))
}

// calls runs both on a stack of several services, most of whose resources take some calls, one after the other.
func (t *tools) calls(o options) error {
	s := services(o.slow)
	fmt.Printf("\n%d resources of %d services, %d calls, up to %d for one", s.resources(), len(s), s.calls(), s.longest())
	return t.slowly(o, s)
}

// slowly runs both on a stack whose calls take a while. What the calls alone take is the limit for everybody.
func (t *tools) slowly(o options, s shape) error {
	return t.with(s, o.latency, func(made stack) error {
		fmt.Printf(", %v for each call\n\n| At once | taffrail, cold | warm | %s | of the limit | warm beside it | warm beside its default | warm beside the limit |\n|---|---|---|---|---|---|---|---|\n",
			o.latency, filepath.Base(t.peer))
		var usual usage
		for _, c := range o.concurrencies {
			cold, them, err := made.alternate(o.runs, t.ours(c), t.theirs(c))
			if err != nil {
				return err
			}
			if c == defaultConcurrency {
				usual = them
			}
			warm, err := made.warm(o.runs, "--concurrency", fmt.Sprint(c))
			if err != nil {
				return err
			}
			limit := s.limit(o.latency, c)
			beside := "-"
			if usual.wall > 0 {
				beside = fmt.Sprintf("%.1fx", ratio(usual.wall, warm))
			}
			fmt.Printf("| %d | %.2f s | %.2f s | %.2f s | %.2f | %.1fx | %s | %.2f of %.2f s |\n",
				c, cold.wall.Seconds(), warm.Seconds(), them.wall.Seconds(), them.wall.Seconds()/limit.Seconds(), ratio(them.wall, warm), beside,
				warm.Seconds()/limit.Seconds(), limit.Seconds())
		}
		return nil
	})
}

// growth scans larger and larger stacks.
func (t *tools) growth(o options) error {
	fmt.Printf("\n| Resources | wall | per resource | CPU | our memory | the provider's |\n|---|---|---|---|---|---|\n")
	for _, n := range o.growth {
		err := t.with(alike(n), 0, func(s stack) error {
			var all []usage
			for range min(o.runs, 3) {
				u, err := s.run(t.ours(defaultConcurrency))
				if err != nil {
					return err
				}
				all = append(all, u)
			}
			u := median(all)
			fmt.Printf("| %d | %.2f s | %.2f ms | %.2f s | %d MiB | %d MiB |\n",
				n, u.wall.Seconds(), u.wall.Seconds()*1000/float64(n), u.cpu.Seconds(), u.own>>20, (u.memory-u.own)>>20)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// again scans a stack that does not change, and looks at what that adds to the log's folder.
func (t *tools) again(o options) error {
	n := o.sizes[len(o.sizes)-1]
	return t.with(alike(n), 0, func(s stack) error {
		var sizes []int64
		for range 3 {
			if _, err := s.run(t.ours(defaultConcurrency)); err != nil {
				return err
			}
			size, err := folderSize(t.data)
			if err != nil {
				return err
			}
			sizes = append(sizes, size)
		}
		fmt.Printf("\n%d resources without drift: the first scan leaves %d KiB in the log's folder, the second adds %d KiB, the third %d KiB\n",
			n, sizes[0]>>10, (sizes[1]-sizes[0])>>10, (sizes[2]-sizes[1])>>10)
		return nil
	})
}

// hold keeps one stack until somebody presses Ctrl-C.
func (t *tools) hold(o options) error {
	return t.with(alike(o.sizes[0]), 0, func(s stack) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		fmt.Println("cd", s.dir)
		for _, entry := range s.env[len(s.env)-len(t.extra)-1:] {
			fmt.Println("export", entry)
		}
		<-ctx.Done()
		return nil
	})
}
