package site

import "time"

// Commit is the state of the repository that is shipped.
type Commit struct {
	SHA     string    `json:"sha"`     // full object name
	Tag     string    `json:"tag"`     // image tag: `git rev-parse --short HEAD`, or with "-dirty-<tree>" for a working tree that differs
	Tree    string    `json:"tree"`    // object name of the tree that is built
	Time    time.Time `json:"time"`    // committer's time, UTC
	Author  string    `json:"author"`  // name of the author
	Subject string    `json:"subject"` // first line of the message
	Dirty   bool      `json:"dirty,omitempty"`
}
