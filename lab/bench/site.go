package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path"
	"strings"
)

// site is a made-up PHP site with its packages in the repository, as many are
// that are older than Composer. A site of the same number of files is the same
// on every machine and in every run.
type site struct {
	files []file
}

// file is a file of a site before it is written.
type file struct {
	path string
	kind kind
	size int // in bytes, about
}

type kind int

const (
	class   kind = iota // PHP
	script              // JavaScript, bundled
	style               // CSS
	picture             // does not compress
)

const (
	// vendorShare is the part of the files that are packages of others.
	vendorShare = 0.7
	// Sizes are log-normal: the median and the standard deviation of the
	// logarithm are about those of the PHP files of WordPress and Drupal.
	medianSize = 3500
	sizeSpread = 1.1
	largest    = 256 << 10
)

// pieces are the sizes of the few large files that a site has, a font, a PDF
// and a video, in bytes for each of its other files.
var pieces = []int{100, 200, 400}

func newSite(count int) site {
	p := planner{random: rand.New(rand.NewPCG(1, uint64(count))), taken: map[string]bool{}}
	p.names = newWriter(p.random)
	vendor := int(vendorShare * float64(count))
	for p.count() < vendor {
		p.addPackage(min(30+p.random.IntN(130), vendor-p.count()))
	}
	for i, size := range pieces {
		p.add(fmt.Sprintf("public/media/large-%d.bin", i+1), picture, size*count)
	}
	for i := 0; p.count() < count; i++ {
		p.addOwn(i)
	}
	return site{p.files}
}

// planner decides on the files of a site.
type planner struct {
	random *rand.Rand
	names  *writer
	files  []file
	taken  map[string]bool // paths in lower case: some file systems see no other
}

func (p *planner) count() int { return len(p.files) }

// addPackage adds a package of so many files.
func (p *planner) addPackage(files int) {
	folder := p.free("vendor/"+p.names.invent()+"/"+p.names.invent(), "")
	inner := []string{"src", "src/" + p.title(), "src/" + p.title(), "src/" + p.title() + "/" + p.title(), "tests"}
	for range files {
		below := inner[p.random.IntN(len(inner))]
		p.add(p.free(path.Join(folder, below, p.title()), ".php"), class, p.size())
	}
}

// addOwn adds the nth file that is the site's own.
func (p *planner) addOwn(n int) {
	switch n % 20 {
	case 0:
		p.add(p.free("public/media/"+p.names.invent(), ".png"), picture, 6*p.size())
	case 1:
		p.add(p.free("public/assets/"+p.names.invent(), ".js"), script, 10*p.size())
	case 2:
		p.add(p.free("public/assets/"+p.names.invent(), ".css"), style, 2*p.size())
	default:
		below := []string{"Controller", "Entity", "Form", "Service", "Service/" + p.title()}[p.random.IntN(5)]
		p.add(p.free("src/"+below+"/"+p.title(), ".php"), class, p.size())
	}
}

func (p *planner) add(path string, kind kind, size int) {
	p.files = append(p.files, file{path, kind, size})
}

// free makes a path of which there is none yet.
func (p *planner) free(path, extension string) string {
	for {
		candidate := path + extension
		if !p.taken[strings.ToLower(candidate)] {
			p.taken[strings.ToLower(candidate)] = true
			return candidate
		}
		path += p.names.invent()
	}
}

func (p *planner) title() string {
	name := p.names.invent()
	return strings.ToUpper(name[:1]) + name[1:]
}

func (p *planner) size() int {
	size := medianSize * math.Exp(sizeSpread*p.random.NormFloat64())
	return min(max(int(size), 200), largest)
}

// content writes a file. Another edition of it has the same size, about, and
// nothing else in common.
func (f file) content(edition int) []byte {
	sum := fnv.New64a()
	sum.Write([]byte(f.path))
	w := newWriter(rand.New(rand.NewPCG(sum.Sum64(), uint64(edition))))
	switch f.kind {
	case script:
		w.script(f.size)
	case style:
		w.style(f.size)
	case picture:
		w.picture(f.size)
	default:
		folder, name := path.Split(strings.TrimSuffix(f.path, ".php"))
		w.class(strings.ReplaceAll(strings.Trim(folder, "/"), "/", `\`), name, f.size)
	}
	return w.Bytes()
}

// changedLine is the content of a PHP file in which a line differs from that
// of any other number.
func (f file) changedLine(number int) []byte {
	line := fmt.Sprintf("declare(strict_types=1); // change %d\n", number)
	return []byte(strings.Replace(string(f.content(0)), "declare(strict_types=1);\n", line, 1))
}

// contents are all files and what is in them.
func (s site) contents() contents {
	return func(yield func(string, []byte) bool) {
		for _, f := range s.files {
			if !yield(f.path, f.content(0)) {
				return
			}
		}
	}
}

// own returns a PHP file that is the site's own, another one for each number.
func (s site) own(number int) file {
	const step = 7919 // a prime: the files are all over the site
	for i := number * step; ; i++ {
		if f := s.files[i%len(s.files)]; f.kind == class && strings.HasPrefix(f.path, "src/") {
			return f
		}
	}
}

// packages are the files of others, by package.
func (s site) packages() [][]file {
	var packages [][]file
	for _, f := range s.files {
		if !strings.HasPrefix(f.path, "vendor/") {
			continue
		}
		last := len(packages) - 1
		if last < 0 || packageOf(packages[last][0]) != packageOf(f) {
			packages = append(packages, nil)
			last++
		}
		packages[last] = append(packages[last], f)
	}
	return packages
}

// packageOf is "vendor/one/two".
func packageOf(f file) string { return path.Join(strings.SplitN(f.path, "/", 4)[:3]...) }

// lock lists the packages, of which one is at another version.
func (s site) lock(changed, version int) []byte {
	var text strings.Builder
	text.WriteString("{\n    \"packages\": [\n")
	for i, files := range s.packages() {
		edition := 0
		if i == changed {
			edition = version
		}
		name := strings.TrimPrefix(packageOf(files[0]), "vendor/")
		fmt.Fprintf(&text, "        {\"name\": %q, \"version\": \"1.%d.0\"},\n", name, edition)
	}
	text.WriteString("    ]\n}\n")
	return []byte(text.String())
}
