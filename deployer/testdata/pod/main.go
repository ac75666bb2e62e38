// Command pod plays the part of a site in the lab tests: it is the only file
// of their images.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, argument := range os.Args[1:] {
		verb, value, _ := strings.Cut(argument, "=")
		do(verb, value)
	}
}

// do does one thing; a pod does those of its arguments one after the other.
func do(verb, value string) {
	switch verb {
	case "serve":
		go stop()
		log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(page)))
	case "hang":
		stop()
	case "echo":
		fmt.Println(value)
	case "long":
		length, err := strconv.Atoi(value)
		check(err)
		fmt.Println(strings.Repeat("x", length))
	case "write":
		check(os.WriteFile(value, []byte("written by "+value+"\n"), 0o644))
	case "cat":
		content, err := os.ReadFile(value)
		check(err)
		fmt.Println(string(content))
	case "sleep":
		duration, err := time.ParseDuration(value)
		check(err)
		time.Sleep(duration)
	case "exit":
		code, err := strconv.Atoi(value)
		check(err)
		os.Exit(code)
	}
}

// page shows which release answers and what it was given as files.
func page(w http.ResponseWriter, _ *http.Request) {
	for _, file := range []string{"/config/release/commit", "/config/site/url", "/secrets/smtp/password"} {
		content, err := os.ReadFile(file)
		if err != nil {
			content = []byte("none")
		}
		fmt.Fprintf(w, "%s: %s\n", file, content)
	}
}

// stop waits for the signal that ends a pod.
func stop() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGWINCH)
	<-signals
	os.Exit(0)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
