package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The digest may change with the generator, and then figures of before cannot
// be compared with those of after.
func TestSiteIsTheSameEverywhere(t *testing.T) {
	sum := sha256.New()
	for path, content := range newSite(300).contents() {
		sum.Write([]byte(path + "\x00"))
		sum.Write(content)
	}
	assert.Equal(t, "d9094ea3c149c3548ad5653dcd8192038441731bbb4c4219462fb3b41b73fe85", hex.EncodeToString(sum.Sum(nil)))
}

func TestSiteLooksLikeOne(t *testing.T) {
	const count = 2000
	s := newSite(count)
	require.Len(t, s.files, count)
	seen := map[string]bool{}
	var total, vendor int
	code := map[bool]int64{} // by whether it is compressed
	for path, content := range s.contents() {
		require.False(t, seen[strings.ToLower(path)], path)
		seen[strings.ToLower(path)] = true
		total += len(content)
		if strings.HasPrefix(path, "vendor/") {
			vendor++
		}
		if strings.HasSuffix(path, ".php") {
			code[false] += int64(len(content))
			code[true] += compressed(t, content)
		}
	}
	assert.InDelta(t, 0.7*count, vendor, 1)
	assert.InDelta(t, 8500, total/count, 1500, "bytes of a file")
	assert.InDelta(t, 3, float64(code[false])/float64(code[true]), 0.7, "code compresses like code, each file by itself")
}

func compressed(t *testing.T, content []byte) int64 {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	_, err := zipped.Write(content)
	require.NoError(t, err)
	require.NoError(t, zipped.Close())
	return int64(out.Len())
}

func TestChangedLine(t *testing.T) {
	s := newSite(300)
	assert.NotEqual(t, s.own(1), s.own(2))
	f := s.own(7)
	before, after := strings.Split(string(f.content(0)), "\n"), strings.Split(string(f.changedLine(7)), "\n")
	require.Len(t, after, len(before))
	var changed []string
	for i := range before {
		if before[i] != after[i] {
			changed = append(changed, after[i])
		}
	}
	assert.Equal(t, []string{"declare(strict_types=1); // change 7"}, changed)
}

func TestPackages(t *testing.T) {
	s := newSite(1000)
	packages := s.packages()
	require.Greater(t, len(packages), 3)
	files := 0
	for _, each := range packages {
		files += len(each)
	}
	assert.Equal(t, 700, files)
	first := packages[0][0]
	assert.NotEqual(t, first.content(0), first.content(1))
	before, after := strings.Split(string(s.lock(2, 0)), "\n"), strings.Split(string(s.lock(2, 5)), "\n")
	require.Len(t, after, len(before))
	for i := range before {
		assert.Equal(t, i != 4, before[i] == after[i], "line %d", i)
	}
}
