package main

import (
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWire(t *testing.T) {
	folder := t.TempDir()
	server, err := net.Listen("unix", filepath.Join(folder, "server"))
	require.NoError(t, err)
	defer server.Close()
	go func() {
		for {
			connection, err := server.Accept()
			if err != nil {
				return
			}
			question, _ := io.ReadAll(connection)
			_, _ = connection.Write(append([]byte("you said "), question...))
			_ = connection.Close()
		}
	}()

	w, err := newWire(filepath.Join(folder, "wire"), filepath.Join(folder, "server"))
	require.NoError(t, err)
	for range 2 {
		client, err := net.Dial("unix", filepath.Join(folder, "wire"))
		require.NoError(t, err)
		_, err = io.WriteString(client, "hello")
		require.NoError(t, err)
		require.NoError(t, client.(*net.UnixConn).CloseWrite())
		answer, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Equal(t, "you said hello", string(answer))
		require.NoError(t, client.Close())
	}
	require.NoError(t, w.close())
	assert.Equal(t, int64(2*len("hello")), w.sent.Load())
	assert.Equal(t, int64(2*len("you said hello")), w.received.Load())
}
