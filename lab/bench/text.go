package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// writer writes text that looks like code. gzip makes a third to a quarter of
// it, as of PHP: names come back within a file, and forms between files.
type writer struct {
	bytes.Buffer
	random *rand.Rand
	names  []string // that this file is about
}

// syllables make the names. Real words would do no better.
var syllables = strings.Fields(`
	a ab ac al am an ar at be ca ce co con cre da de di do ed el en er es ex fac fi for ga ge ha he hi ho im in ing ion is it
	je ka la le li lo ma me men mi mo na ne ni no nu ob of on or pa per pi po pre pro qua ra re ri ro sa se ser si so sta sub
	ta te ter ti tion to tra tri un up ur va ve ver vi vo we wi xe ya ze`)

// namesPerFile is how many names a file uses: fewer make it compress better.
const namesPerFile = 60

func newWriter(random *rand.Rand) *writer {
	w := &writer{random: random}
	for range namesPerFile {
		w.names = append(w.names, w.invent())
	}
	return w
}

// invent makes up a name, in lower case.
func (w *writer) invent() string {
	var name strings.Builder
	for range 2 + w.random.IntN(3) {
		name.WriteString(syllables[w.random.IntN(len(syllables))])
	}
	return name.String()
}

// word is a name of this file; some are used much more than others.
func (w *writer) word() string {
	return w.names[min(w.random.IntN(len(w.names)), w.random.IntN(len(w.names)))]
}

func (w *writer) title() string {
	word := w.word()
	return strings.ToUpper(word[:1]) + word[1:]
}

func (w *writer) sentence() string {
	words := make([]string, 4+w.random.IntN(9))
	for i := range words {
		// Prose is not as repetitive as names are.
		if words[i] = w.word(); w.random.IntN(2) == 0 {
			words[i] = w.invent()
		}
	}
	return strings.ToUpper(words[0][:1]) + strings.Join(words, " ")[1:] + "."
}

// class writes a PHP class until the file has the size.
func (w *writer) class(namespace, name string, size int) {
	fmt.Fprintf(w, "<?php\n\ndeclare(strict_types=1);\n\nnamespace %s;\n\n", namespace)
	for range 2 + w.random.IntN(4) {
		fmt.Fprintf(w, "use %s\\%s\\%s;\n", w.title(), w.title(), w.title())
	}
	fmt.Fprintf(w, "\n/**\n * %s\n *\n * @author %s %s <%s@example.com>\n */\nfinal class %s extends %s\n{\n", w.sentence(), w.title(), w.title(), w.word(), name, w.title())
	for w.Len() < size-2 {
		w.method()
	}
	w.WriteString("}\n")
}

func (w *writer) method() {
	argument, result := w.word(), w.title()
	fmt.Fprintf(w, "    /**\n     * %s\n     *\n     * @param array<string, %s> $%s %s\n     */\n", w.sentence(), result, argument, w.sentence())
	fmt.Fprintf(w, "    public function %s%s(array $%s, ?%s $%s = null): %s\n    {\n", w.word(), w.title(), argument, w.title(), w.word(), result)
	for range 1 + w.random.IntN(6) {
		w.statement(argument)
	}
	fmt.Fprintf(w, "\n        return $this->%s;\n    }\n\n", w.word())
}

func (w *writer) statement(argument string) {
	switch w.random.IntN(5) {
	case 0:
		fmt.Fprintf(w, "        if (!isset($%s['%s'])) {\n            throw new %sException(sprintf('%s: %%s', $%s));\n        }\n", argument, w.word(), w.title(), w.sentence(), argument)
	case 1:
		fmt.Fprintf(w, "        foreach ($this->%s as $key => $%s) {\n            $%s[$key] = $%s->%s(%d);\n        }\n", w.word(), w.word(), argument, w.word(), w.word(), w.random.IntN(5000))
	case 2:
		fmt.Fprintf(w, "        $%s = new %s($%s['%s'] ?? '%s', self::%s);\n", w.word(), w.title(), argument, w.word(), w.invent(), strings.ToUpper(w.word()))
	case 3:
		fmt.Fprintf(w, "        // %s\n", w.sentence())
	default:
		fmt.Fprintf(w, "        $this->%s = $%s->%s('%s', $this->%s());\n", w.word(), argument, w.word(), w.invent(), w.word())
	}
}

// script writes JavaScript as a bundler leaves it, with hardly a line feed.
func (w *writer) script(size int) {
	for w.Len() < size {
		fmt.Fprintf(w, "function %s(t,e){var n=t.%s||%d;return e.%s(\"%s\",n)?this.%s(n):t}", w.invent(), w.word(), w.random.IntN(9000), w.word(), w.sentence(), w.word())
	}
	w.WriteByte('\n')
}

// style writes CSS.
func (w *writer) style(size int) {
	for w.Len() < size {
		fmt.Fprintf(w, ".%s-%s > .%s {\n  margin: %dpx %dpx;\n  color: #%06x;\n  font-family: \"%s\", sans-serif;\n}\n\n", w.word(), w.word(), w.invent(), w.random.IntN(60), w.random.IntN(60), w.random.IntN(1<<24), w.title())
	}
}

// picture writes what does not compress.
func (w *writer) picture(size int) {
	w.WriteString("\x89PNG\r\n\x1a\n")
	for w.Len() < size {
		w.Write(binary.LittleEndian.AppendUint64(nil, w.random.Uint64()))
	}
}
