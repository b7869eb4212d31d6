package provider

import "google.golang.org/grpc"

// Conn is the connection to the process, for whoever passes calls on without knowing them.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }
