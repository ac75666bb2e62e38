//go:build lab && long

package main

// kills is how many ships TestKill stops.
const kills = 50
