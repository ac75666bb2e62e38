package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// wire listens at a socket, passes everything on to another one, and counts.
type wire struct {
	listener    net.Listener
	target      string
	sent        atomic.Int64 // bytes to the target
	received    atomic.Int64 // bytes from it
	connections sync.WaitGroup
}

func newWire(address, target string) (*wire, error) {
	listener, err := net.Listen("unix", address)
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, target: target}
	w.connections.Go(w.accept)
	return w, nil
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		w.connections.Go(func() { w.pass(client) })
	}
}

// pass lasts as long as the connection. Who is connected sees what goes wrong.
func (w *wire) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_ = copyCounted(client, server, &w.received)
		_ = client.Close()
	})
	_ = copyCounted(server, client, &w.sent)
	_ = server.(*net.UnixConn).CloseWrite()
	back.Wait()
}

// copyCounted copies until one side is at its end.
func copyCounted(to io.Writer, from io.Reader, count *atomic.Int64) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		count.Add(int64(n))
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// close ends it after all connections have ended.
func (w *wire) close() error {
	err := w.listener.Close()
	w.connections.Wait()
	return err
}
