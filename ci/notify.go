package ci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/sitectl/sitectl/site"
)

// NotifyOptions are what a Notifier works with. The zero value will do.
type NotifyOptions struct {
	Getenv    func(string) string // default: os.Getenv
	Templates []site.OwnFile      // of the site, in its folder .sitectl/notify
	Hidden    *Hidden             // is told the addresses; nil for nobody
	Transport http.RoundTripper   // default: that of the system, with TLS 1.2 and verified
}

// Notifier tells those that a site names, each in order, while the work goes
// on. What goes wrong is told at the end, and is no error.
type Notifier struct {
	targets []*notifyTarget
	end     context.CancelCauseFunc
	work    sync.WaitGroup
}

// notifyTarget is one webhook.
type notifyTarget struct {
	site.Notify
	template []byte // nil for sitectl's own
	address  string
	client   *retryablehttp.Client
	hidden   *Hidden

	notices chan Notice
	failed  []string // what could not be told
}

// waiting is how many notices a target may be behind with: more than a ship
// has.
const waiting = 16

// messageTimeout bounds one message, with all that is tried again.
const messageTimeout = 5 * time.Second

// NewNotifier finds the addresses. One that is not there is told at the end.
func NewNotifier(list []site.Notify, opts NotifyOptions) *Notifier {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	ctx, end := context.WithCancelCause(context.Background())
	n := &Notifier{end: end}
	for _, notify := range list {
		t := &notifyTarget{
			Notify: notify, client: newNotifyClient(opts.Transport), hidden: opts.Hidden, notices: make(chan Notice, waiting),
		}
		if i := slices.IndexFunc(opts.Templates, func(f site.OwnFile) bool { return f.Path == notify.Template }); i >= 0 {
			t.template = opts.Templates[i].Content
		}
		address, err := Address(notify.URLFrom, opts.Getenv)
		if err != nil {
			t.fail(err)
		} else {
			t.address = address
			if opts.Hidden != nil {
				opts.Hidden.Add(address)
			}
		}
		n.targets = append(n.targets, t)
		n.work.Go(func() { t.run(ctx) })
	}
	return n
}

// Send tells those who listen to the event. It does not wait for them.
func (n *Notifier) Send(notice Notice) {
	for _, t := range n.targets {
		if slices.Contains(t.On, notice.Event) {
			select {
			case t.notices <- notice:
			default: // nobody has taken the last ones
			}
		}
	}
}

// Close waits until all is told, but not longer than that, and returns what
// could not be told and why, a line each.
func (n *Notifier) Close(within time.Duration) []string {
	for _, t := range n.targets {
		close(t.notices)
	}
	late := time.AfterFunc(within, func() { n.end(errors.New("there was no more time")) })
	defer late.Stop()
	n.work.Wait()
	n.end(nil)
	var failed []string
	for _, t := range n.targets {
		failed = append(failed, t.failed...)
	}
	return failed
}

// run sends what comes, one message after the other.
func (t *notifyTarget) run(ctx context.Context) {
	for notice := range t.notices {
		if t.address == "" {
			continue // that was said
		}
		if err := t.send(ctx, notice); err != nil {
			t.fail(fmt.Errorf("%s is not told: %w", notice.Event, err))
		}
	}
}

func (t *notifyTarget) fail(err error) {
	t.failed = append(t.failed, t.hidden.In(fmt.Sprintf("notify %s (%s): %v", t.Type, source(t.URLFrom), err)))
}

func source(from site.URLFrom) string {
	if from.Env != "" {
		return "$" + from.Env
	}
	return from.File
}

func (t *notifyTarget) send(ctx context.Context, notice Notice) error {
	document, err := notice.Render(t.Type, t.template)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, messageTimeout, fmt.Errorf("no answer within %s", messageTimeout))
	defer cancel()
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, t.address, document)
	if err != nil {
		return errors.New("its address is none") // which the error would repeat
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "sitectl")
	response, err := t.client.Do(request)
	if err != nil {
		return withoutAddress(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refusal(response, request.URL.RequestURI())
	}
	return nil
}

// refusal has the beginning of what the other side says, for people, and not
// the path, with which anybody could write there.
func refusal(response *http.Response, path string) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	words := strings.Join(strings.Fields(string(bytes.ToValidUTF8(body, nil))), " ")
	words = strings.ReplaceAll(words, path, "***")
	if strings.HasPrefix(words, "<") { // a page of a proxy
		words = ""
	}
	return errors.New(strings.TrimSuffix(response.Status+": "+abridged(words, longestFact), ": "))
}

// withoutAddress takes out of an error the address, which is a secret, and
// says why its context has ended.
func withoutAddress(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// newNotifyClient tries again what may pass: no answer, 429 and 5xx. It sends
// nothing to another host than the one that was named.
func newNotifyClient(transport http.RoundTripper) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: transport, CheckRedirect: sameHost}
	client.Logger = nil
	client.RetryMax = 3
	client.RetryWaitMin, client.RetryWaitMax = 200*time.Millisecond, time.Second
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler // its own words have the address
	return client
}

// sameHost follows a redirect that keeps host, method and message (RFC 9110,
// 15.4.8 and 15.4.9), and takes any other for the answer.
func sameHost(request *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || request.Method != first.Method || request.URL.Host != first.URL.Host || request.URL.Scheme != first.URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// Address reads where a webhook is. Errors do not repeat it.
func Address(from site.URLFrom, getenv func(string) string) (string, error) {
	text := getenv(from.Env)
	if from.File != "" {
		content, err := os.ReadFile(from.File)
		if err != nil {
			return "", fmt.Errorf("read its address: %w", err)
		}
		text = string(content)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", errors.New("there is no address: nobody is told")
	}
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.Scheme != "https" && !isLoopback(address) {
		return "", errors.New("what is there is no address of the form https://…: nobody is told")
	}
	return text, nil
}

// isLoopback says whether an address leads to this machine without TLS.
func isLoopback(address *url.URL) bool {
	ip := net.ParseIP(address.Hostname())
	return address.Scheme == "http" && (address.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
