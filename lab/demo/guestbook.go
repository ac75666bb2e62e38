package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/sitectl/sitectl/lab/load"
)

// guestbook is testdata/sites/guestbook.
type guestbook struct {
	files fs.FS
	entry string // path of the entry that prepare made
}

func (g *guestbook) address() string { return "guestbook.localhost" }

func (g *guestbook) write(_ context.Context, folder string) error { return os.CopyFS(folder, g.files) }

const guestbookGreeting = "Shipped while you were reading: leave a line, and a picture if you like."

func (g *guestbook) change() edit {
	return edit{
		file: "views/front.php",
		old:  "Leave a line, and a picture if you like.",
		new:  guestbookGreeting,
	}
}

var (
	entryPath   = regexp.MustCompile(`^/entries/\d+$`)
	picturePath = regexp.MustCompile(`/uploads/[0-9a-f]+\.png`)
)

// prepare signs the guestbook with a picture and reads both back.
func (g *guestbook) prepare(ctx context.Context, b *browser) error {
	const message = "Hello from the demo: <b>this</b> is \"text\"."
	form, contentType, err := signature("Demo", message, onePixel())
	if err != nil {
		return err
	}
	answer, err := b.send(ctx, http.MethodPost, "/entries", http.Header{"Content-Type": {contentType}}, form)
	if err != nil {
		return err
	}
	if err := entryCreated(answer); err != nil {
		return fmt.Errorf("sign the guestbook: %w", err)
	}
	g.entry = answer.Header.Get("Location")
	answer, err = b.get(ctx, g.entry, load.Page("&lt;b&gt;this&lt;/b&gt;"))
	if err != nil {
		return err
	}
	picture := picturePath.FindString(answer.Body)
	if picture == "" {
		return fmt.Errorf("%s shows no picture", g.entry)
	}
	_, err = b.get(ctx, picture, load.Page(string(onePixel())))
	return err
}

// request is, of ten, a new entry, two pages that are never cached, and for
// the rest the front page.
func (g *guestbook) request(n int) load.Request {
	switch {
	case n%10 == 0:
		return load.Request{
			Method: http.MethodPost, Path: "/entries", Right: entryCreated,
			Form: url.Values{"name": {"Load"}, "message": {fmt.Sprintf("request %d", n)}},
		}
	case n%10 == 3:
		return load.Request{Method: http.MethodGet, Path: "/release", Right: load.Page()}
	case n%10 == 7:
		return load.Request{Method: http.MethodGet, Path: g.entry, Right: load.Page("Hello from the demo", "</html>")}
	default:
		return load.Request{Method: http.MethodGet, Path: "/", Right: load.Page("<title>Guestbook</title>", "</html>")}
	}
}

func (g *guestbook) verify(ctx context.Context, b *browser, tag string) error {
	answer, err := b.get(ctx, "/release", load.Page())
	if err != nil {
		return err
	}
	if running := strings.TrimSpace(answer.Body); running != tag {
		return fmt.Errorf("/release answers %q instead of %q", running, tag)
	}
	_, err = b.get(ctx, "/", load.Page(guestbookGreeting))
	return err
}

func entryCreated(r load.Response) error {
	if r.Status != http.StatusSeeOther || !entryPath.MatchString(r.Header.Get("Location")) {
		return load.StatusError(r)
	}
	return nil
}

// signature is the guestbook's form, filled in.
func signature(name, message string, picture []byte) (body []byte, contentType string, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("name", name); err != nil {
		return nil, "", err
	}
	if err := w.WriteField("message", message); err != nil {
		return nil, "", err
	}
	part, err := w.CreateFormFile("picture", "demo.png")
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(picture); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return form.Bytes(), w.FormDataContentType(), nil
}

// onePixel is a PNG file.
func onePixel() []byte {
	const encoded = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	picture, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		panic(err) // a constant
	}
	return picture
}
