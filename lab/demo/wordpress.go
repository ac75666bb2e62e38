package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/lab/load"
)

// wordpress is WordPress from Debian's packages with testdata/sites/wordpress
// on top.
type wordpress struct {
	files      fs.FS
	kubeconfig string
	post       string // path of the post that prepare published
	title      string // its title
}

func (w *wordpress) address() string { return "wordpress.localhost" }

func (w *wordpress) write(ctx context.Context, folder string) error {
	if err := writeWordPress(ctx, folder); err != nil {
		return err
	}
	return os.CopyFS(folder, w.files)
}

// writeWordPress writes the WordPress of Debian's packages into a folder, as
// upstream releases it: complete in itself, and not configured.
func writeWordPress(ctx context.Context, folder string) error {
	packages, err := packagesOf("wordpress",
		"wordpress", "wordpress-theme-twentytwentyfive",
		// What WordPress links to in the rest of the system.
		"ca-certificates", "libjs-cropper", "libjs-lodash", "libjs-underscore", "php-getid3")
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "sitectl-demo-wordpress-")
	if err != nil {
		return err
	}
	err = packages.extract(ctx, root)
	if err == nil {
		err = writeCertificates(root)
	}
	if err == nil {
		// The two files left out configure Debian's own way to run it.
		err = copyTree(root, "usr/share/wordpress", folder, []string{".htaccess", "wp-config.php"})
	}
	return errors.Join(err, os.RemoveAll(root))
}

// writeCertificates does what the package ca-certificates does when it is
// installed: it puts all certificates into one file.
func writeCertificates(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "usr/share/ca-certificates/mozilla/*.crt"))
	if err != nil {
		return err
	}
	var bundle []byte
	for _, file := range files {
		certificate, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		bundle = append(bundle, certificate...)
	}
	target := filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, bundle, 0o644)
}

const wordpressGreeting = "Shipped by sitectl while you were reading."

func (w *wordpress) change() edit {
	return edit{
		file: "wp-content/mu-plugins/demo.php",
		old:  "Shipped by sitectl.",
		new:  wordpressGreeting,
	}
}

// prepare uploads a picture, publishes a post that shows it, and reads both
// as a visitor.
func (w *wordpress) prepare(ctx context.Context, b *browser) error {
	author, err := w.logIn(ctx, b)
	if err != nil {
		return fmt.Errorf("log in to WordPress: %w", err)
	}
	picture, err := author.create(ctx, "media", http.Header{
		"Content-Type":        {"image/png"},
		"Content-Disposition": {`attachment; filename="demo.png"`},
	}, onePixel())
	if err != nil {
		return err
	}
	w.title = "A post of " + time.Now().Format(time.DateTime)
	post, err := json.Marshal(map[string]string{
		"title": w.title, "status": "publish",
		"content": `<p>Hello from the demo.</p><img src="` + picture.Source + `" alt="">`,
	})
	if err != nil {
		return err
	}
	created, err := author.create(ctx, "posts", http.Header{"Content-Type": {"application/json"}}, post)
	if err != nil {
		return err
	}
	return w.read(ctx, b, created, picture)
}

// read reads the post and its picture, which have to come through Varnish.
func (w *wordpress) read(ctx context.Context, visitor *browser, post, picture wordpressObject) error {
	link, err := url.Parse(post.Link)
	if err != nil {
		return err
	}
	w.post = link.Path
	answer, err := visitor.get(ctx, w.post, load.Page(w.title, picture.Source, "Hello from the demo"))
	if err != nil {
		return err
	}
	if answer.Header.Get("X-Varnish") == "" {
		return fmt.Errorf("GET %s: the answer did not come through Varnish", w.post)
	}
	source, err := url.Parse(picture.Source)
	if err != nil {
		return err
	}
	_, err = visitor.get(ctx, source.Path, load.Page(string(onePixel())))
	return err
}

// request is, of sixteen, one search that no cache has seen before, four
// times the post, and for the rest the front page.
func (w *wordpress) request(n int) load.Request {
	switch {
	case n%16 == 7:
		return load.Request{Method: http.MethodGet, Path: fmt.Sprintf("/?s=%d-%d", os.Getpid(), n), Right: load.Page("Shipped by sitectl", "</html>")}
	case n%4 == 1:
		return load.Request{Method: http.MethodGet, Path: w.post, Right: load.Page(w.title, "Shipped by sitectl", "</html>")}
	default:
		return load.Request{Method: http.MethodGet, Path: "/", Right: load.Page("Shipped by sitectl", "</html>")}
	}
}

func (w *wordpress) verify(ctx context.Context, b *browser, tag string) error {
	_, err := b.get(ctx, w.post, load.Page(w.title, wordpressGreeting, "<code>"+tag+"</code>"))
	return err
}

// wordpressAuthor is a browser with a login, and the token that WordPress
// wants with each change.
type wordpressAuthor struct {
	browser *browser
	nonce   string
}

// logIn logs the administrator in who was created with the site, in a new
// browser that visits the same site as b.
func (w *wordpress) logIn(ctx context.Context, b *browser) (wordpressAuthor, error) {
	password, err := w.adminPassword(ctx)
	if err != nil {
		return wordpressAuthor{}, err
	}
	author, err := b.another()
	if err != nil {
		return wordpressAuthor{}, err
	}
	// The first answer has the cookie by which WordPress knows that there
	// are cookies.
	if _, err := author.get(ctx, "/wp-login.php", load.Page("loginform")); err != nil {
		return wordpressAuthor{}, err
	}
	form := url.Values{"log": {"admin"}, "pwd": {password}, "testcookie": {"1"}}
	answer, err := author.send(ctx, http.MethodPost, "/wp-login.php",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if err != nil {
		return wordpressAuthor{}, err
	}
	if answer.Status != http.StatusFound {
		return wordpressAuthor{}, load.StatusError(answer)
	}
	answer, err = author.get(ctx, "/wp-admin/admin-ajax.php?action=rest-nonce", load.Page())
	return wordpressAuthor{browser: author, nonce: answer.Body}, err
}

// adminPassword reads the password that sitectl has made up for the site.
func (w *wordpress) adminPassword(ctx context.Context) (string, error) {
	client, err := newClient(w.kubeconfig)
	if err != nil {
		return "", err
	}
	secret, err := client.CoreV1().Secrets(namespace(w.address())).Get(ctx, "wordpress", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(secret.Data["admin-password"]), nil
}

// wordpressObject is a post or an upload in WordPress's REST interface.
type wordpressObject struct {
	Link   string `json:"link"`       // where visitors find it
	Source string `json:"source_url"` // the file of an upload
}

// create creates an object of a kind: "posts" or "media".
func (a wordpressAuthor) create(ctx context.Context, kind string, header http.Header, body []byte) (wordpressObject, error) {
	header.Set("X-WP-Nonce", strings.TrimSpace(a.nonce))
	answer, err := a.browser.send(ctx, http.MethodPost, "/wp-json/wp/v2/"+kind, header, body)
	if err != nil {
		return wordpressObject{}, err
	}
	if answer.Status != http.StatusCreated {
		return wordpressObject{}, fmt.Errorf("create %s in WordPress: %w", kind, load.StatusError(answer))
	}
	var created wordpressObject
	if err := json.Unmarshal([]byte(answer.Body), &created); err != nil {
		return wordpressObject{}, fmt.Errorf("create %s in WordPress: %w", kind, err)
	}
	return created, nil
}
