// Package load puts a site under load, and counts what becomes of the requests.
package load

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

// Request is one request of a load.
type Request struct {
	Method string
	Path   string
	Form   url.Values           // the body of a POST
	Right  func(Response) error // says what is wrong with the answer
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Load asks a site for pages, through its ingress, at a bounded rate.
//
// It speaks HTTP/1.1 over connections of its own: the Transport of net/http
// silently repeats a GET whose connection was cut, which is what is measured
// here.
type Load struct {
	Ingress  string        // host:port that is dialled
	Host     string        // the Host header
	Workers  int           // connections at a time
	Interval time.Duration // between two requests of a worker
	Timeout  time.Duration // of a request
	Request  func(n int) Request
}

// Run sends requests until the context ends, and waits for the answers to
// those under way. With keepAlive, every worker keeps its connection as long
// as the other side does; without, it makes a new one for each request.
func (l Load) Run(ctx context.Context, keepAlive bool) *Tally {
	t := newTally()
	var count atomic.Int64
	var workers sync.WaitGroup
	for range l.Workers {
		workers.Go(func() { l.work(ctx, keepAlive, &count, t) })
	}
	workers.Wait()
	return t
}

func (l Load) work(ctx context.Context, keepAlive bool, count *atomic.Int64, t *Tally) {
	var c *connection
	defer func() { c.close() }()
	tick := time.NewTicker(l.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		r := l.Request(int(count.Add(1)))
		began := time.Now()
		var err error
		if c, err = l.send(c, r, keepAlive, t); err != nil {
			err = fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
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
func (l Load) send(c *connection, r Request, keepAlive bool, t *Tally) (*connection, error) {
	if c == nil {
		var err error
		if c, err = dial(l.Ingress, l.Timeout); err != nil {
			return nil, err
		}
		t.connected()
	}
	answer, reusable, err := c.roundTrip(l.Host, r, keepAlive, l.Timeout)
	if err != nil || !reusable {
		c.close()
		c = nil
	}
	if err != nil {
		return c, err
	}
	return c, r.Right(answer)
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
func (c *connection) roundTrip(host string, r Request, keepAlive bool, timeout time.Duration) (Response, bool, error) {
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Response{}, false, err
	}
	sent, err := r.encode(host, keepAlive)
	if err != nil {
		return Response{}, false, err
	}
	if err := sent.Write(c.conn); err != nil {
		return Response{}, false, err
	}
	got, err := http.ReadResponse(c.reader, sent)
	if err != nil {
		return Response{}, false, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return Response{}, false, fmt.Errorf("%s, then: %w", got.Status, err)
	}
	answer := Response{Status: got.StatusCode, Header: got.Header, Body: string(body)}
	return answer, keepAlive && !got.Close, nil
}

func (r Request) encode(host string, keepAlive bool) (*http.Request, error) {
	out, err := http.NewRequest(r.Method, "http://"+host+r.Path, strings.NewReader(r.Form.Encode()))
	if err != nil {
		return nil, err
	}
	out.Close = !keepAlive
	out.Header.Set("User-Agent", "sitectl-load")
	if r.Form != nil {
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return out, nil
}

// Page is the check of a page: status 200, and all of the texts in it.
func Page(texts ...string) func(Response) error {
	return func(r Response) error {
		if r.Status != http.StatusOK {
			return StatusError(r)
		}
		for _, text := range texts {
			if !strings.Contains(r.Body, text) {
				return fmt.Errorf("%q is not in the %d bytes of the answer", text, len(r.Body))
			}
		}
		return nil
	}
}

// StatusError names an unexpected status and how the answer begins.
func StatusError(r Response) error {
	const shown = 80
	begin := strings.Join(strings.Fields(r.Body), " ")
	if len(begin) > shown {
		begin = begin[:shown] + "…"
	}
	return fmt.Errorf("%d %s: %s", r.Status, http.StatusText(r.Status), begin)
}
