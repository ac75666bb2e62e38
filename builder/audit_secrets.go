package builder

import (
	"archive/tar"
	"bytes"
	"strings"
)

// minSecret is the length below which a secret is found everywhere by chance,
// in bytes.
const minSecret = 8

// secretSearch looks for secrets in what is written to it, also for those that
// begin in one write and end in another.
type secretSearch struct {
	secrets [][]byte
	longest int
	tail    []byte // the end of what was written, shorter than the longest
	joint   []byte // reused
	hit     bool
}

func newSecretSearch(secrets [][]byte) *secretSearch {
	s := &secretSearch{}
	for _, secret := range secrets {
		// A file with a token ends in a line break; where the token went, it
		// does not.
		secret = bytes.TrimSpace(secret)
		if len(secret) >= minSecret {
			s.secrets = append(s.secrets, secret)
			s.longest = max(s.longest, len(secret))
		}
	}
	return s
}

// Write implements io.Writer.
func (s *secretSearch) Write(p []byte) (int, error) {
	for _, secret := range s.secrets {
		s.hit = s.hit || bytes.Contains(p, secret) || s.across(secret, p)
	}
	keep := max(s.longest-1, 0)
	s.tail = append(s.tail, p[max(len(p)-keep, 0):]...)
	s.tail = append(s.tail[:0], s.tail[max(len(s.tail)-keep, 0):]...)
	return len(p), nil
}

// across tells whether a secret begins in what was written before and ends in
// p. One that ended before is not found again: it would seem to be in the next
// file.
func (s *secretSearch) across(secret, p []byte) bool {
	part := len(secret) - 1
	s.joint = append(s.joint[:0], s.tail[max(len(s.tail)-part, 0):]...)
	s.joint = append(s.joint, p[:min(len(p), part)]...)
	return bytes.Contains(s.joint, secret)
}

// found tells whether a secret came by since the last call.
func (s *secretSearch) found() bool {
	hit := s.hit
	s.hit = false
	return hit
}

func (s *secretSearch) in(text []byte) bool {
	for _, secret := range s.secrets {
		if bytes.Contains(text, secret) {
			return true
		}
	}
	return false
}

func (s *secretSearch) inText(text string) bool { return s.longest > 0 && s.in([]byte(text)) }

// inHeader looks at what an archive says about a file, which may be spread
// over several fields there.
func (s *secretSearch) inHeader(header *tar.Header) bool {
	for key, value := range header.PAXRecords {
		if s.inText(key) || s.inText(value) {
			return true
		}
	}
	return s.inText(header.Name) || s.inText(header.Linkname) || s.inText(header.Uname) || s.inText(header.Gname)
}

// mask takes secrets out of a text.
func (s *secretSearch) mask(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, string(secret), "***")
	}
	return text
}
