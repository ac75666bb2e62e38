// Command pod plays the part of a site in the bench: it is the only file of
// its images, whose arguments say what it does.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "crash":
		fmt.Fprintln(os.Stderr, "boom: the configuration is missing")
		os.Exit(3)
	case "eat":
		for eaten := [][]byte{}; ; {
			piece := make([]byte, 8<<20)
			for i := range piece {
				piece[i] = 1
			}
			eaten = append(eaten, piece)
		}
	case "flood":
		flood()
	case "serve":
		serve()
	}
}

// flood writes a log of 8 MiB, and answers nobody.
func flood() {
	fmt.Print(strings.Repeat("notice: a debug log that was left on in production\n", 8<<20/51))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGWINCH)
	<-signals
}

// serve answers every path but /nowhere, and ends as Apache does.
func serve() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGWINCH)
	go func() {
		<-signals
		os.Exit(0)
	}()
	http.HandleFunc("/nowhere", http.NotFound)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "served") })
	log.Fatal(http.ListenAndServe(":8080", nil))
}
