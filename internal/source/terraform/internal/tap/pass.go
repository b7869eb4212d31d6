package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A frame is a message that nobody has looked into.
type frame []byte

// rawCodec passes frames.
type rawCodec struct{}

// Marshal implements encoding.Codec.
func (rawCodec) Marshal(v any) ([]byte, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("a message of type %T is passed on", v)
	}
	return *f, nil
}

// Unmarshal implements encoding.Codec.
func (rawCodec) Unmarshal(data []byte, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("a message of type %T is passed on", v)
	}
	*f = data
	return nil
}

// Name implements encoding.Codec.
func (rawCodec) Name() string { return "proto" }

// pass passes one call on. A mistake of ours must not end the run: the call fails, as if the provider had.
func (s *served) pass(_ any, stream grpc.ServerStream) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = status.Errorf(codes.Internal, "the tap panicked: %v", r)
		}
	}()
	method, ok := grpc.MethodFromServerStream(stream)
	if !ok {
		return status.Error(codes.Internal, "the call has no method")
	}
	c := connectionOf(stream.Context())
	switch method {
	case "/plugin.GRPCBroker/StartStream", "/plugin.GRPCStdio/StreamStdio":
		// A provider does not use the first, and our own client reads the second. The tool opens both for as long as it holds the
		// connection, which keeps that from being taken for idle and made anew: the new one would have another process.
		<-stream.Context().Done()
		return nil
	case "/plugin.GRPCController/Shutdown":
		var f frame
		if err := stream.RecvMsg(&f); err != nil {
			return err
		}
		c.end()
		return stream.SendMsg(&frame{})
	}
	name := path.Base(method)
	process, err := c.acquire(name == "Configure" || name == "ConfigureProvider")
	if err != nil {
		return err
	}
	defer c.release()
	return s.forward(stream, process, method, name)
}

// forward passes one call on to a process, and notes it if it is of those that are kept.
func (s *served) forward(stream grpc.ServerStream, process Upstream, method, name string) error {
	if name == "ApplyResourceChange" {
		started := s.tap.options.Now()
		request, response, err := relay(stream, process.Conn(), method)
		s.tap.note(Seen{Provider: s.provider.Name, Request: request, Response: response, Err: err, Started: started, Finished: s.tap.options.Now()})
		return err
	}
	_, response, err := relay(stream, process.Conn(), method)
	if err == nil && (name == "GetProviderSchema" || name == "GetSchema") {
		s.keepSchema(response)
	}
	return err
}

// relay carries messages both ways until the call is over, and gives the last of each direction.
func relay(stream grpc.ServerStream, conn *grpc.ClientConn, method string) (request, response []byte, err error) {
	ctx, cancel := context.WithCancelCause(outgoing(stream.Context()))
	defer cancel(nil)
	upstream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method,
		grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32))
	if err != nil {
		return nil, nil, err
	}
	var last atomic.Pointer[frame] // of what was sent; there before it is sent, and so before it is answered
	go func() {
		if err := upload(stream, upstream, &last); err != nil {
			cancel(err)
		}
	}()
	response, err = download(stream, upstream)
	if cause := context.Cause(ctx); err != nil && cause != nil && stream.Context().Err() == nil {
		err = cause // what the tool sent could not be taken
	}
	if f := last.Load(); f != nil {
		request = *f
	}
	return request, response, err
}

// outgoing gives a context for the call to the provider, with what the tool said beside its message.
func outgoing(ctx context.Context) context.Context {
	if said, ok := metadata.FromIncomingContext(ctx); ok {
		return metadata.NewOutgoingContext(ctx, said.Copy())
	}
	return ctx
}

// upload passes on what the tool sends.
func upload(stream grpc.ServerStream, upstream grpc.ClientStream, last *atomic.Pointer[frame]) error {
	for {
		var f frame
		if err := stream.RecvMsg(&f); errors.Is(err, io.EOF) {
			return upstream.CloseSend()
		} else if err != nil {
			return err
		}
		last.Store(&f)
		if err := upstream.SendMsg(&f); err != nil {
			return nil //nolint:nilerr // the answer says why
		}
	}
}

// download passes on what the provider answers, to the end of the call.
func download(stream grpc.ServerStream, upstream grpc.ClientStream) (last []byte, err error) {
	if header, err := upstream.Header(); err == nil {
		if err := stream.SetHeader(header); err != nil {
			return nil, err
		}
	}
	for {
		var f frame
		err := upstream.RecvMsg(&f)
		if err != nil {
			stream.SetTrailer(upstream.Trailer())
			if errors.Is(err, io.EOF) {
				return last, nil
			}
			return last, err
		}
		last = f
		if err := stream.SendMsg(&f); err != nil {
			return last, err
		}
	}
}
