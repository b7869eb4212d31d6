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
	// Serve answers on a listener until ctx ends, and closes the listener.
	Serve(ctx context.Context, l net.Listener, s Signer, c KeyControl) error
}

// A WitnessServer is the other side of a [Cosigning]: it cosigns for whoever asks, what the witness that it is given cosigns.
type WitnessServer interface {
	// Serve answers on a listener until ctx ends, and closes the listener.
	Serve(ctx context.Context, l net.Listener, w *Witness) error
}
