//go:build lab && long

package main

var dropReplicas = []int32{1, 3, 10}
