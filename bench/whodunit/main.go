// Command whodunit scores `taffrail attribute` on cases of which the truth is known: changes that were made through real APIs, each of which
// was read back, by an emulator of AWS (moto_server) and by a real Kubernetes API server.
//
//	go run ./bench/whodunit -taffrail ./taffrail            all corpora that can be recorded here
//	go run ./bench/whodunit -cases FILE -labels FILE        cases of someone else's
//	go run ./bench/whodunit -write FOLDER                   record only: cases.jsonl and labels.jsonl
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options are the flags.
type options struct {
	taffrail, cases, labels, write, svg, corpora, fit string
	first, seeds                                      int
	verbose, holdout                                  bool
}

func main() {
	var o options
	flag.StringVar(&o.taffrail, "taffrail", "taffrail", "the program that answers")
	flag.StringVar(&o.cases, "cases", "", "file of cases to score instead of recording some")
	flag.StringVar(&o.labels, "labels", "", "file of their labels")
	flag.StringVar(&o.write, "write", "", "folder to write cases and labels to")
	flag.StringVar(&o.fit, "fit", "", "file of confidences to fit: internal/correlate/confidence.json")
	flag.BoolVar(&o.holdout, "holdout", false, "answer without any model of what events do, as for kinds that are not known")
	flag.StringVar(&o.svg, "svg", "", "file to write the reliability diagram to")
	flag.StringVar(&o.corpora, "corpora", "aws,kubernetes", "which to record, of aws, fresh, harbor, kubernetes")
	flag.IntVar(&o.first, "first", 1, "first seed: 1 to 99 were fitted on, from 101 on are reported")
	flag.IntVar(&o.seeds, "seeds", 5, "number of seeds")
	flag.BoolVar(&o.verbose, "v", false, "print each answer that is not right")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "whodunit:", err)
		os.Exit(1)
	}
}
