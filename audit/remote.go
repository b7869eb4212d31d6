package audit

import (
	"context"
	"net"
)

// A RemoteSigner signs in another process, which holds guard and keys.
type RemoteSigner interface {
	Signer
	KeyControl
}

// A SignerServer is the other side of a [RemoteSigner]: it signs for whoever may connect, by the signer that it is given.
type SignerServer interface {
	// Listen makes the listener at which a [RemoteSigner] of the same settings looks for it.
	Listen(ctx context.Context) (net.Listener, error)

	// Serve answers on a listener until ctx ends, and closes the listener.
	Serve(ctx context.Context, l net.Listener, s Signer, c KeyControl) error
}

// A WitnessServer is the other side of a [Cosigning]: it cosigns for whoever asks.
type WitnessServer interface {
	// Check says whether the logs of a setup can be understood.
	Check(logs []byte) error
	// Serve answers on a listener until ctx ends, and closes the listener.
	Serve(ctx context.Context, l net.Listener, s WitnessSetup) error
}

// A WitnessSetup is what a witness is made of.
type WitnessSetup struct {
	Logs   []byte                             // that it knows: the log lines of a policy
	Signer *Cosigner                          // its key
	Guard  func(origin string) (Guard, error) // what it cosigned last of a log
}
