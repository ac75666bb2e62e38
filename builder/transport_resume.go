package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// smallAnswer is how many bytes of an answer are read before anyone sees it:
// all of a manifest or a token, so that one that breaks off has never begun.
// Larger ones are blobs. What is taken up where they broke off is checked
// against their digest by whoever asked for them.
const smallAnswer = 256 << 10

// receive reads the beginning of an answer.
func (t *patient) receive(request *http.Request, response *http.Response) (*http.Response, error) {
	beginning, err := io.ReadAll(io.LimitReader(response.Body, smallAnswer+1))
	if err != nil {
		_ = response.Body.Close()
		return nil, t.broke(request, err)
	}
	if len(beginning) <= smallAnswer {
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(beginning))
		return response, nil
	}
	response.Body = &download{
		transport: t, request: request, size: response.ContentLength, rest: response.Body,
		reader: io.MultiReader(bytes.NewReader(beginning), response.Body),
	}
	return response, nil
}

// broke takes note of an answer that broke off.
func (t *patient) broke(request *http.Request, err error) error {
	if request.Context().Err() != nil || !brokenOff(err) {
		return err
	}
	err = passingError{fmt.Errorf("the answer broke off: %w", err)}
	t.failed(request, err, 0)
	return err
}

// download is a large answer that goes on when it breaks off.
type download struct {
	transport *patient
	request   *http.Request
	size      int64     // in bytes; negative if it is not known
	rest      io.Closer // the connection that reader reads from
	reader    io.Reader
	read      int64 // bytes so far
	fruitless int   // times that it broke off since the last byte
	err       error
}

func (d *download) Read(p []byte) (int, error) {
	for d.err == nil {
		n, err := d.reader.Read(p)
		d.read += int64(n)
		if n > 0 {
			d.fruitless = 0
		}
		if err != nil && err != io.EOF {
			err = d.again(d.transport.broke(d.request, err))
		}
		d.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, d.err
}

// again asks for the rest after a failure. Without an error, reader has it.
func (d *download) again(err error) error {
	for mayPass(err) {
		d.fruitless++
		if d.fruitless == d.transport.backoff.tries {
			return err
		}
		err = d.askForRest()
	}
	return err
}

func (d *download) askForRest() error {
	_ = d.rest.Close()
	request := d.request.Clone(d.request.Context())
	request.Header.Set("Range", d.missing())
	response, err := d.transport.send(request)
	if err != nil {
		return err
	}
	d.rest, d.reader = response.Body, response.Body
	switch response.StatusCode {
	case http.StatusPartialContent:
		if !strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.read)) {
			return errors.New("the registry sent another part of the blob than it was asked for")
		}
		return nil
	case http.StatusOK: // it does not know ranges
		if _, err := io.CopyN(io.Discard, response.Body, d.read); err != nil {
			return d.transport.broke(d.request, err)
		}
		return nil
	default:
		return refusal(response)
	}
}

// missing is the range of bytes that is still to come. Not every registry
// understands one without an end.
func (d *download) missing() string {
	if d.size < 0 {
		return fmt.Sprintf("bytes=%d-", d.read)
	}
	return fmt.Sprintf("bytes=%d-%d", d.read, d.size-1)
}

// Close implements io.Closer.
func (d *download) Close() error { return d.rest.Close() }
