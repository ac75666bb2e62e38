package site

// Image is a pushed image of one commit.
type Image struct {
	Repository string `json:"repository"` // "registry.example.com/agency/example-com"
	Tag        string `json:"tag"`        // the commit's short SHA
	Digest     string `json:"digest"`     // "sha256:…" of what was pushed
	Commit     Commit `json:"commit"`
}

// Reference is what every pod template names: repo:tag@sha256:…. The digest
// decides what runs; the tag is for the people who read it.
func (i Image) Reference() string { return i.Repository + ":" + i.Tag + "@" + i.Digest }
