//go:build lab && !long

package main

var furtherInitSites []initCode
