package browser

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var screenshots = flag.String("screenshots", "", "write what the pages look like to this `folder`")

//go:embed checks.js
var checks string

// reports are the pages that the tests of cmd/sitectl keep.
const reports = "../../cmd/sitectl/testdata/report"

// browser is a context with a Chromium of its own for all tests.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	program, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "chromium is missing: apt-get install chromium, or make browser")
		return 1
	}
	profile, err := os.MkdirTemp("", "sitectl-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(profile)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.DisableGPU,
		chromedp.NoSandbox, // it refuses to be root's otherwise; the pages are our own
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	var cancel context.CancelFunc
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "start chromium:", err)
		return 1
	}
	return m.Run()
}

// tab is a page that is open, and what the browser has said of it.
type tab struct {
	context.Context
	address string

	mutex    sync.Mutex
	said     []string // errors, warnings, violations of the page's policy, dialogs
	requests []string
}

// open opens a report, by the name of its golden file.
func open(t *testing.T, name string) *tab {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(reports)))
	t.Cleanup(server.Close)
	tab := &tab{address: server.URL + "/" + name + ".golden.html"}
	var cancel context.CancelFunc
	tab.Context, cancel = chromedp.NewContext(browser)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Listen(tab, tab.listen))
	call(t, tab, audits.Enable, cdp.Empty{})
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(tab.address)))
	evaluate[any](t, tab, checks+"; null")
	return tab
}

func (p *tab) listen(event any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch event := event.(type) {
	case *log.EventEntryAdded:
		p.said = append(p.said, event.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		p.said = append(p.said, fmt.Sprintf("console.%s", event.Type))
	case *runtime.EventExceptionThrown:
		p.said = append(p.said, event.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		p.said = append(p.said, fmt.Sprintf("%s: %+v", event.Issue.Code, event.Issue.Details))
	case *page.EventJavascriptDialogOpening:
		p.said = append(p.said, "dialog: "+event.Message)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, event.Request.URL)
	}
}

// heard is what the browser has said, and asked for, until now.
func (p *tab) heard() (said, requests []string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.said, p.requests
}

// window sets the size of the window, and whether the person likes it dark.
func (p *tab) window(t *testing.T, width, height int64, scheme string) {
	t.Helper()
	require.NoError(t, chromedp.Do(p, chromedp.EmulateViewport(width, height)))
	call(t, p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// check runs one of checks.js: what it finds wrong.
func (p *tab) check(t *testing.T, name string) []string {
	t.Helper()
	return evaluate[[]string](t, p, "checks."+name+"()")
}

func (p *tab) openAll(t *testing.T) {
	t.Helper()
	evaluate[any](t, p, "checks.openAll(); null")
}

// shoot keeps what the page looks like, if somebody wants to see it.
func (p *tab) shoot(t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	picture, err := chromedp.Run(p, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	file := strings.ReplaceAll(strings.TrimPrefix(name, "Test"), "/", "-") + ".png"
	require.NoError(t, os.WriteFile(filepath.Join(*screenshots, file), picture, 0o600))
}

func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err)
	return value
}

func call[P, R any](t *testing.T, ctx context.Context, command cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(ctx, command, params)
	require.NoError(t, err)
}

// names are those of all reports.
func names(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(reports, "*.golden.html"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".golden.html"))
	}
	return names
}
