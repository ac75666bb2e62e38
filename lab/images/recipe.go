package images

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sitectl/sitectl/lab/npm"
)

// recipe is everything an image is made of, apart from the packages' content.
type recipe struct {
	Name  string // repository:tag
	Base  string // name of the image that this one adds a layer to; empty for none
	Suite string // Debian release to bootstrap, where there is no base; empty for an image without Debian

	User     *user         // account the service runs as
	Packages []string      // Debian packages, without what they recommend
	Files    string        // folder below files/ that is copied into the image; empty for none
	NPM      []npm.Package `json:",omitempty"` // unpacked into the image
	Trust    string        `json:",omitempty"` // file of trusted certificates that is copied from this machine; empty for none
	Setup    string        // shell script that runs in the image's root file system at the end
	Config   v1.Config
}

// user is made before the packages are installed: their own scripts then keep
// its number, which is the official image's.
type user struct {
	Name string
	ID   int // of the user and of its group
	Home string
}

//go:embed files scripts pause/main.go
var sources embed.FS

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// recipes lists the images, bases first.
func recipes() []recipe {
	all := []recipe{
		debian(DebianTrixie, "trixie"),
		debian(DebianBookworm, "bookworm"),
		debian(DebianBullseye, "bullseye"),
		{
			Name:   Pause,
			Config: v1.Config{User: "65535:65535", Env: []string{searchPath}, Entrypoint: []string{"/pause"}},
		},
	}
	return slices.Concat(all, services())
}

func debian(name, suite string) recipe {
	return recipe{Name: name, Suite: suite, Config: v1.Config{Env: []string{searchPath}, Cmd: []string{"bash"}}}
}

// key changes with the recipe and with the base, so that the image of an older
// recipe is not taken for this one.
func (r recipe) key(baseKey string) (string, error) {
	description, err := json.Marshal(struct {
		Recipe recipe
		Base   string
		Epoch  int64
	}{r, baseKey, epoch.Unix()})
	if err != nil {
		return "", fmt.Errorf("describe image %s: %w", r.Name, err)
	}
	hash := sha256.New()
	hash.Write(description)
	for _, folder := range r.sources() {
		err := fs.WalkDir(sources, folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := sources.ReadFile(path)
			fmt.Fprintf(hash, "\n%s %d\n%s", path, len(content), content)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read files of image %s: %w", r.Name, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// sources are the embedded files and folders that the image is made with.
func (r recipe) sources() []string {
	if r.Name == Pause {
		return []string{pauseSource}
	}
	folders := []string{"scripts"}
	if r.Files != "" {
		folders = append(folders, "files/"+r.Files)
	}
	return folders
}
