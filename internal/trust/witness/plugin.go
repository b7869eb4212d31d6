package witness

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// ServerConfig says how often a log may ask.
type ServerConfig struct {
	Every time.Duration `yaml:"every"` // in the long run; 1 second if it is 0
	Burst int           `yaml:"burst"` // at once; 10 if it is 0
}

// A service is an [audit.WitnessServer].
type service struct {
	config ServerConfig
	now    func() time.Time
	logger *slog.Logger
}

func newServer(_ context.Context, env plug.Env, c ServerConfig) (audit.WitnessServer, error) {
	return &service{config: c, now: env.Now, logger: env.Logger}, nil
}

// Check implements [audit.WitnessServer].
func (s *service) Check(logs []byte) error {
	_, err := ParseLogs(logs)
	return err
}

// Serve implements [audit.WitnessServer].
func (s *service) Serve(ctx context.Context, l net.Listener, setup audit.WitnessSetup) error {
	logs, err := ParseLogs(setup.Logs)
	if err != nil {
		return err
	}
	o := Options{Origins: logs.Origins(), Now: s.now, Logger: s.logger, Every: s.config.Every, Burst: s.config.Burst}
	return Serve(ctx, l, Handler(logs.Witness(setup.Signer, setup.Guard), o), s.logger)
}
