//go:build lab && !long

package main

// dropReplicas are for every day; the long tests have larger sites as well.
var dropReplicas = []int32{1, 3}
