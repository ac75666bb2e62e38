// Command sitectl ships PHP sites: it makes the commit you are on the running
// site. See the README for the whole picture.
package main

import "os"

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }
