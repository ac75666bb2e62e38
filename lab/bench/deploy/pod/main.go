// Command pod plays the part of a site in the bench: it is the only file of
// its images, whose arguments say what it does.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
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
	case "fill":
		fill(os.Args[2])
	case "serve":
		serve()
	}
}

// fill writes 8 MiB into a file, and answers nobody.
func fill(path string) {
	if err := os.WriteFile(path, make([]byte, 8<<20), 0o600); err != nil {
		log.Fatal(err)
	}
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
