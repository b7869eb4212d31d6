package provider

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// lostWait is how long a connection may take to notice that its other end is gone, after a call failed over it.
const lostWait = time.Second

// A method has one name in each version of the protocol.
type method struct{ v5, v6 string }

var (
	methodSchema          = method{"GetSchema", "GetProviderSchema"}
	methodValidate        = method{"PrepareProviderConfig", "ValidateProviderConfig"}
	methodConfigure       = method{"Configure", "ConfigureProvider"}
	methodUpgrade         = method{"UpgradeResourceState", "UpgradeResourceState"}
	methodUpgradeIdentity = method{"UpgradeResourceIdentity", "UpgradeResourceIdentity"}
	methodRead            = method{"ReadResource", "ReadResource"}
	methodStop            = method{"Stop", "StopProvider"}
)

func (p *Process) path(m method) string {
	if p.protocol == 5 {
		return "/tfplugin5.Provider/" + m.v5
	}
	return "/tfplugin6.Provider/" + m.v6
}

// call makes one call. op says for people what it is for. The messages of both protocols are the same on the wire, but for
// what repairSchemas mends.
func (p *Process) call(ctx context.Context, op string, m method, in, out proto.Message) *Failure {
	if err := p.conn.Invoke(ctx, p.path(m), in, out); err != nil {
		return p.failure(ctx, op, err)
	}
	return nil
}

// failure says what became of a call that gave an error.
func (p *Process) failure(ctx context.Context, op string, err error) *Failure {
	switch {
	case ctx.Err() != nil:
		return contextFailure(ctx.Err(), op)
	case expired(ctx, status.Code(err)):
		return contextFailure(context.DeadlineExceeded, op)
	case status.Code(err) == codes.Unavailable && p.lost():
		return &Failure{
			Reason: taffrail.ReasonCrashed, Detail: "the provider died while it was to " + op,
			Hint: "see the provider's own messages with debug logging on", Lost: true,
		}
	}
	return statusFailure(op, status.Convert(err))
}

// expired says whether a call ended by its deadline. The provider's side knows the deadline too, and may give the call up a moment
// before ours does.
func expired(ctx context.Context, code codes.Code) bool {
	deadline, ok := ctx.Deadline()
	return code == codes.DeadlineExceeded || code == codes.Canceled && ok && time.Until(deadline) < lostWait
}

// lost tells a provider that is gone from one that answers "unavailable".
func (p *Process) lost() bool {
	ctx, cancel := context.WithTimeout(context.Background(), lostWait)
	defer cancel()
	return p.conn.GetState() != connectivity.Ready || p.conn.WaitForStateChange(ctx, connectivity.Ready)
}

// checked is call for messages with diagnostics: an error among them is a failure.
func (p *Process) checked(ctx context.Context, op string, m method, in proto.Message, out diagnosed) *Failure {
	if f := p.call(ctx, op, m, in, out); f != nil {
		return f
	}
	return diagnosticFailure(op, out.GetDiagnostics())
}

type diagnosed interface {
	proto.Message
	GetDiagnostics() []*tfwire.Diagnostic
}

// stop asks the provider to give up what it is doing. Whether it does is of no matter: its end follows.
func (p *Process) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), killGrace/2)
	defer cancel()
	_ = p.call(ctx, "stop", methodStop, &tfwire.StopProvider_Request{}, &tfwire.StopProvider_Response{})
}
