// Package browser looks at the reports of ships in a browser. It is a module of
// its own, because nothing that sitectl or the lab is made of should depend on
// what drives one.
package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReport opens each report: the browser has nothing to complain of, asks
// for nothing but the page, and runs nothing in it.
func TestReport(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			page := open(t, name)
			assert.Empty(t, page.check(t, "harmless"))
			assert.Empty(t, page.check(t, "structure"))
			assert.Empty(t, page.check(t, "isolated"))
			assert.Equal(t, "960px", evaluate[string](t, page, "getComputedStyle(document.body).maxWidth"), "its policy lets its own style in")

			page.openAll(t)
			assert.Empty(t, page.check(t, "inOrder"))
			said, requests := page.heard()
			assert.Empty(t, said)
			assert.Equal(t, []string{page.address}, requests)
		})
	}
}

// TestTheBrowserComplains shows that TestReport would hear of what a page must
// not do.
func TestTheBrowserComplains(t *testing.T) {
	page := open(t, "good")
	evaluate[any](t, page, `document.body.insertAdjacentHTML('beforeend', '<img src="https://example.com/x.png" onerror="alert(1)"><p style="color: red">'); null`)
	require.Eventually(t, func() bool {
		said, _ := page.heard()
		return len(said) >= 2
	}, 10*time.Second, 10*time.Millisecond, "an image and a style")
	assert.Len(t, page.check(t, "harmless"), 3)

	evaluate[any](t, page, `document.querySelector('.pod bdi').textContent += '\u202e\u2066'; null`)
	assert.Len(t, page.check(t, "inOrder"), 2, "a <bdi> does not hold an isolate that is left open")
}

// TestHostileWordsStayText finds the words of others on the page as they are.
func TestHostileWordsStayText(t *testing.T) {
	page := open(t, "hostile")
	page.openAll(t)
	title := evaluate[string](t, page, "document.title")
	text := evaluate[string](t, page, "document.body.innerText")
	for _, words := range []string{
		`</title></style></pre><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>`,
		`" onfocus="alert(4)" autofocus x='`,
	} {
		assert.Contains(t, title, words)
		assert.Contains(t, text, words)
	}
	assert.Contains(t, text, "line 10000 of 10000")
	assert.NotContains(t, text, "line 9000 of 10000")
	assert.Contains(t, text, "9501 earlier lines left out.")
	assert.Zero(t, evaluate[int](t, page, `document.querySelectorAll('a[href^="javascript:"]').length`))
}

// TestWindows looks at each report on a phone and on a desktop, in both color
// schemes: nothing is wider than the window, and all of it can be read.
func TestWindows(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			page := open(t, name)
			for _, width := range []int64{320, 360, 768, 1280} {
				for _, scheme := range []string{"light", "dark"} {
					t.Run(fmt.Sprint(width, scheme), func(t *testing.T) {
						page.window(t, width, 800, scheme)
						page.shoot(t, t.Name())
						page.openAll(t)
						page.shoot(t, t.Name()+"-open")
						assert.Empty(t, page.check(t, "wide"))
						assert.Empty(t, page.check(t, "contrast"))
					})
				}
			}
		})
	}
}

// TestKeyboard goes through each report with the Tab key alone.
func TestKeyboard(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			page := open(t, name)
			page.window(t, 1280, 800, "light")
			page.openAll(t)
			stops := page.check(t, "stops")
			require.NotEmpty(t, stops)
			assert.Equal(t, "a.skip", stops[0])
			for i, want := range stops {
				require.NoError(t, chromedp.Do(page, chromedp.KeyEvent(kb.Tab)))
				got := evaluate[struct {
					Stop int    `json:"stop"`
					Name string `json:"name"`
					Seen bool   `json:"seen"`
				}](t, page, "checks.focused()")
				require.Equal(t, i, got.Stop, "%s, and not %s", got.Name, want)
				assert.True(t, got.Seen, "the focus on %s", want)
			}
		})
	}
}

// TestKeys uses what the Tab key has reached.
func TestKeys(t *testing.T) {
	page := open(t, "good")
	require.NoError(t, chromedp.Do(page, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter)))
	assert.Equal(t, "main", evaluate[string](t, page, "document.activeElement.localName"), "where the skip link leads")

	evaluate[any](t, page, "document.querySelector('summary').focus(); null")
	for _, key := range []string{kb.Enter, " "} {
		before := evaluate[bool](t, page, "document.querySelector('details').open")
		require.NoError(t, chromedp.Do(page, chromedp.KeyEvent(key)))
		assert.Equal(t, !before, evaluate[bool](t, page, "document.querySelector('details').open"))
	}
}

// TestPrint prints a report: what is folded and short is there, what is for
// screens is not.
func TestPrint(t *testing.T) {
	page := open(t, "good")
	call(t, page, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	assert.Equal(t, "none", evaluate[string](t, page, "getComputedStyle(document.querySelector('nav')).display"))
	assert.NotZero(t, evaluate[float64](t, page, "document.querySelector('details.prints .inside').getBoundingClientRect().height"))
	assert.True(t, evaluate[bool](t, page, "document.querySelector('details.prints .inside').checkVisibility({contentVisibilityAuto: true})"))
	paper, err := chromedp.Run(page, chromedp.PrintToPDF())
	require.NoError(t, err)
	assert.Equal(t, "%PDF", string(paper[:4]))
}
