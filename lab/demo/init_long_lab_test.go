//go:build lab && long

package main

// furtherInitSites are the other sample sites.
var furtherInitSites = []initCode{
	{name: "bedrock", write: sampleCode("bedrock"), page: "/"},
	{name: "brochure", write: sampleCode("brochure"), page: "/", shows: []string{"Brochure"}},
	{name: "composer", write: sampleCode("composer"), page: "/some/page", shows: []string{"Installed"}},
	{name: "grav", write: sampleCode("grav"), page: "/about", shows: []string{"Two pages and no database"}},
}
