package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// request is one request of a load.
type request struct {
	method string
	path   string
	form   url.Values           // the body of a POST
	right  func(response) error // says what is wrong with the answer
}

// response is an answer that was read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

// load asks a site for pages, through its ingress, at a bounded rate.
//
// It speaks HTTP/1.1 over connections of its own: the Transport of net/http
// silently repeats a GET whose connection was cut, which is what is measured
// here.
type load struct {
	ingress  string        // host:port that is dialled
	host     string        // the Host header
	workers  int           // connections at a time
	interval time.Duration // between two requests of a worker
	timeout  time.Duration // of a request
	request  func(n int) request
}

// run sends requests until the context ends, and waits for the answers to
// those under way. With keepAlive, every worker keeps its connection as long
// as the other side does; without, it makes a new one for each request.
func (l load) run(ctx context.Context, keepAlive bool) *tally {
	t := newTally()
	var count atomic.Int64
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() { l.work(ctx, keepAlive, &count, t) })
	}
	workers.Wait()
	return t
}

func (l load) work(ctx context.Context, keepAlive bool, count *atomic.Int64, t *tally) {
	var c *connection
	defer func() { c.close() }()
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		r := l.request(int(count.Add(1)))
		began := time.Now()
		var err error
		if c, err = l.send(c, r, keepAlive, t); err != nil {
			err = fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
		t.add(time.Since(began), err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// send sends one request over c, or over a new connection if c is nil, and
// returns the connection if it can be used again.
func (l load) send(c *connection, r request, keepAlive bool, t *tally) (*connection, error) {
	if c == nil {
		var err error
		if c, err = dial(l.ingress, l.timeout); err != nil {
			return nil, err
		}
		t.connected()
	}
	answer, reusable, err := c.roundTrip(l.host, r, keepAlive, l.timeout)
	if err != nil || !reusable {
		c.close()
		c = nil
	}
	if err != nil {
		return c, err
	}
	return c, r.right(answer)
}

// connection is a connection to the ingress.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(address string, timeout time.Duration) (*connection, error) {
	conn, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *connection) close() {
	if c != nil {
		c.conn.Close() // whatever it says, nothing is sent on it any more
	}
}

// roundTrip sends a request and reads the answer to its end. The connection
// is reusable if both sides said they would keep it.
func (c *connection) roundTrip(host string, r request, keepAlive bool, timeout time.Duration) (response, bool, error) {
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return response{}, false, err
	}
	sent, err := r.encode(host, keepAlive)
	if err != nil {
		return response{}, false, err
	}
	if err := sent.Write(c.conn); err != nil {
		return response{}, false, err
	}
	got, err := http.ReadResponse(c.reader, sent)
	if err != nil {
		return response{}, false, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return response{}, false, fmt.Errorf("%s, then: %w", got.Status, err)
	}
	answer := response{status: got.StatusCode, header: got.Header, body: string(body)}
	return answer, keepAlive && !got.Close, nil
}

func (r request) encode(host string, keepAlive bool) (*http.Request, error) {
	out, err := http.NewRequest(r.method, "http://"+host+r.path, strings.NewReader(r.form.Encode()))
	if err != nil {
		return nil, err
	}
	out.Close = !keepAlive
	out.Header.Set("User-Agent", "sitectl-demo")
	if r.form != nil {
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return out, nil
}

// page is the check of a page: status 200, and all of the texts in it.
func page(texts ...string) func(response) error {
	return func(r response) error {
		if r.status != http.StatusOK {
			return statusError(r)
		}
		for _, text := range texts {
			if !strings.Contains(r.body, text) {
				return fmt.Errorf("%q is not in the %d bytes of the answer", text, len(r.body))
			}
		}
		return nil
	}
}

// statusError names an unexpected status and how the answer begins.
func statusError(r response) error {
	const shown = 80
	begin := strings.Join(strings.Fields(r.body), " ")
	if len(begin) > shown {
		begin = begin[:shown] + "…"
	}
	return fmt.Errorf("%d %s: %s", r.status, http.StatusText(r.status), begin)
}
